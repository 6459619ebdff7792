"""Data keys of footage: one per stream-hour, in RAM, wrapped in the `key` file of the hour's folder.

Owns the key file's format and the ring of opened keys. Invariants: a wrapped key is on the medium (file,
then folder) before the first byte it encrypts; a key file only ever grows, a torn or flipped entry is
skipped and never costs its neighbours; the ring is bounded; dropping the hour erases what it
encrypted. Any thread; one lock, held across the disk for the rare new hour only.

Entry: magic `VKEY`, version u16, recipients u8, 0 u8, stream u64, hour u64, key id 8 B; per recipient its
id 8 B, ephemeral public key 32 B, sealed data key 48 B; CRC-32C u32. Big endian.
"""

from __future__ import annotations

import contextlib
import os
import struct
import threading
from collections import OrderedDict
from typing import NamedTuple

from gateway.core.errors import KeyLocked
from gateway.core.model import StreamId
from recorder.files import VolumeFiles
from recorder.layout import KEY_NAME, Hour
from recorder.school import DATA_KEY_BYTES, MAX_RECIPIENTS, RandomBytes, SchoolKey, WrappedKey, recipient_id, wrap
from recorder.segment import KEY_ID_BYTES, crc32c

_HEAD = struct.Struct(">4sHBxQQ8s")
_RECIPIENT = struct.Struct(">8s32s48s")
_CRC = struct.Struct(">I")
_MAGIC, _VERSION = b"VKEY", 1
MAX_KEY_FILE_BYTES = 64 << 10
DEFAULT_CAPACITY = 4096
"""64 streams for 64 hours; about 1 MB."""


class DataKey(NamedTuple):
    """The key of a stream-hour; its `repr` shows the id only."""

    id: bytes
    key: bytes

    def __repr__(self) -> str:
        return f"DataKey({self.id.hex()})"


class KeyEntry(NamedTuple):
    """One entry of a key file."""

    hour: Hour
    key_id: bytes
    wrapped: tuple[WrappedKey, ...]

    @property
    def context(self) -> bytes:
        """What is authenticated with the wrapped key."""
        return _HEAD.pack(_MAGIC, _VERSION, 0, self.hour.stream, self.hour.number, self.key_id)


def encode_entry(entry: KeyEntry) -> bytes:
    """Return one entry of a key file."""
    hour = entry.hour
    body = _HEAD.pack(_MAGIC, _VERSION, len(entry.wrapped), hour.stream, hour.number, entry.key_id)
    body += b"".join(_RECIPIENT.pack(*item) for item in entry.wrapped)
    return body + _CRC.pack(crc32c(body))


def decode_entries(data: bytes) -> list[KeyEntry]:
    """Return the whole entries of a key file, whatever lies between them."""
    entries: list[KeyEntry] = []
    at = data.find(_MAGIC)
    while at >= 0 and at + _HEAD.size <= len(data):
        _, version, count, stream, number, key_id = _HEAD.unpack_from(data, at)
        end = at + _HEAD.size + count * _RECIPIENT.size
        whole = version == _VERSION and count <= MAX_RECIPIENTS and end + _CRC.size <= len(data)
        if whole and crc32c(data[at:end]) == _CRC.unpack_from(data, end)[0]:
            wrapped = tuple(WrappedKey(*item) for item in _RECIPIENT.iter_unpack(data[at + _HEAD.size : end]))
            entries.append(KeyEntry(Hour(StreamId(stream), number), key_id, wrapped))
            at = data.find(_MAGIC, end + _CRC.size)
        else:
            at = data.find(_MAGIC, at + 1)
    return entries


