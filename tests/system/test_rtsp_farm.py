"""Our RTSP client against the simulated cameras: whole streams, quirks and faults over loopback TCP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from drivers.gate import GateState, LoginGate
from drivers.retry import WaitKind, after_failure
from drivers.rtsp.client import knock
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.protocol import Timeouts
from drivers.rtsp.source import RtspSource
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmOptions
from drivers.simulated.faults import Faults, KeepAlive, Quirks
from gateway.core.errors import (
    CameraBadReply,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import Login, Secret, StreamRole
from tests.fakes.encoded import decodes

pytestmark = [pytest.mark.anyio, pytest.mark.system]

PASSWORD = "k9#mẦm:@/non"
RTSP_ONLY = replace(QUICK, rtsp_only=True)
QUICK_TIMES = Timeouts(silent_s=1.0, handshake_s=3.0)


def gate(password: str = PASSWORD) -> LoginGate:
    return LoginGate(Login("admin", Secret(password)))


def source(camera: SimulatedCamera, role: StreamRole = StreamRole.MAIN) -> RtspSource:
    path = next(profile.path for profile in camera.profiles if profile.role is role)
    return RtspSource(camera.address, camera.rtsp_port, path)


@dataclass
class Collected:
    """Keeps everything; `enough` is set when `until` holds."""

    until: Callable[[list[AccessUnit]], bool] = lambda units: len(units) >= 12
    configs: list[CodecConfig | None] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    first: asyncio.Event = field(default_factory=asyncio.Event)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def playing(self, config: CodecConfig | None) -> None:
        self.configs.append(config)

    def unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        if len(self.units) == 1:
            self.loop.call_soon_threadsafe(self.first.set)
        if self.until(self.units):
            self.loop.call_soon_threadsafe(self.enough.set)


@asynccontextmanager
async def running(
    count: int = 1, options: FarmOptions = RTSP_ONLY, timeouts: Timeouts | None = None
) -> AsyncIterator[tuple[list[SimulatedCamera], RtspNetwork]]:
    async with Farm(count, password=PASSWORD, options=options) as farm, RtspNetwork(timeouts=timeouts) as network:
        yield farm.cameras, network


async def play(network: RtspNetwork, place: RtspSource, sink: Collected, login: LoginGate | None = None) -> None:
    """Play until the sink has enough, then say goodbye; an error of the camera is raised."""
    task = asyncio.ensure_future(network.play(place, login or gate(), sink))
    enough = asyncio.ensure_future(sink.enough.wait())
    await asyncio.wait([task, enough], return_when=asyncio.FIRST_COMPLETED)
    for waiter in (task, enough):
        waiter.cancel()
    try:
        await task
    except asyncio.CancelledError:
        await asyncio.gather(enough, return_exceptions=True)


def decoded(units: list[AccessUnit]) -> int:
    """Decode units from the first key frame on; return how many pictures come out."""
    start = next(number for number, unit in enumerate(units) if unit.is_key)
    config = units[start].config
    first = [nal for nal in (config.vps, config.sps, config.pps) if nal] + list(units[start].nals)
    return decodes(config.codec, [first, *(unit.nals for unit in units[start + 1 :])])


async def test_main_and_sub_of_four_cameras() -> None:
    """Eight streams play side by side without loss, decode completely, and end with TEARDOWN."""
    async with running(4) as (cameras, network):
        logins = [gate() for _ in cameras]
        mains = [Collected() for _ in cameras]
        await asyncio.gather(*map(play, [network] * 4, map(source, cameras), mains, logins))
        subs = [Collected() for _ in cameras]
        places = [source(camera, StreamRole.SUB) for camera in cameras]
        await asyncio.gather(*map(play, [network] * 4, places, subs, logins))
        for sink in mains + subs:
            assert sum(unit.lost_before for unit in sink.units) == 0
            start = next(number for number, unit in enumerate(sink.units) if unit.is_key)
            assert decoded(sink.units) == len(sink.units) - start
            assert sink.configs[0] is not None
            assert (sink.units[0].config.width, sink.units[0].config.height) == (320, 180)
        for camera in cameras:
            assert camera.bad_logins == 0
            assert camera.calls["rtsp.TEARDOWN"] == 2
            assert camera.sessions == 0


@pytest.mark.parametrize("offered", [("MD5",), ("SHA-256",), ("MD5", "SHA-256"), ("SHA-256", "MD5")])
@pytest.mark.parametrize("qop", [False, True])
async def test_every_login_a_camera_offers(offered: tuple[str, ...], *, qop: bool) -> None:
    """MD5 and SHA-256 in either order, with and without qop: no bad login is ever counted."""
    async with running() as ([camera], network):
        camera.quirks.rtsp_digest, camera.quirks.rtsp_qop = offered, qop
        login = gate()
        await play(network, source(camera), Collected(bool), login)
        assert login.state is GateState.PROVEN
        assert camera.bad_logins == 0


async def test_a_camera_without_login_and_one_that_wants_it_in_clear() -> None:
    """Anonymous plays; Basic alone is refused with the remedy, and no password is sent."""
    async with running() as ([camera], network):
        camera.quirks.rtsp_anonymous = True
        await play(network, source(camera), Collected(bool), LoginGate(None))
        camera.quirks.rtsp_anonymous, camera.quirks.rtsp_basic, camera.quirks.rtsp_digest = False, True, ()
        with pytest.raises(CameraUnsupported) as caught:
            await play(network, source(camera), Collected())
        assert caught.value.fields["hint"] == "basic_only"
        assert (camera.book.good_logins, camera.bad_logins) == (0, 0)


async def test_a_wrong_password_is_one_bad_login_for_all_connections() -> None:
    """Main, sub and twenty retries of both: the camera counts one, and never locks us out."""
    async with running() as ([camera], network):
        camera.quirks.lockout_after = 2
        login = gate("wrong")
        for _ in range(20):
            for role in (StreamRole.MAIN, StreamRole.SUB):
                with pytest.raises(CameraLoginRefused) as caught:
                    await play(network, source(camera, role), Collected(), login)
                assert after_failure(caught.value, 1, 0.5).kind is WaitKind.STOP
        assert (camera.bad_logins, camera.book.lockouts) == (1, 0)


async def test_a_camera_out_of_connections_keeps_our_password() -> None:
    """401 after a login that worked is an overload; later it plays again."""
    async with running() as ([camera], network):
        login = gate()
        await play(network, source(camera), Collected(bool), login)
        camera.faults.refuse_logins = True
        with pytest.raises(CameraOverloaded):
            await play(network, source(camera), Collected(), login)
        camera.faults.refuse_logins = False
        await play(network, source(camera), Collected(bool), login)


@pytest.mark.parametrize(
    ("faults", "kind"),
    [
        ({"refuse_status": 503}, CameraOverloaded),
        ({"refuse_status": 453}, CameraOverloaded),
        ({"refuse_status": 404}, CameraBadReply),
        ({"refuse_status": 302}, CameraBadReply),
        ({"garbage": True}, CameraBadReply),
        ({"silent": True}, CameraSilent),
    ],
)
async def test_faults_have_their_names(faults: dict[str, object], kind: type[CameraError]) -> None:
    """Each way in which a camera fails is the error that tells what to do next."""
    async with running(timeouts=QUICK_TIMES) as ([camera], network):
        for name, value in faults.items():
            setattr(camera.faults, name, value)
        with pytest.raises(kind):
            await play(network, source(camera), Collected())


async def test_a_camera_full_of_sessions() -> None:
    """453 at SETUP, and room again after the first left."""
    async with running() as ([camera], network):
        camera.faults.max_sessions = 1
        first, login = Collected(), gate()
        task = asyncio.ensure_future(network.play(source(camera), login, first))
        await first.enough.wait()
        with pytest.raises(CameraOverloaded) as caught:
            await play(network, source(camera), Collected(), login)
        assert caught.value.fields["status"] == 453
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await play(network, source(camera), Collected(bool), login)


async def test_unplugged_and_back() -> None:
    """The stream ends, knocking says no, then yes, and it plays again."""
    async with running() as ([camera], network):
        sink, login = Collected(), gate()
        task = asyncio.ensure_future(network.play(source(camera), login, sink))
        await sink.enough.wait()
        await camera.switch("offline", True)
        with pytest.raises(CameraError):
            await task
        assert not await knock(camera.address, camera.rtsp_port, 1)
        with pytest.raises(CameraUnreachable):
            await play(network, source(camera), Collected(), login)
        await camera.switch("offline", False)
        assert await knock(camera.address, camera.rtsp_port, 1)
        await play(network, source(camera), Collected(bool), login)
        assert camera.bad_logins == 0


async def test_lost_packets_are_counted_and_broken_pictures_left_out() -> None:
    """With 5 % loss every unit that comes out is complete: all of them decode."""
    async with running(options=replace(RTSP_ONLY, mtu_bytes=200)) as ([camera], network):
        camera.faults.drop = 0.05
        sink = Collected(lambda units: len(units) >= 25 and sum(unit.lost_before for unit in units) > 2)
        await play(network, source(camera), sink)
        lost = sum(unit.lost_before for unit in sink.units)
        assert 2 < lost <= camera.counters.totals["dropped_packets"]
        for unit in sink.units:
            if unit.is_key:
                config = unit.config
                assert decodes(config.codec, [[config.sps, config.pps, *unit.nals]]) == 1


@pytest.mark.parametrize("missing", ["no_params_in_sdp", "no_params_in_band"])
async def test_parameter_sets_from_either_place(missing: str) -> None:
    """In the description only, or in band only: every unit has its configuration."""
    async with running() as ([camera], network):
        setattr(camera.faults, missing, True)
        sink = Collected()
        await play(network, source(camera), sink)
        assert (sink.configs[0] is None) == (missing == "no_params_in_sdp")
        assert {(unit.config.width, unit.config.epoch) for unit in sink.units} == {(320, 0)}
        assert decoded(sink.units) > 0


async def test_h265_main_stream() -> None:
    """Recorded as it is: units, configuration with VPS, and complete pictures."""
    async with running() as ([camera], network):
        await camera.switch("h265", True)
        sink = Collected()
        await play(network, source(camera), sink)
        config = sink.units[-1].config
        assert (config.codec, config.width, config.height) == (Codec.H265, 320, 180)
        assert config.vps
        start = next(number for number, unit in enumerate(sink.units) if unit.is_key)
        assert decoded(sink.units) == len(sink.units) - start


async def test_a_jump_of_the_cameras_time_makes_no_hole_in_ours() -> None:
    """The camera's clock is set an hour forward: media time goes on by the receive clock."""
    async with running() as ([camera], network):
        sink = Collected(lambda units: len(units) >= 20)

        async def jump() -> None:
            await sink.first.wait()
            camera.faults.jump_90k = 90_000 * 3600

        await asyncio.gather(play(network, source(camera), sink), jump())
        steps = [after.pts_90k - before.pts_90k for before, after in zip(sink.units, sink.units[1:], strict=False)]
        assert all(0 < step < 5 * 90_000 for step in steps)


