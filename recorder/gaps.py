"""The gap ledger: every second in which a recording stream has no footage carries a cause.

Owns the table `gap`. Invariants: a stream has at most one open gap; spans of one stream do not overlap;
when the cause changes while a gap is open, it is split, so each second keeps the cause it had; opening
and closing are journalled in the same transaction; after a kill the hole since the last footage is
accounted for before anything else is recorded; no time that is yet to come is missing, and times of a clock
that was not trusted (`sure=False`) move with the runs they belong to.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.errors import (
    CameraError,
    CameraLocked,
    CameraLoginRefused,
    CameraOverloaded,
    CameraUnreachable,
    StorageError,
    VuonError,
)
from gateway.core.events import Event
from gateway.core.model import StreamId
from recorder.journal import Journal
from recorder.registry import Stream


class GapCause(StrEnum):
    """Why a recording stream has no footage."""

    CAMERA = "camera"
    NETWORK = "network"
    LOGIN = "login"
    DISK = "disk"
    POWER = "power"
    CLOCK = "clock"
    OVERLOAD = "overload"
    RECORDER_RESTART = "recorder_restart"
    RECORDER_STOPPED = "recorder_stopped"
    PAUSED = "paused"


_CAUSES: tuple[tuple[type[VuonError], GapCause], ...] = (
    (CameraLoginRefused, GapCause.LOGIN),
    (CameraLocked, GapCause.LOGIN),
    (CameraUnreachable, GapCause.NETWORK),
    (CameraOverloaded, GapCause.CAMERA),
    (CameraError, GapCause.CAMERA),
    (StorageError, GapCause.DISK),
)


_ANSWERED = frozenset({"ECONNREFUSED", "ECONNRESET"})
"""Reasons of a failed connection that the host itself gave: it is there, what plays its streams is not."""


def cause_of(error: VuonError, *, others_play: bool = False) -> GapCause:
    """Return the gap cause of a stream's end; pure.

    A host that refuses the connection is there: the camera. One that is silent while other devices play
    (`others_play`) has the fault at itself, its plug or its port: the camera, too. Silent with all others, or the only
    one: the network.
    """
    if isinstance(error, CameraUnreachable) and (others_play or error.fields.get("reason") in _ANSWERED):
        return GapCause.CAMERA
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), GapCause.OVERLOAD)


@dataclass(frozen=True, slots=True)
class Gap:
    """A span without footage, UTC ms; `end_ms` None while it lasts."""

    stream: StreamId
    start_ms: int
    end_ms: int | None
    cause: GapCause


@dataclass(frozen=True, slots=True)
class GapSum:
    """How much is missing in a span of time."""

    count: int
    seconds: float


JOIN_MS = 1_000
"""A gap that is told in parts is one row."""

_OPEN = "SELECT * FROM gap WHERE stream_id = ? AND end_ms IS NULL"
_START_UNSURE, _END_UNSURE = 1, 2


def _gap(row: sqlite3.Row) -> Gap:
    return Gap(StreamId(row["stream_id"]), row["start_ms"], row["end_ms"], GapCause(row["cause"]))


def _end(connection: sqlite3.Connection, row: sqlite3.Row, end_ms: int, *, sure: bool = True) -> int:
    """Close an open row and return its length in ms; one without length leaves no row.

    An unsure end before a sure start stays as it is: it moves once the clock is right.
    """
    start_ms, start_unsure = int(row["start_ms"]), bool(row["unsure"])
    length_ms = max(end_ms - start_ms, 0)
    if length_ms or sure == start_unsure:
        unsure = (_START_UNSURE if start_unsure else 0) | (0 if sure else _END_UNSURE)
        connection.execute("UPDATE gap SET end_ms = ?, unsure = ? WHERE id = ?", (end_ms, unsure, row["id"]))
    else:
        connection.execute("DELETE FROM gap WHERE id = ?", (row["id"],))
    return length_ms


class GapLedger:
    """Opens, splits and closes gaps."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    async def open(self, stream: Stream, at_ms: int, cause: GapCause, *, sure: bool = True) -> None:
        """Say that footage of the stream ends at `at_ms`; no more than a split if a gap is open."""
        stopped = self._event("recording.stopped", stream, why=cause.value)

        def fact(connection: sqlite3.Connection) -> tuple[None, Sequence[Event]]:
            row = connection.execute(_OPEN, (stream.id,)).fetchone()
            if row is not None and row["cause"] == cause:
                return None, ()
            start_ms = at_ms
            if row is not None:
                start_ms = max(at_ms, row["start_ms"]) if sure != bool(row["unsure"]) else at_ms
                _end(connection, row, start_ms, sure=sure)
            _insert(connection, Gap(stream.id, start_ms, None, cause), 0 if sure else _START_UNSURE)
            return None, (stopped,) if row is None else ()

        await self._journal.transact(fact)

    async def close(self, stream: Stream, at_ms: int, run: int, *, sure: bool = True) -> None:
        """Say that footage of the stream begins again at `at_ms` with run `run`."""
        started = self._event("recording.started", stream, run=run)

        def fact(connection: sqlite3.Connection) -> tuple[None, Sequence[Event]]:
            row = connection.execute(_OPEN, (stream.id,)).fetchone()
            length_ms = 0 if row is None else _end(connection, row, at_ms, sure=sure)
            if row is None or not length_ms:
                return None, (started,)
            return None, (self._ended(stream, length_ms, GapCause(row["cause"])), started)

        await self._journal.transact(fact)

    async def add(self, stream: Stream, start_ms: int, end_ms: int, cause: GapCause, *, sure: bool = True) -> None:
        """Record a gap that is over already, such as pictures lost to a full queue."""
        if end_ms <= start_ms:
            return

        def fact(connection: sqlite3.Connection) -> None:
            longer = connection.execute(
                "UPDATE gap SET end_ms = max(end_ms, ?) WHERE stream_id = ? AND cause = ? AND end_ms BETWEEN ? AND ?",
                (end_ms, stream.id, cause.value, start_ms - JOIN_MS, start_ms + JOIN_MS),
            )
            if not longer.rowcount:
                unsure = 0 if sure else _START_UNSURE | _END_UNSURE
                _insert(connection, Gap(stream.id, start_ms, end_ms, cause), unsure)

        await self._journal.record(fact, self._ended(stream, end_ms - start_ms, cause))

    async def fill(self, stream: Stream, start_ms: int, end_ms: int, cause: GapCause) -> None:
        """Record as missing what of [start_ms, end_ms) no gap accounts for yet."""

        def fact(connection: sqlite3.Connection) -> tuple[None, Sequence[Event]]:
            events, at_ms = list[Event](), start_ms
            known = [
                (gap.start_ms, gap.end_ms or end_ms) for gap in gaps_between(connection, [stream.id], start_ms, end_ms)
            ]
            for from_ms, to_ms in (*known, (end_ms, end_ms)):
                if from_ms > at_ms:
                    _insert(connection, Gap(stream.id, at_ms, from_ms, cause))
                    events.append(self._ended(stream, from_ms - at_ms, cause))
                at_ms = max(at_ms, to_ms)
            return None, events

        await self._journal.transact(fact)

    async def drop(self, stream: Stream, at_ms: int) -> None:
        """Say that the stream is no longer to be recorded: an open gap ends here."""

        def fact(connection: sqlite3.Connection) -> None:
            row = connection.execute(_OPEN, (stream.id,)).fetchone()
            if row is not None:
                _end(connection, row, at_ms)

        await self._journal.record(fact)

    async def recover(
        self, streams: Iterable[tuple[Stream, int | None]], now_ms: int, *, same_boot: bool, sure: bool = True
    ) -> tuple[Gap, ...]:
        """Account for the time since the recorder last ran; returns the gaps it had to open.

        `streams` come with the end of their last footage. A stream without an open gap was recording
        when the recorder died: by a kill if the machine still runs since, otherwise by power. What is
        accounted for already (a gap that ended just before the kill) is not counted again.
        """
        cause = GapCause.RECORDER_RESTART if same_boot else GapCause.POWER

        def fact(connection: sqlite3.Connection) -> tuple[tuple[Gap, ...], Sequence[Event]]:
            opened: list[Gap] = []
            events: list[Event] = []
            if not same_boot:
                _settle(connection)
            for stream, last_ms in streams:
                if last_ms is None or connection.execute(_OPEN, (stream.id,)).fetchone() is not None:
                    continue
                known_ms = connection.execute("SELECT max(end_ms) FROM gap WHERE stream_id = ?", (stream.id,))
                start_ms = max(last_ms, known_ms.fetchone()[0] or 0)
                gap = Gap(stream.id, min(start_ms, now_ms) if sure else start_ms, None, cause)
                _insert(connection, gap)
                opened.append(gap)
                events.append(self._event("recording.stopped", stream, why=cause.value))
            return tuple(opened), events

        return await self._journal.transact(fact)

    async def stepped(self, now_ms: int, *, sets_right_by_ms: int | None = None) -> None:
        """Say that the wall clock jumped to `now_ms`, and by how much if that made it trusted.

        Times of the wrong clock move along; nothing is missing in a time that is yet to come.
        """

        def fact(connection: sqlite3.Connection) -> None:
            if sets_right_by_ms is not None:
                _move(connection, sets_right_by_ms)
                _settle(connection)
            connection.execute("UPDATE gap SET start_ms = min(start_ms, ?1) WHERE end_ms IS NULL", (now_ms,))
            connection.execute("UPDATE gap SET end_ms = ?1 WHERE start_ms < ?1 AND end_ms > ?1", (now_ms,))
            connection.execute("DELETE FROM gap WHERE start_ms >= ? AND end_ms IS NOT NULL", (now_ms,))

        await self._journal.record(fact)

    async def moved(self, step_ms: int) -> None:
        """Say that a clock which is still not trusted jumped: what it told moves along and stays unsure."""
        await self._journal.record(lambda connection: _move(connection, step_ms))

    def _ended(self, stream: Stream, length_ms: int, cause: GapCause) -> Event:
        return self._event("recording.gap", stream, why=cause.value, seconds=round(length_ms / 1000, 3))

    def _event(self, name: str, stream: Stream, **data: str | float) -> Event:
        return self._journal.event(name, subject=stream.camera, camera=stream.camera, stream=stream.role.value, **data)


