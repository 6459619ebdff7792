"""What gives way when held footage fills the disks."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path

import pytest

from gateway.core.model import PublicId, StreamId
from recorder.losses import Losses
from recorder.relief import Relief
from recorder.slot import Slot, SlotOptions
from recorder.writer import WriterOptions
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio
MAIN, SUB, OTHER_MAIN, OTHER_SUB = (StreamId(number) for number in (1, 2, 3, 4))


def slot(name: str) -> Slot:
    clock = FakeClock()
    options = SlotOptions(Path(name), PublicId("b" * 16), 0, create=False, writer=WriterOptions())
    return Slot(options, None, Losses(clock), clock)


class Router:
    """Remembers what it was told."""

    def __init__(self, homes: dict[StreamId, Slot]) -> None:
        self.homes = homes
        self.avoided: frozenset[Slot] = frozenset()
        self.resting: frozenset[StreamId] = frozenset()
        self.cuts: list[set[StreamId]] = []

    def home(self, stream: StreamId) -> Slot | None:
        return self.homes.get(stream)

    def avoid(self, slots: frozenset[Slot]) -> None:
        self.avoided = slots

    def rest(self, streams: frozenset[StreamId]) -> None:
        self.resting = streams

    async def cut(self, streams: Collection[StreamId]) -> None:
        self.cuts.append(set(streams))


class World:
    """Two disks, two cameras."""

    def __init__(self) -> None:
        self.a, self.b = slot("a"), slot("b")
        self.router = Router({MAIN: self.a, SUB: self.a, OTHER_MAIN: self.b, OTHER_SUB: self.b})
        self.subs = [SUB, OTHER_SUB]
        self.relief = Relief(self.router, lambda: [MAIN, OTHER_MAIN], lambda: self.subs, self.router.cut)

    async def found(self, tight: Iterable[Slot], usable: Iterable[Slot] | None = None) -> None:
        await self.relief.apply(frozenset(tight), [self.a, self.b] if usable is None else list(usable))


async def test_streams_leave_a_tight_disk_for_one_that_is_not() -> None:
    """All of them, once; nothing rests."""
    made = World()
    await made.found([made.a])
    await made.found([made.a])
    assert made.router.cuts == [{MAIN, SUB}]
    assert made.router.avoided == {made.a}
    assert made.router.resting == frozenset()


async def test_sub_streams_rest_only_while_every_disk_is_tight() -> None:
    """Main streams go on; afterwards the sub streams begin a new run each."""
    made = World()
    await made.found([made.a, made.b])
    assert made.router.resting == {SUB, OTHER_SUB} == made.relief.resting
    assert made.router.cuts == []
    await made.found([])
    assert made.router.resting == made.relief.resting == frozenset()
    assert made.router.cuts == [{SUB, OTHER_SUB}]


async def test_when_one_of_the_disks_has_room_again_all_go_there(tmp_path: Path) -> None:
    """Those that rested begin anew, main streams leave the disk that is still tight."""
    made = World()
    await made.found([made.a, made.b])
    await made.found([made.b])
    await made.found([made.b])
    assert made.router.resting == frozenset()
    assert made.router.cuts == [{SUB, OTHER_MAIN, OTHER_SUB}]


async def test_a_camera_that_comes_meanwhile_rests_too() -> None:
    """Each pass looks at who is there."""
    made = World()
    made.subs = [SUB]
    await made.found([made.a, made.b])
    made.subs = [SUB, OTHER_SUB]
    await made.found([made.a, made.b])
    assert made.router.resting == {SUB, OTHER_SUB}
    assert made.router.cuts == []


async def test_a_disk_that_went_away_is_no_way_out_and_none_is_no_alarm() -> None:
    """The only disk left is tight: sub streams rest. Without any disk there is nothing to decide."""
    made = World()
    await made.found([made.a], usable=[made.a])
    assert made.router.resting == {SUB, OTHER_SUB}
    await made.found([], usable=[])
    assert made.router.resting == frozenset()
