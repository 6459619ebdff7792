"""How a box signs what it sends to the hub.

Owns the canonical bytes and the header names, used by both ends. The signature is Ed25519 over the
context, then method, path and time in ms (a line each), then SHA-256 of the body as sent. Invariants: the body
is signed as it travels (compressed), so nothing is decompressed before it is trusted; a request older or newer than
`WINDOW_MS` is refused, and within it a replay does nothing, because every request is idempotent by its
cursor.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core.errors import HubRefused

CONTEXT = b"vuon-hub-1\0"
WINDOW_MS = 10 * 60_000
"""Clocks of boxes are set by NTP; ten minutes cover one that was just set."""
GATEWAY_HEADER, TIME_HEADER, SIGNATURE_HEADER = "vuon-gateway", "vuon-time", "vuon-signature"


def _canonical(method: str, path: str, time_ms: int, body: bytes) -> bytes:
    return CONTEXT + f"{method}\n{path}\n{time_ms}\n".encode() + hashlib.sha256(body).digest()


def sign_request(
    key: Ed25519PrivateKey, gateway: str, method: str, path: str, time_ms: int, body: bytes
) -> dict[str, str]:
    """Return the three headers of a signed request; `body` is what travels."""
    signature = key.sign(_canonical(method, path, time_ms, body))
    return {
        GATEWAY_HEADER: gateway,
        TIME_HEADER: str(time_ms),
        SIGNATURE_HEADER: base64.b64encode(signature).decode("ascii"),
    }


def verify_request(
    key: Ed25519PublicKey, method: str, path: str, headers: Mapping[str, str], body: bytes, *, now_ms: int
) -> None:
    """Raise HubRefused unless the headers sign exactly this request, now."""
    try:
        time_ms = int(headers.get(TIME_HEADER, ""))
        signature = base64.b64decode(headers.get(SIGNATURE_HEADER, ""), validate=True)
        key.verify(signature, _canonical(method, path, time_ms, body))
    except (InvalidSignature, ValueError) as error:
        raise HubRefused("the request is not signed by this box's key", reason="signature") from error
    if abs(now_ms - time_ms) > WINDOW_MS:
        raise HubRefused(f"the box's clock is {(time_ms - now_ms) // 1000} s off", reason="clock")
