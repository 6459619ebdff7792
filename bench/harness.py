"""Rounds, medians, ratios and tables: what every bench shares.

Owns the arithmetic and the order of measuring. Invariants: the variants of a bench are interleaved, each round
begins with another one, so that a busy minute of the machine hits all; the figure of a variant is the median
of its valid rounds with the least and the most beside it; a ratio divides by the control's median of the same
run; a round that lost a packet or a picture is no result: it is counted, named and left out.
"""

from __future__ import annotations

import platform
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Reading:
    """One round of one variant."""

    figures: Mapping[str, float]
    """By column name; the first is what the ratio is of."""
    invalid: str = ""
    """Why this round says nothing, for example `3 packets lost`."""


Measure: TypeAlias = Callable[[], Reading]


@dataclass(frozen=True, slots=True)
class Variant:
    """One row of a bench."""

    name: str
    measure: Measure
    control: bool = False
    """The others are compared with it."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of a column over the valid rounds."""

    median: float
    least: float
    most: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    spreads: Mapping[str, Spread]
    ratio: float | None
    """To the control's median in the same run; None without both."""
    rounds: int
    reasons: tuple[str, ...] = ()
    """Of the rounds left out."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    rounds: int = 3
    seconds: float = 60.0
    warm_s: float = 32.0
    cameras: int = 32
    viewers: int = 10
    recording: int = 0
    """Cameras that our recorder records beside what is measured."""
    opens: int = 20
    rows: int = 300_000
    shapes: tuple[str, ...] = ("lan", "burst")
    command: str = ""
    say: Callable[[str], None] = print


@dataclass(slots=True)
class Table:
    """A bench's result."""

    title: str
    command: str
    rows: list[Row]
    notes: list[str] = field(default_factory=list)


def spread(values: Sequence[float]) -> Spread:
    """Return median, least and most; ValueError for no values."""
    if not values:
        raise ValueError("no valid round")
    return Spread(statistics.median(values), min(values), max(values))


def order_of(count: int, number: int) -> list[int]:
    """Return the order of `count` variants in round `number`: each begins in turn."""
    return [(place + number) % count for place in range(count)]


def run_rounds(variants: Sequence[Variant], rounds: int, say: Callable[[str], None]) -> dict[str, list[Reading]]:
    """Measure all variants `rounds` times, interleaved."""
    readings: dict[str, list[Reading]] = {variant.name: [] for variant in variants}
    for number in range(rounds):
        for place in order_of(len(variants), number):
            variant = variants[place]
            reading = variant.measure()
            readings[variant.name].append(reading)
            shown = ", ".join(f"{name} {figure(value)}" for name, value in reading.figures.items())
            say(f"round {number + 1}/{rounds} {variant.name}: {reading.invalid or shown}")
    return readings


def summarise(variants: Sequence[Variant], readings: Mapping[str, Sequence[Reading]]) -> list[Row]:
    """Return a row per variant, with the ratio of the first figure to the control's."""
    spreads = {variant.name: _spreads(readings[variant.name]) for variant in variants}
    control = next((variant.name for variant in variants if variant.control), None)
    base = spreads.get(control or "", {})
    rows = []
    for variant in variants:
        mine = spreads[variant.name]
        lead = next(iter(mine), None)
        ratio = None
        if lead is not None and lead in base and base[lead].median > 0:
            ratio = mine[lead].median / base[lead].median
        valid = [reading for reading in readings[variant.name] if not reading.invalid]
        reasons = tuple(reading.invalid for reading in readings[variant.name] if reading.invalid)
        rows.append(Row(variant.name, mine, ratio, len(valid), reasons))
    return rows


def _spreads(readings: Sequence[Reading]) -> dict[str, Spread]:
    valid = [reading.figures for reading in readings if not reading.invalid]
    names = list(dict.fromkeys(name for figures in valid for name in figures))
    return {name: spread([figures[name] for figures in valid if name in figures]) for name in names}


def compare(title: str, variants: Sequence[Variant], options: Options, notes: Sequence[str] = ()) -> Table:
    """Run a whole bench and return its table."""
    readings = run_rounds(variants, options.rounds, options.say)
    return Table(title, options.command, summarise(variants, readings), list(notes))


def figure(value: float) -> str:
    """Return a number with about three digits that count."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def markdown(table: Table) -> str:
    """Return the table as Markdown, ratios first, with the command that made it."""
    columns = list(dict.fromkeys(name for row in table.rows for name in row.spreads))
    lines = [f"### {table.title}", "", f"    {table.command}", ""]
    lines.append("| " + " | ".join(["", "ratio", *columns, "rounds"]) + " |")
    lines.append("|" + "---|" * (len(columns) + 3))
    for row in table.rows:
        cells = [row.name, "–" if row.ratio is None else f"**{row.ratio:.2f}×**"]
        cells += [_cell(row.spreads.get(column)) for column in columns]
        cells.append(_rounds(row))
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", *(f"* {note}" for note in table.notes)]
    return "\n".join(lines).rstrip() + "\n"


def _cell(one: Spread | None) -> str:
    if one is None:
        return "–"
    if one.least == one.most:
        return figure(one.median)
    return f"{figure(one.median)} ({figure(one.least)}–{figure(one.most)})"


def _rounds(row: Row) -> str:
    shown = "1 (single run)" if row.rounds == 1 else str(row.rounds)
    return f"{shown}; left out: {', '.join(row.reasons)}" if row.reasons else shown


def machine(cpuinfo: str, meminfo: str) -> str:
    """Describe the machine in general words: nothing that names it."""
    cores = cpuinfo.count("processor\t:")
    aes = " with AES instructions" if " aes" in cpuinfo else ""
    memory_kb = next((int(line.split()[1]) for line in meminfo.splitlines() if line.startswith("MemTotal")), 0)
    release = platform.release().split("-")[0]
    return (
        f"{cores} vCPU {platform.machine()}{aes}, {memory_kb / 2**20:.0f} GiB, "
        f"Linux {release}, Python {platform.python_version()}"
    )
