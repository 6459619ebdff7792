"""What the gateway does by itself: journal, health, checkpoints, keeping house."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access import audit
from gateway.core.errors import DaemonUnavailable
from gateway.core.events import Event, Lane
from gateway.core.wire import ControlClient
from gateway.health import store as health
from gateway.health.tracker import Tracker
from gateway.roofs.gateway_loops import (
    CHECKPOINT_S,
    DAY_MS,
    KEEP_EVERY_S,
    LOOK_S,
    SUMMARY_EVERY_LOOKS,
    Checkpoints,
    JournalCopy,
    Keeper,
)
from gateway.upstream import keeping, outbox
from tests.fakes.events import CAMERA, numbered
from tests.fakes.gateway_desk import Desk, fact, gateway_desk

pytestmark = pytest.mark.anyio

HANG_S = 60


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with gateway_desk(tmp_path) as found:
        yield found


class TestJournalCopy:
    """The recorder's facts become the gateway's events."""

    async def test_facts_are_copied_once_and_in_order(self, desk: Desk) -> None:
        """Page by page; what is new is told."""
        desk.recorder.events = [fact(seq) for seq in range(1, 4)]
        copy = desk.copier()
        assert await copy.step() == 0  # whose journal is it?
        assert await copy.step() == 3
        desk.recorder.events += [fact(4)]
        assert await copy.step() == 1
        assert await copy.step() == 0
        assert desk.changed == [[1, 2, 3], [4]]
        rows = await desk.rows("SELECT data FROM event ORDER BY number")
        assert [json.loads(row["data"])["step_ms"] for row in rows] == [1, 2, 3, 4]

    async def test_after_a_restart_it_goes_on_where_it_was(self, desk: Desk) -> None:
        """It looks once whether the last fact copied is still the one it knows."""
        desk.recorder.events = [fact(seq) for seq in range(1, 4)]
        copy = desk.copier()
        await copy.step()
        await copy.step()
        desk.recorder.events += [fact(4)]
        copy = desk.copier()
        await copy.step()
        desk.recorder.asked.clear()
        assert await copy.step() == 1
        assert desk.recorder.asked == [2]
        await copy.step()
        assert desk.recorder.asked == [2, 4]
        assert len(await desk.types()) == 4

    async def test_a_new_journal_is_copied_from_its_start(self, desk: Desk) -> None:
        """The recorder's database is new: its numbers begin again, under another name."""
        desk.recorder.events = [fact(seq) for seq in range(1, 6)]
        copy = desk.copier()
        await copy.step()
        await copy.step()
        desk.recorder.stream, desk.recorder.events = "journal-2", [fact(1), fact(2)]
        assert await copy.step() == 0
        assert await copy.step() == 2
        assert len(await desk.types()) == 7

    @pytest.mark.parametrize("kept", [0, 3])
    async def test_a_recorder_restored_from_an_old_image_loses_no_new_fact(self, desk: Desk, kept: int) -> None:
        """It counts again under the same name: without a look at the ids its facts would vanish unseen."""
        desk.recorder.events = [fact(seq) for seq in range(1, 7)]
        copy = desk.copier()
        await copy.step()
        await copy.step()
        fresh = [fact(seq, step_ms=100 + seq) for seq in range(kept + 1, kept + 3)]
        desk.recorder.events = [*desk.recorder.events[:kept], *fresh]
        copy = desk.copier()
        for _ in range(4):
            await copy.step()
        rows = await desk.rows("SELECT data FROM event ORDER BY number")
        steps = [json.loads(row["data"])["step_ms"] for row in rows]
        assert steps == [1, 2, 3, 4, 5, 6, 101 + kept, 102 + kept]

    async def test_another_fact_at_our_number_is_another_history(self, desk: Desk) -> None:
        """The restored recorder has made as many facts since: only the id tells."""
        desk.recorder.events = [fact(seq) for seq in range(1, 4)]
        copy = desk.copier()
        await copy.step()
        await copy.step()
        desk.recorder.events = [desk.recorder.events[0], *(fact(seq, step_ms=50 + seq) for seq in (2, 3, 4))]
        copy = desk.copier()
        for _ in range(4):
            await copy.step()
        rows = await desk.rows("SELECT data FROM event ORDER BY number")
        assert [json.loads(row["data"])["step_ms"] for row in rows] == [1, 2, 3, 52, 53, 54]

    async def test_a_trimmed_journal_is_no_other_history(self, desk: Desk) -> None:
        """The recorder drops its oldest facts after a year: the copy goes on."""
        desk.recorder.events = [fact(seq) for seq in range(1, 4)]
        copy = desk.copier()
        await copy.step()
        await copy.step()
        desk.recorder.events = [fact(5), fact(6)]
        copy = desk.copier()
        await copy.step()
        assert await copy.step() == 2
        assert len(await desk.types()) == 5

    async def test_whoever_must_hear_of_a_fact_is_told_again_until_told(self, desk: Desk) -> None:
        """The page is copied once, but classes hear of a new camera even if the recorder was busy."""
        desk.recorder.events = [fact(1, "camera.adopted.v1", camera=CAMERA, driver="onvif", streams=2)]
        desk.fail_changed = True
        copy = desk.copier()
        await copy.step()
        for _ in range(2):
            with pytest.raises(DaemonUnavailable):
                await copy.step()
        desk.fail_changed = False
        await copy.step()
        await copy.step()
        assert desk.changed == [[1]]
        assert len(await desk.types()) == 1

    async def test_a_recorder_that_is_away_ends_the_run(self, desk: Desk, tmp_path: Path) -> None:
        """And `supervise` starts it again."""
        async with ControlClient(tmp_path / "nobody.sock", "recorder") as client:
            with pytest.raises(DaemonUnavailable):
                await JournalCopy(client, desk.db, desk.on_changed).run()


