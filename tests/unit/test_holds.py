"""Holds: placed, lifted, copied to the disks, and stronger than retention."""

from __future__ import annotations

import errno
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, RunId, StreamId, new_public_id
from gateway.core.secrets import SealKey
from recorder.cleaner import AgeGate, Cleaner
from recorder.gop import RunInfo
from recorder.holdreasons import HoldReasons
from recorder.holds import HoldBook, HoldOrder, encode_holds, write_copy
from recorder.losses import Losses
from recorder.registry import Camera
from recorder.retention import DAY_MS, Hold, Rule
from recorder.slot import Slot, SlotOptions
from recorder.writer import WriterOptions
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.disks import FaultyDisk
from tests.fakes.footage import plain_units
from tests.fakes.recorder_box import recorder_box
from tests.fakes.recording import Books, books, new_camera

pytestmark = pytest.mark.anyio

OLD_MS = NOON_MS - 40 * DAY_MS
WHO = new_public_id()


class World:
    """Footage of 40 days ago on one disk, kept for 30, with holds and a cleaner."""

    def __init__(self, own: Books, slot: Slot, camera: Camera, clock: FakeClock) -> None:
        self.own, self.slot, self.camera, self.clock = own, slot, camera, clock
        self.stream = camera.streams[0].id
        self.cleaner = Cleaner([slot], self._rules, self._holds, AgeGate(clock), clock)
        self.book = HoldBook(own.db, [slot], clock, self.cleaner.deleting, HoldReasons(SealKey(b"k" * 32)))
        self.meanwhile: HoldOrder | None = None
        """A hold that is placed when a plan has been made and not yet carried out."""
        self._asked = 0

    async def _rules(self) -> Mapping[StreamId, Rule]:
        return {self.stream: Rule(30)}

    async def _holds(self) -> list[Hold]:
        self._asked += 1
        if self.meanwhile is not None and self._asked == 2:
            order = self.meanwhile
            await self.own.db.write(
                lambda db: db.execute(
                    "INSERT INTO hold (public_id, camera_id, start_ms, end_ms, until_ms, who, why, placed_ms)"
                    " VALUES (?, ?, ?, ?, ?, ?, '', 1)",
                    (new_public_id(), self.camera.id, order.start_ms, order.end_ms, order.until_ms, order.who),
                )
            )
        return await self.book.active()

    def record(self) -> None:
        """Write two segments of 4 s, 40 days ago."""
        writer = self.slot.require().writer
        writer.begin_run(RunInfo(RunId(1), self.stream, OLD_MS, 0))
        for unit in plain_units(16):
            writer.offer(self.stream, unit, OLD_MS * 90 + unit.pts_90k)
        writer.end_run(self.stream, "camera")
        self.slot.close()
        self.slot.open({})

    async def left(self) -> list[int]:
        rows = await anyio.to_thread.run_sync(lambda: self.slot.rows(self.stream, 0, 10**14, closed_only=True))
        return [row.begin_ms - OLD_MS for row in rows]

    def copy(self) -> Any:
        return json.loads((self.slot.options.path / "holds.json").read_text())


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock()
    writer = WriterOptions(segment_s=4, sync_s=0.2, stagger=False)
    slot = Slot(
        SlotOptions(tmp_path / "disk", PublicId("b" * 16), 0, create=True, writer=writer), None, Losses(clock), clock
    )
    async with books(tmp_path, clock) as own:
        await anyio.to_thread.run_sync(slot.open, {})
        made = World(own, slot, await own.registry.add(new_camera()), clock)
        try:
            await anyio.to_thread.run_sync(made.record)
            yield made
        finally:
            await anyio.to_thread.run_sync(slot.close)


def order(start_ms: int = OLD_MS, end_ms: int = OLD_MS + 100, until_ms: int = NOON_MS + DAY_MS) -> HoldOrder:
    return HoldOrder(start_ms, end_ms, until_ms, WHO, "a child fell")


async def test_held_footage_stays_and_the_rest_goes(tmp_path: Path) -> None:
    """Until the hold is lifted; then retention has it."""
    async with world(tmp_path) as made:
        placed = await made.book.place(made.camera, order())
        await made.cleaner.clean()
        assert await made.left() == [0]
        await made.book.lift(placed.id)
        await made.cleaner.clean()
        assert await made.left() == []


async def test_a_hold_ends_by_itself(tmp_path: Path) -> None:
    """At its time, and not while the clock is not trusted."""
    async with world(tmp_path) as made:
        await made.book.place(made.camera, order(until_ms=NOON_MS + 1000))
        made.clock.tick(2)
        made.clock.distrust()
        await made.cleaner.clean()
        assert await made.left() == [0, 4000]
    async with world(tmp_path / "again") as made:
        await made.book.place(made.camera, order(until_ms=NOON_MS + 1000))
        made.clock.tick(2)
        await made.cleaner.clean()
        assert await made.left() == []


