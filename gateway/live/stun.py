"""Looking at STUN messages before a parser does (RFC 8489 §5, §14).

Owns two pure questions: is it STUN at all, and are its lengths what the attributes need. Invariant:
whatever passes cannot make aioice's parser read past a value or unpack too short a one.
"""

from __future__ import annotations

import struct

COOKIE = b"\x21\x12\xa4\x42"
_BINDING_TYPES = frozenset({0x0001, 0x0011, 0x0101, 0x0111})
"""Binding request, indication, response, error: nothing else belongs on a media port."""

_FIXED = {0x0008: 20, 0x0024: 4, 0x0025: 0, 0x8028: 4, 0x8029: 8, 0x802A: 8}
"""Attributes of known length: MESSAGE-INTEGRITY, PRIORITY, USE-CANDIDATE, FINGERPRINT, roles."""
_ALLOWED = frozenset({0x0006, 0x0009, 0x0014, 0x0015, 0x0020, 0x8022, *_FIXED})
"""What connectivity checks carry and aioice parses; others it knows are refused, unknown ones it ignores."""
_KNOWN_TO_AIOICE = frozenset(
    {*range(1, 7), 0x0008, 0x0009, 0x000C, 0x000D, *range(0x0012, 0x0017), 0x0019, 0x0020, 0x0024, 0x0025}
    | {0x8022, 0x8028, 0x8029, 0x802A, 0x802B, 0x802C}
)
_MOST_ATTRIBUTES = 24
_HEAD = struct.Struct("!HH4s12s")


def looks_like_stun(data: bytes) -> bool:
    """Say whether a datagram is STUN by RFC 7983 §7 (first byte 0-3) and its magic cookie."""
    return len(data) >= 20 and data[0] < 4 and data[4:8] == COOKIE


def well_formed(data: bytes) -> bool:
    """Say whether a STUN datagram is a binding message whose every attribute fits."""
    if not looks_like_stun(data):
        return False
    kind, length, _, _ = _HEAD.unpack_from(data)
    if kind not in _BINDING_TYPES or length != len(data) - 20 or length % 4:
        return False
    at, seen = 20, 0
    while at < len(data):
        if at + 4 > len(data):
            return False
        name, size = struct.unpack_from("!HH", data, at)
        after = at + 4 + (size + 3 & ~3)
        seen += 1
        if after > len(data) or seen > _MOST_ATTRIBUTES or not _fits(name, size, data[at + 4 : at + 4 + size]):
            return False
        at = after
    return True


def _fits(name: int, size: int, value: bytes) -> bool:
    if name in _FIXED:
        return size == _FIXED[name]
    if name not in _ALLOWED:
        return name not in _KNOWN_TO_AIOICE
    if name == 0x0020:
        return size in (8, 20) and value[1] == (1 if size == 8 else 2)
    if name == 0x0009:
        return 4 <= size <= 132 and value[4:].isascii()
    # USERNAME, REALM, NONCE, SOFTWARE: text of bounded length (RFC 8489 §14.3)
    return size <= 513 and value.isascii()
