"""One round of a live bench: a server, its viewers, a window of time.

Owns the order of a round. Invariants: feed and viewers live in this process, what is measured is the server process
alone; all viewers have joined and see pictures before the window begins; a round counts only if no viewer missed a
packet by number and the server kept up; beside the server a sleeper runs, whose lateness is the machine's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import statistics
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from bench.harness import Reading
from bench.live_feed import Feed
from bench.live_viewer import Counting, lateness_ms
from bench.schedstat import Meter, Used, memory_of
from bench.sleeper import sleeping
from gateway.core.errors import DaemonUnavailable
from gateway.core.model import PublicId

WARM_S = 4.0
START_S = 30.0
LOOK_S = 0.5
LEAST_SHARE = 0.97
"""Of the pictures must arrive in the window, or the server did less work than the others."""
JOINING = 4
"""Viewers that join at once: these all join, and the server is measured only afterwards."""

Open = Callable[[str, PublicId], Awaitable[str]]
"""Ask a server for a camera with an offer; returns the answer."""
Join = Callable[[Counting, PublicId], Awaitable[None]]
"""Make a viewer watch a camera; returns once it is connected."""


def joining(open_: Open) -> Join:
    """Return how a viewer joins where the viewer offers."""

    async def join(viewer: Counting, camera: PublicId) -> None:
        await viewer.answered(await open_(await viewer.offer(), camera))

    return join


async def no_offers(offer: str, camera: PublicId) -> str:
    """Stand for `Open` where the server offers."""
    raise NotImplementedError(f"this server offers itself ({len(offer)} {camera})")


@dataclass(frozen=True, slots=True)
class Running:
    """A server under measurement and those who watch it."""

    pid: int
    feed: Feed
    join: Join
    address: str
    viewers: dict[PublicId, list[Counting]]
    open: Open

    @property
    def everybody(self) -> list[Counting]:
        """All viewers of all cameras."""
        return [viewer for viewers in self.viewers.values() for viewer in viewers]


@contextlib.asynccontextmanager
async def watched(
    command: list[str], join: Join, per_camera: int, feed: Feed, log: Path, address: str, open_: Open = no_offers
) -> AsyncIterator[Running]:
    """Run a server with `per_camera` viewers of each of the feed's cameras while entered; all of them see pictures."""
    async with feed.playing():
        with log.open("w") as out:
            server = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: ASYNC220 - before anything is timed
        viewers = {camera: [Counting(address) for _ in range(per_camera)] for camera in feed.cameras}
        running = Running(server.pid, feed, join, address, viewers, open_)
        places = [(viewer, camera) for camera, watching in viewers.items() for viewer in watching]
        try:
            await _first(server, join, *places[0])
            for at in range(1, len(places), JOINING):
                await asyncio.gather(*(join(*place) for place in places[at : at + JOINING]))
            async with asyncio.timeout(START_S):
                while not all(viewer.packets for viewer, _ in places):  # noqa: ASYNC110 - counted as they are read
                    await asyncio.sleep(0.1)
            yield running
        finally:
            try:
                for viewer, _ in places:
                    await viewer.close()
            finally:
                server.send_signal(signal.SIGTERM)
                server.wait()


async def _first(server: subprocess.Popen[bytes], join: Join, viewer: Counting, camera: PublicId) -> None:
    """Join the first viewer as soon as the server answers."""
    end_s = time.monotonic() + START_S
    while True:
        try:
            await join(viewer, camera)
        except (OSError, DaemonUnavailable, httpx.TransportError) as error:
            if time.monotonic() > end_s or server.poll() is not None:
                raise TimeoutError("the server does not answer") from error
            await asyncio.sleep(0.2)
        else:
            return


async def steady(running: Running, seconds: float) -> Reading:
    """Measure a server whose viewers only watch."""
    await asyncio.sleep(WARM_S)
    everybody = running.everybody
    packets, holes = counts(everybody)
    for viewer in everybody:
        viewer.arrivals.clear()
    with sleeping() as machine:
        used = await meter(running.pid, seconds)
    after_packets, after_holes = counts(everybody)
    late = lateness(running)
    if not late:
        return Reading({}, "no picture arrived")
    figures = {
        "CPU, % of a core": used.cpu_percent,
        "CPU per viewer, %": used.cpu_percent / len(everybody),
        "PSS, MB": memory_of([running.pid]).pss_bytes / 1e6,
        "packets/s a viewer": (after_packets - packets) / used.wall_s / len(everybody),
        "pictures/s a viewer": len(late) / used.wall_s / len(everybody),
        "late p50, ms": statistics.median(late),
        "late p99, ms": late[int(len(late) * 0.99)],
        "a sleeper's p99, ms": machine["p99"],
        "waited for a CPU, %": used.waited_percent,
    }
    lost = after_holes - holes
    behind = figures["pictures/s a viewer"] < LEAST_SHARE * running.feed.fps
    return Reading(figures, f"{lost} packets lost" if lost else "fell behind the camera" if behind else "")


async def meter(pid: int, seconds: float) -> Used:
    """Return what a process uses over some seconds."""
    found = Meter([pid], time.monotonic)
    found.look()
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(min(LOOK_S, left_s))
        found.look()
    return found.used()


def counts(viewers: Sequence[Counting]) -> tuple[int, int]:
    """Return packets and holes so far."""
    return sum(viewer.packets for viewer in viewers), sum(viewer.holes for viewer in viewers)


def lateness(running: Running) -> list[float]:
    """Return how late each picture of each viewer was since `arrivals` were cleared, in milliseconds, sorted."""
    feed = running.feed
    return sorted(
        late
        for camera, viewers in running.viewers.items()
        for viewer in viewers
        for late in lateness_ms(viewer.arrivals, feed.due_s[camera], feed.ticks)
    )
