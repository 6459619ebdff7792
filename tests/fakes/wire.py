"""A socket that remembers what it was given, and can be full."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.live.sender import Outlet


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet as a receiver sees it after decryption."""

    seq: int
    ts: int
    ssrc: int
    payload_type: int
    marker: bool
    payload: bytes
    stamp: int | None


def read_packet(data: bytes) -> Packet:
    """Parse an RTP packet with at most one one-byte extension word."""
    first, kind, seq, ts, ssrc = struct.unpack_from("!BBHII", data)
    assert first in (0x80, 0x90)
    stamp = None
    at = 12
    if first == 0x90:
        assert data[12:16] == b"\xbe\xde\x00\x01"
        assert data[16] & 0x0F == 2
        stamp, at = int.from_bytes(data[17:20], "big"), 20
    return Packet(seq, ts, ssrc, kind & 0x7F, bool(kind & 0x80), data[at:], stamp)


class FakeSocket:
    """Takes datagrams until `room` is used up; `broken` is raised instead when set."""

    def __init__(self, room: int | None = None) -> None:
        self.room = room
        self.sent: list[bytes] = []
        self.broken: OSError | None = None

    def sendto(self, data: bytes, flags: int, address: tuple[str, int], /) -> int:
        if self.broken is not None:
            raise self.broken
        if self.room is not None:
            if self.room == 0:
                raise BlockingIOError
            self.room -= 1
        self.sent.append(data)
        return len(data)

    def outlet(self) -> Outlet:
        return Outlet(self, ("192.0.2.1", 9))

    def packets(self) -> list[Packet]:
        """Return what was sent, unencrypted senders only."""
        return [read_packet(data) for data in self.sent]
