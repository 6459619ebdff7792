"""The copy of the holds on a disk: `<volume>/holds.json`.

Owns its bytes. Invariants: a copy is replaced whole or not at all; it names no person and no reason, because a
disk may be read by others; what cannot be read is put aside under another name, never overwritten.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import NamedTuple

from gateway.core.errors import VolumeWrong
from gateway.core.model import PublicId, StreamId, is_public_id
from recorder.files import VolumeFiles
from recorder.layout import HOLDS_NAME, PUT_ASIDE
from recorder.retention import Hold

FORMAT = 2
MOST_BYTES = 8 << 20
_NEW_NAME = f"{HOLDS_NAME}.new"
_DAMAGED_NAME = f"{HOLDS_NAME}{PUT_ASIDE}"


class Copied(NamedTuple):
    """A hold of one stream, as a disk carries it."""

    id: PublicId
    hold: Hold


def encode_holds(holds: Sequence[Copied]) -> bytes:
    """Return the bytes of a copy."""
    rows = [
        {
            "id": name,
            "stream": hold.stream,
            "start_ms": hold.start_ms,
            "end_ms": hold.end_ms,
            "until_ms": hold.until_ms,
        }
        for name, hold in holds
    ]
    return json.dumps({"format": FORMAT, "holds": rows}, indent=1).encode() + b"\n"


def decode_holds(data: bytes) -> list[Copied]:
    """Return the holds of a copy, also of format 1, which had no ids; VolumeWrong if it is damaged."""
    try:
        found = json.loads(data)
        rows = found["holds"]
        if found["format"] not in {1, FORMAT}:
            raise VolumeWrong("the copy of the holds is of another format")
        return [_copied(row) for row in rows]
    except (ValueError, KeyError, TypeError) as error:
        raise VolumeWrong("the copy of the holds is damaged") from error


def _copied(row: dict[str, object]) -> Copied:
    stream, start_ms, end_ms, until_ms = (int(str(row[key])) for key in ("stream", "start_ms", "end_ms", "until_ms"))
    if stream < 1 or start_ms >= end_ms:
        raise VolumeWrong("the copy of the holds is damaged")
    name = str(row.get("id", ""))
    hold = Hold(StreamId(stream), start_ms, end_ms, until_ms)
    return Copied(PublicId(name) if is_public_id(name) else derived_id(hold), hold)


def derived_id(hold: Hold) -> PublicId:
    """Return the id of a hold of format 1: the same for the same hold, whichever disk carries it."""
    text = f"{hold.stream} {hold.start_ms} {hold.end_ms} {hold.until_ms}"
    return PublicId(base64.b32encode(hashlib.sha256(text.encode()).digest()[:10]).decode("ascii").lower())


def read_copy(files: VolumeFiles) -> list[Copied]:
    """Return what a volume carries; nothing if it has no copy. OSError from the disk; VolumeWrong if damaged.

    A damaged copy is put aside first, so that the next one does not take its place.
    """
    if not files.exists(HOLDS_NAME):
        return []
    fd = files.open_read(HOLDS_NAME)
    try:
        data = files.read(fd, MOST_BYTES, 0)
    finally:
        files.close(fd)
    try:
        return decode_holds(data)
    except VolumeWrong:
        if files.exists(_DAMAGED_NAME):
            files.unlink(_DAMAGED_NAME)
        files.rename(HOLDS_NAME, _DAMAGED_NAME)
        files.fsync_dir(".")
        raise


def write_copy(files: VolumeFiles, data: bytes) -> None:
    """Replace a volume's copy: written beside, synced, renamed, folder synced. OSError from the disk."""
    if files.exists(_NEW_NAME):  # of a write that was cut short
        files.unlink(_NEW_NAME)
    fd = files.create(_NEW_NAME)
    try:
        files.write(fd, [data], 0)
        files.fdatasync(fd)
    finally:
        files.close(fd)
    files.rename(_NEW_NAME, HOLDS_NAME)
    files.fsync_dir(".")
