"""Putting UDP packets back in order (RFC 3550 §5.1): a small buffer by sequence number.

Owns `Reorder`. Pure. Invariants: what comes in order passes at once and is never copied; at most
`MOST_HELD` packets wait, none longer than `LONGEST_NS` (give or take a read); a packet is handed on once and
none is invented, so that loss is counted where it is counted for TCP, too: by the gaps of what comes out.
"""

from __future__ import annotations

MOST_HELD = 64
"""About a twentieth of a second of 15 Mbit/s: a network that swaps packets further apart is broken."""
LONGEST_NS = 100_000_000
FAR = 0x8000


def _first(packets: list[bytes]) -> int:
    """Return the lowest sequence number of a stream's first packets, seen from any of them."""
    numbers = [packet[2] << 8 | packet[3] for packet in packets]
    return min(numbers, key=lambda number: (number - numbers[0] + FAR) & 0xFFFF)


class Reorder:
    """Sorts the packets of one track; each holds at least a sequence number (4 bytes)."""

    def __init__(self) -> None:
        self._next = self._anew = -1
        self._held: dict[int, bytes] = {}
        self._since_ns = 0
        self.early = 0
        """Packets that had to wait for others before them."""

    def take(self, packets: list[bytes], now_ns: int) -> list[bytes]:
        """Return what may be handed on now, in order; late and repeated packets come out as they are."""
        out: list[bytes] = []
        if self._next < 0 and packets:
            self._next = _first(packets)
        for packet in packets:
            sequence = packet[2] << 8 | packet[3]
            if sequence == self._next:
                out.append(packet)
                self._next = (sequence + 1) & 0xFFFF
                if self._held:
                    self._follow(out)
            elif (sequence - self._next) & 0xFFFF >= FAR:
                self._late(sequence)
                out.append(packet)
            else:
                self._hold(sequence, packet, now_ns)
                if len(self._held) > MOST_HELD:
                    self._give_up(out)
        return out + self.look(now_ns) if self._held else out

    def look(self, now_ns: int) -> list[bytes]:
        """Return what waited for a packet that will not come any more."""
        out: list[bytes] = []
        if self._held and now_ns - self._since_ns > LONGEST_NS:
            self._give_up(out)
            self._since_ns = now_ns  # what waits now waits for another one
        return out

    def _late(self, sequence: int) -> None:
        """Note a late or repeated packet; two that follow each other are a camera that counts anew."""
        if sequence == self._anew and not self._held:
            self._next = (sequence + 1) & 0xFFFF
        self._anew = (sequence + 1) & 0xFFFF

    def _hold(self, sequence: int, packet: bytes, now_ns: int) -> None:
        if not self._held:
            self._since_ns = now_ns
        self._held.setdefault(sequence, packet)

    def _follow(self, out: list[bytes]) -> None:
        """Hand on what waited right behind."""
        while (packet := self._held.pop(self._next, None)) is not None:
            out.append(packet)
            self.early += 1
            self._next = (self._next + 1) & 0xFFFF

    def _give_up(self, out: list[bytes]) -> None:
        """Go on behind the gap: the missing packets are lost."""
        self._next = min(self._held, key=lambda sequence: (sequence - self._next) & 0xFFFF)
        self._follow(out)
