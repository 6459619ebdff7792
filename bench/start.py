"""Bench `start`: simulated cameras from nothing to streaming, by the driver layer alone.

Owns the farm, which runs in this process, and what its counters say: how many logins were under way at once and
how many were bad. Invariants: the measured process is told a password, a number and a range, no address; the time
counts from its start, libraries included; a round with a bad login is no result.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

from bench.harness import Options, Reading, Table, Variant, compare
from bench.schedstat import descendants, memory_of
from bench.start_client import PASSWORD
from drivers.simulated.counters import Call
from drivers.simulated.farm import Farm, FarmOptions

SECRET = "Mam-non-2026"
FIRST, RANGE = "127.9.1.11", "127.9.1.0/24"
"""Other simulated cameras may answer on the same loopback."""
LINE_BYTES = 1 << 20
SESSION = ("OPTIONS", "DESCRIBE", "SETUP", "PLAY")


def openings(calls: Iterable[Call]) -> list[tuple[int, int]]:
    """Return when each session of one camera was being opened: from its OPTIONS to its PLAY, in ns."""
    spans, began_ns = [], 0
    for call in calls:
        if call.protocol == "rtsp" and call.operation == "OPTIONS":
            began_ns = call.at_mono_ns
        elif call.protocol == "rtsp" and call.operation == "PLAY":
            spans.append((began_ns, call.at_mono_ns))
    return spans


def learning(calls: Iterable[Call]) -> list[tuple[int, int]]:
    """Return when one camera was being asked over ONVIF, from the first call to the last, in ns."""
    times = [call.at_mono_ns for call in calls if call.protocol == "onvif"]
    return [(min(times), max(times))] if times else []


def most_at_once(spans: Sequence[tuple[int, int]]) -> int:
    """Return how many spans overlap at most; one that begins where another ends does not overlap it."""
    steps = sorted([(end, -1) for _, end in spans] + [(begin, 1) for begin, _ in spans])
    most = now = 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


async def start(cameras: int) -> Reading:
    """Run one round."""
    options = replace(FarmOptions(), onvif_port=0, rtsp_port=0)
    async with Farm(cameras, password=SECRET, base=FIRST, options=options) as farm:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.start_client", "--cameras", str(cameras), "--range", RANGE),
            *("--began-ns", str(time.monotonic_ns())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, PASSWORD: SECRET},
            limit=LINE_BYTES,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        line = await process.stdout.readline()
        memory = memory_of([process.pid, *descendants(process.pid)])
        process.stdin.close()
        await process.wait()
        calls = [list(camera.counters.calls) for camera in farm.cameras]
        bad = sum(camera.bad_logins for camera in farm.cameras)
    if not line:
        return Reading({}, f"the client ended with status {process.returncode}")
    return reading(json.loads(line), calls, bad, memory.pss_bytes, memory.rss_bytes)


def reading(
    reached: dict[str, list[float]], calls: Sequence[Sequence[Call]], bad: int, pss_bytes: int, rss_bytes: int
) -> Reading:
    """Return the figures of a round."""
    figures = {
        "first picture of all, s": max(reached["main"]) / 1000,
        "with sub streams, s": max([*reached["main"], *reached["sub"]]) / 1000,
        "all found, s": max(reached["found"]) / 1000,
        "all learned, s": max(reached["learned"]) / 1000,
        "sessions opened at once": most_at_once([span for one in calls for span in openings(one)]),
        "learned at once": most_at_once([span for one in calls for span in learning(one)]),
        "PSS, MB": pss_bytes / 1e6,
        "RSS, MB": rss_bytes / 1e6,
    }
    return Reading(figures, f"{bad} bad logins" if bad else "")


NOTES = (
    "From the start of the process: load libraries, search by multicast on loopback, learn by ONVIF; main and sub.",
    "At most 4 cameras at once and 10 connections a second, as the recorder has it.",
    "Counted by the cameras: sessions from OPTIONS to PLAY, and cameras asked over ONVIF, at the same moment.",
    "The farm (1080p and 640x360 each) runs on the same two cores.",
)


def run(options: Options) -> list[Table]:
    """Run the bench."""
    variant = Variant(f"{options.cameras} cameras", lambda: asyncio.run(start(options.cameras)))
    title = f"start: {options.cameras} simulated cameras from nothing to streaming"
    return [compare(title, [variant], options, NOTES)]
