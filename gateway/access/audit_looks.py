"""Looks as people count them: the rows that one look left, together.

Whoever opens a class leaves a row for the still, one for the live pictures a moment later, one when they end, and one a
minute while the network carries stills only. Owns which of them are one look. Pure; the audit stays row by row.
Invariants: every row is in exactly one look; only rows of one person, device and camera are together, one after the
other; whatever is no look is alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.access.audit_lines import Line
from gateway.core.model import PublicId

TOGETHER = frozenset({"granted.live", "granted.snapshot"})
STILL_MS = 60_000
"""One row stands for the stills of a minute (`grants.LOOK_S`)."""
GAP_MS = 30_000
"""A look that goes on after this is another one."""
PAUSE_MS = STILL_MS + GAP_MS
"""Between beginnings that belong to one look there is never more, unless live pictures went on for longer."""


class Key(NamedTuple):
    """Whose look it is, and at what."""

    person: str
    device: str
    camera: PublicId


def key_of(line: Line) -> Key | None:
    """Return whose look a row tells of; None for whatever is no look."""
    if line.what not in TOGETHER or line.at_ms is None or line.camera is None:
        return None
    return Key(line.text("person"), line.text("device"), line.camera)


def end_of(line: Line) -> int:
    """Return until when a look of this row lasted, UTC ms; where that is not known (yet), as long as one still."""
    lasted = STILL_MS if line.seconds is None else line.seconds * 1000
    return (line.at_ms or 0) + lasted


@dataclass(frozen=True, slots=True)
class Look:
    """Rows that are one look, newest first; or one row of anything else."""

    lines: tuple[Line, ...]

    @property
    def head(self) -> Line:
        """The row that says what it was: of live pictures the newest, else of stills the oldest."""
        live = [line for line in self.lines if line.what == "granted.live"]
        starts = [line for line in self.lines if line.what in TOGETHER]
        return live[0] if live else (starts or self.lines)[-1]

    @property
    def at_ms(self) -> int | None:
        """When it began, UTC ms."""
        return min((line.at_ms for line in self.lines if line.at_ms is not None), default=None)

    @property
    def seconds(self) -> int | None:
        """How long live pictures were watched; None while that is not known of all."""
        live = [line.seconds for line in self.lines if line.what == "granted.live"]
        return None if None in live or not live else sum(item for item in live if item is not None)


def looks(lines: Sequence[Line]) -> tuple[Look, ...]:
    """Return the rows of a page as looks, those that began last first."""
    ends: dict[str, list[Line]] = {line.text("grant"): [] for line in lines if line.what == "granted.live"}
    found: list[list[Line]] = []
    running: dict[Key, list[Line]] = {}
    for line in lines:
        if line.what == "ended.live" and line.text("grant") in ends:
            ends[line.text("grant")].append(line)  # told with its beginning, which is older
            continue
        key = key_of(line)
        if key is None:
            found.append([line])
            continue
        here = running.get(key)
        if here is None or _start(here) - end_of(line) > GAP_MS:
            here = running[key] = []
            found.append(here)
        here.append(line)
    for rows in found:
        begun = [row.text("grant") for row in rows if row.what == "granted.live"]
        rows += [end for grant in begun for end in ends.pop(grant, ())]
    made = (Look(tuple(sorted(rows, key=lambda row: -row.seq))) for rows in found)
    return tuple(sorted(made, key=lambda look: -look.lines[-1].seq))


def _start(rows: Iterable[Line]) -> int:
    return min(row.at_ms or 0 for row in rows if row.what in TOGETHER)


class Seam:
    """Where rows, read newest first, may be cut into pages without a look on both sides.

    A look may be longer than any pause between rows; but its end was written after its beginning, so it is read first:
    a cut waits for the beginning of whatever ended on this side and is a part of a look that stands on it.
    """

    def __init__(self) -> None:
        self._at_ms: int | None = None
        self._starts: dict[Key, int] = {}
        """Of those who looked, the oldest beginning that was read."""
        self._shown: set[str] = set()
        self._ended: dict[str, tuple[Key, int]] = {}
        """Grants of which only the end was read: whose, and when it was; `_shown` are those whose end has a line."""

    def take(self, line: Line, *, shown: bool) -> None:
        """Go past a row; `shown`: it stands on the page."""
        grant, at_ms = line.text("grant"), line.at_ms
        if line.what == "ended.live" and at_ms is not None and line.camera is not None:
            self._ended[grant] = Key(line.text("person"), line.text("device"), line.camera), at_ms
            self._shown |= {grant} if shown else set()
        elif line.what == "granted.live":
            self._ended.pop(grant, None)
            self._shown.discard(grant)
        if shown:
            self._at_ms = at_ms
            if (key := key_of(line)) is not None and at_ms is not None:
                self._starts[key] = at_ms

    def before(self, line: Line) -> bool:
        """Say whether a page may end before a row that would stand on it."""
        if line.at_ms is not None and self._at_ms is not None and self._at_ms - line.at_ms <= PAUSE_MS:
            return False
        return not self._shown and not any(
            key in self._starts and self._starts[key] - end_ms <= GAP_MS for key, end_ms in self._ended.values()
        )
