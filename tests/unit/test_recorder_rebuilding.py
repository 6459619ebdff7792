"""What goes on beside the looks at the disks: indexes made anew, disks that hang, clocks set right meanwhile."""

from __future__ import annotations

import contextlib
import dataclasses
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import anyio.to_thread
import pytest

from recorder.indexfile import REBUILD_NAME
from recorder.recovery import ReindexReport
from recorder.runs import Anchor, Run
from tests.fakes.clock import NOON_MS
from tests.fakes.disk_world import OPTIONS, STREAM, World, closed_files, world
from tests.fakes.recording import new_camera

pytestmark = pytest.mark.anyio


def rebuilding(made: World) -> bool:
    return made.store.slots[0].needs_reindex


async def test_a_rebuilding_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    """Promise 13: an index that is only half made anew says so at the next start."""
    async with world(tmp_path) as made:
        async with made.store.opened():
            made.record(10)
        for path in tmp_path.glob("one/index.db*"):
            path.unlink()
        async with made.store.opened():
            assert rebuilding(made)  # and the power goes before the first look
        async with made.store.opened():
            assert rebuilding(made)
            await made.store.rebuild()
            assert not rebuilding(made)
        async with made.store.opened():
            assert not rebuilding(made)
            found = await made.store.find([STREAM], 0, NOON_MS + 50_000)
    assert sum(item.row.duration_ms for item in found) == 10_000


async def test_a_clock_set_right_while_a_disk_was_away_moves_its_rows_when_it_comes_back(tmp_path: Path) -> None:
    """A hold is placed on true time: rows that stayed in 1970 would not be found by it."""
    async with world(tmp_path) as made:
        await made.own.registry.add(new_camera(streams=1))
        run = Run(await made.own.runs.reserve(), STREAM, Anchor(60_000, 0, trusted=False))
        await made.own.runs.opened(run)
        async with made.store.opened():
            made.record(4, start_ms=60_000)
        (tmp_path / "one").rename(tmp_path / "unplugged")
        async with made.store.opened():
            ((corrected, offset_ms),) = await made.own.runs.correct(NOON_MS)
            assert corrected == run.id
            await made.store.set_offset(corrected, offset_ms)
            (tmp_path / "unplugged").rename(tmp_path / "one")
            await made.store.look(made.changed)
            (item,) = await made.store.find([STREAM], 0, 10**14)
    assert item.row.begin_ms == NOON_MS


async def test_a_disk_whose_writer_hangs_is_failing_and_taken_back_once_it_answers(tmp_path: Path) -> None:
    """Its threads still use it: it is not opened twice, the looks at the other disks go on, nothing is lost."""
    hurried = dataclasses.replace(OPTIONS, stop_s=0.2)
    async with world(tmp_path, ("one", "two")) as made:
        one, two = made.store.slots
        one.options = dataclasses.replace(one.options, writer=hurried)
        async with made.store.opened():
            one.free_bytes, two.free_bytes = 20, 10
            with contextlib.closing(sqlite3.connect(tmp_path / "one" / "index.db", isolation_level=None)) as stuck:
                stuck.execute("BEGIN EXCLUSIVE")
                made.record(4)
                with anyio.fail_after(20):
                    while not list(closed_files(tmp_path / "one")):  # noqa: ASYNC110 - the writer tells nobody
                        await anyio.sleep(0.01)
                (tmp_path / "one").rename(tmp_path / "unplugged")
                await made.store.look(made.changed)
                (tmp_path / "unplugged").rename(tmp_path / "one")
                await made.store.look(made.changed)
                assert (one.state, two.state) == ("failing", "ok")
                stuck.execute("ROLLBACK")
            with anyio.fail_after(20):
                while one.state != "ok":
                    await made.store.look(made.changed)
            (found,) = await made.store.find([STREAM], 0, 10**14)
    assert (found.slot, found.row.duration_ms) == (one, 4_000)


async def test_a_rebuilding_holds_up_no_look_and_ends_with_its_caller(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It takes minutes: meanwhile other disks are looked at, and stopping the recorder does not wait for its end."""
    asked = threading.Event()

    def endless(*_: object, halted: Callable[[], bool], **__: object) -> ReindexReport:
        asked.set()
        while not halted():
            time.sleep(0.01)
        return ReindexReport(whole=False)

    monkeypatch.setattr("recorder.slot.reindex", endless)
    async with world(tmp_path) as made:
        async with made.store.opened():
            made.record(4)
        for path in tmp_path.glob("one/index.db*"):
            path.unlink()
        with anyio.fail_after(20):
            async with made.store.opened(), anyio.create_task_group() as tasks:
                tasks.start_soon(made.store.run_rebuilding)
                await anyio.to_thread.run_sync(asked.wait)
                await made.store.look(made.changed)
                assert made.store.slots[0].state == "ok"
                tasks.cancel_scope.cancel()
        assert (tmp_path / "one" / REBUILD_NAME).exists()
