"""RTCP as one sending video track needs it: reports out, feedback in (RFC 3550, 4585, REMB draft).

Owns both encodings, pure and without aiortc's objects (they cost more than the media at four reports a
second and viewer). Invariants: `parse` never raises for hostile bytes, it returns what was readable
before the first malformed part; of one compound it returns no more than `MOST_LOST` lost packets, `MOST_ITEMS` items,
and one estimate, the last: what a viewer packs into a datagram must not cost more than honest feedback does.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

SR, RR, SDES, RTPFB, PSFB = 200, 201, 202, 205, 206
MOST_LOST = 512
"""A NACK names packets; more than this in one compound cannot be honest loss."""

MOST_ITEMS = 64
"""Reports, requests and NACKs of one compound; sixteen lines have three each at most."""

_NTP_EPOCH_S = 2_208_988_800
_HEAD = struct.Struct("!BBH")
_REPORT = struct.Struct("!IIIIII")
_SENDER_REPORT = struct.Struct("!BBHIQIII")
_NACK = struct.Struct("!HH")


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """One report block (RFC 3550 §6.4.1) about one of our sources."""

    ssrc: int
    fraction_lost: int
    """In 1/256, since the previous report."""
    lost: int
    """Packets lost since the beginning; may be negative with duplicates."""
    highest_seq: int
    """Extended highest sequence number received; 32 bits."""
    jitter_90k: int
    last_sr: int
    """Middle 32 bits of the NTP time of the report it answers; 0 = none yet."""
    delay: int
    """Between that report and this one, in 1/65536 s."""


@dataclass(frozen=True, slots=True)
class Nack:
    """Generic NACK (RFC 4585 §6.2.1): 16-bit RTP sequence numbers that did not arrive."""

    ssrc: int
    lost: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class PictureLost:
    """PLI (RFC 4585 §6.3.1) or FIR (RFC 5104 §4.3.1)."""

    ssrc: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """REMB: the receiver's estimate of what the path carries, in bits a second."""

    bps: int


Feedback = ReceiverReport | Nack | PictureLost | Estimate


def ntp_time(now_ms: int) -> int:
    """Return a UTC time as a 64-bit NTP time stamp."""
    return ((now_ms + _NTP_EPOCH_S * 1000) << 32) // 1000


def sender_report(ssrc: int, *, ntp: int, rtp_90k: int, packets: int, octets: int) -> bytes:
    """Return SR + SDES (cname) of one source; counters and time are taken modulo 2^32."""
    report = _SENDER_REPORT.pack(
        0x80, SR, 6, ssrc, ntp, rtp_90k & 0xFFFFFFFF, packets & 0xFFFFFFFF, octets & 0xFFFFFFFF
    )
    item = b"\x01\x04vuon\x00\x00"
    return report + struct.pack("!BBHI", 0x81, SDES, 1 + len(item) // 4, ssrc) + item


def parse(data: bytes) -> list[Feedback]:
    """Return the feedback in a decrypted compound packet, in order, the estimate last; malformed rests are left out."""
    found: list[Feedback] = []
    estimate: Feedback | None = None
    at, end, room = 0, len(data), MOST_LOST
    while at + 8 <= end and len(found) < MOST_ITEMS:
        first, kind, words = _HEAD.unpack_from(data, at)
        after = at + 4 * (words + 1)
        if first >> 6 != 2 or after > end:
            break
        body = memoryview(data)[at:after]
        count = first & 0x1F
        if kind in (SR, RR):
            found += _reports(body, 28 if kind == SR else 8, count)
        elif kind == RTPFB and count == 1 and len(body) >= 12:
            nack = _nack(body, room)
            room -= len(nack.lost)
            found.append(nack)
        elif kind == PSFB and len(body) >= 12:
            item = _picture(body, count)
            if isinstance(item, Estimate):
                estimate = item
            elif item is not None:
                found.append(item)
        at = after
    del found[MOST_ITEMS:]
    return found if estimate is None else [*found, estimate]


def _reports(body: memoryview, at: int, count: int) -> list[Feedback]:
    found: list[Feedback] = []
    for place in range(at, min(at + count * _REPORT.size, len(body) - _REPORT.size + 1), _REPORT.size):
        ssrc, loss, highest, jitter, last_sr, delay = _REPORT.unpack_from(body, place)
        lost = loss & 0xFFFFFF
        found.append(
            ReceiverReport(ssrc, loss >> 24, lost - (1 << 24) if lost >> 23 else lost, highest, jitter, last_sr, delay)
        )
    return found


def _nack(body: memoryview, room: int) -> Nack:
    lost: list[int] = []
    for place in range(12, len(body) - 3, 4):
        if len(lost) >= room:
            break
        first, mask = _NACK.unpack_from(body, place)
        lost.append(first)
        lost += ((first + bit + 1) & 0xFFFF for bit in range(16) if mask >> bit & 1)
    return Nack(int.from_bytes(body[8:12], "big"), tuple(lost[:room]))


def _picture(body: memoryview, kind: int) -> PictureLost | Estimate | None:
    if kind == 1:
        return PictureLost(int.from_bytes(body[8:12], "big"))
    if kind == 4 and len(body) >= 20:
        return PictureLost(int.from_bytes(body[12:16], "big"))
    if kind == 15 and len(body) >= 20 and bytes(body[12:16]) == b"REMB":
        value = int.from_bytes(body[16:20], "big")
        return Estimate((value & 0x3FFFF) << (value >> 18 & 0x3F))
    return None
