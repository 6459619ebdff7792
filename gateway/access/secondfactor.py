"""The second factor: six digits that change every half minute (RFC 6238), and ten codes for a lost phone.

Owns the arithmetic; `accounts` keeps what it is about. Pure but for the random bytes it is given. Invariants: a step
is accepted one before and one after its time, and only if it is newer than the last one that was used; a recovery code
has 80 random bits, so that a plain hash keeps it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Callable

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from gateway.access.typedcodes import grouped

DIGITS, STEP_S, SECRET_BYTES = 6, 30, 20
"""What every authenticator app takes (RFC 4226 4 asks for 160 bits)."""
RECOVERY_CODES, RECOVERY_BYTES = 10, 10


def new_secret(random_bytes: Callable[[int], bytes]) -> str:
    """Return a fresh secret in base32, as it is typed."""
    return base64.b32encode(random_bytes(SECRET_BYTES)).decode("ascii")


def _totp(secret: str) -> TOTP:
    return TOTP(base64.b32decode(secret), DIGITS, SHA1(), STEP_S)  # noqa: S303 - RFC 6238's own; apps know no other


def address(secret: str, name: str, issuer: str) -> str:
    """Return the otpauth address of the QR code."""
    return _totp(secret).get_provisioning_uri(name, issuer)


def step_of(secret: str, typed: str, now_ms: int, last_step: int) -> int | None:
    """Return the time step a code belongs to; None if it fits none, or one that is not newer than `last_step`."""
    digits = "".join(typed.split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    try:
        totp, here = _totp(secret), now_ms // 1000 // STEP_S
    except (binascii.Error, ValueError):  # blotted out with every other sealed value of an erased box
        return None
    fits = [step for step in (here - 1, here, here + 1) if _same(totp.generate(step * STEP_S), digits)]
    return next((step for step in fits if step > last_step), None)


def _same(made: bytes, typed: str) -> bool:
    return hmac.compare_digest(made, typed.encode("ascii"))


def new_recovery_codes(random_bytes: Callable[[int], bytes]) -> list[str]:
    """Return ten codes to be shown once."""
    raw = [base64.b32encode(random_bytes(RECOVERY_BYTES)).decode("ascii").lower() for _ in range(RECOVERY_CODES)]
    return [grouped(code) for code in raw]


def recovery_hash(normal: str) -> bytes:
    """Return what is kept of a recovery code (its 16 characters, see `codes.normalise`)."""
    return hashlib.sha256(b"vuon-recovery-1\0" + normal.encode()).digest()
