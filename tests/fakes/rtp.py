"""RTP packets for tests: H.264 and H.265 units as a camera cuts them, with interleaved headers."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.core.media import Codec

HEAD = struct.Struct(">BBHII")


def rtp(sequence: int, stamp: int, payload: bytes, *, marker: bool = False, kind: int = 96, ssrc: int = 7) -> bytes:
    """Return one RTP packet."""
    head = HEAD.pack(0x80, kind | marker << 7, sequence & 0xFFFF, stamp & 0xFFFFFFFF, ssrc)
    return head + payload


def framed(packet: bytes, channel: int = 0) -> bytes:
    """Return a packet as an interleaved frame (RFC 2326 §10.12)."""
    return struct.pack(">cBH", b"$", channel, len(packet)) + packet


def sender_report(ssrc: int, ntp: int, stamp: int) -> bytes:
    """Return an RTCP sender report without blocks."""
    return struct.pack(">BBHIQIII", 0x80, 200, 6, ssrc, ntp, stamp, 0, 0)


def fragments(nal: bytes, codec: Codec, size: int) -> list[bytes]:
    """Cut one NAL unit into FU-A or FU payloads of at most `size` body bytes."""
    if codec is Codec.H264:
        head, body, kind = bytes([nal[0] & 0xE0 | 28]), nal[1:], nal[0] & 31
    else:
        head, body, kind = bytes([nal[0] & 0x81 | 49 << 1, nal[1]]), nal[2:], nal[0] >> 1 & 63
    pieces = [body[at : at + size] for at in range(0, len(body), size)]
    last = len(pieces) - 1
    return [
        head + bytes([(number == 0) << 7 | (number == last) << 6 | kind]) + piece for number, piece in enumerate(pieces)
    ]


def aggregate(nals: Sequence[bytes], codec: Codec) -> bytes:
    """Return a STAP-A (as important as its most important unit, RFC 6184 §5.7) or AP payload."""
    head = bytes([24 | max(nal[0] & 0x60 for nal in nals)]) if codec is Codec.H264 else bytes([48 << 1, 1])
    return head + b"".join(struct.pack(">H", len(nal)) + nal for nal in nals)


@dataclass
class Packetizer:
    """Cuts access units into interleaved frames and counts sequence numbers up."""

    codec: Codec = Codec.H264
    size: int = 1400
    sequence: int = 0
    channel: int = 0
    kind: int = 96
    ssrc: int = 7
    join: bool = False
    """Put small NAL units into one aggregation packet."""

    def payloads(self, nals: Sequence[bytes]) -> list[bytes]:
        """Return the payloads of one unit."""
        out: list[bytes] = []
        small: list[bytes] = []
        for nal in nals:
            if self.join and sum(map(len, small)) + len(nal) + 2 * len(small) + 4 <= self.size:
                small.append(nal)
                continue
            out += self._flush(small)
            small = []
            out += [nal] if len(nal) <= self.size else fragments(nal, self.codec, self.size - 3)
        return out + self._flush(small)

    def _flush(self, small: list[bytes]) -> list[bytes]:
        return [aggregate(small, self.codec)] if len(small) > 1 else list(small)

    def packets(self, nals: Sequence[bytes], stamp: int, *, marker: bool = True) -> list[bytes]:
        """Return the interleaved frames of one unit; the last has the marker."""
        payloads = self.payloads(nals)
        out = []
        for number, payload in enumerate(payloads):
            last = marker and number == len(payloads) - 1
            packet = rtp(self.sequence, stamp, payload, marker=last, kind=self.kind, ssrc=self.ssrc)
            out.append(framed(packet, self.channel))
            self.sequence = (self.sequence + 1) & 0xFFFF
        return out
