"""From access units to fragments: where one ends, how long each picture lasts.

Owns the rules of cutting. Invariants: a fragment ends when the next key frame arrives, so its last
duration is exact; a long GOP is cut every 2 s, so that no more than that waits in memory; wall time in
one run never runs backwards, whatever the camera's clock does. Pure; the caller serialises.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.media import TICKS_PER_S, AccessUnit, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.fmp4 import Sample, fragment
from recorder.rows import TICKS_PER_MS

LONGEST_90K = 2 * TICKS_PER_S
"""A GOP longer than this is stored as several fragments."""
LONGEST_HOLE_90K = 10 * TICKS_PER_S
"""Between two pictures: after this the run would have ended for silence, so the clock jumped."""
MAX_FRAGMENT_BYTES = 16 << 20
MAX_UNITS = 2_000
_DEFAULT_DURATION_90K = TICKS_PER_S // 15


class RunInfo(NamedTuple):
    """A run as the writer needs it."""

    run: RunId
    stream: StreamId
    start_wall_ms: int
    """UTC ms of the run's pts 0 by the box's clock at the run's start."""
    offset_ms: int
    """Add to the run's own time to get true time; known later when the clock was wrong at the start."""


@dataclass(slots=True, eq=False)
class Fragment:
    """The access units of one future record."""

    run: RunInfo
    number: int
    """Counts the run's fragments: a hole in the numbers means that something was dropped."""
    config: CodecConfig
    units: list[AccessUnit]
    walls_90k: list[int]
    end_90k: int
    in_order: bool
    size_bytes: int

    @property
    def is_key(self) -> bool:
        """True when a decoder can start here."""
        return self.units[0].is_key

    @property
    def start_90k(self) -> int:
        """Run wall time of the first picture, 90 kHz since 1970."""
        return self.walls_90k[0]

    @property
    def duration_90k(self) -> int:
        """From the first picture to the next fragment's first."""
        return self.end_90k - self.walls_90k[0]

    @property
    def start_ms(self) -> int:
        """Start, run wall time, UTC ms."""
        return self.walls_90k[0] // TICKS_PER_MS

    def samples(self) -> list[Sample]:
        """Return the sample table: exact durations; with B-frames even ones and exact presentation."""
        walls, count = self.walls_90k, len(self.units)
        sizes = [sum(map(len, unit.nals)) + 4 * len(unit.nals) for unit in self.units]
        if self.in_order:
            ends = [*walls[1:], self.end_90k]
            return [
                Sample(end - wall, size, unit.is_key)
                for wall, end, size, unit in zip(walls, ends, sizes, self.units, strict=True)
            ]
        start, total = walls[0], self.duration_90k
        steps = [start + total * place // count for place in range(count + 1)]
        return [
            Sample(steps[place + 1] - steps[place], sizes[place], unit.is_key, walls[place] - steps[place])
            for place, unit in enumerate(self.units)
        ]

    def encode(self, sequence: int) -> bytes:
        """Return the fragment's bytes: moof+mdat."""
        return fragment(sequence, self.start_90k, self.samples(), (nal for unit in self.units for nal in unit.nals))


class Assembler:
    """Collects the units of one run; `add` is the hot path of recording."""

    __slots__ = (
        "_config",
        "_in_order",
        "_latest_90k",
        "_number",
        "_shift_90k",
        "_size_bytes",
        "_typical_90k",
        "_units",
        "_walls_90k",
        "bent",
        "run",
        "unstarted",
    )

    def __init__(self, run: RunInfo) -> None:
        self.run = run
        self.bent = 0
        """How often the camera's clock jumped and time was bent to stay in order."""
        self.unstarted = 0
        """Units before a key frame: nothing can show them, they are not kept."""
        self._number = 0
        self._shift_90k = 0
        self._config: CodecConfig | None = None
        self._units: list[AccessUnit] = []
        self._walls_90k: list[int] = []
        self._latest_90k = 0
        self._in_order = True
        self._size_bytes = 0
        self._typical_90k = _DEFAULT_DURATION_90K

    def add(self, unit: AccessUnit, wall_90k: int) -> Fragment | None:
        """Take a unit with its run wall time; return the fragment it completes, if any."""
        wall_90k += self._shift_90k
        done: Fragment | None = None
        units = self._units
        if units:
            changed = unit.config is not self._config and unit.config != self._config
            full = self._size_bytes >= MAX_FRAGMENT_BYTES or len(units) >= MAX_UNITS
            if unit.is_key or changed or full or wall_90k - self._walls_90k[0] >= LONGEST_90K:
                shift_90k = self._shift_90k
                done = self._cut(wall_90k)
                wall_90k += self._shift_90k - shift_90k
                if changed and not unit.is_key:
                    self._config = None
        if self._config is None and not unit.is_key:
            self.unstarted += 1
            return done
        if not self._units:
            self._config = unit.config
            self._latest_90k = wall_90k
        if wall_90k >= self._latest_90k:
            self._latest_90k = wall_90k
        else:
            self._in_order = False
        self._units.append(unit)
        self._walls_90k.append(wall_90k)
        for nal in unit.nals:
            self._size_bytes += len(nal)
        return done

    def flush(self) -> Fragment | None:
        """Return what is collected, its last duration estimated; the run ends here."""
        return self._cut(None) if self._units else None

    def _cut(self, next_90k: int | None) -> Fragment:
        assert self._config is not None
        first_90k, latest_90k, count = self._walls_90k[0], self._latest_90k, len(self._units)
        hole_90k = -1 if next_90k is None else next_90k - latest_90k
        if next_90k is not None and 0 < hole_90k <= LONGEST_HOLE_90K:
            end_90k = next_90k
            self._typical_90k = (next_90k - first_90k) // count or self._typical_90k
        else:
            typical_90k = (latest_90k - first_90k) // (count - 1) if count > 1 else 0
            end_90k = latest_90k + (typical_90k or self._typical_90k)
            if next_90k is not None:
                self.bent += 1
                self._shift_90k += max(0, end_90k - next_90k)
        done = Fragment(
            self.run, self._number, self._config, self._units, self._walls_90k, end_90k, self._in_order,
            self._size_bytes,
        )  # fmt: skip
        self._number += 1
        self._units, self._walls_90k = [], []
        self._in_order, self._size_bytes = True, 0
        return done
