"""One conformance suite over every driver: what each must do, whatever camera it speaks to."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from uuid import uuid4

import anyio
import pytest

from drivers.base import CameraSettings, Capability, Change, Driver
from drivers.gate import GateState, LoginGate
from drivers.rtsp.network import RtspNetwork
from drivers.rtsponly import first_look
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, QUICK_MAIN, Farm, FarmWorld
from drivers.simulated.faults import Quirks
from drivers.simulated.options import CameraOptions
from gateway.core.errors import CameraError, CameraLoginRefused, CameraUnreachable, CameraUnsupported
from gateway.core.media import Codec
from gateway.core.model import Login, Secret, StreamRole
from tests.contract.cases import CASES, Case

pytestmark = pytest.mark.anyio
USER, PASSWORD = "admin", "Mầm-non-2026"
OPTIONS = replace(QUICK, main=replace(QUICK_MAIN, width=640, height=360), discovery=False)


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


@contextlib.asynccontextmanager
async def one_camera(case: Case, quirks: Quirks | None = None) -> AsyncIterator[tuple[SimulatedCamera, RtspNetwork]]:
    """A simulated camera and the network thread, both running."""

    def adjust(options: CameraOptions) -> CameraOptions:
        return replace(options, quirks=case.adjust(quirks or Quirks()))

    farm = Farm(
        1,
        password=PASSWORD,
        base="127.0.1.81",
        options=replace(OPTIONS, seed=uuid4().hex),
        world=FarmWorld(adjust=adjust),
    )
    async with farm, RtspNetwork() as network:
        yield farm.cameras[0], network


def gate(password: str = PASSWORD) -> LoginGate:
    return LoginGate(Login(USER, Secret(password)))


def questions(driver: Driver) -> list[Callable[[], Awaitable[object]]]:
    """Everything a driver can be asked that may need a login."""
    asked: list[Callable[[], Awaitable[object]]] = [driver.probe, driver.streams]
    if Capability.SNAPSHOT in driver.capabilities:
        asked.append(driver.snapshot)
    return asked


async def test_probe_and_streams(case: Case) -> None:
    """The right login is accepted at once, and main comes first, at the camera we reached."""
    async with one_camera(case) as (camera, network):
        key = gate()
        driver = case.make(camera, key, network)
        probe = await driver.probe()
        streams = await driver.streams()
        await driver.close()
        port = camera.rtsps_port or camera.rtsp_port
        assert camera.bad_logins == 0
        assert key.state is GateState.PROVEN
    assert probe.driver == driver.name == (case.driver or case.name)
    assert probe.latency_ms >= 0
    assert [stream.role for stream in streams] == [StreamRole.MAIN, StreamRole.SUB]
    assert [(s.codec, s.width, s.height) for s in streams] == [(Codec.H264, 640, 360), (Codec.H264, 320, 180)]
    for stream in streams:
        assert (stream.source.host, stream.source.port) == (camera.address, port)
        assert "@" not in stream.source.url()


async def test_streams_can_be_played(case: Case) -> None:
    """What a driver names as a source plays, and is what it said."""
    async with one_camera(case) as (camera, network):
        key = gate()
        driver = case.make(camera, key, network)
        for stream in await driver.streams():
            config = await first_look(case.player(network), stream.source, key, picture=True)
            assert (config.codec, config.width, config.height) == (stream.codec, stream.width, stream.height)
        await driver.close()
        assert camera.bad_logins == 0


async def test_never_more_than_one_bad_login(case: Case) -> None:
    """However often and wherever one asks, a wrong password reaches the camera once."""
    async with one_camera(case) as (camera, network):
        key = gate("wrong")
        for _ in range(2):
            driver = case.make(camera, key, network)
            for ask in questions(driver) * 2:
                with pytest.raises(CameraLoginRefused):
                    await ask()
            await driver.close()
        assert camera.bad_logins == 1
        assert key.state is GateState.REFUSED


async def test_one_bad_login_over_all_protocols(case: Case) -> None:
    """Drivers and streams that start together with one wrong password share one bad login."""
    async with one_camera(case) as (camera, network):
        key = gate("wrong")
        main = case.make(camera, gate(), network)
        sources = [stream.source for stream in await main.streams()]
        await main.close()

        async def ask(question: Callable[[], Awaitable[object]]) -> None:
            with contextlib.suppress(CameraError):
                await question()

        driver = case.make(camera, key, network)
        async with anyio.create_task_group() as group:
            for question in questions(driver):
                group.start_soon(ask, question)
            for source in sources:
                group.start_soon(ask, lambda source=source: first_look(case.player(network), source, key))
        await driver.close()
        assert camera.bad_logins == 1


async def test_a_lockout_is_never_reached(case: Case) -> None:
    """A camera that locks after two bad logins still takes the right password afterwards."""
    async with one_camera(case, Quirks(lockout_after=2, lockout_s=3600)) as (camera, network):
        wrong, right = case.make(camera, gate("wrong"), network), case.make(camera, gate(), network)
        for ask in questions(wrong):
            with pytest.raises(CameraLoginRefused):
                await ask()
        await right.probe()
        await wrong.close()
        await right.close()


async def test_no_login_stored(case: Case) -> None:
    """A camera that wants a login while none is stored sees no bad login."""
    async with one_camera(case) as (camera, network):
        driver = case.make(camera, LoginGate(None), network)
        with pytest.raises(CameraLoginRefused):
            await driver.probe()
        await driver.close()
        assert camera.bad_logins == 0


async def test_unreachable(case: Case) -> None:
    """A camera that is off the network is unreachable, and its password stays untried."""
    async with one_camera(case) as (camera, network):
        key = gate()
        driver = case.make(camera, key, network)
        await camera.switch("offline", True)
        for ask in (*questions(driver), driver.health):
            with pytest.raises(CameraUnreachable):
                await ask()
        await driver.close()
        assert key.state is GateState.UNPROVEN


async def test_broken_replies(case: Case) -> None:
    """A camera that answers nonsense raises a camera error and never costs a bad login."""
    async with one_camera(case) as (camera, network):
        case.break_replies(camera.faults)
        driver = case.make(camera, gate("wrong"), network)
        for ask in questions(driver):
            with pytest.raises(CameraError):
                await ask()
        await driver.close()
        assert camera.bad_logins <= 1


async def test_capabilities_are_the_truth(case: Case) -> None:
    """What a driver claims works; what it does not claim raises `CameraUnsupported`."""
    async with one_camera(case) as (camera, network):
        driver = case.make(camera, gate(), network)
        if Capability.SNAPSHOT in driver.capabilities:
            assert (await driver.snapshot()).startswith(b"\xff\xd8\xff")
        else:
            with pytest.raises(CameraUnsupported):
                await driver.snapshot()
        if Capability.SETTINGS not in driver.capabilities:
            with pytest.raises(CameraUnsupported):
                await driver.plan(CameraSettings(audio=False))
            with pytest.raises(CameraUnsupported):
                await driver.apply((Change("main.gop", "60", "30"),))
        else:
            assert [change.setting for change in await driver.plan(CameraSettings(label="Bếp"))] == ["osd.label"]
        if Capability.EVENTS not in driver.capabilities:
            with pytest.raises(CameraUnsupported):
                driver.events()
        assert Capability.HEALTH in driver.capabilities
        await driver.close()


async def test_health_costs_no_login(case: Case) -> None:
    """A look at the health sends no password, even with a wrong one stored."""
    async with one_camera(case) as (camera, network):
        driver = case.make(camera, gate("wrong"), network)
        health = await driver.health()
        await driver.close()
        assert health.latency_ms >= 0
        assert camera.bad_logins == 0


async def test_adoption_is_frugal(case: Case) -> None:
    """Learning a camera takes at most ten requests of the driver's own protocol for each stream."""
    async with one_camera(case) as (camera, network):
        driver = case.make(camera, gate(), network)
        await driver.probe()
        await driver.streams()
        await driver.close()
        calls = sum(count for name, count in camera.calls.items() if name.startswith(f"{case.protocol}."))
        assert 0 < calls <= (10 if case.protocol == "onvif" else 20)


