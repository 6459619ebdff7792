"""The engine pinned to a camera: stored with it, obeyed, and never changed by a failure."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from sqlite_utils import Migrations

from gateway.core.db import Database
from gateway.core.errors import BadInput, CameraBadReply
from recorder.camera import CameraTask
from recorder.player import StreamPlayer
from recorder.registry import MIGRATIONS, NATIVE, m0001
from tests.fakes.clock import FakeClock
from tests.fakes.recorder_box import recorder_box
from tests.fakes.recording import FakePlayer, books, new_camera
from tests.unit.test_recorder_camera import World

pytestmark = pytest.mark.anyio
PINNED = dataclasses.replace(new_camera(), engine="pyav", engine_why="camera_silent: nothing came")


def tried(world: World, count: int) -> Callable[[], bool]:
    return lambda: len(world.retries) == count


async def test_it_is_there_after_a_restart(tmp_path: Path) -> None:
    """With the reason; a camera without a word has ours."""
    async with books(tmp_path, FakeClock()) as own:
        await own.registry.add(PINNED)
        await own.registry.add(new_camera(2))
    async with books(tmp_path, FakeClock()) as own:
        pinned, plain = await own.registry.cameras()
    assert (pinned.about.engine, pinned.about.engine_why) == ("pyav", "camera_silent: nothing came")
    assert (plain.about.engine, plain.about.engine_why) == (NATIVE, "")


async def test_cameras_from_before_have_ours(tmp_path: Path) -> None:
    """The step needs the first one only, whatever else was added since."""
    first = Migrations("cameras")
    first()(m0001)
    async with Database(tmp_path / "cameras.db", [first]) as db:
        await db.write(
            lambda connection: connection.execute(
                "INSERT INTO camera (public_id, name, driver, address, port, added_ms)"
                " VALUES ('aaaaaaaaaaaaaaaa', 'Lớp 1', 'rtsp', '10.0.0.1', 554, 1)"
            )
        )
    async with Database(tmp_path / "cameras.db", [MIGRATIONS]) as db:
        rows = await db.read(lambda connection: connection.execute("SELECT engine, engine_why FROM camera").fetchall())
    assert [tuple(row) for row in rows] == [(NATIVE, "")]


async def test_an_unknown_engine_cannot_be_stored(tmp_path: Path) -> None:
    """The database says which there are."""
    async with books(tmp_path, FakeClock()) as own:
        with pytest.raises(Exception, match="CHECK constraint"):
            await own.registry.add(dataclasses.replace(PINNED, engine="vlc"))


async def test_a_pinned_camera_is_played_by_its_engine_only(tmp_path: Path) -> None:
    """Every time, however often it fails; another by ours, however often that fails."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        for about in (PINNED, new_camera(2)):
            made, second = World(own, clock), FakePlayer()
            players: Mapping[str, StreamPlayer] = {"pyav": second}
            camera = await own.registry.add(dataclasses.replace(about, streams=about.streams[:1]))
            task = CameraTask(camera, dataclasses.replace(made.tools(), pinned=players))
            chosen, other = (second, made.player) if about is PINNED else (made.player, second)
            running = asyncio.create_task(task.run())
            for count in range(1, 5):
                (await chosen.wait_for(count)).fail(CameraBadReply("hostile"))
                await made.until(tried(made, count))
                await clock.advance(10)
            running.cancel()
            await asyncio.wait([running])
            assert other.sessions == []
            assert made.faults == []


@pytest.mark.parametrize("engine", ["native", "pyav", "auto"])
async def test_adoption_carries_the_word_of_the_person(tmp_path: Path, engine: str) -> None:
    """To the drivers; what they settled on is shown."""
    async with recorder_box(tmp_path) as box:
        box.learnable["10.0.0.1"] = dataclasses.replace(new_camera(), engine_why="why")
        answer = await box.call("adopt", address="10.0.0.1", engine=engine)
        assert [order.engine for order in box.orders] == [engine]
        assert (answer["camera"]["engine"], answer["camera"]["engine_why"]) == ("native", "why")


async def test_another_word_is_refused_before_the_camera_is_asked(tmp_path: Path) -> None:
    """Nothing is sent."""
    async with recorder_box(tmp_path) as box:
        with pytest.raises(BadInput):
            await box.call("adopt", address="10.0.0.1", engine="vlc")
        assert box.orders == []
