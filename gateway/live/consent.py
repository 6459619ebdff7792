"""Consent checks as bytes: a viewer's connectivity check answered, our own asked (RFC 7675, RFC 8489).

Owns three encodings, pure: aioice's message objects cost more CPU at sixty viewers than a fifth of their media.
Invariants: whatever is handed in passed `stun.well_formed`; nothing is answered or believed that is not signed
(MESSAGE-INTEGRITY); the caller compares addresses and transaction ids.
"""

from __future__ import annotations

import hmac
import ipaddress
import math
import struct
import zlib

from gateway.live.stun import COOKIE

REQUEST, RESPONSE = b"\x00\x01", b"\x01\x01"
_USERNAME, _INTEGRITY, _CONTROLLED, _CONTROLLING, _FINGERPRINT = 0x0006, 0x0008, 0x8029, 0x802A, 0x8028
_MAPPED, _PRIORITY = 0x0020, 0x0024
_SIGNED_BYTES, _PRINTED_BYTES = 24, 8
_FINGERPRINT_XOR = 0x5354554E
_ATTRIBUTE = struct.Struct("!HH")
_ADDRESS = struct.Struct("!BBH")


def wait_s(interval_s: float, now_s: float, spread: float) -> float:
    """Return how long to wait for the next check: four to six fifths of the interval, as RFC 7675 §5.1 has it.

    `spread` in [0, 1) makes it random; it ends on a whole fifth of the clock, so that those of many viewers fall
    together: a check that finds the caches warm costs a fifth of one that does not.
    """
    step_s = interval_s / 5
    at_s = now_s + interval_s * (0.8 + 0.2 * spread)
    return math.ceil(at_s / step_s) * step_s - now_s


def transaction(data: bytes) -> bytes:
    """Return the 12 bytes by which an answer is matched."""
    return data[8:20]


def is_signed(data: bytes, password: bytes) -> bool:
    """Say whether a message carries a MESSAGE-INTEGRITY made with this password (RFC 8489 §14.5)."""
    at = _find(data, _INTEGRITY)
    if at is None:
        return False
    signed = data[:2] + (at - 20 + _SIGNED_BYTES).to_bytes(2, "big") + data[4:at]
    return hmac.compare_digest(hmac.digest(password, signed, "sha1"), data[at + 4 : at + 24])


def says_controlled(data: bytes) -> bool:
    """Say whether the sender thinks that we are in charge: a role conflict, which ICE must settle."""
    return _find(data, _CONTROLLED) is not None


def is_whole(data: bytes) -> bool:
    """Say whether a check names its user, a priority and a role, as each must (RFC 8445 §7.1)."""
    return all(_find(data, name) is not None for name in (_USERNAME, _PRIORITY)) and (
        _find(data, _CONTROLLING) is not None or says_controlled(data)
    )


def response(request: bytes, source: tuple[str, int], password: bytes) -> bytes:
    """Return the success response to a binding request from `source`."""
    ip = ipaddress.ip_address(source[0])
    mask = COOKIE + transaction(request)
    hidden = bytes(a ^ b for a, b in zip(ip.packed, mask, strict=False))
    body = _ADDRESS.pack(0, 1 if ip.version == 4 else 2, source[1] ^ 0x2112) + hidden
    return _sealed(RESPONSE, transaction(request), _ATTRIBUTE.pack(_MAPPED, len(body)) + body, password)


def request(transaction_id: bytes, username: str, priority: int, tie_breaker: int, password: bytes) -> bytes:
    """Return a binding request of the controlled side (RFC 8445 §7.1)."""
    name = username.encode()
    attributes = _ATTRIBUTE.pack(_USERNAME, len(name)) + name + b"\0" * (-len(name) % 4)
    attributes += _ATTRIBUTE.pack(_PRIORITY, 4) + priority.to_bytes(4, "big")
    attributes += _ATTRIBUTE.pack(_CONTROLLED, 8) + tie_breaker.to_bytes(8, "big")
    return _sealed(REQUEST, transaction_id, attributes, password)


def _sealed(kind: bytes, transaction_id: bytes, attributes: bytes, password: bytes) -> bytes:
    """Add MESSAGE-INTEGRITY and FINGERPRINT, each over a header that counts it already."""
    length = len(attributes) + _SIGNED_BYTES
    message = kind + length.to_bytes(2, "big") + COOKIE + transaction_id + attributes
    message += _ATTRIBUTE.pack(_INTEGRITY, 20) + hmac.digest(password, message, "sha1")
    message = kind + (length + _PRINTED_BYTES).to_bytes(2, "big") + message[4:]
    return message + _ATTRIBUTE.pack(_FINGERPRINT, 4) + struct.pack("!I", zlib.crc32(message) ^ _FINGERPRINT_XOR)


def _find(data: bytes, name: int) -> int | None:
    at = 20
    while at + 4 <= len(data):
        found, size = _ATTRIBUTE.unpack_from(data, at)
        if found == name:
            return at
        at += 4 + (size + 3 & ~3)
    return None
