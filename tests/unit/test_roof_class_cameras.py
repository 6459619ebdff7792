"""The recorder hears which cameras show which class."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import anyio
import pytest

from gateway.access.classes import ClassRow
from gateway.core.errors import DaemonUnavailable
from gateway.core.model import PublicId
from gateway.core.wire import ControlClient
from gateway.roofs.class_cameras import AGAIN_S, LOOK_S, ClassCameras
from tests.fakes.clock import FakeClock
from tests.fakes.gateway_desk import Desk, gateway_desk

pytestmark = pytest.mark.anyio
A, B, ROOM = PublicId("a" * 16), PublicId("b" * 16), PublicId("c" * 16)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with gateway_desk(tmp_path) as found:
        yield found


class Classes:
    """Classes a test changes."""

    def __init__(self) -> None:
        self.now: Sequence[ClassRow] = (ClassRow(ROOM, "Mầm 1", (B, A)),)

    async def rows(self) -> Sequence[ClassRow]:
        return self.now


async def test_it_is_told_whole_and_the_same_again_changes_nothing(desk: Desk) -> None:
    """Ids, names and cameras, in order."""
    teller = ClassCameras(desk.client, Classes().rows, desk.clock)
    assert await teller.tell()
    assert not await teller.tell()
    assert desk.recorder.groups[0] == [{"id": ROOM, "name": "Mầm 1", "cameras": [A, B]}]


async def test_it_is_told_at_the_start_after_a_change_and_from_time_to_time(desk: Desk) -> None:
    """A change within some seconds, and without one each minute, for a recorder whose database was replaced."""
    clock, classes = FakeClock(), Classes()
    teller = ClassCameras(desk.client, classes.rows, clock)

    async def told(count: int) -> None:
        with anyio.fail_after(20):
            while len(desk.recorder.groups) < count:  # noqa: ASYNC110 - a real socket
                await anyio.sleep(0.01)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(teller.run)
        await told(1)
        classes.now = ()
        await clock.advance(LOOK_S)
        assert len(desk.recorder.groups) == 1
        teller.changed()
        await clock.advance(LOOK_S)
        await told(2)
        assert desk.recorder.groups[-1] == []
        with anyio.fail_after(20):
            while len(desk.recorder.groups) < 3:
                await clock.advance(AGAIN_S)
                await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()


async def test_without_a_recorder_it_fails_and_is_started_again(tmp_path: Path) -> None:
    """The one who started it waits and tries again."""
    async with ControlClient(tmp_path / "none.sock", "recorder") as nobody:
        with pytest.raises(DaemonUnavailable):
            await ClassCameras(nobody, Classes().rows, FakeClock()).run()
