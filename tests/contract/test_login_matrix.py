"""The login matrix: whatever a camera wants and whatever else is odd about it, no password is wasted.

Generated from the simulated camera's quirks: every way to log in, times every oddity that has to do with
logging in, each once with the right and once with a wrong password, through the driver and through the
real adoption. The camera's own counters decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from drivers.adopt import Means, learn
from drivers.base import LoginMode, StreamInfo
from drivers.gate import GateState, LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.meaning import LOCKED_S
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Quirks
from drivers.simulated.options import CameraOptions
from gateway.core.clock import SystemClock
from gateway.core.errors import CameraLocked, CameraLoginRefused
from gateway.core.model import Login, Secret, StreamRole

pytestmark = pytest.mark.anyio
USER, PASSWORD = "admin", "Mầm-non-2026"
LIMITS = Limits(total_s=20.0)
"""Far above what an answer takes: a busy machine is no fault."""
DAY_S = 86_400.0


@dataclass(frozen=True)
class Way:
    """One way in which cameras want their login."""

    name: str
    auth: tuple[str, ...]
    mode: LoginMode
    digest: tuple[str, ...] = ("MD5",)
    clear_text: bool = False
    """The installer's switch."""


WAYS = (
    Way("digest md5", ("digest",), LoginMode.DIGEST),
    Way("digest sha-256", ("digest",), LoginMode.DIGEST, ("SHA-256",)),
    Way("digest md5 then sha-256", ("digest",), LoginMode.DIGEST, ("MD5", "SHA-256")),
    Way("digest sha-256 then md5", ("digest",), LoginMode.DIGEST, ("SHA-256", "MD5")),
    Way("wsse", ("wsse",), LoginMode.WSSE),
    Way("wsse or digest", ("wsse", "digest"), LoginMode.DIGEST),
    Way("password text, allowed", ("text",), LoginMode.TEXT, clear_text=True),
    Way("digest, password text allowed", ("text", "digest"), LoginMode.DIGEST, clear_text=True),
)
ODDITIES: dict[str, Quirks] = {
    "as it should be": Quirks(),
    "a day ahead": Quirks(clock_skew_s=DAY_S, wsse_window_s=60),
    "a day behind": Quirks(clock_skew_s=-DAY_S, wsse_window_s=60),
    "clock behind the login": Quirks(clock_needs_login=True),
    "clock behind the login, a day off": Quirks(clock_needs_login=True, clock_skew_s=-DAY_S, wsse_window_s=60),
    "wrong hosts": Quirks(wrong_host="10.66.66.66"),
    "no GetServices": Quirks(no_get_services=True),
    "Media2 crashes with HTML": Quirks(media2_crash=True),
    "all of it": Quirks(
        clock_needs_login=True, clock_skew_s=DAY_S, wsse_window_s=60, wrong_host="192.168.1.64", media2_crash=True
    ),
}


def farm(way: Way) -> Farm:
    """One camera for each oddity, all wanting the same login."""
    odd = list(ODDITIES.values())

    def adjust(options: CameraOptions) -> CameraOptions:
        return replace(options, quirks=replace(odd[options.index], onvif_auth=way.auth, onvif_digest=way.digest))

    options = replace(QUICK, seed=uuid4().hex, discovery=False)
    return Farm(len(odd), password=PASSWORD, base="127.0.1.141", options=options, world=FarmWorld(adjust=adjust))


def gate(password: str, way: Way) -> LoginGate:
    return LoginGate(Login(USER, Secret(password)), clear_text=way.clear_text)


def check(camera: SimulatedCamera, streams: tuple[StreamInfo, ...]) -> None:
    """Main and sub, at the camera we reached, whatever host it believes to have."""
    assert [stream.role for stream in streams] == [StreamRole.MAIN, StreamRole.SUB]
    for stream in streams:
        assert (stream.source.host, stream.source.port) == (camera.address, camera.rtsp_port)
        assert stream.source.path.startswith("/")
        assert stream.token


async def by_driver(camera: SimulatedCamera, key: LoginGate, way: Way) -> tuple[StreamInfo, ...]:
    """Ask as the box does after adoption: probe, then streams."""
    driver = OnvifDriver(camera.address, camera.onvif_port, key, pool=CallPool(), clock=SystemClock(), limits=LIMITS)
    try:
        probe = await driver.probe()
        assert probe.login_mode is way.mode
        return await driver.streams()
    finally:
        await driver.close()


async def by_adoption(camera: SimulatedCamera, key: LoginGate, way: Way) -> tuple[StreamInfo, ...]:
    """Adopt as the recorder does."""
    means = Means(SystemClock(), CallPool(), limits=LIMITS)
    learned = await learn(camera.address, camera.onvif_port, key, means)
    assert learned.login_mode is way.mode
    return learned.streams


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_the_right_password_is_never_refused(way: Way) -> None:
    """Profiles and stream addresses are obtained, and the camera saw not one bad login."""
    async with farm(way) as cameras:
        for camera, oddity in zip(cameras.cameras, ODDITIES, strict=True):
            for ask in (by_driver, by_adoption):
                key = gate(PASSWORD, way)
                check(camera, await ask(camera, key, way))
                assert key.state is GateState.PROVEN, oddity
                assert camera.bad_logins == 0, oddity
            assert camera.book.good_logins > 0


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
async def test_a_wrong_password_is_sent_once(way: Way) -> None:
    """However often one asks with it, a wrong password costs one bad login and says so."""
    async with farm(way) as cameras:
        for camera, oddity in zip(cameras.cameras, ODDITIES, strict=True):
            for times, ask in enumerate((by_driver, by_adoption), start=1):
                key = gate("wrong-one", way)
                for _ in range(2):
                    with pytest.raises(CameraLoginRefused):
                        await ask(camera, key, way)
                assert key.state is GateState.REFUSED
                assert camera.bad_logins == times, oddity


async def test_password_text_is_never_sent_by_itself() -> None:
    """Without the installer's word a camera that takes text only gets a digest, once, and the error names the switch."""
    way = replace(WAYS[6], clear_text=False)
    async with farm(way) as cameras:
        camera = cameras.cameras[0]
        for ask in (by_driver, by_adoption):
            before = camera.bad_logins
            with pytest.raises(CameraLoginRefused) as caught:
                await ask(camera, gate(PASSWORD, way), way)
            assert camera.bad_logins == before + 1
            assert caught.value.fields["case"] == "clear_login"
            assert caught.value.fields["address"] == camera.address


@pytest.mark.parametrize("way", [WAYS[0], WAYS[4]], ids=lambda way: way.name)
async def test_a_locked_account_is_left_alone(way: Way) -> None:
    """A camera that says it locked gets no login, not even the right one, and the gate keeps everybody away."""
    async with farm(way) as cameras:
        camera = cameras.cameras[0]
        camera.quirks.lockout_after, camera.quirks.lockout_s, camera.quirks.lockout_told = 1, 1_200.0, True
        with pytest.raises(CameraLoginRefused):
            await by_driver(camera, gate("wrong-one", way), way)
        for ask in (by_driver, by_adoption):
            key = gate(PASSWORD, way)
            with pytest.raises(CameraLocked) as caught:
                await ask(camera, key, way)
            assert caught.value.fields["retry_after_s"] in (1_200, LOCKED_S)
            with pytest.raises(CameraLocked):
                key.claim()
            assert key.state is GateState.UNPROVEN
        assert camera.bad_logins == 1
