"""Erasing footage for good: keys first, then files, then rows and names.

Owns the carrying out of `recorder.erasures`. Invariants: every key of a disk is overwritten and gone from the medium
before the first of its files is unlinked, and before them the school's private keys when all of the box goes (a
disk that was stolen cannot be emptied, but nothing here opens it any more), so that a cut in the middle leaves
files nobody can open, never keys without an order to erase them; what a kill interrupts goes on at the next start;
an order is done when every disk of the configuration was emptied, so one that is away keeps it waiting (one that was
given up is named in the proof).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio
import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.log import get_logger
from gateway.core.model import PublicId, StreamId
from recorder.erasures import ALL, Counted, Erasure, ErasureBook, Scope
from recorder.files import VolumeFiles, storage_error
from recorder.index import delete_segments
from recorder.keys import erase_key
from recorder.layout import KEY_NAME, PUT_ASIDE, Hour, parse_name
from recorder.recovery import stream_hours
from recorder.recovery import streams as stored_streams
from recorder.slot import Opened, Slot

log = get_logger("recorder.eraser")

LOOK_S = 5.0
_SETTLE_S = 0.2
_TRIES = 100
"""How often the end of a stream's writing is awaited in one pass: 20 s."""


@dataclass(frozen=True, slots=True)
class Around:
    """What the eraser needs of the recorder."""

    slots: Sequence[Slot]
    clock: Clock
    deleting: asyncio.Lock
    """Held while files go, as by retention."""
    stop: Callable[[Sequence[PublicId]], Awaitable[None]]
    """Stops the tasks of cameras if they run, and drops their pictures."""
    known_volumes: Callable[[], Awaitable[Mapping[str, PublicId]]]
    """The disks that ever held footage, by path."""
    destroy_keys: Callable[[], None]
    """Takes the school's private keys away (erasing the whole box)."""
    lifted: Callable[[], Awaitable[object]]
    """Writes the copies of the holds anew."""


class Eraser:
    """Carries orders out, one at a time."""

    def __init__(self, book: ErasureBook, around: Around) -> None:
        self._book, self._around = book, around
        self._wake = asyncio.Event()

    async def order(self, camera: PublicId, who: str, *, lift_holds: bool) -> Erasure:
        """Take an order: it is on the medium when this returns, and begun at once."""
        erasure = await self._book.order(camera, who, self._around.clock.now_ms(), lift_holds=lift_holds)
        self._wake.set()
        return erasure

    async def run(self) -> None:
        """Carry orders out until cancelled; those that wait for a disk are tried again."""
        while True:
            self._wake.clear()
            await self.work()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._wake.wait()

    async def work(self) -> None:
        """Do what can be done now. StorageError from a disk: the rest is tried again."""
        for erasure in await self._book.pending():
            if erasure.state == "ordered":
                if erasure.camera == ALL and not erasure.keys_gone:
                    await anyio.to_thread.run_sync(self._around.destroy_keys)
                    await self._book.keys_gone(erasure)
                if not await self._disks(erasure):
                    continue
                await self._book.drop_rows(erasure)
            await self._book.finish(erasure, self._around.clock.now_ms())
            log.info("erasure.done", erasure=erasure.id)

    async def count(self, camera: PublicId) -> Counted:
        """Return what an order would erase on the disks that are there."""
        scope = await self._book.scope(camera)
        there = [opened.volume.files for slot in self._around.slots if (opened := slot.opened) is not None]
        counts = [await anyio.to_thread.run_sync(lambda disk: count(disk, _on(disk, scope)), files) for files in there]
        return Counted(*(sum(column) for column in zip(*counts, strict=True))) if counts else Counted(0, 0, 0)

    async def _disks(self, erasure: Erasure) -> bool:
        """Empty every disk; returns whether none is left to do."""
        await self._around.stop(await self._book.cameras(erasure))
        await self._around.lifted()
        scope = await self._book.scope(erasure.camera, erasure.last_camera)
        for slot in self._around.slots:
            slot.backlog.discard(scope.streams)  # what waits in memory for a disk that is away, or slow, goes as well
        used = {str(slot.options.path) for slot in self._around.slots}
        waiting = {volume for path, volume in (await self._around.known_volumes()).items() if path in used}
        for slot in self._around.slots:
            opened = slot.opened
            if opened is not None:
                volume = opened.volume.marker.volume
                streams = await anyio.to_thread.run_sync(_on, opened.volume.files, scope)
                await self._settled(opened, streams)
                found = await anyio.to_thread.run_sync(count, opened.volume.files, streams)
                await self._book.counted(erasure, volume, found)
                async with self._around.deleting:
                    await anyio.to_thread.run_sync(_empty, opened, streams)
                if any(await anyio.to_thread.run_sync(count, opened.volume.files, streams)):
                    continue  # a last file was closed meanwhile: with the next pass
                await self._book.emptied(erasure, volume, self._around.clock.now_ms())
                waiting.discard(volume)
        if waiting:
            log.info("erasure.waits", erasure=erasure.id, disks=len(waiting))
        return not waiting

    async def _settled(self, opened: Opened, streams: Sequence[StreamId]) -> None:
        """Wait until the writer has closed the last files of stopped streams; what it still holds goes all the same."""
        for _ in range(_TRIES):
            running = {row.stream for row in opened.writer.running()}
            if not running & set(streams):
                return
            await anyio.sleep(_SETTLE_S)


