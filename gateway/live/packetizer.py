"""H.264 access units to RTP payloads (RFC 6184, packetization-mode 1), once for all viewers.

Owns the cutting and nothing else: no header, no sequence number, no time. Invariants: no payload is over
its budget; every NAL unit arrives bit by bit as it was; SPS and PPS of the unit's own configuration go
before every key frame; fragments of one NAL unit have equal sizes but for the last, so that one system
call can send a run of them (UDP_SEGMENT wants equal segments).
"""

from __future__ import annotations

from collections.abc import Iterable

from gateway.core.media import AccessUnit

BUDGET_BYTES = 1200
"""RTP payload: with headers, SRTP tag, UDP and IPv6 it stays below the 1280 bytes every path carries."""

_STAP_A, _FU_A = 24, 28
_NRI, _TYPE = 0x60, 0x1F
_START, _END = 0x80, 0x40


def packetize(unit: AccessUnit, budget_bytes: int = BUDGET_BYTES) -> tuple[bytes, ...]:
    """Return the RTP payloads of one access unit in sending order; the last one carries the marker bit."""
    nals = (unit.config.sps, unit.config.pps, *unit.nals) if unit.is_key else unit.nals
    return payloads((nal for nal in nals if nal), budget_bytes)


def payloads(nals: Iterable[bytes], budget_bytes: int = BUDGET_BYTES) -> tuple[bytes, ...]:
    """Return payloads for NAL units in decode order (no start codes): small ones together, large ones cut."""
    out: list[bytes] = []
    group: list[bytes] = []
    group_bytes = 1
    for nal in nals:
        if len(nal) > budget_bytes:
            out += _grouped(group)
            out += _fragments(nal, budget_bytes)
            group, group_bytes = [], 1
            continue
        if group and group_bytes + 2 + len(nal) > budget_bytes:
            out += _grouped(group)
            group, group_bytes = [], 1
        group.append(nal)
        group_bytes += 2 + len(nal)
    return (*out, *_grouped(group))


def _grouped(nals: list[bytes]) -> tuple[bytes, ...]:
    """One NAL unit alone, several as a STAP-A (RFC 6184 §5.7.1)."""
    if len(nals) < 2:
        return tuple(nals)
    importance = max(nal[0] & _NRI for nal in nals)
    body = b"".join(part for nal in nals for part in (len(nal).to_bytes(2, "big"), nal))
    return (bytes((importance | _STAP_A,)) + body,)


def _fragments(nal: bytes, budget_bytes: int) -> list[bytes]:
    """FU-A fragments of equal size, the last one may be shorter (RFC 6184 §5.8)."""
    indicator, kind = nal[0] & ~_TYPE & 0xFF | _FU_A, nal[0] & _TYPE
    body_bytes = len(nal) - 1
    count = -(-body_bytes // (budget_bytes - 2))
    size = -(-body_bytes // count)
    out = []
    for at in range(1, len(nal), size):
        flags = (_START if at == 1 else 0) | (_END if at + size >= len(nal) else 0)
        out.append(bytes((indicator, flags | kind)) + nal[at : at + size])
    return out
