"""Disks that fail while they are written, on real mounts: errors, stalls, full, read-only, pulled out, several."""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import anyio.to_thread
import pytest

from gateway.core.model import RunId
from gateway.health.conditions import Raised, read_status
from recorder.gaps import GapCause
from recorder.index import INDEX_NAME
from recorder.losses import Loss
from recorder.rows import FLAG_SUSPECT, SegmentRow
from recorder.runs import Anchor, Run
from recorder.school import SchoolKey
from recorder.store import Store
from tests.fakes.cutdisk import CutDisk, loop_mounted, make_ext4, need_mounts, unmount
from tests.fakes.footage import START_MS, school_key
from tests.fakes.lockstep import GOP_MS, GRAIN_MS, STREAMS, HandClock, HeardSlot, slot_on, unit_of
from tests.fakes.proof import files_of, play
from tests.fakes.recording import Books, books
from tests.fakes.waiting import wait_until

pytestmark = [pytest.mark.anyio, pytest.mark.system]


class Filming:
    """All disks of a box and endless footage for them."""

    def __init__(self, own: Books, store: Store, clock: HandClock) -> None:
        self.own, self.store, self.clock = own, store, clock
        self.changes = 0
        self._grain = 0

    @property
    def slots(self) -> tuple[HeardSlot, ...]:
        return tuple(slot for slot in self.store.slots if isinstance(slot, HeardSlot))

    async def _changed(self) -> None:
        self.changes += 1

    async def look(self) -> list[str]:
        """Look at the disks as the recorder does every few seconds; returns their states."""
        await self.store.look(self._changed)
        return [slot.state for slot in self.slots]

    def begin(self) -> None:
        for stream in STREAMS:
            self.store.begin_run(Run(RunId(int(stream)), stream, Anchor(START_MS, 0, trusted=True)))

    def film(self, seconds: int) -> None:
        """Offer so much of every stream; never waits for a disk."""
        for _ in range(seconds * 1000 // GRAIN_MS):
            unit = unit_of(self._grain)
            for stream in STREAMS:
                self.store.offer(stream, unit, START_MS * 90 + unit.pts_90k)
            self._grain += 1
            self.clock.passed_ms = self._grain * GRAIN_MS

    @property
    def filmed_ms(self) -> int:
        return self._grain * GRAIN_MS

    def until_written(self) -> None:
        """Wait until nothing waits for a disk."""
        wait_until(lambda: not any(slot.backlog.waiting_bytes for slot in self.slots))

    async def events(self, name: str) -> list[dict[str, object]]:
        return [event["data"] for event in await self.own.journal.read(0, 100) if event["type"] == f"{name}.v1"]

    def conditions(self) -> set[Raised]:
        volumes = [{"state": slot.state} for slot in self.slots]
        return read_status({"recorder": {"volumes": volumes, "cameras": []}, "live": {}, "clock_trusted": True})


@pytest.fixture
def school(tmp_path: Path) -> SchoolKey:
    return school_key(tmp_path / "keys")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[CutDisk]:
    need_mounts()
    with CutDisk(tmp_path / "disk") as made:
        yield made


@contextlib.asynccontextmanager
async def filming(tmp_path: Path, school: SchoolKey, *paths: Path) -> AsyncIterator[Filming]:
    """Film on some disks; the losses are complete when it is left."""
    clock = HandClock()
    slots = [slot_on(path, school, create=True, clock=clock) for path in paths]
    async with books(tmp_path, clock) as own:
        store = Store(slots, slots[0].losses, own.runs, own.registry, own.journal, clock)
        for slot in slots[1:]:
            slot.losses = store.losses
        async with store.opened():
            made = Filming(own, store, clock)
            made.begin()
            yield made


def settled(slot: HeardSlot) -> list[SegmentRow]:
    """Wait until every file of a disk has its row; play all, return the rows."""
    opened, names = slot.require(), [name for name in files_of(slot.options.path) if name.endswith(".seg")]
    wait_until(lambda: len(list(opened.index.all_rows())) == len(names))
    rows = list(opened.index.all_rows())
    assert sorted(row.path for row in rows) == names
    play(opened, rows, decoded=1)
    return rows


async def stored(made: Filming) -> list[SegmentRow]:
    """Close everything, prove that what lies on the disks plays, return the rows."""
    for stream in STREAMS:
        made.store.end_run(stream, GapCause.CAMERA)
    rows: list[SegmentRow] = []

    def settle() -> None:
        for slot in made.slots:
            if slot.opened is not None:
                wait_until(lambda: not list(slot.options.path.rglob("*.part")))  # noqa: B023 - called at once
                rows.extend(settled(slot))

    await anyio.to_thread.run_sync(settle)
    return sorted(rows, key=lambda row: (row.stream, row.start_ms))


def footage_ms(rows: list[SegmentRow]) -> int:
    return sum(row.duration_ms for row in rows)


def lost(made: Filming) -> list[Loss]:
    return made.store.losses.take(everything=True)


async def test_errors_at_sync_cost_no_footage_and_are_said(tmp_path: Path, disk: CutDisk, school: SchoolKey) -> None:
    """Promise 7: EIO on fsync marks the running segments as suspect, one each, and goes on in new files.

    The disk is "failing" at the next look, a red condition; it heals when syncs succeed again.
    """
    async with filming(tmp_path, school, disk.mount) as made:
        made.film(3)
        made.until_written()
        disk.set(sync_fails=errno.EIO)
        made.film(4)
        wait_until(lambda: made.slots[0].require().writer.statistics().failing is not None)
        assert await made.look() == ["failing"]
        assert Raised("volume.failing", "box") in made.conditions()
        disk.set(sync_fails=0)
        made.film(10)
        made.until_written()
        made.film(10)
        made.until_written()
        wait_until(lambda: made.slots[0].require().writer.statistics().failing is None)
        assert await made.look() == ["ok"]
        rows = await stored(made)
        assert [event["state"] for event in await made.events("volume.state")] == ["failing", "ok"]
        assert footage_ms(rows) == made.filmed_ms * len(STREAMS)
        suspect = [row.stream for row in rows if row.flags & FLAG_SUSPECT]
        assert len(suspect) == len(set(suspect)) == len(STREAMS)
        assert lost(made) == []


async def test_a_slow_disk_costs_nothing(tmp_path: Path, disk: CutDisk, school: SchoolKey) -> None:
    """Promise 8: 300 ms a write for 30 s of footage: offering never waits, everything is written afterwards."""
    async with filming(tmp_path, school, disk.mount) as made:
        disk.set(slow_s=0.3)
        made.film(30)
        written = made.slots[0].require().writer.statistics().written_fragments
        assert made.slots[0].backlog.waiting_bytes > 0
        wait_until(lambda: made.slots[0].require().writer.statistics().written_fragments >= written + 3)
        disk.set(slow_s=0.0)
        made.until_written()
        rows = await stored(made)
        assert footage_ms(rows) == made.filmed_ms * len(STREAMS)
        assert made.slots[0].require().writer.statistics().dropped_fragments == 0
        assert lost(made) == []


@pytest.mark.parametrize(
    ("code", "state", "condition"),
    [
        (errno.ENOSPC, "full", "volume.full"),
        (errno.EROFS, "read_only", "volume.read_only"),
        (errno.EIO, "failing", "volume.failing"),
        (errno.ENODEV, "missing", "volume.missing"),
    ],
    ids=["full", "read-only", "failing", "gone"],
)
async def test_what_comes_while_a_disk_takes_nothing_waits_for_it(
    tmp_path: Path, disk: CutDisk, school: SchoolKey, code: int, state: str, condition: str
) -> None:
    """Promises 5, 6, 9, 11: full, read-only, dead or gone, 60 s of footage wait in memory and are written then.

    The state and its condition say what it is; nothing is lost.
    """
    async with filming(tmp_path, school, disk.mount) as made:
        made.film(3)
        made.until_written()
        disk.set(all_fails=code)
        made.film(60)
        wait_until(lambda: made.slots[0].require().writer.statistics().stuck)
        assert await made.look() == [state]
        assert Raised(condition, "box") in made.conditions()
        assert not made.store.is_stored(STREAMS[0])
        disk.set(all_fails=0)
        made.film(6)
        made.until_written()
        rows = await stored(made)
        assert footage_ms(rows) == made.filmed_ms * len(STREAMS)
        assert lost(made) == []


async def test_beyond_the_memory_there_is_a_stated_gap(tmp_path: Path, disk: CutDisk, school: SchoolKey) -> None:
    """Promise 6: the newest stays, the oldest goes, and the gap is in the ledger's hands with cause disk."""
    async with filming(tmp_path, school, disk.mount) as made:
        disk.set(all_fails=errno.ENOSPC)
        made.slots[0].backlog._limit_bytes = 40_000
        made.film(120)
        wait_until(lambda: made.slots[0].require().writer.statistics().stuck)
        disk.set(all_fails=0)
        made.until_written()
        rows = await stored(made)
        losses = lost(made)
    assert {loss.cause for loss in losses} == {GapCause.DISK}
    assert {loss.start_ms for loss in losses} == {START_MS}
    for stream in STREAMS:
        kept = footage_ms([row for row in rows if row.stream == stream])
        gone = sum(loss.end_ms - loss.start_ms for loss in losses if loss.stream == stream)
        assert made.filmed_ms <= kept + gone <= made.filmed_ms + GOP_MS  # what is nearly adjacent is told as one
        assert kept > 0
        assert max(row.end_ms for row in rows if row.stream == stream) == START_MS + made.filmed_ms


async def test_a_disk_that_is_pulled_out_and_returns(tmp_path: Path, school: SchoolKey) -> None:
    """Promise 9: nothing is written below its mount point, and what came meanwhile is there after it returned."""
    need_mounts(loop=True)
    image, path = tmp_path / f"image-{tmp_path.name}", tmp_path / "mnt"
    make_ext4(image)
    with contextlib.ExitStack() as mounts:
        mounts.enter_context(loop_mounted(image, path))
        async with filming(tmp_path, school, path) as made:
            made.film(20)
            made.until_written()
            unmount(path)
            made.film(5)
            assert await made.look() == ["missing"]
            made.film(30)
            await made.look()
            assert list(path.iterdir()) == []
            mounts.enter_context(loop_mounted(image, path))
            assert await made.look() == ["ok"]
            made.film(5)
            made.until_written()
            rows = await stored(made)
            assert footage_ms(rows) == made.filmed_ms * len(STREAMS)
            assert lost(made) == []
            assert made.changes == 1
            assert [event["state"] for event in await made.events("volume.state")] == ["missing", "ok"]


async def test_a_disk_that_dies_hands_its_streams_to_the_other(
    tmp_path: Path, disk: CutDisk, school: SchoolKey
) -> None:
    """Promise 9: of two disks one is torn off while it is written; its streams go on on the other.

    Nothing is written below its mount point; what waited for the dead disk is on the living one.
    """
    other = tmp_path / "other"
    async with filming(tmp_path, school, disk.mount, other) as made:
        made.film(8)
        made.until_written()
        used = [sum(1 for _ in slot.options.path.rglob("*.part")) for slot in made.slots]
        assert sum(used) == len(STREAMS)
        victim = made.slots[0]
        for stream in STREAMS:  # wherever they were: now on the disk that dies
            home = made.store._homes[stream]
            home.backlog.move(stream, victim.backlog)
            made.store._homes[stream] = made.store._routes[stream] = victim
        made.film(4)
        made.until_written()
        disk.die()
        made.film(12)
        wait_until(lambda: victim.opened is None or victim.require().writer.statistics().stuck)
        assert await made.look() == ["missing", "ok"]
        disk.unplug()
        made.film(12)
        made.until_written()
        rows = await stored(made)
        assert list(disk.mount.iterdir()) == []
    for stream in STREAMS:  # what the dead disk held is away with it: the rest is whole
        found = [row for row in rows if row.stream == stream and row.begin_ms > START_MS]
        assert found[0].begin_ms <= START_MS + 12_000
        assert footage_ms(found) == START_MS + made.filmed_ms - found[0].begin_ms
    assert lost(made) == []


async def test_a_locked_index_holds_up_no_footage(tmp_path: Path, disk: CutDisk, school: SchoolKey) -> None:
    """Promise 12: a stuck reader, then a stuck lock: files are closed meanwhile, their rows follow."""
    async with filming(tmp_path, school, disk.mount) as made:
        with contextlib.closing(sqlite3.connect(disk.mount / INDEX_NAME, isolation_level=None)) as stuck:
            stuck.execute("BEGIN")
            stuck.execute("SELECT count(*) FROM segment").fetchall()
            made.film(30)
            wait_until(lambda: len(made.slots[0].acknowledged) >= len(STREAMS))
            stuck.execute("ROLLBACK")
            stuck.execute("BEGIN EXCLUSIVE")
            known = len(made.slots[0].acknowledged)
            made.film(60)
            made.until_written()
            wait_until(lambda: len(list(disk.mount.rglob("*.seg"))) >= known + 2 * len(STREAMS))
            stuck.execute("ROLLBACK")
        rows = await stored(made)
        assert footage_ms(rows) == made.filmed_ms * len(STREAMS)
        assert lost(made) == []


def _spoil(index: Path, first: int) -> None:
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(index)) as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    size = index.stat().st_size
    with index.open("r+b") as file:
        file.seek(first)
        file.write(b"\xa5" * (size - first))


