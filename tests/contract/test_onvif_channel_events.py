"""A recorder with sixteen channels: one subscription, and each event is told of the one camera it happened at."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from drivers.adopt import Means
from drivers.gate import LoginGate
from drivers.manychannels import Wish, learn_device
from drivers.onvif.memory import PullFile
from drivers.onvif.pace import CallPool
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.event_service import MOTION
from drivers.simulated.farm import RECORDER, Farm, FarmWorld
from drivers.simulated.faults import Quirks
from gateway.core.model import Login, Secret
from gateway.roofs.learning import device_of
from gateway.roofs.listening import Ears, device_file
from gateway.roofs.onvifvisits import OnvifVisits
from recorder.adoption import AdoptOrder
from recorder.camera import State
from recorder.cameraevents import LOOK_S, UP_FOR_S, CameraEvents
from recorder.registry import Camera
from tests.fakes.camera_settings import Hurry
from tests.fakes.clock import FakeClock, HastyClock
from tests.fakes.recording import Books, books
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio
HANG_S = 60
PASSWORD = "Mầm-non-2026"
CELLS = "tns1:RuleEngine/CellMotionDetector/Motion"
INPUT = "tns1:Device/Trigger/DigitalInput"


@dataclass
class Running:
    """A camera task as far as listening needs it."""

    camera: Camera
    gate: LoginGate
    state: State = State.UP


@dataclass
class World:
    """A recorder's cameras, all up and listened to."""

    device: SimulatedCamera
    own: Books
    clock: FakeClock
    cameras: list[Running]
    folder: Path
    faults: list[BaseException]

    async def told(self) -> list[int]:
        """Channels that reported something, in the order of the journal."""
        channels = {item.camera.public_id: item.camera.about.identity.channel for item in self.cameras}
        rows = await self.own.journal.read(0, 1000)
        return [channels[row["data"]["camera"]] for row in rows if row["type"] == "camera.reported.v1"]

    async def has_told(self, *channels: int) -> None:
        """Wait until these channels reported, and no other."""
        async with asyncio.timeout(HANG_S):
            while (found := await self.told()) != list(channels):
                assert found == list(channels)[: len(found)]
                await asyncio.sleep(0.01)

    def count(self, operation: str) -> int:
        return self.device.calls.get(f"onvif.{operation}", 0)


@contextlib.asynccontextmanager
async def recorder(quirks: Quirks) -> AsyncIterator[SimulatedCamera]:
    adjust = lambda options: replace(options, quirks=quirks)
    options = replace(RECORDER, seed=uuid4().hex, discovery=False, warm=False)
    async with Farm(1, password=PASSWORD, base="127.0.1.176", options=options, world=FarmWorld(adjust=adjust)) as farm:
        yield farm.cameras[0]


async def adopted(device: SimulatedCamera, own: Books) -> list[Camera]:
    """Adopt all channels as the box does."""
    login = Login("admin", Secret(PASSWORD))
    order = AdoptOrder(device.address, device.onvif_port, login, None)
    means = Means(Hurry(), CallPool())
    learned = await learn_device(order.address, order.port, LoginGate(login), means, Wish(rtsp_port=device.rtsp_port))
    return [
        await own.registry.add(replace(new, name=f"Lớp {new.identity.channel}"))
        for new in device_of(learned, order).cameras
    ]


@contextlib.asynccontextmanager
async def listening(tmp_path: Path, quirks: Quirks | None = None) -> AsyncIterator[World]:
    """Sixteen cameras of one recorder whose video has been up long enough, one login gate for all."""
    clock = FakeClock()
    async with recorder(quirks or Quirks(max_pull_points=1)) as device, books(tmp_path, clock) as own:
        gate = LoginGate(Login("admin", Secret(PASSWORD)))
        cameras = [Running(camera, gate) for camera in await adopted(device, own)]
        device.counters.totals.clear()
        ears = Ears(tmp_path / "pullpoints", OnvifVisits(HastyClock()))
        made = World(device, own, clock, cameras, tmp_path / "pullpoints", [])
        events = CameraEvents(
            lambda: made.cameras, ears.listen, own.journal, clock, lambda _, error: made.faults.append(error)
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(events.run)
            await clock.settle()
            await clock.advance(UP_FOR_S + 2 * LOOK_S)
            yield made
            tasks.cancel_scope.cancel()


async def test_a_motion_on_channel_five_is_reported_of_that_camera_only(tmp_path: Path) -> None:
    """Named by its video source or by that source's configuration; a recorder with one pull point serves sixteen."""
    async with listening(tmp_path) as made:
        assert len(made.cameras) == 16
        await until(lambda: made.count("PullMessages") > 0)
        made.device.events.emit(MOTION, source="vs4")
        await made.has_told(5)
        made.device.events.emit(CELLS, "IsMotion", source="vsc11", by="VideoSourceConfigurationToken")
        await made.has_told(5, 12)
        assert made.count("CreatePullPointSubscription") == 1
        assert made.device.events.subscriptions == 1
        assert made.device.bad_logins == 0
        assert made.faults == []


async def test_what_names_no_channel_is_nobodys(tmp_path: Path) -> None:
    """An input with the text of a video source, a source that is not there, and a message without any: no row."""
    async with listening(tmp_path) as made:
        await until(lambda: made.count("PullMessages") > 0)
        made.device.events.emit(INPUT, "LogicalState", source="vs4", by="InputToken")
        made.device.events.emit(MOTION, source="vs77")
        made.device.events.emit(MOTION, source="")
        made.device.events.emit(MOTION, source="vsc4")
        made.device.events.emit(MOTION, source="vs1")
        await made.has_told(2)


async def test_the_channel_that_holds_the_subscription_may_leave(tmp_path: Path) -> None:
    """Another one takes its place with the pull point given back first; the others go on hearing."""
    async with listening(tmp_path, Quirks(max_pull_points=1, subscriptions_leak=True)) as made:
        await until(lambda: made.count("PullMessages") > 0)
        first = made.cameras.pop(0)
        assert PullFile(made.folder / device_file(first.camera)).recall() is not None
        made.device.counters.totals["onvif.PullMessages"] = 0
        await made.clock.advance(LOOK_S)
        await until(lambda: made.count("PullMessages") > 0)
        made.device.events.emit(MOTION, source="vs0")
        made.device.events.emit(MOTION, source="vs6")
        await made.has_told(7)
        assert (made.count("CreatePullPointSubscription"), made.count("Unsubscribe")) == (2, 1)


async def test_a_refused_login_is_one_try_for_all_channels(tmp_path: Path) -> None:
    """What one meets all are told: sixteen channels do not send a wrong password sixteen times."""
    async with listening(tmp_path) as made:
        await until(lambda: made.count("PullMessages") > 0)
        await made.device.switch("password", "another-one")
        wrong = LoginGate(Login("admin", Secret(PASSWORD)))
        for item in made.cameras:
            item.gate = wrong
        await made.clock.advance(LOOK_S)
        await until(lambda: made.device.bad_logins > 0)
        for _ in range(10):
            await made.clock.advance(LOOK_S)
        assert made.device.bad_logins <= 2, "one of the old gate, one of the new"
        assert made.faults == []
