"""The school's footage key: an X25519 pair whose public half wraps every data key.

Owns `<state>/keys/school.key` and the wrapping format. Invariants: the box needs only public halves to
write; the private half is loaded when `unlock = "box"` and is otherwise given by a person, so that
without it a restarted box cannot read the past; every wrapped key can be opened by each recipient alone.
Wrapping: ephemeral X25519, HKDF-SHA256, AES-256-GCM (the scheme of RFC 9180's base mode, one suite only).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gateway.core.errors import BadInput, KeyLocked
from gateway.core.secrets import load_private

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
    """The recipients of the box's data keys, and the private half while the box may read."""

    def __init__(self, recipients: tuple[bytes, ...], private: bytes | None = None) -> None:
        """Take raw public keys (the first is the school's own) and, if unlocked, its private key."""
        if not 1 <= len(recipients) <= MAX_RECIPIENTS or any(len(item) != _PUBLIC_BYTES for item in recipients):
            raise BadInput("a school has 1 to 8 footage keys of 32 bytes", count=len(recipients))
        self.recipients = recipients
        self._private: X25519PrivateKey | None = None
        if private is not None:
            self.unlock(private)

    @property
    def unlocked(self) -> bool:
        """True while wrapped keys can be opened."""
        return self._private is not None

    def unlock(self, private: bytes) -> None:
        """Take the private half of one of the recipients; KeyLocked if it is none of theirs."""
        key = X25519PrivateKey.from_private_bytes(private)
        if key.public_key().public_bytes_raw() not in self.recipients:
            raise KeyLocked("this key opens no footage of this school")
        self._private = key

    def lock(self) -> None:
        """Forget the private half."""
        self._private = None

    def unwrap(self, wrapped: tuple[WrappedKey, ...], context: bytes) -> bytes:
        """Open a data key; KeyLocked without the private half, or if the bytes are not for it."""
        if self._private is None:
            raise KeyLocked("footage is locked: the school's key is not on the box")
        public = self._private.public_key().public_bytes_raw()
        mine = next((item for item in wrapped if item.recipient == recipient_id(public)), None)
        if mine is None:
            raise KeyLocked("footage was wrapped to another key")
        try:
            shared = self._private.exchange(X25519PublicKey.from_public_bytes(mine.ephemeral))
            return _wrapping_key(shared, mine.ephemeral, public).decrypt(_NONCE, mine.sealed, context)
        except (InvalidTag, ValueError) as error:
            raise KeyLocked("a wrapped footage key was altered") from error


def load_school_key(
    path: Path, *, unlock: Literal["box", "passphrase"] = "box", more_recipients: tuple[bytes, ...] = ()
) -> SchoolKey:
    """Return the school's key; `unlock="box"` makes `path` (0600) on first use and keeps it loaded.

    With `unlock="passphrase"` only `<path>.pub` (raw 32 bytes) is read; BadInput if it is missing.
    ConfigError if the private file may be read by others.
    """
    if unlock == "box":
        private = load_private(path)
        public = X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()
        return SchoolKey((public, *more_recipients), private)
    half = path.with_name(path.name + ".pub")
    if not half.exists():
        raise BadInput("the school's public footage key is missing", path=str(half))
    return SchoolKey((half.read_bytes(), *more_recipients))
