"""Writing parameter sets by hand, bit by bit."""

from __future__ import annotations


class BitWriter:
    """Writes SPS fields by hand."""

    def __init__(self) -> None:
        self.text = ""

    def u(self, value: int, count: int) -> BitWriter:
        self.text += f"{value:0{count}b}" if count else ""
        return self

    def ue(self, *values: int) -> BitWriter:
        for value in values:
            digits = f"{value + 1:b}"
            self.text += "0" * (len(digits) - 1) + digits
        return self

    def se(self, *values: int) -> BitWriter:
        return self.ue(*(2 * value - 1 if value > 0 else -2 * value for value in values))

    def nal(self, head: bytes) -> bytes:
        text = self.text + "1"
        text += "0" * (-len(text) % 8)
        raw = bytes(int(text[at : at + 8], 2) for at in range(0, len(text), 8))
        out, zeros = bytearray(), 0
        for byte in raw:
            if zeros >= 2 and byte <= 3:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = zeros + 1 if byte == 0 else 0
        return head + bytes(out)
