"""Which footage must go now: a pure plan over rows, rules, pins and holds.

Owns the order of sacrifice: footage older than its stream's days; streams above their bytes; then, while
the disk has less than its reserve, the oldest normal footage of all streams, then the oldest pinned footage of
events; of the newest hour only what lies below a quarter of the reserve. Invariants: footage that a hold
touches is never chosen, whatever happens to the disk; pinned footage only for want of room and after all that
is normal; nothing is chosen by age unless the clock is trusted, and no pin or hold ends without it; within a
stream the oldest goes first; footage whose time nobody knows counts as the newest; the plan reads no more
rows than it needs.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.core.model import RunId, StreamId
from recorder.rows import FLAG_MISSING, SegmentRow
from recorder.spans import Rows, Spans, Unsure, Walk, pinned_rows

DAY_MS = 86_400_000
RESERVE_S = 2 * 3600
"""The reserve holds at least what is written in this time, so that a busy night cannot fill the disk."""
MAX_VICTIMS = 2_000
"""A plan is carried out before the next is made; a minute's plan never takes much longer than a minute."""
FRESH_MS = 3_600_000
"""The newest hour of a stream is what its disk is for: half of what the reserve holds."""
LAST_PART = 4
"""Below the reserve divided by this, recording itself is in danger: then the newest hour goes too, oldest first."""
USUAL_DAYS = 30
_NEVER_MS = 1 << 62
_NOBODY = StreamId(0)


class Reason(StrEnum):
    """Why a segment goes, in the order of sacrifice."""

    AGE = "age"
    QUOTA = "quota"
    SPACE = "space"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class Rule:
    """How long and how much of one stream is kept."""

    days: int
    max_bytes: int = 0
    """0 = no limit of its own."""
    event_days: int = 0
    """How long pinned footage of it is kept; less than `days` shortens nothing."""


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
class Pin:
    """Footage of an event of a stream: kept for the rule's event days after its end; UTC ms, half open."""

    stream: StreamId
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Protected:
    """What protects footage."""

    holds: Sequence[Hold] = ()
    pins: Sequence[Pin] = ()


@dataclass(frozen=True, slots=True)
class Footage:
    """What is on one volume."""

    used_bytes: Mapping[StreamId, int]
    """What counts against each stream's own bytes."""
    rows: Rows
    unsure: Mapping[RunId, Unsure] = field(default_factory=dict)
    """Runs whose time nobody knows."""
    fresh_from_ms: Mapping[StreamId, int] = field(default_factory=dict)
    """Where the newest hour of each stream begins; absent: nothing of it is that new."""


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

    @property
    def freed_bytes(self) -> int:
        """What its deletion gives back."""
        return 0 if self.row.flags & FLAG_MISSING else self.row.size_bytes


@dataclass(frozen=True, slots=True)
class Plan:
    """What to delete, in order, and what is still wrong afterwards."""

    victims: tuple[Victim, ...]
    short_bytes: int
    """Missing to the reserve even after the plan; 0 = all is well."""
    full_by_hold: bool
    """Besides the newest hour only held footage is left: sub streams stop first, then the disk is full."""
    complete: bool
    """False: the plan reached its limit, make another one at once."""
    reserve_bytes: int = 0

    @property
    def freed_bytes(self) -> int:
        """Bytes the victims hold."""
        return sum(victim.freed_bytes for victim in self.victims)


class _Stream:
    """One stream's rows by what protects them."""

    def __init__(self, stream: StreamId, footage: Footage, rule: Rule, protected: Protected, most: int) -> None:
        self.rule, self._stream, self._footage = rule, stream, footage
        self._held = Spans((item.start_ms, item.end_ms) for item in protected.holds)
        self._pinned = Spans((item.start_ms, item.end_ms) for item in protected.pins)
        self.walk = Walk(stream, footage.rows, self._held, self._pinned, footage.unsure, most)

    def events(self) -> Iterator[SegmentRow]:
        return pinned_rows(self._stream, self._footage.rows, self._held, self._pinned)

    def over_its_bytes(self) -> Iterator[SegmentRow]:
        """Yield what goes for the stream's own bytes.

        Where protected footage counts as well, the newest hour stays: otherwise a hold as large as the limit would
        delete every new minute at once.
        """
        yield from self.walk.take_while(lambda row: self.is_older(row) or not self.walk.saw_protected)
        yield from self.take_apart(self.is_bounded if self.walk.saw_protected else _any)

    def take_apart(self, wanted: Callable[[SegmentRow], bool]) -> Iterator[SegmentRow]:
        """Yield the rows of unknown time that are wanted, the oldest as far as one can tell first."""
        for row in sorted(self.walk.apart, key=self.apart_key):
            if wanted(row):
                self.walk.apart.remove(row)
                yield row

    def is_older(self, row: SegmentRow) -> bool:
        """Say whether a row lies before the stream's newest hour."""
        return row.begin_ms < self._footage.fresh_from_ms.get(self._stream, _NEVER_MS)

    def is_bounded(self, row: SegmentRow) -> bool:
        """Say whether something bounds when a row of unknown time ended."""
        return self._footage.unsure[row.run].ended_by_ms is not None

    def apart_key(self, row: SegmentRow) -> tuple[int, int, int]:
        known = self._footage.unsure[row.run]
        return (_NEVER_MS if known.ended_by_ms is None else known.ended_by_ms, known.boot, row.begin_ms)


