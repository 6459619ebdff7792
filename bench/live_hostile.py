"""Bench `live_hostile`: how late two viewers' pictures are while others attack `vuon-live`, beside nobody attacking.

Owns the order of a round. Viewers decode in this process, the attackers and the one who asks the daemon for its status
without a pause are processes of their own; all share two cores, so that a part of the lateness is theirs. Stall: the
longest time the daemon took to answer. Invariant: a round in which a viewer missed a packet is no result.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

from bench.harness import Options, Reading, Table, Variant, compare
from bench.live import load
from gateway.core.media import AccessUnit
from gateway.core.wire import ControlClient
from tests.fakes.h264 import clip
from tests.fakes.live_people import holes
from tests.fakes.lived import Lived, lived
from tests.fakes.viewer import Viewer
from tests.fakes.wire import read_packet
from tests.isolation import CARD, enter_own_network

ADDRESS = CARD[0].partition("/")[0]
THIRD, FORGED = "172.31.255.2", "198.51.100.9"
VIEWERS, LATE_MS = 2, 100.0
CLIP = clip(640, 360, noise=24)


class Timed(Viewer):
    """A viewer that notes when the last packet of each picture came."""

    def __init__(self, address: str) -> None:
        super().__init__(address)
        self.arrivals: list[tuple[int, float]] = []
        """RTP time of each picture, and when its last packet came."""

    async def watch_times(self) -> None:
        """Look at what came, until cancelled."""
        seen = len(self.rtp)
        while True:
            await asyncio.sleep(0)
            fresh = self.rtp[seen:]
            seen += len(fresh)
            packets = map(read_packet, fresh)
            self.arrivals += [(packet.ts, time.monotonic()) for packet in packets if packet.marker]
            await asyncio.sleep(0.001)


@asynccontextmanager
async def child(*arguments: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a Python module beside us."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", *arguments), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def attack(box: Lived, evil: asyncio.subprocess.Process, targets: list[Any]) -> None:
    """Attack in every way, one after the other, for ever."""
    assert evil.stdin is not None
    assert evil.stdout is not None
    await evil.stdout.readline()
    for number in itertools.count():
        orders = [
            {"name": "noise", "target": targets[number % len(targets)], "sources": [[THIRD, 53]], "packets": []},
            {"name": "offers", "ticket": box.ticket()},
            {"name": "candidates", "ticket": box.ticket(), "hosts": [THIRD]},
            {"name": "insider", "ticket": box.ticket(), "forged": [[FORGED, 1000]]},
        ]
        for order in orders:
            evil.stdin.write(json.dumps({"do": "attack", **order}).encode() + b"\n")
            await evil.stdout.readline()


async def ping(path: str) -> None:
    """Ask for the status without a pause until the input ends; print the longest wait in ms."""
    longest_s = 0.0
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    ended = asyncio.create_task(reader.read())
    async with ControlClient(Path(path), "live") as client:
        while not ended.done():
            began_s = time.monotonic()
            await client.call("status", timeout_s=10)
            longest_s = max(longest_s, time.monotonic() - began_s)
            await asyncio.sleep(0.002)
    sys.stdout.write(f"{longest_s * 1000}\n")


Beside: TypeAlias = Callable[[Lived, list[Any]], AbstractAsyncContextManager[None]]
"""What goes on beside the viewers, given the daemon and where it sends to."""


@asynccontextmanager
async def attacked(box: Lived, targets: list[Any]) -> AsyncIterator[None]:
    """Attack the daemon."""
    async with child("tests.fakes.live_people", str(box.run), ADDRESS) as evil:
        attacking = asyncio.create_task(attack(box, evil, targets))
        yield
        attacking.cancel()


@asynccontextmanager
async def alone(_box: Lived, _targets: list[Any]) -> AsyncIterator[None]:
    """Leave the daemon alone; the attackers' process is there."""
    async with child("tests.fakes.live_people", str(_box.run), ADDRESS):
        yield


