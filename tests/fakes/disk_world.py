"""A store over some folders that stand for disks, with a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.core.model import PublicId, RunId, StreamId
from recorder.gaps import GapCause
from recorder.losses import Losses
from recorder.runs import Anchor, Run
from recorder.slot import Slot, SlotOptions
from recorder.store import Store
from recorder.writer import WriterOptions
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.footage import plain_units
from tests.fakes.recording import Books, books

BOX = PublicId("b" * 16)
OTHER_BOX = PublicId("o" * 16)
STREAM = StreamId(1)
OPTIONS = WriterOptions(segment_s=4, sync_s=0.5, stagger=False, stop_s=10)


def slot_at(path: Path, clock: FakeClock, losses: Losses, *, box: PublicId = BOX, create: bool = True) -> Slot:
    return Slot(SlotOptions(path, box, 1 << 20, create, OPTIONS), None, losses, clock)


class World:
    """A store over some folders."""

    def __init__(self, own: Books, clock: FakeClock, slots: list[Slot], losses: Losses) -> None:
        self.own, self.clock, self.losses = own, clock, losses
        self.store = Store(slots, losses, own.runs, own.registry, own.journal, clock)
        self.changes = 0
        self.runs = 0

    async def changed(self) -> None:
        self.changes += 1

    def record(self, seconds: int, *, stream: StreamId = STREAM, start_ms: int = NOON_MS) -> None:
        """Offer a run of so many seconds, two pictures a second, a key frame every two seconds."""
        self.runs += 1
        self.store.begin_run(Run(RunId(self.runs), stream, Anchor(start_ms, 0, trusted=True)))
        for unit in plain_units(seconds * 2):
            self.store.offer(stream, unit, start_ms * 90 + unit.pts_90k)
        self.store.end_run(stream, GapCause.CAMERA)

    async def volume_states(self) -> list[str]:
        events = await self.own.journal.read(0, 100)
        return [event["data"]["state"] for event in events if event["type"] == "volume.state.v1"]


@asynccontextmanager
async def world(tmp_path: Path, names: tuple[str, ...] = ("one",), *, create: bool = True) -> AsyncIterator[World]:
    clock = FakeClock()
    losses = Losses(clock)
    async with books(tmp_path, clock) as own:
        slots = [slot_at(tmp_path / name, clock, losses, create=create) for name in names]
        yield World(own, clock, slots, losses)


def closed_files(path: Path) -> Iterator[Path]:
    return path.rglob("*.seg")