async def test_closing_twice(case: Case) -> None:
    """Closing is harmless whenever and however often."""
    async with one_camera(case) as (camera, network):
        driver = case.make(camera, gate(), network)
        await driver.close()
        await driver.close()
        assert camera.sessions == 0


@pytest.mark.parametrize(
    "quirks",
    [
        Quirks(onvif_auth=("wsse",)),
        Quirks(onvif_auth=("wsse",), clock_skew_s=-86_400),
        Quirks(onvif_auth=("wsse",), clock_skew_s=86_400, clock_needs_login=True),
        Quirks(onvif_auth=("digest",), onvif_digest=("MD5",), rtsp_digest=("MD5",)),
        Quirks(onvif_auth=("digest",), onvif_digest=("SHA-256",), rtsp_digest=("SHA-256",)),
        Quirks(onvif_auth=("digest",), onvif_digest=("MD5", "SHA-256"), rtsp_digest=("MD5", "SHA-256"), rtsp_qop=True),
        Quirks(onvif_auth=("none",), rtsp_anonymous=True),
        Quirks(wrong_host="10.66.66.66", wrong_content_base="10.66.66.66"),
        Quirks(no_get_services=True),
        Quirks(no_media2=True),
        Quirks(media2_crash=True),
    ],
    ids=[
        "wsse",
        "slow clock",
        "hidden clock",
        "md5",
        "sha256",
        "both",
        "open",
        "wrong host",
        "no services",
        "media1",
        "crash",
    ],
)
async def test_quirks(case: Case, quirks: Quirks) -> None:
    """Every deviation a firmware may have leaves adoption complete, without a bad login."""
    async with one_camera(case, quirks) as (camera, network):
        driver = case.make(camera, gate(), network)
        await driver.probe()
        streams = await driver.streams()
        await driver.close()
        assert len(streams) == 2
        assert {stream.source.host for stream in streams} == {camera.address}
        assert camera.bad_logins == 0
