"""Keys of the box: the sealing key for columns, the signing keys, and their files.

Owns `<state>/keys/`. Invariants: private key files are 0600 and made whole or not at all; a file that others
can read is refused, not repaired; sealed values are bound to their context, so a sealed name cannot be
moved to another column or row unnoticed.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.errors import ConfigError, KeyLocked
from gateway.core.files import write_whole

KEY_BYTES = 32
_NONCE_BYTES = 12


class SealKey:
    """AES-256-GCM for single values; random nonce (at most 2^32 values a key: far more than a school)."""

    def __init__(self, key: bytes) -> None:
        self._aead = AESGCM(key)

    def __repr__(self) -> str:
        return "SealKey(***)"

    def seal(self, plain: bytes, context: str) -> bytes:
        """Return nonce + ciphertext, openable only with the same context."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, context.encode())

    def unseal(self, sealed: bytes, context: str) -> bytes:
        """Return the plain value; KeyLocked if key, context or bytes are not those of `seal`."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], context.encode())
        except (InvalidTag, ValueError) as error:
            raise KeyLocked(f"a sealed value of {context} does not open with this box's key") from error


def read_private(path: Path) -> bytes:
    """Read a private key file; ConfigError if anyone but the owner may touch it."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        mode = stat.S_IMODE(os.fstat(fd).st_mode)
        if mode & 0o077:
            raise ConfigError(
                f"{path} may be read by others (mode {mode:o})", key=str(path), value=f"{mode:o}", remedy="chmod 600"
            )
        return os.read(fd, 4096)
    finally:
        os.close(fd)


def load_private(path: Path, size_bytes: int = KEY_BYTES) -> bytes:
    """Return the key in `path`, made of random bytes on first use."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
    if not path.exists():
        write_whole(path, os.urandom(size_bytes), 0o600)
    key = read_private(path)
    if len(key) != size_bytes:
        raise ConfigError(
            f"{path} holds {len(key)} bytes instead of {size_bytes}",
            key=str(path),
            value=str(len(key)),
            remedy="restore the key file from the box's backup",
        )
    return key


def load_seal_key(path: Path) -> SealKey:
    """Return the sealing key in `path`, created on first use."""
    return SealKey(load_private(path))


def load_signing_key(path: Path) -> Ed25519PrivateKey:
    """Return the signing key in `path`, created on first use with `<path>.pub` beside it (0644)."""
    key = Ed25519PrivateKey.from_private_bytes(load_private(path))
    public = path.with_name(path.name + ".pub")
    raw = key.public_key().public_bytes_raw()
    # Also when the private key came back from a backup: with another one's public half nobody believes a grant.
    if not public.exists() or public.read_bytes() != raw:
        write_whole(public, raw, 0o644)
    return key


def load_verify_key(path: Path) -> Ed25519PublicKey:
    """Return the public half beside a signing key; `path` is the private file's path.

    Raises ConfigError while the owner has not created it yet, or when it is damaged.
    """
    public = path.with_name(path.name + ".pub")
    try:
        return Ed25519PublicKey.from_public_bytes(public.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        wrong = "is missing" if isinstance(error, FileNotFoundError) else "is no public key"
        raise ConfigError(
            f"{public} {wrong}", key=str(public), value="", remedy="start vuon-gateway once: it makes the key"
        ) from error
