"""The school's private key under a passphrase, and how often one may guess.

Owns the sealing (argon2id, RFC 9106; AES-256-GCM) and the pace of tries. Invariants: the passphrase is
normalised (NFKC), so that the same words typed on another keyboard open; the parameters are stored with the box
and bounded when read, so that an edited file cannot take the memory; a wrong passphrase and an altered file give the
same error; while tries are paused nothing is computed, so that a guess in the pause tells nothing.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from argon2.exceptions import Argon2Error
from argon2.low_level import ARGON2_VERSION, Type, hash_secret_raw
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.clock import Clock
from gateway.core.errors import BadInput, PassphraseRefused
from gateway.core.model import Secret
from recorder.school import RandomBytes

MIN_CHARACTERS, MAX_CHARACTERS = 12, 256
FREE_TRIES = 5
FIRST_PAUSE_S, LONGEST_PAUSE_S = 30.0, 900.0
_SALT_BYTES, _NONCE_BYTES, _KEY_BYTES = 16, 12, 32
_MOST_MEMORY_KIB, _MOST_PASSES, _MOST_LANES = 1 << 18, 10, 8


@dataclass(frozen=True, slots=True)
class Kdf:
    """Cost of one guess (argon2id): KiB of memory, passes over it, lanes."""

    memory_kib: int = 1 << 16
    passes: int = 3
    lanes: int = 4


@dataclass(frozen=True, slots=True)
class PassphraseBox:
    """A private key that a passphrase opens."""

    kdf: Kdf
    salt: bytes
    nonce: bytes
    sealed: bytes


def normalised(passphrase: Secret) -> bytes:
    """Return the bytes that are hashed; BadInput if it is too short or too long to be one."""
    text = unicodedata.normalize("NFKC", passphrase.reveal()).strip()
    if not MIN_CHARACTERS <= len(text) <= MAX_CHARACTERS:
        raise BadInput(
            f"a passphrase has {MIN_CHARACTERS} to {MAX_CHARACTERS} characters",
            case="passphrase",
            key="passphrase",
            least=MIN_CHARACTERS,
        )
    return text.encode()


def _aead(passphrase: bytes, kdf: Kdf, salt: bytes) -> AESGCM:
    key = hash_secret_raw(passphrase, salt, kdf.passes, kdf.memory_kib, kdf.lanes, _KEY_BYTES, Type.ID, ARGON2_VERSION)
    return AESGCM(key)


def _context(public: bytes, kdf: Kdf) -> bytes:
    return b"vuon passphrase box v1" + public + f"{kdf.memory_kib}.{kdf.passes}.{kdf.lanes}".encode()


def seal_private(
    passphrase: Secret, private: bytes, public: bytes, kdf: Kdf | None = None, random_bytes: RandomBytes = os.urandom
) -> PassphraseBox:
    """Seal a private key; takes about 0.2 s and 64 MB: worker threads only."""
    cost = kdf or Kdf()
    salt, nonce = random_bytes(_SALT_BYTES), random_bytes(_NONCE_BYTES)
    sealed = _aead(normalised(passphrase), cost, salt).encrypt(nonce, private, _context(public, cost))
    return PassphraseBox(cost, salt, nonce, sealed)


def open_private(box: PassphraseBox, passphrase: Secret, public: bytes) -> bytes:
    """Return the private key; PassphraseRefused if the words or the box are not the right ones. As slow as sealing."""
    kdf = box.kdf
    bounded = 0 < kdf.memory_kib <= _MOST_MEMORY_KIB and 0 < kdf.passes <= _MOST_PASSES and 0 < kdf.lanes <= _MOST_LANES
    try:
        words = normalised(passphrase)
    except BadInput as error:  # too short to be one of ours: no other answer than for any wrong one
        raise PassphraseRefused("the passphrase does not open the key", reason="wrong", case="key_wrong") from error
    try:
        if not bounded:
            raise ValueError("the parameters are none of ours")
        return _aead(words, kdf, box.salt).decrypt(box.nonce, box.sealed, _context(public, kdf))
    except (InvalidTag, ValueError, Argon2Error) as error:
        raise PassphraseRefused("the passphrase does not open the key", reason="wrong", case="key_wrong") from error


class TryGate:
    """Lets `FREE_TRIES` guesses pass, then pauses: 30 s, doubling to 15 min, until one is right.

    One gate for the box, whoever asks: nobody else's guesses are cheaper. Not kept over a restart: who can
    restart the recorder can copy the file and guess elsewhere, where only the cost of argon2id counts.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures = 0
        self._open_ns: int | None = None

    @contextmanager
    def guess(self) -> Iterator[None]:
        """Stand around one try; PassphraseRefused (reason wait, retry_after_s) while paused."""
        now_ns = self._clock.mono_ns()
        if self._open_ns is not None and now_ns < self._open_ns:
            wait_s = 1 + (self._open_ns - now_ns) // 10**9
            raise PassphraseRefused("too many wrong tries", reason="wait", case="key_wait", retry_after_s=wait_s)
        try:
            yield
        except PassphraseRefused:
            self._failures += 1
            if self._failures >= FREE_TRIES:
                pause_s = min(FIRST_PAUSE_S * 2.0 ** min(self._failures - FREE_TRIES, 10), LONGEST_PAUSE_S)
                self._open_ns = self._clock.mono_ns() + int(pause_s * 1e9)
            raise
        else:
            self._failures, self._open_ns = 0, None