class KeyRing:
    """The opened data keys of one volume."""

    def __init__(
        self,
        files: VolumeFiles,
        school: SchoolKey,
        *,
        capacity: int = DEFAULT_CAPACITY,
        random_bytes: RandomBytes = os.urandom,
    ) -> None:
        self._files = files
        self._school = school
        self._capacity = capacity
        self._random_bytes = random_bytes
        self._lock = threading.Lock()
        self._keys: OrderedDict[tuple[Hour, bytes], DataKey] = OrderedDict()
        self._writing: dict[StreamId, tuple[Hour, DataKey]] = {}
        self._recipients: dict[StreamId, tuple[bytes, ...]] = {}
        """To whom the key in use for writing is wrapped."""

    def for_writing(self, hour: Hour) -> DataKey:
        """Return the key for new segments of this hour, wrapped on disk first; OSError from the disk.

        After a restart an unlocked box goes on with the hour's key, a locked one starts another; so does
        everyone when the school's recipients have changed.
        """
        with self._lock:
            current = self._writing.get(hour.stream)
            recipients = self._school.recipients
            if current is not None and current[0] == hour and self._recipients.get(hour.stream) == recipients:
                return current[1]
            self._files.ensure_folder(hour.folder)
            key = self._resume(hour, recipients) or self._start(hour, recipients)
            self._writing[hour.stream] = (hour, key)
            self._recipients[hour.stream] = recipients
            return key

    def for_reading(self, hour: Hour, key_id: bytes) -> DataKey:
        """Return the key that encrypted a segment of this hour; KeyLocked if it cannot be opened."""
        with self._lock:
            writing = self._writing.get(hour.stream)
            if writing is not None and writing[0] == hour and writing[1].id == key_id:
                return writing[1]
            known = self._keys.get((hour, key_id))
            if known is not None:
                self._keys.move_to_end((hour, key_id))
                return known
            entry = next((item for item in self._entries(hour) if item.key_id == key_id), None)
            if entry is None:
                raise KeyLocked(
                    "the key of this hour was erased or never kept", stream=int(hour.stream), hour=hour.number
                )
            return self._remember(hour, DataKey(key_id, self._school.unwrap(entry.wrapped, entry.context)))

    def drop(self, hour: Hour) -> bool:
        """Erase the hour's keys (RAM and file, not yet the folder's entry); False while it is written to."""
        with self._lock:
            writing = self._writing.get(hour.stream)
            if writing is not None and writing[0] == hour:
                return False
            for known in [item for item in self._keys if item[0] == hour]:
                del self._keys[known]
            erase_key(self._files, hour)
            return True

    def destroy(self, hour: Hour) -> int:
        """Erase the keys of an hour whose stream was stopped for good; returns how many there were."""
        with self._lock:
            writing = self._writing.get(hour.stream)
            if writing is not None and writing[0] == hour:
                del self._writing[hour.stream]
            for known in [item for item in self._keys if item[0] == hour]:
                del self._keys[known]
            return erase_key(self._files, hour)

    def forget(self) -> None:
        """Forget all opened keys but those in use for writing."""
        with self._lock:
            self._keys.clear()

    @property
    def opened(self) -> int:
        """Number of keys in memory."""
        return len(self._keys) + len(self._writing)

    def _remember(self, hour: Hour, key: DataKey) -> DataKey:
        self._keys[hour, key.id] = key
        while len(self._keys) > self._capacity:
            self._keys.popitem(last=False)
        return key

    def _entries(self, hour: Hour) -> list[KeyEntry]:
        path = f"{hour.folder}/{KEY_NAME}"
        if not self._files.exists(path):
            return []
        entries = decode_entries(self._files.read_small(path, MAX_KEY_FILE_BYTES))
        return [item for item in entries if item.hour == hour]

    def _resume(self, hour: Hour, recipients: tuple[bytes, ...]) -> DataKey | None:
        wanted = [recipient_id(public) for public in recipients]
        for entry in self._entries(hour):
            if [item.recipient for item in entry.wrapped] != wanted:
                continue  # others could read on with it
            key = self._keys.get((hour, entry.key_id))
            if key is None and self._school.unlocked:
                with contextlib.suppress(KeyLocked):  # wrapped to a former key of the school: another follows
                    key = DataKey(entry.key_id, self._school.unwrap(entry.wrapped, entry.context))
            if key is not None:
                self._append(hour, b"")  # whoever wrote the entry may have died before it was on the medium
                return self._remember(hour, key)
        return None

    def _start(self, hour: Hour, recipients: tuple[bytes, ...]) -> DataKey:
        key = DataKey(self._random_bytes(KEY_ID_BYTES), self._random_bytes(DATA_KEY_BYTES))
        bare = KeyEntry(hour, key.id, ())
        wrapped = tuple(wrap(public, key.key, bare.context, self._random_bytes) for public in recipients)
        self._append(hour, encode_entry(bare._replace(wrapped=wrapped)))
        return self._remember(hour, key)

    def _append(self, hour: Hour, entry: bytes) -> None:
        files, path = self._files, f"{hour.folder}/{KEY_NAME}"
        fd = files.open_update(path) if files.exists(path) else files.create(path)
        size = files.size(fd)
        try:
            files.write(fd, [entry], size)
            files.fdatasync(fd)
        except OSError:
            with contextlib.suppress(OSError):  # a disk that fails for an hour must not fill the file with tries
                files.truncate(fd, size)
            raise
        finally:
            files.close(fd)
        files.fsync_dir(hour.folder)


def erase_key(files: VolumeFiles, hour: Hour) -> int:
    """Overwrite an hour's key file where it lies, sync it, unlink it; returns how many keys it held.

    The caller syncs the folder. What a copy-on-write file system, a flash translation layer or a snapshot keeps of
    the old bytes nobody can promise; they are wrapped keys, which only the school's private keys open.
    """
    path = f"{hour.folder}/{KEY_NAME}"
    if not files.exists(path):
        return 0
    fd = files.open_update(path)
    try:
        size = files.size(fd)
        count = len(decode_entries(files.read(fd, min(size, MAX_KEY_FILE_BYTES), 0)))
        files.write(fd, [bytes(size)], 0)
        files.fdatasync(fd)
    finally:
        files.close(fd)
    files.unlink(path)
    return count
