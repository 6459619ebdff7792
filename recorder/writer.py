"""The writer of one volume: a thread that turns what streams offer into segment files.

Owns the running segments and when they are cut, synced and closed. Invariants: `offer` never waits for the
disk; a segment starts with a key frame, holds one run and one configuration and no hole; a new one begins
about every minute; all running files are synced every few seconds; an error of the disk becomes a typed
error and a gap with its cause, never the end of this thread. While the disk is full, read-only or gone the
newest footage stays in the backlog and is tried again; `leave` ends the writer and not the backlog.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import anyio
import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.errors import StorageError, VolumeFull, VolumeMissing, VolumeReadOnly, VuonError
from gateway.core.media import TICKS_PER_S, AccessUnit
from gateway.core.model import StreamId
from recorder.backlog import Backlog, RunEnd, drop_of
from recorder.closer import Closer
from recorder.files import VolumeFiles, storage_error
from recorder.gop import Fragment, RunInfo
from recorder.index import VolumeIndex
from recorder.indexer import Indexer
from recorder.keys import KeyRing
from recorder.layout import hour_of, segment_path
from recorder.leaving import Leaving
from recorder.rows import FLAG_SUSPECT, SegmentRow
from recorder.segment import ENC_AES256GCM, ENC_NONE, NO_KEY, NONCE_PREFIX_BYTES, FileHeader
from recorder.segmentfile import SegmentFile
from recorder.syncer import Syncer, syncer_for
from recorder.written import WriterEvents, WriterStatistics

LONGEST_SEGMENT_90K = 3600 * TICKS_PER_S
"""A stream without key frames for an hour: its segment is closed and the next key frame awaited."""
LAST_TRIES = 3
"""Writes to a full disk that are tried again after the end was asked for: stopping must be quick."""
_FILES_TRIED = 2
"""A key frame that cannot be written gets one new file before the disk is doubted."""


@dataclass(frozen=True, slots=True)
class WriterOptions:
    """How a volume is written."""

    segment_s: int = 60
    sync_s: float = 5.0
    queue_bytes: int = 256 << 20
    """Room for a disk that stalls: 30 s of 32 cameras at 2 Mbit/s."""
    retry_s: float = 1.0
    stagger: bool = True
    """Cut the first segment of a run shorter, by stream, so that not all close in one second."""
    stop_s: float = 20.0
    cipher: int = ENC_AES256GCM
    """How payloads are encrypted where there are keys."""


class VolumeWriter:
    """Writes one volume while entered; `begin_run`, `offer` and `end_run` from any thread."""

    def __init__(  # noqa: PLR0913 - what a writer stands on, and what tests replace
        self,
        files: VolumeFiles,
        index: VolumeIndex,
        ring: KeyRing | None,
        events: WriterEvents,
        clock: Clock,
        *,
        options: WriterOptions | None = None,
        syncer: Syncer | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        backlog: Backlog | None = None,
    ) -> None:
        """Take `ring` None for a volume without encryption; `syncer` None chooses by the file system.

        `backlog` is one that outlives this writer; None makes its own.
        """
        self._files, self._ring, self._events, self._clock = files, ring, events, clock
        self.options = options or WriterOptions()
        self._syncer = syncer or syncer_for(files)
        self._random_bytes = random_bytes
        self._backlog = backlog or Backlog(self.options.queue_bytes)
        self._told_to_leave = threading.Event()
        self._stuck = False
        self._leaving = Leaving()
        self._indexer = Indexer(index, self._indexed, events.storage_error, retry_s=self.options.retry_s)
        self._closer = Closer(files, self._syncer, self._indexer.put, self._fail, self._leaving.indexed)
        self._open: dict[StreamId, SegmentFile] = {}
        self._next_number: dict[StreamId, tuple[int, int]] = {}
        self._cause: dict[StreamId, str] = {}
        self._ended: list[RunInfo] = []
        """Runs that are over and whose segments are still to be closed."""
        self._folders: set[str] = set()
        self._busy: set[str] = set()
        self._dirty = False
        self._failing: StorageError | None = None
        self._last_tries = LAST_TRIES
        self._written_fragments = self._written_bytes = self._syncs = 0
        self._last_end_ms: dict[StreamId, int] = {}
        self._thread = threading.Thread(target=self._run, name="vuon-writer", daemon=True)

    def __enter__(self) -> Self:
        self._indexer.start()
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.finish()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, *error: object) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.finish)

    def begin_run(self, run: RunInfo) -> None:
        """Start a run; its first key frame starts a segment. Any thread, never blocks."""
        self._backlog.begin_run(run)

    def offer(self, stream: StreamId, unit: AccessUnit, wall_90k: int | None = None) -> bool:
        """Take a unit; False when there is no run or footage was dropped. Any thread, never blocks.

        `wall_90k` replaces `start_wall_ms * 90 + pts_90k` for a camera whose clock lies.
        """
        return self._backlog.offer(stream, unit, wall_90k)

    def end_run(self, stream: StreamId, cause: str) -> None:
        """End the stream's run and close its segment. Any thread, never blocks."""
        self._backlog.end_run(stream, cause)

    def finish(self) -> bool:
        """Write everything, close every segment, stop; False if the disk did not answer in `stop_s`."""
        self._backlog.close()
        if self._thread.ident is None:
            return True
        self._thread.join(self.options.stop_s)
        return self._indexer.stop(self.options.stop_s) and not self._thread.is_alive()

    def leave(self) -> bool:
        """Stop at once and leave in the backlog what is not written; False if the disk did not answer."""
        self._told_to_leave.set()
        self._backlog.wake()
        self._thread.join(self.options.stop_s)
        return self._indexer.stop(self.options.stop_s) and not self._thread.is_alive()

    @property
    def ended(self) -> bool:
        """Say whether nothing of it runs any more, after `finish` or `leave` did not get an answer in time."""
        return not self._thread.is_alive() and not self._indexer.alive

    def busy(self) -> frozenset[str]:
        """Return the paths of the running files that are this writer's, from before they exist. Any thread."""
        return frozenset(self._busy.copy())

    def running(self) -> list[SegmentRow]:
        """Return what is on disk of the segments still being written, or on their way into the index. Any thread."""
        rows = (segment.row() for segment in list(self._open.values()))
        return self._leaving.beside([row for row in rows if row is not None])

    def last_end_ms(self, stream: StreamId) -> int | None:
        """Return the true time up to which a stream is written. Any thread."""
        return self._last_end_ms.get(stream)

    def statistics(self) -> WriterStatistics:
        """Return the counters. Any thread."""
        backlog = self._backlog
        return WriterStatistics(
            alive=self._thread.is_alive(),
            failing=self._failing,
            stuck=self._stuck,
            running_segments=len(self._open),
            closed_segments=self._closer.count,
            unfinished_segments=self._closer.unfinished,
            written_fragments=self._written_fragments,
            written_bytes=self._written_bytes,
            waiting_bytes=backlog.waiting_bytes,
            dropped_fragments=backlog.dropped_fragments,
            dropped_bytes=backlog.dropped_bytes,
            unindexed=self._indexer.unindexed,
            syncs=self._syncs,
            bent=backlog.bent,
        )

    # --- the writer's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        now_ns = self._clock.mono_ns()
        next_sync_ns = now_ns + self._sync_ns
        while True:
            wait_s = 0.0 if self._ended else max(0.0, (next_sync_ns - now_ns) / 1e9)
            item = self._backlog.take(wait_s, self._told_to_leave)
            if isinstance(item, RunEnd):
                self._ended.append(item.run)
            elif item is not None:
                self._write(item)
            else:
                self._close_ended()
            self._tell_drops()
            now_ns = self._clock.mono_ns()
            if now_ns >= next_sync_ns:
                self._sync()
                next_sync_ns = now_ns + self._sync_ns
            if item is None and (self._backlog.closed or self._told_to_leave.is_set()):
                break
        self._closer.close_many([self._take(stream) for stream in list(self._open)])
        self._closer.retry()
        self._closer.abandon()

    @property
    def _sync_ns(self) -> int:
        return int(self.options.sync_s * 1e9)

    def _tell_drops(self) -> None:
        for drop in self._backlog.drops():
            self._events.dropped(*drop, "disk" if self._stuck else "overload")

    def _write(self, fragment: Fragment) -> None:
        """Store a fragment, or give it back while the disk takes nothing."""
        stream, run = fragment.run.stream, fragment.run.run
        if self._next_number.get(stream, (run, fragment.number)) != (run, fragment.number):
            self._cause[stream] = "overload"
            self._close(stream)
        cause = self._try(fragment)
        if cause is None:
            self._backlog.put_back(fragment)
            self._backlog.pause(self.options.retry_s, self._told_to_leave)
            self._tell_drops()
            self._sync()  # what was written before the disk was full must not wait for room
            return
        self._next_number[stream] = (run, fragment.number + 1)
        self._backlog.done(fragment, stored=not cause)
        if cause:
            self._cause[stream] = cause
            self._events.dropped(*drop_of(fragment), cause)

    def _try(self, fragment: Fragment) -> str | None:
        """Store a fragment, in a new file if the running one fails.

        Returns the cause of the gap, nothing when there is none, None when it must wait for the disk.
        """
        stream, failure = fragment.run.stream, StorageError("not tried")
        for _ in range(_FILES_TRIED):
            try:
                cause = self._store(fragment)
            except OSError as error:
                failure = storage_error(error, self._files.root.name)
            except StorageError as error:
                failure = error
            except VuonError:
                return "camera"
            else:
                self._stuck = self._stuck and bool(cause)
                return cause
            self._fail(failure)
            if isinstance(failure, VolumeFull):
                break
            self._close(stream, FLAG_SUSPECT)
            if not fragment.is_key:
                return "disk"
        if not self._takes_nothing(failure):
            return "disk"
        self._stuck = True
        self._last_tries -= self._backlog.closed
        return "disk" if self._last_tries < 0 else None

    def _takes_nothing(self, failure: StorageError) -> bool:
        """Say whether it is the disk that fails, and not one file or folder on it."""
        if isinstance(failure, VolumeFull | VolumeMissing | VolumeReadOnly):
            return True
        try:
            self._files.probe()
        except OSError:
            return True
        return False

    def _store(self, fragment: Fragment) -> str:
        """Write a fragment into its segment; return why it cannot be kept, or nothing."""
        stream, run = fragment.run.stream, fragment.run
        segment = self._open.get(stream)
        if segment is not None and self._complete(segment, fragment):
            self._close(stream)
            segment = None
            self._cause[stream] = "camera"
        if segment is None:
            if not fragment.is_key:
                return self._cause.get(stream, "disk")
            segment = self._begin(fragment)
        payload = fragment.encode(segment.records + 1)
        size = segment.append(
            payload, fragment.start_90k, fragment.duration_90k, len(fragment.units), is_key=fragment.is_key
        )
        self._last_end_ms[stream] = fragment.end_90k // 90 + run.offset_ms
        self._written_fragments += 1
        self._written_bytes += size
        self._dirty = True
        if isinstance(self._failing, VolumeFull):
            self._failing = None
        return ""

    def _complete(self, segment: SegmentFile, fragment: Fragment) -> bool:
        """Say whether the fragment belongs into a new segment."""
        header = segment.header
        if header.run != fragment.run.run or fragment.start_90k != segment.end_90k:
            return True
        length_90k = fragment.start_90k - header.start_ms * 90
        if fragment.is_key:
            return fragment.config != header.config or length_90k + 90 >= self._target_90k(header, fragment.run)
        return length_90k >= LONGEST_SEGMENT_90K

    def _target_90k(self, header: FileHeader, run: RunInfo) -> int:
        """Return how long this segment should be: the first of a run is shorter, by stream."""
        full_90k = self.options.segment_s * TICKS_PER_S
        first = header.start_ms - run.start_wall_ms < self.options.segment_s * 1000
        if not (self.options.stagger and first):
            return full_90k
        return full_90k - (full_90k // 2) * (header.stream * 5 % 16) // 16

    def _begin(self, fragment: Fragment) -> SegmentFile:
        run = fragment.run
        start_ms = fragment.start_ms
        hour = hour_of(run.stream, start_ms)
        key = self._ring.for_writing(hour) if self._ring is not None else None
        if key is None:
            self._files.ensure_folder(hour.folder)
        header = FileHeader(
            run.stream,
            run.run,
            start_ms,
            run.offset_ms,
            fragment.config,
            ENC_NONE if key is None else self.options.cipher,
            NO_KEY if key is None else key.id,
            self._random_bytes(NONCE_PREFIX_BYTES),
        )
        path = segment_path(run.stream, start_ms, run.run, part=True)
        self._busy.add(path)
        try:
            segment = SegmentFile(self._files, header, None if key is None else key.key, self._busy.discard)
        except OSError:
            self._busy.discard(path)
            raise
        self._open[run.stream] = segment
        self._folders.add(segment.folder)
        return segment

    def _close(self, stream: StreamId, flags: int = 0) -> None:
        if stream in self._open:
            self._closer.close(self._take(stream), flags)

    def _take(self, stream: StreamId) -> SegmentFile:
        """Take a segment out for closing; until its row is in the index it is still among the running ones."""
        self._leaving.add(self._open[stream].row())
        return self._open.pop(stream)

    def _indexed(self, row: SegmentRow) -> None:
        self._leaving.indexed(row)
        self._events.segment_closed(row)

    def _close_ended(self) -> None:
        """Close the segments of the runs that ended since: all at once, when the recorder stops."""
        ended, self._ended = self._ended, []
        streams = dict.fromkeys(run.stream for run in ended if self._is_open(run))
        self._closer.close_many([self._take(stream) for stream in streams])

    def _is_open(self, run: RunInfo) -> bool:
        segment = self._open.get(run.stream)
        return segment is not None and segment.header.run == run.run

    def _sync(self) -> None:
        self._close_ended()
        self._closer.retry()
        if not self._dirty:
            return
        running = {segment.fd: stream for stream, segment in self._open.items()}
        failed = self._syncer.sync(self._files, list(running), list(self._folders))
        self._syncs += 1
        self._folders.clear()
        self._dirty = False
        if not failed and not self._closer.unfinished:
            self._failing = None
        for fd, error in failed.items():
            self._fail(storage_error(error, self._open[running[fd]].part_path))
            self._cause[running[fd]] = "disk"
            self._close(running[fd], FLAG_SUSPECT)

    def _fail(self, error: StorageError) -> None:
        known, self._failing = self._failing, error
        if known is None or known.fields.get("errno") != error.fields.get("errno"):
            self._events.storage_error(error)
