"""The index of one volume: rows, spans, look-ups by time, and deletion in two phases.

Owns `index.db` through `gateway.core.db.Database` (one writer thread) and the SQL of `index.sql`.
Invariants: a row is written after its file is closed, renamed and its folder synced; a file is unlinked
after its row has become garbage, and the garbage row goes after the unlink is on the medium; so a crash
leaves work to finish, never a row that lies. Rows come in and out as `SegmentRow`. Any thread; all calls
block on SQLite (asyncio callers use a worker thread).
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.resources import files as resources
from pathlib import Path
from typing import NamedTuple, Self, TypeVar

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import Database, apply_schema
from gateway.core.model import RunId, StreamId
from recorder.files import VolumeFiles
from recorder.keys import KeyRing, erase_key
from recorder.layout import KEY_NAME, Hour, hour_of, segment_path
from recorder.rows import FLAG_MISSING, Gop, SegmentRow, Span, join_spans

T = TypeVar("T")

MIGRATIONS = Migrations("index")
INDEX_NAME = "index.db"
LONGEST_SEGMENT_MS = 7_200_000
"""The CHECK on end_ms: a look-up by time need not search further back."""
JOIN_MS = 500
"""Holes inside one run up to this are no holes on a timeline."""
DELETE_BATCH = 200
"""Rows a transaction when deleting: a reader never waits long."""

_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_COLUMNS = "stream, run, start_ms, offset_ms, end_ms - begin_ms, size_bytes, frames, config, flags, gops"
_INSERT = (
    "INSERT INTO segment (stream, run, start_ms, offset_ms, begin_ms, end_ms, size_bytes, frames, config,"
    " flags, gops) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_KEY = "stream = ? AND start_ms = ? AND run = ?"


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """First schema."""
    apply_schema(db, resources("recorder") / "index.sql")


class Place(NamedTuple):
    """Where an instant lies: the segment and its GOP."""

    row: SegmentRow
    gop: Gop


class After(NamedTuple):
    """The row after which a page begins: true start and run, as rows of a stream are ordered."""

    begin_ms: int
    run: int


FIRST = After(-(1 << 62), 0)


class StreamDay(NamedTuple):
    """Sums of one stream and UTC day."""

    stream: StreamId
    day: int
    segments: int
    size_bytes: int
    recorded_ms: int


def _row(record: Sequence[object]) -> SegmentRow:
    return SegmentRow._make(record)


def _values(row: SegmentRow) -> tuple[object, ...]:
    return (*row[:4], row.begin_ms, row.end_ms, *row[5:])


def _keys(rows: Iterable[SegmentRow]) -> list[tuple[int, int, int]]:
    return [(row.stream, row.start_ms, row.run) for row in rows]


class VolumeIndex:
    """The rows of one volume; open it with `open()`/`close()` or as a context manager."""

    def __init__(self, path: Path) -> None:
        self.database = Database(path, [MIGRATIONS])
        self.broken = False
        """SQLite found the file damaged while it was in use: it has to be made anew."""

    def open(self) -> None:
        """Open or create the database; raises what SQLite raises for a damaged file."""
        self.database.open()

    def close(self) -> None:
        """Finish queued writes and close."""
        self.database.close()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _read(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        with self._watched():
            return self.database.read_sync(fn)

    def _write(self, fn: Callable[[sqlite3.Connection], T]) -> T:
        with self._watched():
            return self.database.write_sync(fn)

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            self.broken = self.broken or getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN
            raise

    def add(self, rows: Sequence[SegmentRow]) -> None:
        """Insert rows in one transaction; a row for the same file is replaced."""
        values = [_values(row) for row in rows]

        def insert(db: sqlite3.Connection) -> None:
            # DELETE first: INSERT OR REPLACE would fire no delete trigger, and the sums must stay right.
            db.executemany(f"DELETE FROM segment WHERE {_KEY}", _keys(rows))  # noqa: S608 - a constant
            db.executemany(_INSERT, values)

        self._write(insert)

    def find(
        self, stream: StreamId, from_ms: int, to_ms: int, *, after: After = FIRST, limit: int | None = None
    ) -> list[SegmentRow]:
        """Return the rows that overlap [from_ms, to_ms) in true time, oldest first; a page of them after one."""
        query = (
            f"SELECT {_COLUMNS} FROM segment WHERE stream = ? AND begin_ms > ? AND begin_ms < ? AND end_ms > ?"  # noqa: S608 - constants
            " AND (begin_ms, run) > (?, ?) ORDER BY begin_ms, run LIMIT ?"
        )
        bounds = (stream, from_ms - LONGEST_SEGMENT_MS - 1, to_ms, from_ms, *after, -1 if limit is None else limit)
        return self._read(lambda db: [_row(item) for item in db.execute(query, bounds)])

    def get(self, stream: StreamId, start_ms: int, run: RunId) -> SegmentRow | None:
        """Return the row of one file."""
        query = f"SELECT {_COLUMNS} FROM segment WHERE {_KEY}"  # noqa: S608 - constants
        found = self._read(lambda db: db.execute(query, (stream, start_ms, run)).fetchone())
        return _row(found) if found is not None else None

    def locate(self, stream: StreamId, at_ms: int) -> Place | None:
        """Return the segment and GOP that show this instant, or the first after it; None if none follows."""
        query = (
            f"SELECT {_COLUMNS} FROM segment WHERE stream = ? AND begin_ms > ? AND end_ms > ?"  # noqa: S608 - constants
            f" AND flags & {FLAG_MISSING} = 0 ORDER BY begin_ms LIMIT 1"
        )
        bounds = (stream, at_ms - LONGEST_SEGMENT_MS - 1, at_ms)
        found = self._read(lambda db: db.execute(query, bounds).fetchone())
        if found is None:
            return None
        row = _row(found)
        at_90k = (at_ms - row.offset_ms) * 90
        table = row.table()
        return Place(row, next((gop for gop in table if gop.end_90k > at_90k), table[-1]))

    def spans(self, stream: StreamId, from_ms: int, to_ms: int, join_ms: int = JOIN_MS) -> list[Span]:
        """Return the recorded spans that touch [from_ms, to_ms), without files that are missing."""
        rows = self.find(stream, from_ms, to_ms)
        return join_spans((row for row in rows if not row.flags & FLAG_MISSING), join_ms)

    def newest(self, stream: StreamId) -> SegmentRow | None:
        """Return the row with the latest true start."""
        query = f"SELECT {_COLUMNS} FROM segment WHERE stream = ? ORDER BY begin_ms DESC LIMIT 1"  # noqa: S608 - constants
        found = self._read(lambda db: db.execute(query, (stream,)).fetchone())
        return _row(found) if found is not None else None

    def oldest(self, limit: int, *, stream: StreamId | None = None, before_ms: int | None = None) -> list[SegmentRow]:
        """Return up to `limit` rows by true start, of one stream or all, that end at or before `before_ms`."""
        where, bounds = ["1"], list[int]()
        if stream is not None:
            where.append("stream = ?")
            bounds.append(stream)
        if before_ms is not None:
            where.append("begin_ms < ? AND end_ms <= ?")
            bounds += [before_ms, before_ms]
        query = f"SELECT {_COLUMNS} FROM segment WHERE {' AND '.join(where)} ORDER BY begin_ms LIMIT ?"  # noqa: S608 - constants
        return self._read(lambda db: [_row(item) for item in db.execute(query, (*bounds, limit))])

    def in_hour(self, hour: Hour) -> list[SegmentRow]:
        """Return the rows whose files lie in this folder, by start."""
        query = (
            f"SELECT {_COLUMNS} FROM segment WHERE stream = ? AND start_ms >= ? AND start_ms < ?"  # noqa: S608 - constants
            " ORDER BY start_ms, run"
        )
        bounds = (hour.stream, hour.number * 3_600_000, (hour.number + 1) * 3_600_000)
        return self._read(lambda db: [_row(item) for item in db.execute(query, bounds)])

    def hours(self) -> list[Hour]:
        """Return every stream-hour that has rows."""
        query = "SELECT DISTINCT stream, start_ms / 3600000 FROM segment ORDER BY 1, 2"
        return self._read(lambda db: [Hour(StreamId(a), b) for a, b in db.execute(query)])

    def days(self, stream: StreamId | None = None) -> list[StreamDay]:
        """Return the sums per stream and UTC day, oldest first."""
        where = "1" if stream is None else "stream = ?"
        query = f"SELECT * FROM stream_day WHERE {where} ORDER BY day, stream"  # noqa: S608 - constants
        bounds = () if stream is None else (stream,)
        return self._read(lambda db: [StreamDay._make(item) for item in db.execute(query, bounds)])

    def recorded_ms(self, stream: StreamId, from_ms: int, to_ms: int) -> int:
        """Return how much of [from_ms, to_ms) has footage, without files that are missing."""
        query = (
            "SELECT coalesce(sum(min(end_ms, ?4) - max(begin_ms, ?3)), 0) FROM segment"  # noqa: S608 - constants
            f" WHERE stream = ?1 AND begin_ms > ?2 AND begin_ms < ?4 AND end_ms > ?3 AND flags & {FLAG_MISSING} = 0"
        )
        bounds = (stream, from_ms - LONGEST_SEGMENT_MS - 1, from_ms, to_ms)
        return int(self.database.read_sync(lambda db: db.execute(query, bounds).fetchone())[0])

    def recorded_hours(self, stream: StreamId) -> frozenset[int]:
        """Return the hours since 1970 (UTC, true time) that footage of a stream touches."""
        query = (
            "SELECT begin_ms / 3600000 FROM segment WHERE stream = ?1"
            " UNION SELECT (end_ms - 1) / 3600000 FROM segment WHERE stream = ?1"
        )
        return self.database.read_sync(lambda db: frozenset(item[0] for item in db.execute(query, (stream,))))

    def all_rows(self) -> Iterator[SegmentRow]:
        """Yield every row by stream-hour; holds one hour at a time."""
        for hour in self.hours():
            yield from self.in_hour(hour)

    def set_flags(self, rows: Sequence[SegmentRow], flags: int) -> None:
        """Set bits on rows (missing, suspect)."""
        values = [(flags, *key) for key in _keys(rows)]
        query = f"UPDATE segment SET flags = flags | ? WHERE {_KEY}"  # noqa: S608 - constants
        self._write(lambda db: db.executemany(query, values).rowcount)

    def set_offset(self, run: RunId, offset_ms: int) -> int:
        """Correct the clock offset of a run after the fact; return the number of rows that moved."""
        return self.set_offsets({run: offset_ms})

    def set_offsets(self, offsets: Mapping[RunId, int]) -> int:
        """Move the rows of these runs that are not yet where they belong, in one transaction; returns how many."""
        query = (
            "UPDATE segment SET offset_ms = ?1, begin_ms = start_ms + ?1, end_ms = end_ms - offset_ms + ?1"
            " WHERE run = ?2 AND offset_ms != ?1"
        )
        values = [(offset_ms, run) for run, offset_ms in offsets.items()]
        return self._write(lambda db: db.executemany(query, values).rowcount) if values else 0

    def apply(self, gone: Sequence[SegmentRow], found: Sequence[SegmentRow]) -> None:
        """Drop and insert rows in one transaction (reindexing: the files themselves are not touched).

        A file that is being deleted gets no row again.
        """

        def change(db: sqlite3.Connection) -> None:
            query = f"DELETE FROM segment WHERE {_KEY}"  # noqa: S608 - constants
            db.executemany(query, _keys([*gone, *found]))
            query = f"SELECT 1 FROM garbage WHERE {_KEY}"  # noqa: S608 - constants
            kept = [row for row, key in zip(found, _keys(found), strict=True) if not db.execute(query, key).fetchone()]
            db.executemany(_INSERT, [_values(row) for row in kept])

        self._write(change)

    def condemn(self, rows: Sequence[SegmentRow]) -> None:
        """Turn rows into garbage: the first phase of deletion."""

        def change(db: sqlite3.Connection) -> None:
            keys = _keys(rows)
            db.executemany("INSERT OR IGNORE INTO garbage VALUES (?, ?, ?)", keys)
            db.executemany(f"DELETE FROM segment WHERE {_KEY}", keys)  # noqa: S608 - constants

        self._write(change)

    def garbage(self, limit: int = DELETE_BATCH) -> list[tuple[StreamId, int, RunId]]:
        """Return (stream, start_ms, run) of files that must go."""
        query = "SELECT stream, start_ms, run FROM garbage LIMIT ?"
        return self._read(lambda db: [(StreamId(a), b, RunId(c)) for a, b, c in db.execute(query, (limit,))])

    def drop_garbage(self, keys: Sequence[tuple[StreamId, int, RunId]]) -> None:
        """Forget files whose unlinking is on the medium: the last phase of deletion."""
        query = f"DELETE FROM garbage WHERE {_KEY}"  # noqa: S608 - constants
        self._write(lambda db: db.executemany(query, keys).rowcount)

    def totals(self) -> Mapping[StreamId, int]:
        """Return the bytes of each stream."""
        query = "SELECT stream, sum(size_bytes) FROM stream_day GROUP BY stream"
        return self._read(lambda db: {StreamId(a): int(b) for a, b in db.execute(query)})


def delete_segments(index: VolumeIndex, files: VolumeFiles, ring: KeyRing | None, rows: Sequence[SegmentRow]) -> int:
    """Delete segments for good: row -> garbage, unlink, sync folder, drop; return the bytes freed.

    The hour's key goes with its last segment. OSError from the disk: what is left is finished later by
    `finish_garbage`. Blocks; call it from a worker thread.
    """
    freed = 0
    for start in range(0, len(rows), DELETE_BATCH):
        batch = rows[start : start + DELETE_BATCH]
        index.condemn(batch)
        finish_garbage(index, files, ring)
        freed += sum(row.size_bytes for row in batch if not row.flags & FLAG_MISSING)
    return freed


def finish_garbage(index: VolumeIndex, files: VolumeFiles, ring: KeyRing | None) -> int:
    """Unlink every condemned file, drop the keys of emptied hours; return the number of files."""
    count = 0
    while keys := index.garbage():
        hours: dict[Hour, None] = {}
        for stream, start_ms, run in keys:
            path = segment_path(stream, start_ms, run)
            if files.exists(path):
                files.unlink(path)
            hours[hour_of(stream, start_ms)] = None
        for hour in hours:
            _tidy(files, ring, hour)
        index.drop_garbage(keys)
        count += len(keys)
    return count


def _tidy(files: VolumeFiles, ring: KeyRing | None, hour: Hour) -> None:
    """Put the unlinks on the medium; erase the key and the folders of an hour without files."""
    folder = hour.folder
    if not files.exists(folder):
        return
    left = files.names(folder)
    if left not in ([], [KEY_NAME]):
        files.fsync_dir(folder)
        return
    if ring is not None and not ring.drop(hour):
        files.fsync_dir(folder)
        return
    if ring is None and left:
        erase_key(files, hour)
    files.fsync_dir(folder)
    day, stream = folder.rsplit("/", 1)[0], folder.split("/", 1)[0]
    files.rmdir(folder)
    files.fsync_dir(day)
    if not files.names(day):
        files.rmdir(day)
        files.fsync_dir(stream)