def _is_found_broken(made: Filming, index: Path) -> bool:
    _spoil(index, 4096)  # a row that was on its way may have put good pages over the bad ones
    database = made.slots[0].require().index
    with contextlib.suppress(sqlite3.Error):
        list(database.all_rows())
    return database.broken


@pytest.mark.parametrize("damage", ["deleted", "overwritten", "rotten"])
async def test_an_index_that_breaks_in_use_is_rebuilt(
    tmp_path: Path, disk: CutDisk, school: SchoolKey, damage: str
) -> None:
    """Promise 13: found by itself, made anew from the files while recording goes on, said as an event."""
    async with filming(tmp_path, school, disk.mount) as made:
        made.film(30)
        wait_until(lambda: len(made.slots[0].acknowledged) >= 2 * len(STREAMS))
        index = disk.mount / INDEX_NAME
        if damage == "deleted":
            for name in (INDEX_NAME, f"{INDEX_NAME}-wal", f"{INDEX_NAME}-shm"):
                (disk.mount / name).unlink(missing_ok=True)
        else:
            _spoil(index, 0 if damage == "overwritten" else 4096)
            if damage == "rotten":  # noticed by the next row, or by whoever reads
                made.film(30)
                wait_until(lambda: _is_found_broken(made, index))
        await made.look()
        await made.store.rebuild()
        made.film(10)
        made.until_written()
        assert await made.look() == ["ok"]
        rows = await stored(made)
        assert footage_ms(rows) == made.filmed_ms * len(STREAMS)
        assert lost(made) == []
        (told,) = await made.events("volume.reindexed")
        assert told["volume"] == "1"
        assert (disk.mount / f"{INDEX_NAME}.damaged").exists() is (damage != "deleted")
