"""Bench `refusals`: how long a stranger waits for "not yours", beside "there is none".

Owns the two distributions. The work behind both is counted in tests/unit/test_api_replay.py; here the clock says
whether it can be told apart after all. Invariant: both questions are asked in turn, by the same person, of the same
app.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from bench.harness import Options, Reading, Table, Variant, compare
from gateway.core.model import new_public_id
from tests.fakes.school_box import SchoolBox, school_box

ASKED = 400
"""Questions of each kind in a round: enough for a 99th percentile of four."""
PATHS = ("/api/cameras/{}/still.jpg", "/whep/{}/aaaaaaaaaaaaaaaa")
KINDS: dict[str, Callable[[SchoolBox], str]] = {
    "another family's camera": lambda box: box.cameras["mam"],
    "no camera": lambda _box: new_public_id(),
}


async def times_us(box: SchoolBox, client: httpx.AsyncClient) -> dict[str, list[float]]:
    """Ask both in turn as a guardian of the other class; returns each answer's time."""
    father, found = box.actors["father_choi"].headers(), {name: list[float]() for name in KINDS}
    for number in range(ASKED):
        path, method = PATHS[number % 2], ("GET", "DELETE")[number % 2]
        for name, make in KINDS.items():
            url = path.format(make(box))
            began_ns = time.perf_counter_ns()
            answer = await client.request(method, url, headers=father)
            found[name].append((time.perf_counter_ns() - began_ns) / 1000)
            assert answer.status_code == 404, answer
    return found


def figures(times: list[float]) -> dict[str, float]:
    """Return what is told of a distribution."""
    cuts = statistics.quantiles(times, n=100)
    return {"median, us": cuts[49], "p5, us": cuts[4], "p95, us": cuts[94], "p99, us": cuts[98]}


def welch(one: list[float], other: list[float]) -> float:
    """Return Welch's t of two samples without their slowest hundredth, which is the machine's."""
    kept = [sorted(times)[: int(len(times) * 0.99)] for times in (one, other)]
    means, variances = [statistics.mean(k) for k in kept], [statistics.variance(k) / len(k) for k in kept]
    return float((means[0] - means[1]) / sum(variances) ** 0.5)


async def measured() -> dict[str, list[float]]:
    """Build the school and ask."""
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        async with school_box(Path(folder)) as box, box.client() as client:
            await times_us(box, client)  # the first questions also load the pages' code
            return await times_us(box, client)


def run(options: Options) -> list[Table]:
    """Measure both in one go each round, and tell each variant its half."""
    kept: dict[str, list[float]] = {}
    found_t: list[float] = []

    def of(name: str) -> Callable[[], Reading]:
        def reading() -> Reading:
            if name not in kept:
                kept.update(asyncio.run(measured()))
                found_t.append(welch(*kept.values()))
            return Reading(figures(kept.pop(name)))

        return reading

    yours, none = KINDS
    variants = [Variant(yours, of(yours)), Variant(none, of(none), control=True)]
    table = compare("refusals: time of a 404, by what is behind it", variants, options)
    alike = ", ".join(f"{t:+.1f}" for t in found_t)
    table.notes += [
        f"{ASKED} questions of each kind a round, in turn, through the whole app in memory: guard, policy, answer.",
        f"Welch's t of the two, by round: {alike} (|t| < 3: not told apart).",
    ]
    return [table]
