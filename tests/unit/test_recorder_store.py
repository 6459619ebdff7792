"""The disks of the box: opened, lost, back again, full, read."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import pytest

from gateway.core.errors import AddressTaken, VolumeMissing
from gateway.core.model import RunId, StreamId
from recorder.gaps import GapCause
from recorder.layout import MARKER_NAME
from recorder.losses import Losses
from recorder.runs import Anchor, Run
from recorder.store import Store
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.disk_world import OTHER_BOX, STREAM, closed_files, slot_at, world
from tests.fakes.footage import plain_units

pytestmark = pytest.mark.anyio


async def test_what_is_offered_is_on_the_disk_when_the_store_closes(tmp_path: Path) -> None:
    """Leaving closes every segment and writes its row."""
    async with world(tmp_path) as made:
        async with made.store.opened():
            made.record(10)
        assert len(list(closed_files(tmp_path / "one"))) == 3
        assert not list((tmp_path / "one").rglob("*.part"))
        async with made.store.opened():
            found = await made.store.find([STREAM], 0, 10**14)
    assert [item.row.duration_ms for item in found] == [4000, 4000, 2000]
    assert made.losses.take(everything=True) == []


async def test_running_segments_are_found_unless_only_closed_ones_are_wanted(tmp_path: Path) -> None:
    """The last seconds are there to be played."""
    async with world(tmp_path) as made, made.store.opened():
        made.store.begin_run(Run(RunId(1), STREAM, Anchor(NOON_MS, 0, trusted=True)))
        for unit in plain_units(22):
            made.store.offer(STREAM, unit, NOON_MS * 90 + unit.pts_90k)

        async def closed() -> list[bool]:
            return [item.row.closed for item in await made.store.find([STREAM], 0, 10**14)]

        with anyio.fail_after(20):  # one that is being closed counts as running until its row is written
            while await closed() != [True, True, False]:  # noqa: ASYNC110 - the writer's thread tells nobody
                await anyio.sleep(0.01)
        assert len(await made.store.find([STREAM], 0, 10**14, closed_only=True)) == 2
        assert made.store.written_ms(STREAM) == NOON_MS + 10_000
        assert made.store.last_end_ms(STREAM) == NOON_MS + 10_000
        assert made.store.is_stored(STREAM)


async def test_the_end_of_footage_is_known_after_a_restart(tmp_path: Path) -> None:
    """From the index; a stream without footage has none."""
    async with world(tmp_path) as made:
        async with made.store.opened():
            made.record(10)
        async with made.store.opened():
            assert made.store.last_end_ms(STREAM) == NOON_MS + 10_000
            assert made.store.written_ms(STREAM) is None
            assert made.store.last_end_ms(StreamId(9)) is None


async def test_a_folder_becomes_a_volume_only_when_that_is_allowed(tmp_path: Path) -> None:
    """Without `create` an absent disk is missing; nothing is written in its place.

    What came meanwhile waited for it, and is a loss with cause disk only when the recorder ends without one.
    """
    async with world(tmp_path, create=False) as made, made.store.opened():
        assert made.store.slots[0].state == "missing"
        made.record(4)
        assert made.losses.take(everything=True) == []
    (loss,) = made.losses.take(everything=True)
    assert (loss.stream, loss.cause, loss.start_ms) == (STREAM, GapCause.DISK, NOON_MS)
    assert loss.end_ms >= NOON_MS + 3_500
    assert not (tmp_path / "one").exists()


async def test_a_disk_that_was_in_use_is_never_made_anew(tmp_path: Path) -> None:
    """Its path is remembered: over a restart too its absence is a fault, not a reason to write beside it."""
    async with world(tmp_path) as made:
        async with made.store.opened():
            known = await made.own.registry.volumes()
            assert known == {str(tmp_path / "one"): made.store.slots[0].require().volume.marker.volume}
        (tmp_path / "one").rename(tmp_path / "unplugged")
        async with made.store.opened():
            assert made.store.slots[0].state == "missing"
    assert not (tmp_path / "one").exists()


async def test_another_boxs_disk_is_refused_and_not_touched(tmp_path: Path) -> None:
    """Its state says so; the files stay as they are."""
    clock = FakeClock()
    losses = Losses(clock)
    theirs = slot_at(tmp_path / "one", clock, losses, box=OTHER_BOX)
    assert await anyio.to_thread.run_sync(theirs.open, {}) is not None
    await anyio.to_thread.run_sync(theirs.close)
    before = sorted(path.name for path in (tmp_path / "one").iterdir())
    async with world(tmp_path) as made, made.store.opened():
        assert made.store.slots[0].state == "wrong"
        await made.store.look(made.changed)
        assert await made.volume_states() == ["wrong"]
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == before


async def test_a_second_recorder_is_told_that_the_disk_is_taken(tmp_path: Path) -> None:
    """That is an error of the installation and ends the start."""
    async with world(tmp_path) as made, made.store.opened():
        second = Store(
            [slot_at(tmp_path / "one", made.clock, made.losses)],
            made.losses,
            made.own.runs,
            made.own.registry,
            made.own.journal,
            made.clock,
        )
        with pytest.raises(AddressTaken):
            async with second.opened():
                pass


async def test_a_disk_that_goes_is_noticed_and_one_that_returns_is_used(tmp_path: Path) -> None:
    """Promise 9: pictures in between wait in memory and are on the disk once it is back: no gap."""
    async with world(tmp_path) as made, made.store.opened():
        made.record(4)
        (tmp_path / "one").rename(tmp_path / "unplugged")
        await made.store.look(made.changed)
        assert made.store.slots[0].state == "missing"
        made.record(4, start_ms=NOON_MS + 10_000)
        assert not made.store.is_stored(STREAM)
        assert not (tmp_path / "one" / "1").exists()
        (tmp_path / "unplugged").rename(tmp_path / "one")
        await made.store.look(made.changed)
        assert made.store.slots[0].state == "ok"
        assert made.changes >= 1
        made.record(4, start_ms=NOON_MS + 20_000)
        losses = made.losses.take(everything=True)
    assert losses == []
    async with world(tmp_path) as made, made.store.opened():
        found = await made.store.find([STREAM], 0, 10**14)
    assert {NOON_MS, NOON_MS + 10_000, NOON_MS + 20_000} <= {item.row.begin_ms for item in found}
    assert sum(item.row.duration_ms for item in found) == 12_000


async def test_a_run_whose_disk_never_returns_is_counted_as_lost(tmp_path: Path) -> None:
    """When the recorder ends, what waited for the disk is a loss with its cause."""
    async with world(tmp_path, create=False) as made:
        slot = made.store.slots[0]
        fresh = slot_at(slot.options.path, made.clock, made.losses)
        await anyio.to_thread.run_sync(fresh.open, {})
        await anyio.to_thread.run_sync(fresh.close)
        async with made.store.opened():
            made.store.begin_run(Run(RunId(1), STREAM, Anchor(NOON_MS, 0, trusted=True)))
            units = list(plain_units(8))
            for unit in units[:4]:
                made.store.offer(STREAM, unit, NOON_MS * 90 + unit.pts_90k)
            (slot.options.path / MARKER_NAME).rename(tmp_path / "marker")
            await made.store.look(made.changed)
            for unit in units[4:]:
                made.store.offer(STREAM, unit, NOON_MS * 90 + unit.pts_90k)
        losses = made.losses.take(everything=True)
    assert [loss.cause for loss in losses] == [GapCause.DISK]
    assert losses[0].end_ms >= NOON_MS + 3_500


async def test_streams_spread_over_the_disks_and_stay(tmp_path: Path) -> None:
    """The disk with the most room is taken; a stream keeps its disk over runs."""
    async with world(tmp_path, ("one", "two")) as made, made.store.opened():
        one, two = made.store.slots
        one.free_bytes, two.free_bytes = 10, 20
        made.record(4)
        one.free_bytes = 30
        made.record(4, start_ms=NOON_MS + 10_000)
        made.record(4, stream=StreamId(2))
    assert len(list(closed_files(tmp_path / "two" / "1"))) == 2
    assert len(list(closed_files(tmp_path / "one" / "2"))) == 1


async def test_a_stream_leaves_a_disk_that_went(tmp_path: Path) -> None:
    """Its next run goes to the other disk."""
    async with world(tmp_path, ("one", "two"), create=True) as made, made.store.opened():
        one, two = made.store.slots
        one.free_bytes, two.free_bytes = 20, 10
        made.record(4)
        (tmp_path / "one").rename(tmp_path / "unplugged")
        await anyio.to_thread.run_sync(one.look)
        made.record(4, start_ms=NOON_MS + 10_000)
    assert len(list(closed_files(tmp_path / "two" / "1"))) == 1


async def test_a_disk_that_is_avoided_gets_a_stream_only_if_there_is_no_other(tmp_path: Path) -> None:
    """Also the home of a stream, from its next run on."""
    async with world(tmp_path, ("one", "two")) as made, made.store.opened():
        one, two = made.store.slots
        one.free_bytes, two.free_bytes = 20, 10
        made.record(4)
        assert made.store.home(STREAM) is one
        made.store.avoid(frozenset({one}))
        made.record(4, start_ms=NOON_MS + 10_000)
        assert made.store.home(STREAM) is two
        made.store.avoid(frozenset({one, two}))
        made.record(4, stream=StreamId(2))
        assert made.store.home(StreamId(2)) is one


async def test_a_stream_that_rests_is_not_stored_and_its_pictures_are_lost_to_the_disk(tmp_path: Path) -> None:
    """What it had is closed; what comes is a loss; with its next run it is stored again."""
    async with world(tmp_path) as made, made.store.opened():
        made.store.begin_run(Run(RunId(1), STREAM, Anchor(NOON_MS, 0, trusted=True)))
        units = list(plain_units(16))
        for unit in units[:8]:
            made.store.offer(STREAM, unit, NOON_MS * 90 + unit.pts_90k)
        made.store.rest(frozenset({STREAM}))
        for unit in units[8:]:
            made.store.offer(STREAM, unit, NOON_MS * 90 + unit.pts_90k)
        assert not made.store.is_stored(STREAM)
        made.record(4, start_ms=NOON_MS + 20_000)
        made.store.rest(frozenset())
        for unit in plain_units(12):  # of the run that slept, until a key frame begins the next
            made.store.offer(STREAM, unit, (NOON_MS + 34_000) * 90 + unit.pts_90k)
        made.record(4, start_ms=NOON_MS + 40_000)
        losses = made.losses.take(everything=True)
    assert {(loss.stream, loss.cause) for loss in losses} == {(STREAM, GapCause.DISK)}
    assert losses[0].start_ms == NOON_MS + 4_000
    assert losses[-1].end_ms >= NOON_MS + 39_500
    starts = sorted(int(path.name.split("-")[0]) - NOON_MS for path in closed_files(tmp_path / "one"))
    assert starts == [0, 40_000]


@pytest.mark.parametrize("damage", ["deleted", "overwritten"])
async def test_an_index_that_is_lost_is_rebuilt_while_recording_goes_on(tmp_path: Path, damage: str) -> None:
    """The footage is found again; the damaged file is put aside."""
    async with world(tmp_path) as made:
        async with made.store.opened():
            made.record(10)
        index = tmp_path / "one" / "index.db"
        for path in tmp_path.glob("one/index.db-*"):
            path.unlink()
        if damage == "deleted":
            index.unlink()
        else:
            index.write_bytes(b"no database" * 1000)
        async with made.store.opened():
            made.record(4, start_ms=NOON_MS + 100_000)
            await made.store.look(made.changed)
            await made.store.rebuild()
            assert made.store.slots[0].needs_reindex is False
            found = await made.store.find([STREAM], 0, NOON_MS + 50_000)
    assert [item.row.duration_ms for item in found] == [4000, 4000, 2000]
    assert (tmp_path / "one" / "index.db.damaged").exists() is (damage == "overwritten")


async def test_reindexing_needs_a_disk(tmp_path: Path) -> None:
    """Without any it says so."""
    async with world(tmp_path, create=False) as made, made.store.opened():
        with pytest.raises(VolumeMissing):
            await made.store.reindex()


async def test_a_corrected_clock_moves_the_rows(tmp_path: Path) -> None:
    """Footage of a wrong clock is found at its true time."""
    async with world(tmp_path) as made, made.store.opened():
        made.record(4, start_ms=60_000)

        async def found(from_ms: int, to_ms: int) -> int:
            return len(await made.store.find([STREAM], from_ms, to_ms, closed_only=True))

        with anyio.fail_after(20):
            while not await found(0, 100_000):  # noqa: ASYNC110 - the indexer's thread tells nobody
                await anyio.sleep(0.01)
        await made.store.set_offset(RunId(1), NOON_MS)
        assert await found(0, 100_000) == 0
        assert await found(NOON_MS + 60_000, NOON_MS + 64_000) == 1


async def test_the_journal_tells_each_change_of_a_disk_once(tmp_path: Path) -> None:
    """Missing once, ok once, however often one looks."""
    async with world(tmp_path, create=False) as made:
        fresh = slot_at(tmp_path / "one", made.clock, made.losses)
        await anyio.to_thread.run_sync(fresh.open, {})
        await anyio.to_thread.run_sync(fresh.close)
        (tmp_path / "one").rename(tmp_path / "unplugged")
        async with made.store.opened():
            for _ in range(3):
                await made.store.look(made.changed)
            (tmp_path / "unplugged").rename(tmp_path / "one")
            for _ in range(3):
                await made.store.look(made.changed)
            assert await made.volume_states() == ["missing", "ok"]


async def test_a_disk_without_its_writer_is_not_alive(tmp_path: Path) -> None:
    """What the watchdog asks: a disk in use lives with its writer's thread, one that is away is no reason to die."""
    async with world(tmp_path) as box:
        (slot,) = box.store.slots
        seen = [slot.alive]
        async with box.store.opened():
            seen.append(slot.alive)
            assert slot.opened is not None
            await anyio.to_thread.run_sync(slot.opened.writer.finish)
            seen.append(slot.alive)
        assert [*seen, slot.alive] == [True, True, False, True]
