"""Start-up after a crash: finish what was cut short, then take in what the index does not know.

Owns adoption of files without rows and the marking of rows without files. Invariants: needs no key (a
footer written without one carries no MAC and says "recovered"); looks at each stream's newest two hours
only, however many files there are; a torn tail is cut to the last complete record; running it again
changes nothing. `reindex` walks the whole volume and makes the index equal to the files. Blocking.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from gateway.core.errors import KeyLocked, SegmentCorrupt
from gateway.core.model import RunId, StreamId
from recorder.files import VolumeFiles
from recorder.index import VolumeIndex, finish_garbage
from recorder.keys import KeyRing
from recorder.layout import Hour, hour_of, parse_hour, parse_name, parse_stream, segment_path
from recorder.rows import FLAG_MISSING, FLAG_RECOVERED, SegmentRow
from recorder.scan import Scan, make_row, row_of, scan
from recorder.segment import ENC_NONE, FILE_MAGIC, MAX_HEADER_BYTES, Sealer, encode_footer

NEWEST_HOURS = 2
"""The crash may fall between the first folder of an hour and the last file of the one before."""
READERS = 4
"""Threads that read files for `reindex`."""
BATCH_ROWS = 1_000


@dataclass(slots=True)
class RecoveryReport:
    """What start-up did; `adopted` rows end where the gap with cause `recorder_restart` begins."""

    garbage: int = 0
    adopted: list[SegmentRow] = field(default_factory=list)
    missing: list[SegmentRow] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    """Paths of files that hold no complete record and were not ours to delete."""
    removed_empty: int = 0
    cut_bytes: int = 0
    """Bytes of torn tails cut off."""


@dataclass(slots=True)
class ReindexReport:
    """What `reindex` found and changed."""

    files: int = 0
    segments: int = 0
    added: int = 0
    removed: int = 0
    changed: int = 0
    closed: int = 0
    """Running files that a crash had left behind, closed now."""
    whole: bool = True
    """False: it was halted before the end, and is to be begun again."""
    damaged: list[str] = field(default_factory=list)


def recover(
    files: VolumeFiles, index: VolumeIndex, ring: KeyRing | None, offsets: Mapping[RunId, int] | None = None
) -> RecoveryReport:
    """Run the start-up recovery before the writer starts; OSError from the disk.

    `offsets` are clock corrections of runs that are newer than what the file headers say.
    """
    report = RecoveryReport(garbage=finish_garbage(index, files, ring))
    for stream in streams(files):
        newest = list(stream_hours(files, stream))[-NEWEST_HOURS:]
        for hour in newest:
            _recover_hour(files, index, ring, hour, offsets or {}, report)
        gone = index.newest(stream)
        if gone is not None and hour_of(stream, gone.start_ms) not in newest:
            _mark_missing(files, index, index.in_hour(hour_of(stream, gone.start_ms)), report)
    return report


def streams(files: VolumeFiles) -> list[StreamId]:
    """Return the streams that have a folder."""
    found = (parse_stream(name) for name in files.names("."))
    return sorted(stream for stream in found if stream is not None)


def stream_hours(files: VolumeFiles, stream: StreamId) -> Iterator[Hour]:
    """Yield the hours of a stream that have a folder, oldest first."""
    for day in files.names(str(int(stream))):
        for name in files.names(f"{int(stream)}/{day}"):
            hour = parse_hour(stream, day, name)
            if hour is not None:
                yield hour


def _recover_hour(
    files: VolumeFiles,
    index: VolumeIndex,
    ring: KeyRing | None,
    hour: Hour,
    offsets: Mapping[RunId, int],
    report: RecoveryReport,
) -> None:
    known = {(row.start_ms, row.run): row for row in index.in_hour(hour)}
    adopted: list[SegmentRow] = []
    for name in files.names(hour.folder):
        found = parse_name(name)
        if found is None or hour_of(hour.stream, found.start_ms) != hour:
            continue
        path = f"{hour.folder}/{name}"
        if found.part:
            row = close_part(files, ring, hour, path, report)
        elif (found.start_ms, found.run) in known:
            continue
        else:
            row = _read_row(files, path, report)
        if row is not None and (row.stream, row.start_ms, row.run) == (hour.stream, found.start_ms, found.run):
            adopted.append(_with_offset(row, offsets))
    # The renames (and those that a crash left half done) are on the medium before any row says so.
    files.fsync_dir(hour.folder)
    if adopted:
        index.add(adopted)
        report.adopted += adopted
    _mark_missing(files, index, list(known.values()), report)


def _mark_missing(files: VolumeFiles, index: VolumeIndex, rows: list[SegmentRow], report: RecoveryReport) -> None:
    gone = [row for row in rows if not row.flags & FLAG_MISSING and not files.exists(row.path)]
    if gone:
        index.set_flags(gone, FLAG_MISSING)
        report.missing += gone


def _with_offset(row: SegmentRow, offsets: Mapping[RunId, int]) -> SegmentRow:
    return row._replace(offset_ms=offsets.get(row.run, row.offset_ms))


def _read_row(files: VolumeFiles, path: str, report: RecoveryReport | ReindexReport) -> SegmentRow | None:
    fd = files.open_read(path)
    try:
        return row_of(lambda length, at: files.read(fd, length, at), files.size(fd))
    except SegmentCorrupt:
        report.damaged.append(path)
        return None
    except OSError as error:
        _bear(error, path, report)
        return None
    finally:
        files.close(fd)


def _bear(error: OSError, path: str, report: RecoveryReport | ReindexReport) -> None:
    """Note a file that lies on a bad sector; raise what concerns more than it.

    It must cost neither the use of the disk nor the index of all others.
    """
    if error.errno != errno.EIO:
        raise error
    report.damaged.append(path)


def close_part(
    files: VolumeFiles, ring: KeyRing | None, hour: Hour, path: str, report: RecoveryReport
) -> SegmentRow | None:
    """Cut a running file to its complete records, write its footer, rename it; its row, or None if empty.

    The caller syncs the folder before it uses the row.
    """
    fd = files.open_update(path)
    try:
        try:
            found = scan(lambda length, at: files.read(fd, length, at), files.size(fd))
        except OSError as error:
            _bear(error, path, report)
            return None
        except SegmentCorrupt:
            if files.size(fd) > MAX_HEADER_BYTES and files.read(fd, len(FILE_MAGIC), 0) == FILE_MAGIC:
                report.damaged.append(path)  # there may be footage behind the bad head: not ours to delete
                return None
            found = None
        if found is None or not found.gops:
            files.unlink(path)
            report.removed_empty += 1
            return None
        row = _close_found(files, ring, hour, fd, found, report)
    finally:
        files.close(fd)
    files.rename(path, segment_path(row.stream, row.start_ms, row.run))
    return row


def _close_found(
    files: VolumeFiles, ring: KeyRing | None, hour: Hour, fd: int, found: Scan, report: RecoveryReport
) -> SegmentRow:
    header = found.head.header
    if found.footer is not None:
        files.fdatasync(fd)
        return make_row(header, found.gops, found.footer.frames, found.size_bytes, found.footer.flags)
    report.cut_bytes += found.torn_bytes
    files.truncate(fd, found.good_bytes)
    files.fdatasync(fd)
    sealer: Sealer | None = None
    if ring is not None and header.enc != ENC_NONE:
        with contextlib.suppress(KeyLocked):
            sealer = Sealer(header, found.head.data, ring.for_reading(hour, header.key_id).key)
    footer = encode_footer(found.gops, found.frames, FLAG_RECOVERED, sealer)
    files.write(fd, [footer], found.good_bytes)
    files.fdatasync(fd)
    size = found.good_bytes + len(footer)
    return make_row(header, found.gops, sum(found.frames), size, FLAG_RECOVERED)


def reindex(
    files: VolumeFiles,
    index: VolumeIndex,
    offsets: Mapping[RunId, int] | None = None,
    *,
    ring: KeyRing | None = None,
    busy: Callable[[], Collection[str]] | None = None,
    halted: Callable[[], bool] = lambda: False,
) -> ReindexReport:
    """Make the index equal to the files of the volume, hour by hour; the writer may go on.

    Reads head and footer of each file (its records only where the footer is bad); needs no key. A `.part` that
    is not among the paths `busy()` names was left behind by a crash and is closed and adopted, however old it
    is; without `busy` nobody can tell, and all are left alone. `halted` is asked before each hour: stopping the
    recorder must not wait for a million files. OSError from the disk, but for a file that cannot be read: damaged.
    """
    report, seen = ReindexReport(), set[Hour]()
    with ThreadPoolExecutor(READERS, thread_name_prefix="vuon-reindex") as pool:
        work = _Reindexing(files, index, offsets or {}, report, pool)
        for stream in streams(files):
            for hour in stream_hours(files, stream):
                if halted():
                    work.flush()
                    report.whole = False
                    return report
                seen.add(hour)
                if busy is not None:
                    _close_left(files, ring, hour, busy, report)
                work.hour(hour)
        for hour in index.hours():
            if hour not in seen:
                work.hour(hour)
        work.flush()
    return report


def _close_left(
    files: VolumeFiles,
    ring: KeyRing | None,
    hour: Hour,
    busy: Callable[[], Collection[str]],
    report: ReindexReport,
) -> None:
    """Close the running files of an hour that nobody writes any more."""
    names = [name for name in files.names(hour.folder) if (said := parse_name(name)) is not None and said.part]
    if not names:
        return
    # Asked after the listing: a file that is in the listing and not busy now will never be busy again.
    writing, done = busy(), RecoveryReport()
    for name in names:
        path = f"{hour.folder}/{name}"
        if path not in writing:
            with contextlib.suppress(FileNotFoundError):  # closed by its writer since the listing
                close_part(files, ring, hour, path, done)
    files.fsync_dir(hour.folder)
    report.closed += (
        len(names) - len(done.damaged) - done.removed_empty - sum(f"{hour.folder}/{name}" in writing for name in names)
    )
    report.damaged += done.damaged


class _Reindexing:
    """The walk over a volume: files are read by a few threads, since a cold disk answers each so late.

    The index is changed `BATCH_ROWS` at a time: a commit for each hour would be most of the work.
    """

    def __init__(
        self,
        files: VolumeFiles,
        index: VolumeIndex,
        offsets: Mapping[RunId, int],
        report: ReindexReport,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._files, self._index, self._offsets, self._report, self._pool = files, index, offsets, report, pool
        self._gone: list[SegmentRow] = []
        self._fresh: list[SegmentRow] = []

    def hour(self, hour: Hour) -> None:
        """Compare one hour's files with its rows."""
        files, report = self._files, self._report
        said = [(name, parse_name(name)) for name in files.names(hour.folder)]
        names = [
            (name, item)
            for name, item in said
            if item is not None and not item.part and hour_of(hour.stream, item.start_ms) == hour
        ]
        report.files += len(names)
        rows = self._pool.map(self._read, [f"{hour.folder}/{name}" for name, _ in names])
        found = {
            (row.start_ms, row.run): _with_offset(row, self._offsets)
            for (_, item), row in zip(names, rows, strict=True)
            if row is not None and (row.stream, row.start_ms, row.run) == (hour.stream, item.start_ms, item.run)
        }
        known = {(row.start_ms, row.run): row for row in self._index.in_hour(hour)}
        # A file may be closed, or deleted, between the listing and the rows: only the disk's answer now counts.
        gone = [row for key, row in known.items() if key not in found and not files.exists(row.path)]
        fresh = [row for key, row in found.items() if known.get(key) != row and files.exists(row.path)]
        report.segments += len(found)
        report.removed += len(gone)
        report.changed += sum((row.start_ms, row.run) in known for row in fresh)
        report.added += sum((row.start_ms, row.run) not in known for row in fresh)
        self._gone += gone
        self._fresh += fresh
        if len(self._gone) + len(self._fresh) >= BATCH_ROWS:
            self.flush()

    def _read(self, path: str) -> SegmentRow | None:
        try:
            return _read_row(self._files, path, self._report)
        except FileNotFoundError:  # deleted by retention since the listing
            return None

    def flush(self) -> None:
        """Change the index; what retention deleted since it was read goes again."""
        gone, fresh, self._gone, self._fresh = self._gone, self._fresh, [], []
        if gone or fresh:
            self._index.apply(gone, fresh)
        if late := [row for row in fresh if not self._files.exists(row.path)]:
            self._index.apply(late, [])
