"""What a time server answers: SNTP version 4 (RFC 4330, the packets of RFC 5905 §7.3), server side.

Pure: bytes and what is known of the clock in, bytes out. Invariants: only client requests (mode 3) are
answered, so that two servers never answer each other; an answer has exactly `PACKET_BYTES`, which is the
least a request can have: nobody is hit with more than he sent; a clock that is not trusted says so (leap
indicator 3, stratum 16), and is then believed by no client.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

PORT = 123
PACKET_BYTES = 48
MOST_BYTES = 512
"""A request with extension fields and a MAC (RFC 7822) is shorter; what is longer is no request."""
STRATUM = 10
"""A clock whose source we do not know: any real time server is preferred to it (RFC 5905 §11.2.1)."""
UNSYNCHRONISED_STRATUM = 16
PRECISION = -9
"""As a power of two: the box reads its clock in milliseconds, and 2^-9 s is 2 ms."""
REFERENCE = b"LOCL"
"""RFC 4330 §4: an uncalibrated local clock."""
MOST_UNSURE_S = 16.0
"""RFC 5905 §7.2, MAXDISP: a clock that is worse is no clock."""
ERA_MS = 2_208_988_800_000
"""1900-01-01 to 1970-01-01; the seconds' 32 bits wrap in 2036, which clients know (RFC 4330 §3)."""
_CLIENT, _SERVER = 3, 4
_UNKNOWN_LEAP = 3
_PACKET = struct.Struct("!BBbbII4s8s8s8s8s")


@dataclass(frozen=True, slots=True)
class ClockFacts:
    """What is known of our clock at one instant."""

    now_ms: int
    """Wall time, UTC."""
    trusted: bool
    unsure_s: float
    """How far it may be off, as far as anybody knows."""


def timestamp(wall_ms: int) -> bytes:
    """Return UTC milliseconds as an NTP timestamp: seconds since 1900 modulo 2^32, and their 2^-32 parts."""
    seconds, ms = divmod(wall_ms + ERA_MS, 1000)
    return struct.pack("!II", seconds % (1 << 32), (ms << 32) // 1000)


def is_request(packet: bytes) -> bool:
    """Say whether a client asks for the time (versions 1 to 4)."""
    return (
        PACKET_BYTES <= len(packet) <= MOST_BYTES and packet[0] & 7 == _CLIENT and 1 <= (packet[0] >> 3) & 7 <= _SERVER
    )


def answer(request: bytes, clock: ClockFacts) -> bytes | None:
    """Return the answer to a request, None to anything else.

    The version and the client's transmit time are given back; time of receipt and of sending are one, because
    the answer is made when the packet is read.
    """
    if not is_request(request):
        return None
    version, poll = (request[0] >> 3) & 7, struct.unpack_from("!b", request, 2)[0]
    now = timestamp(clock.now_ms)
    trusted = clock.trusted
    unsure_s = min(max(clock.unsure_s, 2.0**PRECISION), MOST_UNSURE_S) if trusted else MOST_UNSURE_S
    return _PACKET.pack(
        (0 if trusted else _UNKNOWN_LEAP) << 6 | version << 3 | _SERVER,
        STRATUM if trusted else UNSYNCHRONISED_STRATUM,
        poll,
        PRECISION,
        0,  # root delay: the source, if there is one, is not known
        round(unsure_s * (1 << 16)),
        REFERENCE if trusted else bytes(4),
        timestamp(clock.now_ms // 1000 * 1000) if trusted else bytes(8),  # it is corrected all the time
        request[40:48],
        now,
        now,
    )
