"""One configured footage disk: opened when it is there, written, closed when it goes.

Owns the volume, its index, its keys and its writer as one unit that can come and go while the recorder
runs. Invariants: recovery ran before the writer starts; a disk that is missing, foreign or read-only is
a state, never the end of the recorder; what comes while it is away waits in the slot's backlog, newest first
to stay; an index that is lost or damaged, also while it is in use, is rebuilt from the files while recording
goes on, and a rebuilding that was cut short is begun again; another disk than the one before is refused until
somebody accepts it. `open`, `close`, `look` and the reading calls block: worker threads only.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from gateway.core.clock import Clock
from gateway.core.errors import StorageError, VolumeFailing, VolumeFull, VolumeMissing, VolumeReadOnly, VolumeWrong
from gateway.core.log import get_logger
from gateway.core.model import PublicId, RunId, StreamId
from recorder.backlog import Backlog, drop_of
from recorder.files import storage_error
from recorder.gaps import GapCause
from recorder.gop import Fragment
from recorder.index import FIRST, INDEX_NAME, After, VolumeIndex
from recorder.indexfile import REBUILD_NAME, file_number, is_database, open_index
from recorder.keys import KeyRing
from recorder.layout import MARKER_NAME
from recorder.losses import Losses
from recorder.recovery import RecoveryReport, ReindexReport, recover, reindex
from recorder.rows import SegmentRow
from recorder.school import SchoolKey
from recorder.volume import Volume, open_or_initialise
from recorder.writer import VolumeWriter, WriterOptions

log = get_logger("recorder.volume")

_STATES: tuple[tuple[type[StorageError], str], ...] = (
    (VolumeMissing, "missing"),
    (VolumeWrong, "wrong"),
    (VolumeReadOnly, "read_only"),
    (VolumeFull, "full"),
)
OK = "ok"


def state_of(error: StorageError | None) -> str:
    """Return the state a volume is in after this error."""
    if error is None:
        return OK
    return next((state for kind, state in _STATES if isinstance(error, kind)), "failing")


@dataclass(frozen=True, slots=True)
class SlotOptions:
    """How a disk is used."""

    path: Path
    box: PublicId
    min_free_bytes: int
    create: bool
    """Make an empty or absent folder a volume. Only for a path that never held one: a disk that is missing
    must not be replaced by a folder on the root disk."""
    writer: WriterOptions
    known: PublicId | None = None
    """The disk that was in use at this path before: another is refused until somebody accepts it."""


@dataclass(frozen=True, slots=True)
class Opened:
    """Everything of a disk that is in use."""

    volume: Volume
    index: VolumeIndex
    ring: KeyRing | None
    writer: VolumeWriter


class Slot:
    """The place of one disk."""

    def __init__(self, options: SlotOptions, school: SchoolKey | None, losses: Losses, clock: Clock) -> None:
        self.options = options
        self._school, self.losses, self._clock = school, losses, clock
        self.opened: Opened | None = None
        self.state = "missing"
        self.free_bytes = self.total_bytes = 0
        self.needs_reindex = False
        self.backlog = Backlog(options.writer.queue_bytes)
        self._index_file = 0
        self._index_broken = False
        self._unanswered: Opened | None = None
        """A disk that was given up while its writer still waited for an answer."""
        self._rebuilding = threading.Lock()
        self._create, self._known = options.create, options.known
        self._failure: StorageError | None = None
        self.came_with: Mapping[StreamId, int] | None = None
        """The true end of each stream's footage when the disk was first opened: before anything was written."""

    # --- WriterEvents: the writer's threads ---

    def segment_closed(self, row: SegmentRow) -> None:
        """Log a finished segment."""
        log.debug("segment.closed", path=row.path, bytes=row.size_bytes, frames=row.frames)

    def dropped(self, stream: StreamId, from_ms: int, to_ms: int, cause: str) -> None:
        """Remember footage that did not reach the disk."""
        self.losses.note(stream, from_ms, to_ms, GapCause(cause))

    def storage_error(self, error: StorageError) -> None:
        """Log what the disk said; the state follows with the next look."""
        log.error("volume.failed", error, path=str(self.options.path))

    # --- worker threads ---

    def open(self, offsets: Mapping[RunId, int]) -> RecoveryReport | None:
        """Open the disk if it is there and ours, recover, start the writer; None if it is not.

        Raises AddressTaken when another recorder uses it.
        """
        try:
            self._let_go()
            volume = self._volume()
        except StorageError as error:
            self._refuse(error)
            return None
        try:
            index, self.needs_reindex = open_index(volume, broken=self._index_broken)
            try:
                ring = KeyRing(volume.files, self._school) if self._school is not None else None
                report = recover(volume.files, index, ring, offsets)
                index.set_offsets(offsets)  # a clock may have been set right while the disk was away
                if self.came_with is None:
                    newest = {stream: index.newest(stream) for stream in index.totals()}
                    self.came_with = {stream: row.end_ms for stream, row in newest.items() if row is not None}
            except BaseException:
                index.close()
                raise
        except OSError as error:
            volume.close()
            self._refuse(storage_error(error, str(self.options.path)))
            return None
        except (StorageError, sqlite3.Error) as error:
            volume.close()
            self._refuse(error if isinstance(error, StorageError) else StorageError(str(error)))
            return None
        if self.backlog.closed:
            self.backlog = Backlog(self.options.writer.queue_bytes)
        writer = VolumeWriter(
            volume.files, index, ring, self, self._clock, options=self.options.writer, backlog=self.backlog
        )
        writer.__enter__()
        self._failure, self._create, self._index_broken = None, False, False
        self._known = volume.marker.volume
        self._index_file = file_number(volume.path / INDEX_NAME)
        self.opened = Opened(volume, index, ring, writer)
        self.look()
        log.info("volume.open", path=str(volume.path), adopted=len(report.adopted), missing=len(report.missing))
        return report

    def _volume(self) -> Volume:
        if self._create:
            return open_or_initialise(self.options.path, self.options.box, self._clock.now_ms())
        return Volume.open(self.options.path, self.options.box, expected=self._known)

    def accept(self) -> None:
        """Take the disk that is there now for ours from the next opening on: another of this box, or an empty one.

        VolumeWrong for a disk of another box, or one with other files on it: nothing is ever overwritten.
        VolumeMissing when nothing is mounted there: an empty mount point is a folder on the root disk.
        """
        path = self.options.path
        if self.opened is not None:
            return
        if (path / MARKER_NAME).exists():
            Volume.open(path, self.options.box).close()
        elif not path.is_mount():
            raise VolumeMissing(f"no disk is mounted at {path}", path=str(path))
        else:
            self._create = True
        self._known = None

    def _refuse(self, error: StorageError) -> None:
        if self._failure is None or self._failure.message != error.message:
            log.error("volume.refused", error, path=str(self.options.path))
        self._failure, self.state = error, state_of(error)

    def close(self) -> bool:
        """Close every segment and give the disk back; False if the disk did not answer in time."""
        if self.opened is None:
            self.backlog.close()
            while item := self.backlog.take(0):
                if isinstance(item, Fragment):
                    self.dropped(*drop_of(item), GapCause.DISK.value)
            self._tell_drops()
            return True
        return self._end(VolumeWriter.finish)

    def lose(self) -> bool:
        """Give the disk back at once; what is not written waits in the backlog for its return."""
        return self.opened is None or self._end(VolumeWriter.leave)

    def _end(self, stop: Callable[[VolumeWriter], bool]) -> bool:
        opened = self.require()
        self.opened = None
        done = stop(opened.writer)
        if not done or not self._rebuilding.acquire(timeout=opened.writer.options.stop_s):
            self._unanswered = opened  # a thread still uses it
            return False
        try:
            _give_back(opened)
        finally:
            self._rebuilding.release()
        return True

    def _let_go(self) -> None:
        """Give back a disk whose threads did not end in time, once they have; VolumeFailing until then."""
        opened = self._unanswered
        if opened is None:
            return
        if not opened.writer.ended or self._rebuilding.locked():
            raise VolumeFailing(f"{self.options.path} does not answer", path=str(self.options.path))
        _give_back(opened)
        self._unanswered = None

    def _tell_drops(self) -> None:
        for drop in self.backlog.drops():
            self.dropped(*drop, GapCause.DISK.value)

    @property
    def why(self) -> str:
        """Return what the disk said when it was refused or failed, in English; empty while it works."""
        if self.opened is not None:
            failing = self.opened.writer.statistics().failing
            return "" if failing is None else failing.message
        return "" if self._failure is None else self._failure.message

    @property
    def usable(self) -> bool:
        """Say whether footage reaches this disk now."""
        opened = self.opened
        return opened is not None and not opened.writer.statistics().stuck

    @property
    def alive(self) -> bool:
        """Say whether the writer runs, if the disk is in use."""
        opened = self.opened
        return opened is None or opened.writer.statistics().alive

    def look(self) -> str:
        """Ask the disk how it is; returns the state. A disk that went away is closed."""
        if self.opened is None:
            self._tell_drops()
            return self.state
        if not self.opened.volume.still_there():
            self._refuse(VolumeMissing(f"{self.options.path} went away", path=str(self.options.path)))
            self.lose()
            return self.state
        index = self.opened.volume.path / INDEX_NAME
        if self.opened.index.broken or file_number(index) != self._index_file or not is_database(index):
            log.warning("index.lost", path=str(index))
            self._index_broken = True
            self.lose()  # and opened anew by whoever looks: recording goes on from the backlog
            return self.state
        try:
            self.free_bytes, self.total_bytes = self.opened.volume.free_bytes()
        except StorageError as error:
            self._refuse(error)
            return self.state
        self.state = state_of(self.opened.writer.statistics().failing)
        return self.state

    def reindex(self, offsets: Mapping[RunId, int], halted: Callable[[], bool] = lambda: False) -> ReindexReport:
        """Make the index equal to the files; recording goes on, a second caller waits.

        VolumeMissing if the disk is not open, StorageError from it. It stops early when `halted`, or when the disk is
        given up: the report then says that it is not whole.
        """
        with self._rebuilding:
            opened = self.require()
            files = opened.volume.files

            def over() -> bool:
                return halted() or self.opened is not opened

            try:
                report = reindex(files, opened.index, offsets, ring=opened.ring, busy=opened.writer.busy, halted=over)
                if self.needs_reindex and report.whole and self.opened is opened:
                    files.unlink(REBUILD_NAME)
                    self.needs_reindex = False
            except OSError as error:
                raise storage_error(error, str(self.options.path)) from error
            except sqlite3.Error as error:
                raise StorageError("the index cannot be written", why=str(error)) from error
            return report

    def require(self) -> Opened:
        """Return the opened disk; VolumeMissing if it is not there."""
        if self.opened is None:
            raise VolumeMissing(f"{self.options.path} is not in use", path=str(self.options.path))
        return self.opened

    def rows(
        self,
        stream: StreamId,
        from_ms: int,
        to_ms: int,
        *,
        closed_only: bool,
        after: After = FIRST,
        limit: int | None = None,
    ) -> list[SegmentRow]:
        """Return what this disk holds of a stream in [from_ms, to_ms), oldest first; a page of it after one."""
        opened = self.opened
        if opened is None:
            return []
        written = [] if closed_only else opened.writer.running()  # first: it may be closed and indexed meanwhile
        rows = opened.index.find(stream, from_ms, to_ms, after=after, limit=limit)
        known = {(row.start_ms, row.run) for row in rows}
        running = [
            row
            for row in written
            if row.stream == stream
            and row.begin_ms < to_ms
            and row.end_ms > from_ms
            and (row.begin_ms, row.run) > after
        ]
        return rows + [row for row in running if (row.start_ms, row.run) not in known]

    def row(self, stream: StreamId, start_ms: int, run: RunId) -> SegmentRow | None:
        """Return one segment of this disk, also while it is written."""
        if (opened := self.opened) is None:
            return None
        running = opened.writer.running()
        known = opened.index.get(stream, start_ms, run)
        name = (stream, start_ms, run)
        return known or next((row for row in running if (row.stream, row.start_ms, row.run) == name), None)

    def last_end_ms(self, stream: StreamId) -> int | None:
        """Return the true end of the newest footage of a stream on this disk."""
        if self.opened is None:
            return None
        written = self.opened.writer.last_end_ms(stream)
        if written is not None:
            return written
        row = self.opened.index.newest(stream)
        return None if row is None else row.end_ms


def _give_back(opened: Opened) -> None:
    opened.index.close()
    with contextlib.suppress(OSError):  # a disk that is gone may say so here too
        opened.volume.close()
