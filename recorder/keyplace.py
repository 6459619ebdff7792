"""Where the school's private key lies while `unlock = "box"`: a systemd credential, or a file of the box.

Owns `<state>/keys/footage.key` and the names of the credentials. Invariants: a key is on the medium under another
name before the card says so, and takes its place afterwards, so that a cut in between loses neither; a key file
that is not wanted any more is overwritten before it is unlinked; files are 0600.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path

from gateway.core.files import write_whole
from gateway.core.secrets import KEY_BYTES, read_private
from recorder.school import public_of

FILE_NAME, NEXT_NAME = "footage.key", "footage.key.next"
CREDENTIALS_ENV = "CREDENTIALS_DIRECTORY"


class Place(StrEnum):
    """Where the private half lies."""

    TPM = "tpm"
    """A systemd credential bound to this box's TPM chip and disk."""
    HOST = "host"
    """A systemd credential bound to a key on this box's system disk."""
    FILE = "file"
    """A plain file on the system disk."""
    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a place
    """Nowhere but under the passphrase and with the recovery holders."""
    NOWHERE = "nowhere"
    """Not to be found: only a recovery sheet brings it back."""


CREDENTIALS: Mapping[str, Place] = {"vuon-footage-tpm.key": Place.TPM, "vuon-footage-host.key": Place.HOST}
"""systemd authenticates a credential's name, so the name says truly how it was sealed."""


def credentials_folder(environ: Mapping[str, str]) -> Path | None:
    """Return where systemd shows this unit its credentials (systemd.exec(5)), None without any."""
    folder = environ.get(CREDENTIALS_ENV, "")
    return Path(folder) if folder else None


class BoxKeys:
    """The private keys that the box itself has, by public half."""

    def __init__(self, folder: Path, credentials: Path | None) -> None:
        self._folder, self._credentials = folder, credentials

    def find(self, public: bytes) -> tuple[bytes, Place] | None:
        """Return the private half of `public` and where it lies, best place first; None without one."""
        for name, place in CREDENTIALS.items():
            path = self._credentials / name if self._credentials is not None else None
            if path is not None and path.exists():
                private = path.read_bytes()
                if len(private) == KEY_BYTES and public_of(private) == public:
                    return private, place
        for name in (FILE_NAME, NEXT_NAME):
            path = self._folder / name
            if path.exists():
                private = read_private(path)
                if len(private) == KEY_BYTES and public_of(private) == public:
                    if name == NEXT_NAME:  # the card had changed when the power went
                        self.promote()
                    return private, Place.FILE
        return None

    def sealed(self) -> dict[str, bytes]:
        """Return the public half of each systemd credential that this unit was given, by the credential's name."""
        found: dict[str, bytes] = {}
        for name in CREDENTIALS if self._credentials is not None else ():
            path = self._credentials / name if self._credentials is not None else Path(name)
            if path.exists() and len(private := path.read_bytes()) == KEY_BYTES:
                found[name] = public_of(private)
        return found

    def first(self) -> bytes | None:
        """Return the key of a box that has no card yet; None on a new box."""
        path = self._folder / FILE_NAME
        return read_private(path) if path.exists() else None

    def prepare(self, private: bytes) -> None:
        """Write a key beside the one in use: it takes its place with `promote`, after the card."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o711)
        write_whole(self._folder / NEXT_NAME, private, 0o600)

    def promote(self) -> None:
        """Give the prepared key its place; the one before is overwritten."""
        shred(self._folder / FILE_NAME, unlink=False)
        (self._folder / NEXT_NAME).replace(self._folder / FILE_NAME)
        _sync_folder(self._folder)

    def clear(self) -> None:
        """Take the box's key files away."""
        for name in (FILE_NAME, NEXT_NAME):
            shred(self._folder / name)

    def drop_prepared(self) -> None:
        """Take away a prepared key that no card ever named."""
        shred(self._folder / NEXT_NAME)


def shred(path: Path, *, unlink: bool = True) -> None:
    """Overwrite a small file where it lies, sync, unlink; what a flash disk keeps is in docs/design/keys.md."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        os.pwrite(fd, bytes(os.fstat(fd).st_size), 0)
        os.fsync(fd)
    finally:
        os.close(fd)
    if unlink:
        path.unlink()
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
