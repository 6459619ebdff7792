"""People come and go all day: nothing of a viewer stays behind in `vuon-live`."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import LiveFull
from gateway.live.client import LiveClient
from gateway.live.session import Session
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox, make_grant
from tests.fakes.live_scene import OFFER
from tests.fakes.lived import Lived, lived
from tests.fakes.viewer import Viewer

pytestmark = pytest.mark.system

CLIP = clip()
AT_ONCE = 8
MOST_TURNS = 40
"""Two seconds where nothing else runs: a timer that holds somebody for longer is found."""
MOST_BYTES_A_CYCLE = 16_384
"""A session's own objects are 200 kB: one in a dozen that stays would be seen. The allocator's own noise is less."""


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    descriptors: int
    threads: int
    resident_bytes: int


def held(pid: int) -> Held:
    """Look at a process from outside (proc(5))."""
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return Held(len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir())), pages * 4096)


async def watched(client: LiveClient, ticket: dict[str, str], number: int) -> None:
    """Connect fully and see pictures; leave by closing the tab, or by order."""
    async with Viewer() as viewer:
        await viewer.watch(client, ticket)
        await viewer.seen(1)
        if number % 2:
            await client.close(viewer.session, "viewer.left")


async def answered(client: LiveClient, ticket: dict[str, str], _number: int) -> None:
    """Get an answer and go away without a packet: closed by order."""
    opened = await client.open(ticket, OFFER)
    await client.close(opened.session, "viewer.left")


Cycle = Callable[[LiveClient, dict[str, str], int], Awaitable[None]]


async def cycles(daemon: Lived, cycle: Cycle, count: int) -> None:
    """Run so many, some at once; whoever finds no place comes again."""
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with turn:
            while True:
                with contextlib.suppress(LiveFull):
                    return await cycle(daemon.client, daemon.ticket(), number)
                await asyncio.sleep(0.05)

    async with asyncio.TaskGroup() as together:
        for number in range(count):
            together.create_task(one(number))


async def empty(daemon: Lived, most: int | None = None) -> Held:
    """Wait until every session is gone, and its sockets: at most so many are left, or their number stands still."""
    same, last = 0, held(daemon.pid)
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.1)
            now = held(daemon.pid)
            same = same + 1 if now.descriptors == last.descriptors else 0
            last = now
            if not await daemon.sessions() and (now.descriptors <= most if most is not None else same >= 10):
                return now


async def come_and_go(folder: Path, *, full: int, short: int) -> None:
    async with lived(folder, CLIP, most=AT_ONCE + 2) as daemon:
        # The first half shows what the process keeps for the next crowd (buffers, the test's own connections).
        await cycles(daemon, watched, full // 2)
        await cycles(daemon, answered, short // 2)
        warm = await empty(daemon)
        await cycles(daemon, watched, full // 2)
        await cycles(daemon, answered, short // 2)
        after = await empty(daemon, warm.descriptors)
        assert after.threads <= warm.threads
        each = (after.resident_bytes - warm.resident_bytes) / (full // 2 + short // 2)
        assert each < MOST_BYTES_A_CYCLE, f"{each:.0f} bytes a cycle, from {warm} to {after}"
        assert "Traceback" not in daemon.log()


def test_five_hundred_cycles_leave_nothing(tmp_path: Path) -> None:
    """A hundred with DTLS and pictures, four hundred without a packet: descriptors, threads and memory stay flat."""
    asyncio.run(come_and_go(tmp_path, full=100, short=400))


@pytest.mark.soak
def test_ten_thousand_cycles_leave_nothing(tmp_path: Path) -> None:
    """The same for two thousand and eight thousand."""
    asyncio.run(come_and_go(tmp_path, full=2000, short=8000))


def of_a_viewer(task: asyncio.Task[Any]) -> bool:
    """Say whether a task is aiortc's, aioice's, or of a session of ours."""
    frame = getattr(task.get_coro(), "cr_frame", None)
    names = ("aiortc", "aioice", "gateway.live.transport", "gateway.live.dtls", "gateway.live.ice")
    return frame is not None and str(frame.f_globals["__name__"]).startswith(names)


def sessions() -> list[Session]:
    """Return the sessions that anything still holds."""
    return [item for item in gc.get_objects() if type(item) is Session]


def test_no_task_and_no_object_of_a_viewer_stays(tmp_path: Path) -> None:
    """After sessions that were left, closed by order, and never connected: no task of theirs runs, all is collected."""

    async def body() -> None:
        async with LiveBox(tmp_path, CLIP, max_viewers=6) as box:
            ours = weakref.WeakSet[Any]()
            open_session = box.sessions._connect

            def counted(*args: Any) -> Any:
                made = open_session(*args)
                ours.add(made)
                return made

            box.sessions._connect = counted
            threads = threading.active_count()
            for number in range(12):
                await watched(box.client, box.ticket(make_grant(box.clock)), number)
                await answered(box.client, box.ticket(make_grant(box.clock)), number)
            await box.until("gone")
            async with asyncio.timeout(60):
                while any(map(of_a_viewer, asyncio.all_tasks())):  # noqa: ASYNC110 - the last goodbyes
                    await asyncio.sleep(0.05)
            for _ in range(MOST_TURNS):  # what the loop itself still calls back, however slow it turns
                await asyncio.sleep(0.05)
                gc.collect()
                if not ours and not sessions():
                    break
            assert (len(ours), sessions()) == (0, [])
            assert threading.active_count() <= threads + 1
        assert box.faults == []

    asyncio.run(body())
