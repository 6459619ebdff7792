"""Which footage must go now: a pure plan over rows, rules and holds.

Owns the order of deletion: footage older than its stream's days, then streams above their bytes, then
the oldest footage of all streams while the disk has less than its reserve. Invariants: footage that a
hold touches is never chosen, whatever happens to the disk; nothing is chosen by age unless the clock is
trusted; within a stream the oldest goes first; the plan reads no more rows than it needs.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.model import StreamId
from recorder.rows import SegmentRow

DAY_MS = 86_400_000
RESERVE_S = 2 * 3600
"""The reserve holds at least what is written in this time, so that a busy night cannot fill the disk."""
MAX_VICTIMS = 2_000
"""A plan is carried out before the next is made; a minute's plan never takes much longer than a minute."""


class Reason(StrEnum):
    """Why a segment goes."""

    AGE = "age"
    QUOTA = "quota"
    SPACE = "space"


@dataclass(frozen=True, slots=True)
class Rule:
    """How long and how much of one stream is kept."""

    days: int
    max_bytes: int = 0
    """0 = no limit of its own."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Footage of a stream that may not be deleted before `until_ms`; UTC ms, half open."""

    stream: StreamId
    start_ms: int
    end_ms: int
    until_ms: int

    def covers(self, row: SegmentRow) -> bool:
        """Say whether any of the row's footage is held."""
        return self.stream == row.stream and self.start_ms < row.end_ms and self.end_ms > row.begin_ms


@dataclass(frozen=True, slots=True)
class Disk:
    """A volume as statvfs and the writer see it."""

    free_bytes: int
    min_free_bytes: int
    write_bytes_per_s: float = 0.0

    @property
    def reserve_bytes(self) -> int:
        """What must stay free."""
        return max(self.min_free_bytes, round(self.write_bytes_per_s * RESERVE_S))


@dataclass(frozen=True, slots=True)
class Victim:
    """One segment to delete."""

    row: SegmentRow
    reason: Reason


@dataclass(frozen=True, slots=True)
class Plan:
    """What to delete, in order, and what is still wrong afterwards."""

    victims: tuple[Victim, ...]
    short_bytes: int
    """Missing to the reserve even after the plan; 0 = all is well."""
    full_by_hold: bool
    """Only held footage is left to delete: sub streams stop first, then the disk is full."""
    complete: bool
    """False: the plan reached its limit, make another one at once."""

    @property
    def freed_bytes(self) -> int:
        """Bytes the victims hold."""
        return sum(victim.row.size_bytes for victim in self.victims)


class _Stream:
    """The rows of one stream that may go, oldest first, each taken once."""

    def __init__(self, stream: StreamId, rows: Iterable[SegmentRow], holds: Sequence[Hold], now_ms: int) -> None:
        self._rows = iter(rows)
        # An untrusted clock must not end a hold early either: the caller then passes now_ms = 0.
        self._holds = [hold for hold in holds if hold.stream == stream and hold.until_ms > now_ms]
        self.saw_held = False
        self.next: SegmentRow | None = None
        self.advance()

    def advance(self) -> None:
        """Step to the next row that no hold touches."""
        self.next = next((row for row in self._rows if not self._is_held(row)), None)

    def _is_held(self, row: SegmentRow) -> bool:
        held = any(hold.covers(row) for hold in self._holds)
        self.saw_held |= held
        return held

    def take_while(self, wanted: _Wanted) -> Iterator[SegmentRow]:
        while (row := self.next) is not None and wanted(row):
            self.advance()
            yield row


class _Wanted:
    """Rows to take: those that end before `cut_ms`, or until `excess_bytes` are taken."""

    def __init__(self, *, cut_ms: int | None = None, excess_bytes: int = 0) -> None:
        self._cut_ms, self._excess = cut_ms, excess_bytes

    def __call__(self, row: SegmentRow) -> bool:
        if self._cut_ms is not None:
            return row.end_ms <= self._cut_ms
        wanted = self._excess > 0
        self._excess -= row.size_bytes
        return wanted


class _Picker:
    """Collects victims up to the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.victims: list[Victim] = []
        self.freed: dict[StreamId, int] = {}

    @property
    def full(self) -> bool:
        return len(self.victims) >= self._limit

    def take(self, rows: Iterable[SegmentRow], reason: Reason) -> None:
        for row in rows:
            self.victims.append(Victim(row, reason))
            self.freed[row.stream] = self.freed.get(row.stream, 0) + row.size_bytes
            if self.full:
                return


def plan(
    rows: Mapping[StreamId, Iterable[SegmentRow]],
    rules: Mapping[StreamId, Rule],
    used_bytes: Mapping[StreamId, int],
    holds: Sequence[Hold],
    disk: Disk,
    *,
    now_ms: int | None,
    limit: int = MAX_VICTIMS,
) -> Plan:
    """Return what to delete on one volume.

    `rows` are each stream's closed segments, oldest first, read lazily; `used_bytes` their sums. A
    stream without a rule (its camera was removed) is kept for the longest of the others' days.
    `now_ms` is UTC, None while the clock is not trusted: then nothing goes by age and no hold ends.
    """
    streams = {stream: _Stream(stream, items, holds, now_ms or 0) for stream, items in rows.items()}
    longest = max((rule.days for rule in rules.values()), default=30)
    picker = _Picker(limit)
    for stream, source in streams.items():
        rule = rules.get(stream, Rule(longest))
        if now_ms is not None and not picker.full:
            picker.take(source.take_while(_Wanted(cut_ms=now_ms - rule.days * DAY_MS)), Reason.AGE)
        excess = used_bytes.get(stream, 0) - picker.freed.get(stream, 0) - rule.max_bytes
        if rule.max_bytes and excess > 0 and not picker.full:
            picker.take(source.take_while(_Wanted(excess_bytes=excess)), Reason.QUOTA)
    missing = disk.reserve_bytes - disk.free_bytes - sum(picker.freed.values())
    if missing > 0 and not picker.full:
        picker.take(_oldest_first(streams.values(), missing), Reason.SPACE)
    short = max(disk.reserve_bytes - disk.free_bytes - sum(picker.freed.values()), 0)
    held = any(source.saw_held for source in streams.values())
    return Plan(tuple(picker.victims), short, bool(short) and not picker.full and held, not picker.full)


def _oldest_first(streams: Iterable[_Stream], missing_bytes: int) -> Iterator[SegmentRow]:
    """Take from whichever stream has the oldest row until enough bytes are free."""
    order = [(source.next.begin_ms, number, source) for number, source in enumerate(streams) if source.next]
    heapq.heapify(order)
    while order and missing_bytes > 0:
        _, number, source = heapq.heappop(order)
        row = source.next
        assert row is not None
        source.advance()
        missing_bytes -= row.size_bytes
        if source.next is not None:
            heapq.heappush(order, (source.next.begin_ms, number, source))
        yield row
