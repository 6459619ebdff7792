"""RTP packets as a camera makes them: pure functions over bytes.

Owns payload formats (RFC 6184 for H.264, RFC 7798 for H.265), the RTP header and the sender report
(RFC 3550). Invariants: no sockets, no clock; a packet's payload is at most `mtu_bytes` long.
"""

from __future__ import annotations

import struct

from gateway.core.media import Codec

RTP_HEADER_BYTES = 12
VIDEO_PAYLOAD_TYPE = 96
NTP_EPOCH_OFFSET_S = 2_208_988_800
"""Seconds from 1900-01-01 (NTP) to 1970-01-01 (Unix)."""

_RTP = struct.Struct(">BBHII")
_INTERLEAVED_RTP = struct.Struct(">BBHBBHII")
_FU_A, _FU_H265 = 28, 49
_START, _END = 0x80, 0x40


def packetize(nal: bytes, codec: Codec, mtu_bytes: int) -> list[bytes]:
    """Return the payloads of one NAL unit: itself, or FU-A (RFC 6184 §5.8) / FU (RFC 7798 §4.4.3) parts."""
    if len(nal) <= mtu_bytes:
        return [nal]
    if codec is Codec.H264:
        head, kind, body = bytes([nal[0] & 0xE0 | _FU_A]), nal[0] & 0x1F, nal[1:]
    else:
        head, kind, body = bytes([nal[0] & 0x81 | _FU_H265 << 1, nal[1]]), nal[0] >> 1 & 0x3F, nal[2:]
    step = mtu_bytes - len(head) - 1
    parts: list[bytes] = []
    for start in range(0, len(body), step):
        flags = (_START if start == 0 else 0) | (_END if start + step >= len(body) else 0)
        parts.append(head + bytes([flags | kind]) + body[start : start + step])
    return parts


def rtp_header(*, marker: bool, seq: int, time_90k: int, ssrc: int, kind: int = VIDEO_PAYLOAD_TYPE) -> bytes:
    """Return the 12 bytes before a payload of type `kind` (RFC 3550 §5.1)."""
    return _RTP.pack(0x80, kind | (0x80 if marker else 0), seq & 0xFFFF, time_90k & 0xFFFFFFFF, ssrc)


def interleaved_rtp(
    channel: int, length: int, *, marker: bool, seq: int, time_90k: int, ssrc: int, kind: int = VIDEO_PAYLOAD_TYPE
) -> bytes:
    """Return RTSP framing and RTP header (RFC 2326 §10.12) for a payload of `length` bytes, in one pack."""
    size = length + RTP_HEADER_BYTES
    typed = kind | (0x80 if marker else 0)
    return _INTERLEAVED_RTP.pack(0x24, channel, size, 0x80, typed, seq & 0xFFFF, time_90k & 0xFFFFFFFF, ssrc)


def interleaved(channel: int, data: bytes) -> bytes:
    """Return `data` framed for an RTSP connection (RFC 2326 §10.12)."""
    return struct.pack(">BBH", 0x24, channel, len(data)) + data


def sender_report(ssrc: int, *, unix_s: float, time_90k: int, packets: int, payload_bytes: int) -> bytes:
    """Return SR and SDES CNAME as one compound packet (RFC 3550 §6.4.1, §6.5); `unix_s` is the camera's clock."""
    whole = int(unix_s)
    report = struct.pack(
        ">BBHIIIIII",
        0x80,
        200,
        6,
        ssrc,
        (whole + NTP_EPOCH_OFFSET_S) & 0xFFFFFFFF,
        int((unix_s - whole) * (1 << 32)) & 0xFFFFFFFF,
        time_90k & 0xFFFFFFFF,
        packets & 0xFFFFFFFF,
        payload_bytes & 0xFFFFFFFF,
    )
    item = b"\x01\x06camera\x00\x00\x00\x00"  # CNAME, 6 bytes, then at least one zero up to a 32-bit boundary
    item = item[: len(item) - len(item) % 4]
    return report + struct.pack(">BBHI", 0x81, 202, 1 + len(item) // 4, ssrc) + item


def goodbye(ssrc: int) -> bytes:
    """Return RTCP BYE (RFC 3550 §6.6)."""
    return struct.pack(">BBHI", 0x81, 203, 1, ssrc)