def _insert(connection: sqlite3.Connection, gap: Gap, unsure: int = 0) -> None:
    connection.execute(
        "INSERT INTO gap (stream_id, start_ms, end_ms, cause, unsure) VALUES (?, ?, ?, ?, ?)",
        (gap.stream, gap.start_ms, gap.end_ms, gap.cause.value, unsure),
    )


def _move(connection: sqlite3.Connection, by_ms: int) -> None:
    """Move the times that an untrusted clock told."""
    connection.execute(
        "UPDATE gap SET start_ms = start_ms + ?1 * (unsure & 1), end_ms = end_ms + ?1 * (unsure >> 1)"
        " WHERE unsure != 0",
        (by_ms,),
    )


def _settle(connection: sqlite3.Connection) -> None:
    """Take all times for sure: the clock is right, or it will never be known how wrong it was."""
    connection.execute("DELETE FROM gap WHERE end_ms <= start_ms")
    connection.execute("UPDATE gap SET unsure = 0 WHERE unsure != 0")


def gaps_between(
    connection: sqlite3.Connection, streams: Sequence[StreamId], from_ms: int, to_ms: int
) -> tuple[Gap, ...]:
    """Return the gaps that touch [from_ms, to_ms), oldest first."""
    marks = ", ".join("?" * len(streams))
    rows = connection.execute(
        f"SELECT * FROM gap WHERE stream_id IN ({marks}) AND start_ms < ?"  # noqa: S608 - question marks
        " AND coalesce(end_ms, ?) > ? AND coalesce(end_ms > start_ms, 1) ORDER BY start_ms",
        (*streams, to_ms, to_ms, from_ms),
    )
    return tuple(_gap(row) for row in rows)


def gap_sums(connection: sqlite3.Connection, from_ms: int, to_ms: int) -> dict[StreamId, GapSum]:
    """Return how much of [from_ms, to_ms) each stream misses; streams without gaps are absent."""
    rows = connection.execute(
        "SELECT stream_id, count(*) AS n, sum(min(coalesce(end_ms, ?2), ?2) - max(start_ms, ?1)) AS ms"
        " FROM gap WHERE start_ms < ?2 AND coalesce(end_ms, ?2) > ?1 AND coalesce(end_ms > start_ms, 1)"
        " GROUP BY stream_id",
        (from_ms, to_ms),
    )
    return {StreamId(row["stream_id"]): GapSum(row["n"], row["ms"] / 1000) for row in rows}