async def measure(folder: Path, options: Options, beside: Beside) -> Reading:
    """Watch for the given time and return how late pictures were."""
    async with lived(folder, CLIP, address=ADDRESS, most=20) as box:
        sent: dict[int, float] = {}
        honest = box.feed.send

        def send(unit: AccessUnit, *, skipped: bool = False) -> None:
            sent[unit.pts_90k] = time.monotonic()
            honest(unit, skipped=skipped)

        viewers = [Timed(ADDRESS) for _ in range(VIEWERS)]
        for viewer in viewers:
            await viewer.watch(box.client, box.ticket())
            await viewer.seen(3)
        targets = [list(viewer.link._nominated[1].remote_addr) for viewer in viewers]
        await asyncio.sleep(options.seconds / 10)
        box.feed.send = send  # type: ignore[method-assign]  # times only
        async with (
            child("bench.live_hostile", str(box.run / "live.sock")) as asker,
            beside(box, targets),
            asyncio.TaskGroup() as tasks,
        ):
            running = [tasks.create_task(viewer.watch_times()) for viewer in viewers]
            await asyncio.sleep(options.seconds)
            for task in running:
                task.cancel()
            stall_ms = float((await asker.communicate(b""))[0])
        late = sorted(item for viewer in viewers for item in lateness_ms(sent, viewer.arrivals))
        lost = sum(holes(viewer) for viewer in viewers)
        for viewer in viewers:
            await viewer.__aexit__(None, None, None)
    figures = {
        "late p99, ms": late[int(len(late) * 0.99)],
        "late p50, ms": statistics.median(late),
        "latest, ms": late[-1],
        f"pictures over {LATE_MS:.0f} ms late": float(sum(item > LATE_MS for item in late)),
        "longest stall, ms": stall_ms,
        "pictures": float(len(late)),
    }
    return Reading(figures, f"{lost} packets lost" if lost else "")


def lateness_ms(sent: dict[int, float], arrived: list[tuple[int, float]]) -> list[float]:
    """Return how long each picture took.

    Which picture the first one is, its RTP time does not say: the assignment is taken by which none came before it was
    sent and the quickest took least. It is right as long as one picture of the round was not a whole picture late.
    """
    first = next(ts for ts, at_s in arrived if at_s > min(sent.values()))
    tried = (_late_ms(sent, arrived, first - pts) for pts in sent)
    return min((late for late in tried if late and min(late) >= 0), key=min)


def _late_ms(sent: dict[int, float], arrived: list[tuple[int, float]], offset: int) -> list[float]:
    known = ((sent.get((ts - offset) & 0xFFFFFFFF), at_s) for ts, at_s in arrived)
    return [(at_s - sent_s) * 1000 for sent_s, at_s in known if sent_s is not None]


def own_network(name: str) -> None:
    """Move into a network of its own, or say what is missing."""
    try:
        enter_own_network()
    except (OSError, subprocess.CalledProcessError) as error:
        raise SystemExit(f"{name} needs a network of its own (root, iproute2): {error}") from error


def measured(options: Options, beside: Beside) -> Reading:
    """Run one round."""
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        return asyncio.run(measure(Path(folder), options, beside))


def run(options: Options) -> list[Table]:
    """Measure with and without attackers."""
    own_network("live_hostile")
    rows = [
        Variant("attacked", lambda: measured(options, attacked)),
        Variant("nobody attacks", lambda: measured(options, alone), control=True),
    ]
    notes = (
        "Two viewers of one camera (640x360, 20 fps) decode beside the attackers and the daemon on the same cores.",
        "Attacked: noise on the media ports, own and forged sources; long offers; foreign candidates; storms.",
        load(),
    )
    return [compare("live_hostile: two viewers while others attack", rows, options, notes)]


if __name__ == "__main__":
    asyncio.run(ping(sys.argv[1]))
