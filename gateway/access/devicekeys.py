"""Keys that a guardian's browser makes for itself, and proofs that somebody holds one.

Owns the forms: a public key is an uncompressed P-256 point, a proof is an ECDSA signature with SHA-256 as WebCrypto
makes it (r and s, 32 bytes each) over a challenge of ours and what it is for. Invariants: a challenge is good for
`CHALLENGE_S` and for one proof; making one keeps nothing, so that nobody can crowd out another's by asking for many; a
proof for one purpose is none for another. Pure but for the injected clock and randomness.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from gateway.core.errors import BadInput

POINT_BYTES = 65
SIGNATURE_BYTES = 64
CHALLENGE_S = 120
MAX_SPENT = 20_000
"""Challenges that were used within `CHALLENGE_S`: more than that many right proofs in two minutes are refused."""
_CONTEXT = b"vuon-device-1\0"
_NONCE_BYTES = 16
_MAC_BYTES = 16


class Purpose(StrEnum):
    """What a proof is for."""

    BIND = "bind"
    ENTER = "enter"


@dataclass(frozen=True, slots=True)
class Proof:
    """What a browser sends: the challenge it was given and its signature, base64url without padding."""

    challenge: str
    signature: str


def read_point(text: str) -> bytes:
    """Return a public key from base64url; BadInput unless it is a point of P-256."""
    point = _bytes(text)
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    except ValueError as error:
        raise BadInput("a key is an uncompressed P-256 point", key="key") from error
    if len(point) != POINT_BYTES:
        raise BadInput("a key is an uncompressed P-256 point", key="key")
    return point


def message(purpose: Purpose, challenge: str) -> bytes:
    """Return the bytes that are signed."""
    return _CONTEXT + purpose.encode() + b"\0" + challenge.encode()


def proves(point: bytes, purpose: Purpose, proof: Proof) -> bool:
    """Say whether the signature is by this key; the challenge is not looked at."""
    try:
        signature = _bytes(proof.signature)
    except BadInput:
        return False
    if len(signature) != SIGNATURE_BYTES:
        return False
    half = SIGNATURE_BYTES // 2
    r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
    try:
        key.verify(encode_dss_signature(r, s), message(purpose, proof.challenge), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


class Challenges:
    """Makes challenges and takes each once; those of an earlier run are unknown, so a browser asks again."""

    def __init__(self, mono_ns: Callable[[], int], *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._mono_ns, self._random = mono_ns, random_bytes
        self._key = random_bytes(32)
        self._spent: OrderedDict[str, int] = OrderedDict()

    def make(self) -> str:
        """Return a fresh challenge."""
        body = self._mono_ns().to_bytes(8, "big") + self._random(_NONCE_BYTES)
        return base64.urlsafe_b64encode(body + self._mac(body)).decode("ascii").rstrip("=")

    def take(self, challenge: str) -> bool:
        """Use a challenge up; False if it is not ours, too old, or was used. Call it after the signature fitted."""
        try:
            raw = _bytes(challenge)
        except BadInput:
            return False
        body, mac = raw[:-_MAC_BYTES], raw[-_MAC_BYTES:]
        if len(body) != 8 + _NONCE_BYTES or not hmac.compare_digest(mac, self._mac(body)):
            return False
        now_ns = self._mono_ns()
        while self._spent and now_ns - next(iter(self._spent.values())) > CHALLENGE_S * 1_000_000_000:
            self._spent.popitem(last=False)
        name = body.hex()  # not the text: base64 has more than one spelling of the same bytes
        old = now_ns - int.from_bytes(body[:8], "big") > CHALLENGE_S * 1_000_000_000
        if old or name in self._spent or len(self._spent) >= MAX_SPENT:
            return False
        self._spent[name] = now_ns
        return True

    def _mac(self, body: bytes) -> bytes:
        return hmac.digest(self._key, b"challenge\0" + body, "sha256")[:_MAC_BYTES]


def _bytes(text: str) -> bytes:
    """Return what base64url without padding stands for; BadInput."""
    if len(text) > 256 or not text.isascii():
        raise BadInput("not base64url", key="key")
    try:
        return base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadInput("not base64url", key="key") from error