class _Picker:
    """Collects victims up to the limit."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.victims: list[Victim] = []
        self.freed: dict[StreamId, int] = {}

    @property
    def full(self) -> bool:
        return len(self.victims) >= self._limit

    @property
    def freed_bytes(self) -> int:
        return sum(self.freed.values())

    def take(self, rows: Iterable[SegmentRow], reason: Reason, missing_bytes: float = math.inf) -> None:
        """Take rows; with `missing_bytes` no more than until so much is free."""
        source = iter(rows)
        while len(self.victims) < self._limit and missing_bytes > 0 and (row := next(source, None)) is not None:
            victim = Victim(row, reason)
            self.victims.append(victim)
            self.freed[row.stream] = self.freed.get(row.stream, 0) + victim.freed_bytes
            missing_bytes -= victim.freed_bytes


def plan(
    footage: Footage,
    rules: Mapping[StreamId, Rule],
    protected: Protected,
    disk: Disk,
    *,
    now_ms: int | None,
    limit: int = MAX_VICTIMS,
    usual: Rule = Rule(USUAL_DAYS),
) -> Plan:
    """Return what to delete on one volume.

    A stream without a rule (its camera was removed) is kept for the longest of the others' days, and as is `usual`
    when there is no other.
    `now_ms` is UTC, None while the clock is not trusted: then nothing goes by age and no hold or pin ends.
    """
    streams = _streams(footage, rules or {_NOBODY: usual}, protected, now_ms, limit)
    picker = _Picker(limit)
    for stream, item in streams.items():
        if now_ms is not None:
            cut_ms = now_ms - item.rule.days * DAY_MS
            picker.take(item.walk.take_while(_ended(cut_ms)), Reason.AGE)
            picker.take(item.take_apart(_surely_ended(footage.unsure, cut_ms)), Reason.AGE)
        if item.rule.max_bytes:
            excess = footage.used_bytes.get(stream, 0) - picker.freed.get(stream, 0) - item.rule.max_bytes
            picker.take(item.over_its_bytes(), Reason.QUOTA, excess)
    missing = disk.reserve_bytes - disk.free_bytes
    picker.take(_oldest_first(streams.values(), fresh=False), Reason.SPACE, missing - picker.freed_bytes)
    events = heapq.merge(*(item.events() for item in streams.values()), key=lambda row: row.begin_ms)
    picker.take(events, Reason.EVENT, missing - picker.freed_bytes)
    short = max(missing - picker.freed_bytes, 0)
    held = any(item.walk.saw_held for item in streams.values())
    last = disk.reserve_bytes // LAST_PART - disk.free_bytes
    picker.take(_oldest_first(streams.values(), fresh=True), Reason.SPACE, last - picker.freed_bytes)
    return Plan(
        tuple(picker.victims), short, bool(short) and not picker.full and held, not picker.full, disk.reserve_bytes
    )


def _streams(
    footage: Footage, rules: Mapping[StreamId, Rule], protected: Protected, now_ms: int | None, limit: int
) -> dict[StreamId, _Stream]:
    """Sort what still protects something to its stream."""
    other = Rule(
        max(rule.days for rule in rules.values()),
        event_days=max(rule.event_days for rule in rules.values()),
    )
    holds: dict[StreamId, list[Hold]] = {}
    pins: dict[StreamId, list[Pin]] = {}
    for hold in protected.holds:
        if now_ms is None or hold.until_ms > now_ms:
            holds.setdefault(hold.stream, []).append(hold)
    for pin in protected.pins:
        days = rules.get(pin.stream, other).event_days
        if now_ms is None or pin.end_ms + days * DAY_MS > now_ms:
            pins.setdefault(pin.stream, []).append(pin)
    return {
        stream: _Stream(
            stream, footage, rules.get(stream, other), Protected(holds.get(stream, ()), pins.get(stream, ())), limit
        )
        for stream in footage.used_bytes
    }


def _any(_row: SegmentRow) -> bool:
    return True


def _ended(cut_ms: int) -> Callable[[SegmentRow], bool]:
    return lambda row: row.end_ms <= cut_ms


def _surely_ended(unsure: Mapping[RunId, Unsure], cut_ms: int) -> Callable[[SegmentRow], bool]:
    def ended(row: SegmentRow) -> bool:
        by_ms = unsure[row.run].ended_by_ms
        return by_ms is not None and by_ms <= cut_ms

    return ended


def _oldest_first(streams: Iterable[_Stream], *, fresh: bool) -> Iterator[SegmentRow]:
    """Yield from whichever stream has the oldest row; `fresh`: also of the newest hour.

    What has no known time comes as late as it may be, and is of the newest hour unless something bounds it.
    """

    def normal(item: _Stream) -> Iterator[tuple[tuple[int, int, int], SegmentRow]]:
        for row in item.walk.take_while(_any if fresh else item.is_older):
            yield (row.begin_ms, 0, 0), row

    def apart(item: _Stream) -> Iterator[tuple[tuple[int, int, int], SegmentRow]]:
        for row in item.take_apart(_any if fresh else item.is_bounded):
            yield item.apart_key(row), row

    every = list(streams)
    lanes = [*map(normal, every), *map(apart, every)]
    return (row for _, row in heapq.merge(*lanes, key=lambda pair: pair[0]))
