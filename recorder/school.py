"""The school's footage key: an X25519 pair whose public half wraps every data key.

Owns the wrapping format and the keys in memory; where they lie is `recorder.keystore`'s. Invariants: the box
needs only public halves to write; without a private half it cannot read what it wrote before it started;
every wrapped key can be opened by each recipient alone; an earlier private half opens earlier footage and nothing new.
Wrapping: ephemeral X25519, HKDF-SHA256, AES-256-GCM (the scheme of RFC 9180's base mode, one suite only).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from typing import NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.core.errors import BadInput, KeyLocked

DATA_KEY_BYTES = 32
RECIPIENT_ID_BYTES = 8
_PUBLIC_BYTES = 32
_NONCE = bytes(12)
"""Constant on purpose: the wrapping key is fresh for every wrap, so no nonce is ever used twice."""
MAX_RECIPIENTS = 8

RandomBytes = Callable[[int], bytes]


class WrappedKey(NamedTuple):
    """A data key that only the holder of one private key can open."""

    recipient: bytes
    ephemeral: bytes
    sealed: bytes


def recipient_id(public: bytes) -> bytes:
    """Return the 8 bytes by which a public key is named in key files."""
    return hashlib.sha256(b"vuon recipient v1" + public).digest()[:RECIPIENT_ID_BYTES]


def _wrapping_key(shared: bytes, ephemeral: bytes, public: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), DATA_KEY_BYTES, ephemeral + public, b"vuon data key v1").derive(shared))


def wrap(public: bytes, data_key: bytes, context: bytes, random_bytes: RandomBytes = os.urandom) -> WrappedKey:
    """Wrap a data key to a public key; `context` (what the key is for) is authenticated with it."""
    ephemeral = X25519PrivateKey.from_private_bytes(random_bytes(_PUBLIC_BYTES))
    ephemeral_public = ephemeral.public_key().public_bytes_raw()
    shared = ephemeral.exchange(X25519PublicKey.from_public_bytes(public))
    sealed = _wrapping_key(shared, ephemeral_public, public).encrypt(_NONCE, data_key, context)
    return WrappedKey(recipient_id(public), ephemeral_public, sealed)


class SchoolKey:
    """The recipients of the box's data keys, and the private halves while the box may read. Any thread."""

    def __init__(self, recipients: tuple[bytes, ...], private: bytes | None = None) -> None:
        """Take raw public keys (the first is the school's own) and, if unlocked, its private key."""
        self.recipients = checked(recipients)
        self._privates: dict[bytes, X25519PrivateKey] = {}
        if private is not None:
            self.unlock(private)

    def __repr__(self) -> str:
        return f"SchoolKey({self.recipients[0].hex()[:8]}, unlocked={self.unlocked})"

    @property
    def unlocked(self) -> bool:
        """True while wrapped keys can be opened."""
        return bool(self._privates)

    def unlock(self, private: bytes, former: tuple[bytes, ...] = ()) -> None:
        """Take the private half of a recipient, and halves of earlier ones; KeyLocked if it is no recipient's."""
        if public_of(private) not in self.recipients:
            raise KeyLocked("this key opens no footage of this school")
        keys = [X25519PrivateKey.from_private_bytes(item) for item in (private, *former)]
        self._privates = {recipient_id(key.public_key().public_bytes_raw()): key for key in keys}

    def change(self, recipients: tuple[bytes, ...]) -> None:
        """Wrap what is written from now on to other recipients; what is unlocked stays so."""
        self.recipients = checked(recipients)

    def lock(self) -> None:
        """Forget the private halves."""
        self._privates = {}

    def unwrap(self, wrapped: tuple[WrappedKey, ...], context: bytes) -> bytes:
        """Open a data key; KeyLocked without a private half, or if the bytes are not for one."""
        privates = self._privates
        if not privates:
            raise KeyLocked("footage is locked: the school's key is not on the box", case="key_shut")
        mine = next((item for item in wrapped if item.recipient in privates), None)
        if mine is None:
            raise KeyLocked("footage was wrapped to another key")
        return unwrap(privates[mine.recipient].private_bytes_raw(), mine, context)


def checked(recipients: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return recipients as they are; BadInput if they cannot be those of a school."""
    if not 1 <= len(recipients) <= MAX_RECIPIENTS or any(len(item) != _PUBLIC_BYTES for item in recipients):
        raise BadInput("a school has 1 to 8 footage keys of 32 bytes", count=len(recipients))
    return recipients


def public_of(private: bytes) -> bytes:
    """Return the public half of a raw private key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def unwrap(private: bytes, wrapped: WrappedKey, context: bytes) -> bytes:
    """Open what was wrapped to this key; KeyLocked if it was altered or is of another context."""
    key = X25519PrivateKey.from_private_bytes(private)
    try:
        shared = key.exchange(X25519PublicKey.from_public_bytes(wrapped.ephemeral))
        return _wrapping_key(shared, wrapped.ephemeral, public_of(private)).decrypt(_NONCE, wrapped.sealed, context)
    except (InvalidTag, ValueError) as error:
        raise KeyLocked("a wrapped key was altered") from error
