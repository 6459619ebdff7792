"""A school's key store that can be started again and again, and footage keys wrapped at different times."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from gateway.core.errors import KeyLocked
from gateway.core.keysheet import RecoveryKey, encode_sheet
from gateway.core.model import Secret
from recorder.keystore import KeyStore, Unlock
from recorder.passphrase import Kdf
from recorder.school import WrappedKey, public_of, wrap
from tests.fakes.clock import FakeClock

FAST = Kdf(64, 1, 1)
OLD, NEW, WRONG = Secret("bông hoa mười giờ nở"), Secret("con trâu ăn cỏ đồng xa"), Secret("không phải câu này đâu")


class School:
    """A key store that can be started again, and footage keys wrapped at different times."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.clock = folder, FakeClock()
        self.written: list[tuple[bytes, tuple[WrappedKey, ...]]] = []

    def start(self, mode: Unlock = "passphrase", credentials: Path | None = None) -> KeyStore:
        store = KeyStore(self.folder, mode, self.clock, credentials=credentials, kdf=FAST)
        store.load()
        return store

    def write(self, store: KeyStore) -> int:
        """Wrap a data key as footage does; return its number."""
        key = os.urandom(32)
        self.written.append((key, tuple(wrap(public, key, b"") for public in store.school.recipients)))
        return len(self.written) - 1

    def readable(self, store: KeyStore) -> list[int]:
        """Return which of the data keys the store opens."""
        found = []
        for number, (key, wrapped) in enumerate(self.written):
            try:
                assert store.school.unwrap(wrapped, b"") == key
                found.append(number)
            except KeyLocked:
                continue
        return found


def sheet() -> tuple[Secret, bytes]:
    """Return a recovery holder's sheet as typed, and its public half."""
    private = X25519PrivateKey.generate().private_bytes_raw()
    return Secret("\n".join(encode_sheet(RecoveryKey(1, private)))), public_of(private)
