"""Reading bit fields and Exp-Golomb numbers from a NAL unit (H.264 §7.2, §9.1; H.265 §7.2, §9.2).

Owns `BitReader`. Invariants: emulation prevention bytes are removed first; reading past the end raises
`OutOfBits`, never IndexError; work is bounded by the bytes given.
"""

from __future__ import annotations


class OutOfBits(ValueError):
    """The field lies behind the end of the data, or a number is absurdly long."""


class BitReader:
    """Reads one NAL unit from its header byte on; at most `most_bytes` of it are looked at."""

    def __init__(self, nal: bytes, *, skip_bytes: int, most_bytes: int = 1024) -> None:
        raw = nal[:most_bytes].replace(b"\0\0\3", b"\0\0")[skip_bytes:]
        self._value = int.from_bytes(raw, "big")
        self._left = len(raw) * 8

    def bits(self, count: int) -> int:
        """Read `count` bits as an unsigned number."""
        if count > self._left:
            raise OutOfBits("the parameter set is cut short")
        self._left -= count
        return (self._value >> self._left) & ((1 << count) - 1)

    def flag(self) -> bool:
        """Read one bit."""
        return self.bits(1) == 1

    def unsigned(self) -> int:
        """Read ue(v)."""
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 31:
                raise OutOfBits("a number of the parameter set is too long")
        return (1 << zeros) - 1 + self.bits(zeros)

    def signed(self) -> int:
        """Read se(v)."""
        number = self.unsigned()
        return (number + 1) // 2 if number % 2 else -(number // 2)