def _on(files: VolumeFiles, scope: Scope) -> Sequence[StreamId]:
    return scope.on(stored_streams(files))


def count(files: VolumeFiles, streams: Sequence[StreamId]) -> Counted:
    """Return how many keys, files and bytes there are of streams; blocks."""
    keys = segments = size = 0
    for hour in _hours(files, streams):
        for name in files.names(hour.folder):
            if name == KEY_NAME:
                keys += 1
            elif parse_name(name) is not None:
                segments += 1
                fd = files.open_read(f"{hour.folder}/{name}")
                size += files.size(fd)
                files.close(fd)
    return Counted(keys, segments, size)


def _hours(files: VolumeFiles, streams: Sequence[StreamId]) -> list[Hour]:
    return [hour for stream in streams for hour in stream_hours(files, stream)]


def _empty(opened: Opened, streams: Sequence[StreamId]) -> None:
    """Erase all of it on one disk: keys, then rows and files, then folders."""
    files = opened.volume.files
    try:
        erase_keys(opened, streams)
        for hour in _hours(files, streams):
            delete_segments(opened.index, files, opened.ring, opened.index.in_hour(hour))
        for hour in opened.index.hours():  # rows whose files are gone
            if hour.stream in streams:
                delete_segments(opened.index, files, opened.ring, opened.index.in_hour(hour))
        for stream in streams:
            _remove_tree(files, stream)
        _remove_put_aside(files)
    except OSError as error:
        raise storage_error(error, str(opened.volume.path)) from error


def _remove_put_aside(files: VolumeFiles) -> None:
    """Remove books that nobody could read: they may still say when what is erased was recorded."""
    for name in files.names("."):
        if name.endswith(PUT_ASIDE):
            files.unlink(name)
    files.fsync_dir(".")


def erase_keys(opened: Opened, streams: Sequence[StreamId]) -> None:
    """Overwrite and unlink every key of streams and put that on the medium; OSError from the disk. Blocks."""
    files = opened.volume.files
    for hour in _hours(files, streams):
        if opened.ring is not None:
            opened.ring.destroy(hour)
        else:
            erase_key(files, hour)
        files.fsync_dir(hour.folder)


def _remove_tree(files: VolumeFiles, stream: StreamId) -> None:
    """Remove what no row knew of, and the folders."""
    top = str(int(stream))
    if not files.exists(top):
        return
    for day in files.names(top):
        for hour in files.names(f"{top}/{day}"):
            folder = f"{top}/{day}/{hour}"
            for name in files.names(folder):
                files.unlink(f"{folder}/{name}")
            files.fsync_dir(folder)
            files.rmdir(folder)
        files.rmdir(f"{top}/{day}")
    files.rmdir(top)
    files.fsync_dir(".")
