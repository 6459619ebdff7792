"""Bench `memory`: whether the recorder's memory stays where it is while it records.

Owns the slope. Invariants: memory is read every few seconds after the warm-up, in which the first segments are closed
and caches fill; the slope is that of the straight line with the least squares through all readings, so that one GOP in
memory more or less at the end says nothing; a round that lost a picture is no result, as everywhere.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from bench.harness import Options, Reading, Table, Variant, compare
from bench.record import SHAPES, Counts, Plan, SourceProcess, measure_ours, source_process
from bench.schedstat import descendants, memory_of, task_times

EVERY_S = 5.0
SOAK_S, WARM_S = 600.0, 120.0
NOTES = (
    "Main and sub of all cameras, AES-256-GCM, sync every 5 s, index; no vision child.",
    "Slope: least squares through a reading every 5 s, from two minutes after the start on.",
)


class Sample(NamedTuple):
    """Memory at one moment."""

    at_s: float
    rss_bytes: int


def slope_mb_per_h(samples: Sequence[Sample]) -> float:
    """Return by how much memory grows, MB an hour; ValueError with fewer than two moments."""
    if len({sample.at_s for sample in samples}) < 2:
        raise ValueError("a slope needs two moments")
    line = statistics.linear_regression([s.at_s for s in samples], [s.rss_bytes / 1e6 for s in samples])
    return line.slope * 3600


def soak(source: SourceProcess, pids: list[int], plan: Plan, streams: int) -> tuple[Reading, Counts]:
    """Read the memory of processes over the plan's time; returns the reading and what was sent until its end."""
    time.sleep(plan.warm_s)
    samples: list[Sample] = []
    end_s = time.monotonic() + plan.seconds
    while time.monotonic() < end_s:
        family = [*pids, *(child for pid in pids for child in descendants(pid))]
        samples.append(Sample(time.monotonic(), memory_of(family).rss_bytes))
        time.sleep(EVERY_S)
    sent = {(row["camera"], row["role"]): row["sent"] for row in source.report()["connections"]}
    figures = {
        "slope, MB/h": slope_mb_per_h(samples),
        "RSS first, MB": samples[0].rss_bytes / 1e6,
        "RSS last, MB": samples[-1].rss_bytes / 1e6,
        "RSS most, MB": max(sample.rss_bytes for sample in samples) / 1e6,
        "open files": sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
        "threads": sum(len(task_times(pid)) for pid in pids),
    }
    return Reading(figures, "" if len(sent) == streams else f"{streams - len(sent)} streams not connected"), sent


def run(options: Options) -> list[Table]:
    """Run one long round, for the first way of arriving that is asked for."""
    plan = Plan(options.cameras, max(options.seconds, SOAK_S), max(options.warm_s, WARM_S))
    shape = options.shapes[0]
    with source_process(plan.cameras, shape, sub=True) as source:
        row = Variant("recorder", lambda: measure_ours(source, plan, vision=False, sub=True, watch=soak))
        title = f"memory: {plan.cameras} cameras, main and sub, {plan.seconds:.0f} s, {SHAPES[shape]}"
        return [compare(title, [row], options, NOTES)]
