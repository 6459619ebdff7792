"""Disks in the wrong place: refused, accepted by order, never overwritten."""

from __future__ import annotations

import json
from pathlib import Path

import anyio.to_thread
import pytest

from gateway.core.errors import NotFound, VolumeMissing, VolumeWrong
from gateway.core.model import PublicId
from recorder.layout import MARKER_NAME
from recorder.losses import Losses
from recorder.slot import Slot, SlotOptions
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.disk_world import BOX, OPTIONS, OTHER_BOX, World, closed_files, slot_at, world
from tests.fakes.recording import books

pytestmark = pytest.mark.anyio


def swapped_in(tmp_path: Path, name: str, other: str, clock: FakeClock, *, box: PublicId = BOX) -> None:
    """Put another disk, of this box or another, where one was."""
    losses = Losses(clock)
    slot = slot_at(tmp_path / other, clock, losses, box=box)
    slot.open({})
    slot.close()
    (tmp_path / name).rename(tmp_path / "was")
    (tmp_path / other).rename(tmp_path / name)


async def test_another_disk_of_ours_is_refused_until_it_is_accepted(tmp_path: Path) -> None:
    """Promise 10: swapped for another of this box: refused at start and while running, not written; then used."""
    async with world(tmp_path) as made:
        async with made.store.opened():
            made.record(4)
        await anyio.to_thread.run_sync(swapped_in, tmp_path, "one", "two", made.clock)
    known = PublicId(json.loads((tmp_path / "was" / MARKER_NAME).read_text())["volume"])
    clock, losses = FakeClock(), Losses(FakeClock())
    async with books(tmp_path, clock) as own:
        options = SlotOptions(tmp_path / "one", BOX, 1 << 20, create=False, writer=OPTIONS, known=known)
        made = World(own, clock, [Slot(options, None, losses, clock)], losses)
        before = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*")}
        async with made.store.opened():
            made.record(4, start_ms=NOON_MS + 10_000)
            await made.store.look(made.changed)
            assert made.store.slots[0].state == "wrong"
            assert "another disk" in made.store.slots[0].why
            assert {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*")} == before
            slot = await made.store.accept(1, made.changed)
            assert (slot.state, slot.why) == ("ok", "")
            assert (await own.registry.volumes())[str(tmp_path / "one")] == slot.require().volume.marker.volume
            with pytest.raises(NotFound):
                await made.store.accept(2, made.changed)
        assert losses.take(everything=True) == []
        assert sum(1 for _ in closed_files(tmp_path / "one")) == 1


@pytest.mark.parametrize("what", ["another box's", "other files", "nothing mounted"])
async def test_accepting_never_overwrites(tmp_path: Path, what: str) -> None:
    """Promise 10: another box's disk stays refused, so do other people's files and a bare mount point."""
    path = tmp_path / "one"
    async with world(tmp_path, create=False) as made:
        if what == "another box's":
            path.mkdir()
            await anyio.to_thread.run_sync(lambda: swapped_in(tmp_path, "one", "two", made.clock, box=OTHER_BOX))
        elif what == "other files":
            path.mkdir()
            (path / "luan-van.docx").write_bytes(b"x")
        before = sorted(str(item) for item in path.rglob("*"))
        async with made.store.opened():
            with pytest.raises(VolumeWrong if what == "another box's" else VolumeMissing):
                await made.store.accept(1, made.changed)
            assert made.store.slots[0].opened is None
        assert sorted(str(item) for item in path.rglob("*")) == before


async def test_an_accepted_disk_in_use_stays_as_it_is(tmp_path: Path) -> None:
    """Accepting what works already changes nothing."""
    async with world(tmp_path) as made, made.store.opened():
        opened = made.store.slots[0].opened
        assert (await made.store.accept(1, made.changed)).opened is opened