def seen(*, connected: bool = True) -> dict[str, Any]:
    state = "up" if connected else "down"
    return {"id": CAMERA, "state": state, "connected": connected, "recording": connected, "streams": []}


class TestLooks:
    """Health, every few seconds."""

    async def test_a_healthy_box_tells_one_summary_a_minute(self, desk: Desk) -> None:
        """Its heartbeat: the hub calls a box lost after five minutes without."""
        desk.recorder.cameras = [seen(), seen(connected=True)]
        looks = desk.looks()
        for _ in range(SUMMARY_EVERY_LOOKS):
            await looks.step()
        assert await desk.types() == ["box.summary.v1"]
        (row,) = await desk.rows("SELECT data FROM event")
        assert json.loads(row["data"]) == {"cameras": 2, "recording": 2, "viewers": 3}
        await looks.step()
        assert len(await desk.types()) == 2
        assert desk.woken == 2

    async def test_a_fault_becomes_one_event_and_one_row(self, desk: Desk) -> None:
        """Both in one transaction; after a restart of the process it is not told again."""
        desk.recorder.cameras = [seen(connected=False)]
        looks = desk.looks()
        for _ in range(10):
            await looks.step()
            desk.clock.tick(LOOK_S)
        assert (await desk.types()).count("condition.raised.v1") == 1
        looks = desk.looks(Tracker(desk.clock, await desk.db.read(health.load)))
        for _ in range(10):
            await looks.step()
            desk.clock.tick(LOOK_S)
        assert (await desk.types()).count("condition.raised.v1") == 1
        desk.recorder.cameras = [seen()]
        await looks.step()
        assert (await desk.types())[-1] == "condition.cleared.v1"
        assert await desk.db.read(health.load) == {}

    async def test_a_write_that_fails_loses_no_edge(self, desk: Desk) -> None:
        """The disk was full at that moment: the next look tells it."""
        await desk.db.write(
            lambda conn: conn.execute(
                "CREATE TRIGGER full BEFORE INSERT ON condition BEGIN SELECT raise(ABORT, 'disk full'); END"
            )
        )
        desk.recorder.cameras = [seen(connected=False)]
        looks = desk.looks()
        failures = 0
        for _ in range(8):
            try:
                await looks.step()
            except sqlite3.IntegrityError:
                failures += 1
            desk.clock.tick(LOOK_S)
        assert failures == 3
        assert "condition.raised.v1" not in await desk.types()
        await desk.db.write(lambda conn: conn.execute("DROP TRIGGER full"))
        await looks.step()
        assert (await desk.types()).count("condition.raised.v1") == 1

    async def test_without_the_recorder_the_box_records_nothing_but_keeps_its_cameras(
        self, desk: Desk, tmp_path: Path
    ) -> None:
        """The summary leaves the number of cameras out instead of saying none."""
        async with ControlClient(tmp_path / "nobody.sock", "recorder") as client:
            desk.client, desk.live = client, None
            looks = desk.looks()
            for _ in range(6):
                await looks.step()
                desk.clock.tick(LOOK_S)
        rows = await desk.rows("SELECT type, data FROM event ORDER BY number")
        assert json.loads(rows[0]["data"]) == {"recording": 0, "viewers": 0}
        raised = [json.loads(row["data"])["condition"] for row in rows[1:]]
        assert sorted(raised) == ["live.down", "recorder.down"]

    async def test_the_loop_looks_every_few_seconds(self, desk: Desk) -> None:
        """Until it is cancelled."""
        task = asyncio.create_task(desk.looks().run())
        async with asyncio.timeout(HANG_S):
            while len(await desk.types()) < 2:
                await desk.clock.advance(LOOK_S)
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        assert (await desk.types())[:2] == ["box.summary.v1"] * 2