@pytest.mark.parametrize("understood", [KeepAlive.BOTH, KeepAlive.GET_PARAMETER, KeepAlive.OPTIONS])
async def test_sessions_outlive_their_time_out(understood: KeepAlive) -> None:
    """With a 2 s time-out the session lives on, by whichever request the camera understands."""
    async with running() as ([camera], network):
        camera.quirks.keepalive, camera.quirks.session_timeout_s = understood, 2
        sink = Collected(lambda units: len(units) >= 50)  # five seconds at ten pictures
        await play(network, source(camera), sink)
        assert len(sink.units) >= 50
        assert camera.calls["rtsp.SETUP"] == 1


async def test_a_content_base_of_another_host_is_rewritten() -> None:
    """We keep talking to the camera we reached."""
    async with running() as ([camera], network):
        camera.quirks.wrong_content_base = "192.168.1.64"
        await play(network, source(camera), Collected(bool))
        assert camera.bad_logins == 0


def test_the_faults_and_quirks_used_here_exist() -> None:
    """Misspelt switches would test nothing."""
    assert {"refuse_logins", "refuse_status", "max_sessions", "drop", "jump_90k"} <= set(Faults.__slots__)
    assert {"rtsp_digest", "rtsp_qop", "wrong_content_base"} <= set(Quirks.__slots__)
