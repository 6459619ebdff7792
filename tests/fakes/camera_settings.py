"""What settings tests need: a simulated camera with the ONVIF driver, nobody waiting, and a keeper of logins."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from uuid import uuid4

from drivers.base import Change, Outcome
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, QUICK_MAIN, Farm, FarmWorld
from drivers.simulated.faults import Quirks
from drivers.simulated.options import CameraOptions
from gateway.core.clock import SystemClock
from gateway.core.errors import CameraError
from gateway.core.model import CameraId, Login, PublicId, Secret, StreamId, StreamRole
from recorder.identity import Identity
from recorder.registry import Camera, NewCamera, Stream, StreamSpec

USER, PASSWORD = "admin", "Mat-khau-2026"
OPTIONS = replace(QUICK, main=replace(QUICK_MAIN, width=1280, height=720), discovery=False, warm=False)


class Hurry(SystemClock):
    """The machine's clock, on which no pace makes anybody wait."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@dataclass
class FakeKeeper:
    """Keeps what it is given; `refuses` makes `keep` fail as a camera without RTSP for that user would."""

    kept: list[Login] = field(default_factory=list)
    shown: list[Login] = field(default_factory=list)
    before: Login | None = None
    refuses: CameraError | None = None
    lets_go: int = 0
    writes: asyncio.Event | None = None
    """`keep` has begun, and lasts until somebody sets this."""
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    async def keep(self, login: Login) -> None:
        if self.refuses is not None:
            raise self.refuses
        self.begun.set()
        if self.writes is not None:
            await self.writes.wait()
        self.kept.append(login)

    async def let_go(self) -> None:
        self.lets_go += 1

    async def show(self, login: Login) -> None:
        self.shown.append(login)

    async def former(self) -> Login | None:
        return self.before

    async def forget_former(self) -> None:
        self.before = None


@dataclass
class Bench:
    """One simulated camera and a driver that may change it."""

    camera: SimulatedCamera
    driver: OnvifDriver
    keeper: FakeKeeper

    def another_driver(self) -> OnvifDriver:
        """Another box's driver for the same camera."""
        return driver_of(self.camera, FakeKeeper())

    def users(self) -> dict[str, str | None]:
        """User -> password, as the camera has them."""
        return {name: self.camera.book.password_of(name) for name in self.camera.book.users}

    def encoder(self, index: int = 0) -> tuple[int, int, int, int, int]:
        """Width, height, fps, GOP, kb/s of a profile."""
        e = self.camera.profiles[index].encoder
        return e.width, e.height, e.fps, e.gop_frames, e.bitrate_kbps

    def count(self, operation: str) -> int:
        """How often an ONVIF operation was called."""
        return self.camera.calls.get(f"onvif.{operation}", 0)


def driver_of(camera: SimulatedCamera, keeper: FakeKeeper) -> OnvifDriver:
    """A driver that logs in as the installer would, who allowed what this camera needs."""
    gate = LoginGate(Login(USER, Secret(PASSWORD)), clear_text="text" in camera.quirks.onvif_auth)
    limits = Limits(total_s=20.0)
    driver = OnvifDriver(camera.address, camera.onvif_port, gate, pool=CallPool(), clock=Hurry(), limits=limits)
    driver.hand_logins_to(keeper)
    return driver


@contextlib.asynccontextmanager
async def settings_bench(**quirks: object) -> AsyncIterator[Bench]:
    """Run a camera with these quirks and a driver that logs in to it."""

    def adjust(options: CameraOptions) -> CameraOptions:
        return replace(options, quirks=Quirks(**quirks))  # type: ignore[arg-type]  # fields of Quirks by name

    seed = uuid4().hex
    world = FarmWorld(adjust=adjust)
    farm = Farm(1, password=PASSWORD, base="127.0.1.91", options=replace(OPTIONS, seed=seed), world=world)
    async with farm:
        camera, keeper = farm.cameras[0], FakeKeeper()
        driver = driver_of(camera, keeper)
        try:
            yield Bench(camera, driver, keeper)
        finally:
            await driver.close()


def adopted(bench: Bench, driver: str = "onvif") -> Camera:
    """The bench's camera as the registry has it."""
    cam = bench.camera
    spec = StreamSpec(StreamRole.MAIN, cam.address, cam.rtsp_port, "/Streaming/Channels/101")
    login = Login(USER, Secret(PASSWORD))
    about = NewCamera("Lớp Lá 1", driver, cam.address, cam.onvif_port, Identity(), login, streams=(spec,))
    stream = Stream(StreamId(1), PublicId("c" * 16), spec)
    return Camera(CameraId(1), PublicId("c" * 16), about, (stream,), 0)


def by_setting(outcomes: Sequence[Outcome]) -> dict[str, tuple[bool, str, str]]:
    """Setting -> (applied, read back, why)."""
    return {item.change.setting: (item.applied, item.now, str(item.why)) for item in outcomes}


def doable(changes: Sequence[Change]) -> list[Change]:
    """Changes that are not blocked."""
    return [change for change in changes if not change.blocked]