class TestCheckpoints:
    """The head of the audit, signed and sent."""

    async def test_a_checkpoint_is_made_only_of_new_rows(self, desk: Desk) -> None:
        """And what travels is what was signed."""
        key = Ed25519PrivateKey.generate()
        points = Checkpoints(desk.db, key, desk.clock, desk.woke)
        assert await points.step() is False
        await desk.db.write(lambda conn: audit.append(conn, {"what": "test"}))
        assert await points.step() is True
        assert await points.step() is False
        assert desk.woken == 1
        (row,) = await desk.rows("SELECT body FROM outbox WHERE lane = 'alarm'")
        data = json.loads(row["body"])["data"]
        assert set(data) == {"seq", "head", "signature"}
        told = [audit.Checkpoint.from_fields(data)]
        verdict = await desk.db.read(lambda conn: audit.verify(conn, key.public_key(), told))
        assert (verdict.problem, verdict.entries) == (None, 1)

    async def test_the_loop_makes_one_a_minute(self, desk: Desk) -> None:
        """While there is something new."""
        task = asyncio.create_task(Checkpoints(desk.db, Ed25519PrivateKey.generate(), desk.clock, desk.woke).run())
        await desk.db.write(lambda conn: audit.append(conn, {"what": "test"}))
        async with asyncio.timeout(HANG_S):
            while not desk.woken:
                await desk.clock.advance(CHECKPOINT_S)
                await asyncio.sleep(0.005)
        task.cancel()
        await asyncio.wait([task])
        assert desk.woken == 1


def _put(event: Event, conn: sqlite3.Connection) -> None:
    outbox.put(conn, event)


class TestKeeper:
    """Old events and too many of them."""

    def keeper(self, desk: Desk, *, alone: bool = False) -> Keeper:
        return Keeper(desk.db, desk.clock, keep_days=30, alone=alone, woke=desk.woke)

    @staticmethod
    async def fill(desk: Desk, count: int, *, age_days: int, lane: Lane = Lane.ROUTINE) -> None:
        now_ms = desk.clock.now_ms() - age_days * DAY_MS
        for number in range(count):
            event = numbered(lane, number, now_ms=now_ms)
            await desk.db.write(partial(_put, event))

    async def kept(self, desk: Desk) -> int:
        return int((await desk.rows("SELECT count(*) FROM outbox"))[0][0])

    async def test_nothing_unsent_is_deleted_for_its_age(self, desk: Desk) -> None:
        """A hub that is away for two months gets everything."""
        await self.fill(desk, 3, age_days=60)
        assert await self.keeper(desk).step() == 0
        assert await self.kept(desk) == 3

    async def test_a_box_without_a_hub_keeps_thirty_days(self, desk: Desk) -> None:
        """Nobody will ever ask for more."""
        await self.fill(desk, 3, age_days=60)
        await self.fill(desk, 2, age_days=1)
        assert await self.keeper(desk, alone=True).step() == 3
        assert await self.kept(desk) == 2

    async def test_nothing_is_deleted_while_the_clock_is_not_trusted(self, desk: Desk) -> None:
        """A clock far in the future would delete everything."""
        await self.fill(desk, 3, age_days=60)
        desk.clock.distrust()
        assert await self.keeper(desk, alone=True).step() == 0
        assert await self.kept(desk) == 3

    async def test_over_the_quota_routine_goes_and_the_hub_is_woken(
        self, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The event that says so is an alarm."""
        monkeypatch.setattr(keeping.enforce_quota, "__kwdefaults__", {"most": 4})
        await self.fill(desk, 10, age_days=1)
        await self.keeper(desk).step()
        assert desk.woken == 1
        (row,) = await desk.rows("SELECT body FROM outbox WHERE lane = 'alarm'")
        assert json.loads(row["body"])["data"] == {"lane": "routine", "documents": 6}

    async def test_the_loop_keeps_house_every_hour(self, desk: Desk) -> None:
        """Beginning at the start."""
        task = asyncio.create_task(self.keeper(desk, alone=True).run())
        await self.fill(desk, 1, age_days=60)
        async with asyncio.timeout(HANG_S):
            while await self.kept(desk):
                await asyncio.sleep(0.005)
                await desk.clock.advance(KEEP_EVERY_S)
        task.cancel()
        await asyncio.wait([task])
        assert await self.kept(desk) == 0