async def test_a_hold_outlives_the_index(tmp_path: Path) -> None:
    """The index is lost and made again from the files: what is held is still held."""
    async with world(tmp_path) as made:
        await made.book.place(made.camera, order())
        await anyio.to_thread.run_sync(made.slot.close)
        for path in (tmp_path / "disk").glob("index.db*"):
            path.unlink()
        await anyio.to_thread.run_sync(made.slot.open, {})
        await anyio.to_thread.run_sync(made.slot.reindex, {})
        assert await made.left() == [0, 4000]
        await made.cleaner.clean()
        assert await made.left() == [0]


async def test_a_hold_placed_between_plan_and_deletion_counts(tmp_path: Path) -> None:
    """What the plan chose is looked at again before it is deleted."""
    async with world(tmp_path) as made:
        made.meanwhile = order()
        (done,) = await made.cleaner.clean()
        assert len(done.plan.victims) == 2
        assert await made.left() == [0]


async def test_placing_waits_for_a_deletion_under_way(tmp_path: Path) -> None:
    """The answer means that nothing of it is being deleted."""
    async with world(tmp_path) as made:
        done: list[str] = []

        async def place() -> None:
            await made.book.place(made.camera, order())
            done.append("placed")

        async with anyio.create_task_group() as tasks, made.cleaner.deleting:
            tasks.start_soon(place)
            await anyio.wait_all_tasks_blocked()
            assert await made.book.placed() == []
            done.append("deleted")
        assert done == ["deleted", "placed"]


async def test_every_disk_has_a_copy_without_names_and_reasons(tmp_path: Path) -> None:
    """A hold per stream; a lifted one goes from the copy."""
    async with world(tmp_path) as made:
        placed = await made.book.place(made.camera, order())
        expected = [
            {"stream": stream.id, "start_ms": OLD_MS, "end_ms": OLD_MS + 100, "until_ms": NOON_MS + DAY_MS}
            for stream in made.camera.streams
        ]
        assert made.copy() == {"format": 1, "holds": expected}
        await made.book.lift(placed.id)
        assert made.copy() == {"format": 1, "holds": []}


async def test_a_disk_that_was_away_gets_its_copy(tmp_path: Path) -> None:
    """The hold is placed without it; the next look of retention writes it."""
    async with world(tmp_path) as made:
        await anyio.to_thread.run_sync(made.slot.close)
        await made.book.place(made.camera, order())
        assert not (tmp_path / "disk" / "holds.json").exists()
        await anyio.to_thread.run_sync(made.slot.open, {})
        await made.cleaner.clean()
        assert len(made.copy()["holds"]) == 2


async def test_a_copy_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    """Whichever call fails; the next try succeeds all the same."""
    disk = FaultyDisk(tmp_path)
    old = encode_holds([Hold(StreamId(1), 1, 2, 3)])
    new = encode_holds([Hold(StreamId(1), 1, 2, 3), Hold(StreamId(2), 1, 2, 3)])
    for call in ("create", "write", "fdatasync", "rename", "fsync_dir"):
        write_copy(disk, old)
        disk.fault = lambda _, name, call=call: errno.EIO if name == call else 0  # type: ignore[misc]  # bound early
        with pytest.raises(OSError, match=r"Errno|Input"):
            write_copy(disk, new)
        disk.fault = lambda _, name: 0
        assert (tmp_path / "holds.json").read_bytes() == (new if call == "fsync_dir" else old)
        write_copy(disk, new)
        assert (tmp_path / "holds.json").read_bytes() == new
    disk.close_root()


async def test_a_disk_that_takes_no_copy_does_not_refuse_the_hold(tmp_path: Path) -> None:
    """The table decides; the copy follows."""
    async with world(tmp_path) as made:
        (tmp_path / "disk" / "holds.json").unlink(missing_ok=True)
        (tmp_path / "disk" / "holds.json").mkdir()
        await made.book.place(made.camera, order())
        assert len(await made.book.active()) == 2
        (tmp_path / "disk" / "holds.json").rmdir()
        assert await made.book.copy() == 1
        assert len(made.copy()["holds"]) == 2


async def test_holds_are_placed_listed_and_lifted_over_the_socket(tmp_path: Path) -> None:
    """With who and why; of one camera or all; nonsense is refused."""
    async with recorder_box(tmp_path) as box:
        box.learnable["10.0.0.1"] = new_camera()
        camera = (await box.call("adopt", address="10.0.0.1", port=80))["camera"]["id"]
        ends = box.clock.now_ms() + 60_000
        what = {"from_ms": 1_000, "to_ms": 2_000, "until_ms": ends, "who": WHO, "why": "incident"}
        hold = (await box.call("hold.place", camera=camera, **what))["hold"]
        assert {key: hold[key] for key in what} == what
        assert (await box.call("hold.list"))["holds"] == [hold]
        assert (await box.call("hold.list", camera=new_public_id()))["holds"] == []
        for wrong in ({"to_ms": 1_000}, {"until_ms": 5}, {"who": "me"}, {"why": "x" * 300}):
            with pytest.raises(BadInput):
                await box.call("hold.place", camera=camera, **(what | wrong))
        with pytest.raises(NotFound):
            await box.call("hold.place", camera=new_public_id(), **what)
        await box.call("hold.lift", hold=hold["hold"])
        with pytest.raises(NotFound):
            await box.call("hold.lift", hold=hold["hold"])
        assert (await box.call("hold.list"))["holds"] == []
