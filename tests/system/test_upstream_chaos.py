"""Box and hub as real processes on loopback, stopped and killed while events flow."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.core.events import Lane
from tests.fakes.hubd import HubProcess, end, spawn

pytestmark = [pytest.mark.anyio, pytest.mark.system, pytest.mark.timeout(600)]  # a hang, not a slow machine
KILLS = 10
SEED = 20_260_924


class Sender:
    """The sending process and what it has put."""

    def __init__(self, folder: Path, hub: HubProcess, claim: str) -> None:
        self.folder, self.hub, self.claim = folder, hub, claim
        self.process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        paths = (self.folder / "gateway.db", self.folder / "keys" / "box.key")
        arguments = (*map(str, paths), self.hub.url, self.claim, str(self.folder / "stop"))
        self.process = await spawn("-m", "tests.fakes.outbox_sender", *arguments, log=self.folder / "sender.log")

    async def kill(self) -> None:
        assert self.process is not None
        await end(self.process, signal.SIGKILL)

    async def finish(self) -> None:
        """Tell it to put no more and wait until the hub has everything."""
        (self.folder / "stop").touch()
        assert self.process is not None
        async with asyncio.timeout(200):
            assert await self.process.wait() == 0, (self.folder / "sender.log").read_text()

    def put(self) -> dict[Lane, int]:
        """Return the last number of each lane, read beside the running process."""
        if not (self.folder / "keys" / "box.key").exists():
            return {}
        with contextlib.closing(sqlite3.connect(self.folder / "gateway.db", timeout=10)) as db:
            if not db.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'lane'").fetchone()[0]:
                return {}
            return {Lane(name): last for name, last in db.execute("SELECT name, last FROM lane")}

    async def until_put(self, more: int) -> None:
        """Wait until that many more events are in the outbox."""
        goal = sum(self.put().values()) + more
        async with asyncio.timeout(120):
            while sum(self.put().values()) < goal:  # noqa: ASYNC110 - another process counts
                await asyncio.sleep(0.02)


@asynccontextmanager
async def pair(tmp_path: Path) -> AsyncIterator[tuple[HubProcess, Sender]]:
    """A hub and an enrolled sender, running; killed at the end whatever happened."""
    hub = HubProcess(tmp_path / "hub")
    hub.write_config()
    await hub.start()
    sender = Sender(tmp_path / "box", hub, "")
    sender.folder.mkdir()
    try:
        await hub.until_up()
        sender.claim = str((await hub.call("claim.new", site="MN Hoa Sen"))["claim"])
        await sender.start()
        yield hub, sender
    finally:
        for process in (sender.process, hub.process):
            if process is not None:
                await end(process, signal.SIGKILL)


def whole(put: dict[Lane, int]) -> dict[Lane, list[int]]:
    """Return what the hub must have: every number of each lane, once, in order."""
    return {lane: list(range(1, last + 1)) for lane, last in put.items()}


async def test_a_hub_stopped_under_events_gets_all_of_them_when_it_is_back(tmp_path: Path) -> None:
    """SIGTERM while events flow; those made meanwhile arrive after the start, once, in order per lane."""
    async with pair(tmp_path) as (hub, sender):
        await sender.until_put(200)
        assert await hub.stop() == 0
        before = len(hub.numbers()[Lane.ALARM])
        assert before > 0
        await sender.until_put(300)
        await hub.start()
        await hub.until_up()
        await sender.until_put(60)
        await sender.finish()
        assert await hub.stop() == 0
        assert hub.numbers() == whole(sender.put())


async def test_both_sides_killed_ten_times_lose_nothing_and_double_nothing(tmp_path: Path) -> None:
    """SIGKILL of box and hub at random moments, ten times each: every event once, in order per lane."""
    chance = random.Random(SEED)
    async with pair(tmp_path) as (hub, sender):
        await sender.until_put(100)
        for kill_number in range(KILLS):
            await asyncio.sleep(chance.uniform(0.0, 0.4))
            for kill in chance.sample([hub.kill, sender.kill], 2):
                await kill()
                await asyncio.sleep(chance.choice([0.0, 0.05, 0.3]))
            await asyncio.gather(hub.start(), sender.start())
            if kill_number % 2:  # else the next kill meets whatever they are doing, starting up, too
                await hub.until_up()
                await sender.until_put(30)
        await sender.until_put(30)
        await sender.finish()
        await hub.until_up()
        assert await hub.stop() == 0
        put = sender.put()
        assert min(put.values()) > KILLS * 5
        assert hub.numbers() == whole(put)
