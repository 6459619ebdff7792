"""Our RTSP client against simulated cameras over UDP and TLS, with sound, and with odd keep-alives."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest

from drivers.gate import GateState, LoginGate
from drivers.retry import WaitKind, after_failure
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.protocol import Timeouts
from drivers.rtsp.source import RtspSource
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, QUICK_MAIN, Farm, FarmWorld
from drivers.simulated.faults import KeepAlive, Quirks, Sound
from drivers.simulated.options import CameraOptions
from gateway.core.errors import (
    CameraBadReply,
    CameraCertificate,
    CameraClosed,
    CameraError,
    CameraInsecure,
    CameraOverloaded,
    CameraSilent,
    CameraUnsupported,
)
from gateway.core.media import AccessUnit, AudioCodec, AudioUnit, CodecConfig
from gateway.core.model import Login, PublicId, Secret, StreamRole
from recorder.feed import Feed
from tests.fakes.encoded import decodes
from tests.fakes.waiting import until

pytestmark = [pytest.mark.anyio, pytest.mark.system]

PASSWORD = "k9#mẦm:@/non"
FAST = replace(QUICK_MAIN, fps=30, gop_frames=6)
OPTIONS = replace(QUICK, main=FAST, sub=FAST, rtsp_only=True, mtu_bytes=200)
"""A key frame each fifth of a second, in many packets: much to see in little time."""
QUICK_TIMES = Timeouts(handshake_s=1.0, silent_s=1.0)


def gate(password: str = PASSWORD) -> LoginGate:
    return LoginGate(Login("admin", Secret(password)))


def source(camera: SimulatedCamera, role: StreamRole = StreamRole.MAIN) -> RtspSource:
    """Where a stream is, over TLS if the camera has it."""
    path = next(profile.path for profile in camera.profiles if profile.role is role)
    return RtspSource(camera.address, camera.rtsps_port or camera.rtsp_port, path, bool(camera.rtsps_port))


@asynccontextmanager
async def running(
    timeouts: Timeouts | None = None, **quirks: object
) -> AsyncIterator[tuple[SimulatedCamera, RtspNetwork]]:
    def adjust(options: CameraOptions) -> CameraOptions:
        return replace(options, quirks=replace(Quirks(onvif=False), **quirks))  # type: ignore[arg-type]  # by name

    farm = Farm(1, password=PASSWORD, base="127.0.1.91", options=OPTIONS, world=FarmWorld(adjust=adjust))
    async with farm, RtspNetwork(timeouts=timeouts) as network:
        yield farm.cameras[0], network


@dataclass
class Collected:
    """Keeps everything, pictures and sound."""

    configs: list[CodecConfig | None] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    sounds: list[AudioUnit] = field(default_factory=list)

    def playing(self, config: CodecConfig | None) -> None:
        self.configs.append(config)

    def unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)


@asynccontextmanager
async def playing(
    network: RtspNetwork, place: RtspSource, login: LoginGate | None = None, *, sound: bool = False, count: int = 12
) -> AsyncIterator[Collected]:
    """Play until `count` pictures came; the session is torn down when left."""
    sink = Collected()
    task = asyncio.ensure_future(
        network.play(place, login or gate(), sink, on_audio=sink.sounds.append if sound else None)
    )
    try:
        await until(lambda: task.done() or len(sink.units) >= count)
        if task.done():
            await task
        yield sink
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def fails(
    network: RtspNetwork, place: RtspSource, kind: type[CameraError], login: LoginGate | None = None
) -> CameraError:
    with pytest.raises(kind) as caught:
        async with playing(network, place, login):
            pass
    return caught.value


def whole(units: list[AccessUnit]) -> bool:
    """Say whether every picture from the first key frame on decodes."""
    start = next(number for number, unit in enumerate(units) if unit.is_key)
    config = units[start].config
    pictures = [unit.nals for unit in units[start:]]
    pictures[0] = (config.sps, config.pps, *pictures[0])
    return decodes(config.codec, pictures) == len(pictures)


async def test_udp_only_after_461_and_then_at_once() -> None:
    """TCP is asked for first; a retry of the stream begins with UDP; goodbye goes over the TCP connection."""
    async with running(udp_only=True) as (camera, network):
        for asked in (2, 3):
            async with playing(network, source(camera)) as sink:
                (stream,) = network.statistics().streams
                assert (stream.transport, stream.lost, stream.damaged) == ("udp", 0, 0)
                assert stream.report is not None
            assert whole(sink.units)
            assert camera.calls["rtsp.SETUP"] == asked
        assert camera.calls["refused_setups"] == 1
        assert camera.calls["rtsp.TEARDOWN"] == 2
        assert (camera.sessions, camera.bad_logins) == (0, 0)


async def test_packets_that_changed_places_on_the_way() -> None:
    """Every pair swapped: nothing is lost, every picture is whole."""
    async with running(udp_only=True, udp_swaps=True) as (camera, network):
        async with playing(network, source(camera), count=15) as sink:
            (stream,) = network.statistics().streams
            assert (stream.lost, stream.damaged) == (0, 0)
            assert stream.late <= 1  # the very first one may be read alone
            assert stream.early > 10
        assert whole(sink.units)


async def test_loss_over_udp_is_counted_exactly() -> None:
    """What the camera did not send is what we miss, and no broken picture comes out."""
    async with running(udp_only=True) as (camera, network):
        camera.faults.drop = 0.1
        async with playing(network, source(camera), count=25) as sink:
            camera.faults.drop = 0.0
            count = len(sink.units)
            await until(lambda: len(sink.units) >= count + 4)
            (stream,) = network.statistics().streams
            missing = camera.calls["dropped_packets"]
            assert 0 < stream.lost <= missing
            assert missing - stream.lost <= 3  # before the first packet nobody can know
            assert sum(unit.lost_before for unit in sink.units) <= stream.lost
        for unit in sink.units:
            if unit.is_key:
                assert decodes(unit.config.codec, [[unit.config.sps, unit.config.pps, *unit.nals]]) == 1


async def test_a_camera_that_does_not_name_its_ports() -> None:
    """The first port of its own address that sends is taken."""
    async with (
        running(udp_only=True, udp_no_ports=True) as (camera, network),
        playing(network, source(camera)) as sink,
    ):
        assert whole(sink.units)


async def test_nobody_else_is_heard_over_udp() -> None:
    """Packets of another host to the very port of the stream change nothing."""
    async with running(udp_only=True) as (camera, network):
        async with playing(network, source(camera)) as sink:
            link = next(iter(network._links))
            (pair,) = link.session.tracks.pairs
            address = link.socket.getsockname()[0] if link.socket else ""
            with socket.socket(type=socket.SOCK_DGRAM) as stranger:
                stranger.bind(("127.0.0.1", 0))
                for number in range(200):
                    packet = b"\x80\xe0" + number.to_bytes(2, "big") + bytes(8) + b"\x65\x88" + bytes(50)
                    stranger.sendto(packet, (address, pair.port))
            count = len(sink.units)
            await until(lambda: len(sink.units) >= count + 10)
            (stream,) = network.statistics().streams
            assert (stream.lost, stream.late, stream.foreign, stream.malformed) == (0, 0, 0, 0)
        assert whole(sink.units)


async def test_a_camera_that_falls_silent_over_udp() -> None:
    """The data watchdog is the same."""
    async with running(QUICK_TIMES, udp_only=True) as (camera, network):
        camera.faults.silent = True
        await fails(network, source(camera), CameraSilent)


async def test_neither_tcp_nor_udp() -> None:
    """461 to both ways is `CameraUnsupported`; asked twice and no more."""
    async with running(udp_only=True, tcp_only=True) as (camera, network):
        error = await fails(network, source(camera), CameraUnsupported)
        assert error.fields["hint"] == "transport"
        assert camera.calls["rtsp.SETUP"] == 2


async def test_a_camera_that_learned_tcp() -> None:
    """UDP was learned, and is refused one day: TCP again, in the same session."""
    async with running(udp_only=True) as (camera, network):
        async with playing(network, source(camera)):
            pass
        camera.quirks.udp_only, camera.quirks.tcp_only = False, True
        for transport in ("tcp", "tcp"):
            async with playing(network, source(camera)):
                assert network.statistics().streams[0].transport == transport
        assert camera.calls["refused_setups"] == 2


async def test_udp_sessions_are_kept_alive_over_tcp() -> None:
    """With a time-out of 2 s the session lives on."""
    async with running(udp_only=True, session_timeout_s=2, keepalive=KeepAlive.GET_PARAMETER) as (camera, network):
        async with playing(network, source(camera), count=80) as sink:
            assert len(sink.units) >= 80
        assert camera.calls["udp_setups"] == 1


async def test_a_camera_that_hangs_up_on_get_parameter() -> None:
    """The first session dies of it, the next one is kept alive otherwise."""
    async with running(keepalive=KeepAlive.DEADLY, session_timeout_s=2) as (camera, network):
        sink = Collected()
        with pytest.raises(CameraClosed):
            await network.play(source(camera), gate(), sink)
        asked = camera.calls["rtsp.OPTIONS"]
        async with playing(network, source(camera)):
            await until(lambda: camera.calls["rtsp.OPTIONS"] >= asked + 2)  # at the beginning, and as keep-alive
        assert camera.calls["rtsp.GET_PARAMETER"] == 1
        assert camera.calls["tcp_setups"] == 2


@pytest.mark.parametrize("offered", [("MD5",), ("SHA-256", "MD5")])
async def test_rtsp_over_tls(offered: tuple[str, ...]) -> None:
    """The login, the messages and the video go through TLS; the certificate is remembered."""
    async with running(rtsps=True, rtsp_digest=offered) as (camera, network):
        login = gate()
        async with playing(network, source(camera), login) as sink:
            assert network.statistics().streams[0].transport == "tls"
        assert whole(sink.units)
        assert camera.certificate is not None
        assert (login.pin, login.state) == (camera.certificate.fingerprint, GateState.PROVEN)
        assert (camera.calls["tls_connections"], camera.calls["connections"]) == (1, 1)
        assert (camera.bad_logins, camera.sessions) == (0, 0)


async def test_basic_inside_tls_only() -> None:
    """A camera that knows nothing else gets the password through TLS; in clear it gets none, and the error says so."""
    async with running(rtsps=True, rtsp_basic=True, rtsp_digest=()) as (camera, network):
        async with playing(network, source(camera)):
            pass
        assert (camera.book.good_logins > 0, camera.bad_logins) == (True, 0)
        clear = replace(source(camera), port=camera.rtsp_port, tls=False)
        before = camera.book.good_logins
        error = await fails(network, clear, CameraInsecure)
        assert error.fields["hint"] == "basic_only"
        assert (camera.book.good_logins, camera.bad_logins) == (before, 0)


async def test_a_wrong_password_in_basic_is_one_bad_login() -> None:
    """As with Digest: one try, whatever is asked later."""
    async with running(rtsps=True, rtsp_basic=True, rtsp_digest=()) as (camera, network):
        login = gate("wrong")
        for _ in range(5):
            with pytest.raises(CameraError):
                await network.play(source(camera), login, Collected())
        assert (camera.bad_logins, login.state) == (1, GateState.REFUSED)


async def test_another_certificate_gets_nothing() -> None:
    """No request and no password, however often; who enters the login again accepts the new one."""
    async with running(rtsps=True) as (camera, network):
        login = gate()
        async with playing(network, source(camera), login):
            pass
        await camera.switch("certificate", True)
        before = {name: count for name, count in camera.calls.items() if name.startswith("rtsp.")}
        for _ in range(3):
            error = await fails(network, source(camera), CameraCertificate, login)
            assert after_failure(error, 1, 0.5).kind is WaitKind.PAUSE
        assert {name: count for name, count in camera.calls.items() if name.startswith("rtsp.")} == before
        async with playing(network, source(camera), gate()):
            pass
        assert camera.bad_logins == 0


async def test_tls_to_a_camera_that_speaks_none() -> None:
    """A plain RTSP port behind `rtsps` is a bad reply or a hang-up, and learns nothing."""
    async with running(QUICK_TIMES) as (camera, network):
        place = replace(source(camera), tls=True)
        with pytest.raises((CameraBadReply, CameraClosed, CameraSilent)):
            await network.play(place, gate(), Collected())
        assert camera.book.good_logins == 0


async def test_no_video_in_clear_beside_tls() -> None:
    """A camera that refuses to stream inside TLS is refused: UDP would show the class to the whole network."""
    async with running(rtsps=True, udp_only=True) as (camera, network):
        error = await fails(network, source(camera), CameraUnsupported)
        assert error.fields["hint"] == "transport"
        assert (camera.calls["rtsp.SETUP"], camera.calls["refused_setups"]) == (1, 1)


async def test_sound_is_not_even_asked_for() -> None:
    """A camera with a microphone: one SETUP, no packet of sound."""
    async with running(sound=Sound.AAC) as (camera, network):
        async with playing(network, source(camera)):
            assert network.statistics().streams[0].audio_units == 0
        assert (camera.calls["rtsp.SETUP"], camera.calls.get("sound_packets", 0)) == (1, 0)


@pytest.mark.parametrize(
    ("kind", "codec", "rate_hz", "step", "udp"),
    [
        (Sound.AAC, AudioCodec.AAC, 16_000, 1_024, True),
        (Sound.PCMU, AudioCodec.PCMU, 8_000, 320, False),
        (Sound.PCMA, AudioCodec.PCMA, 8_000, 320, False),
    ],
)
async def test_sound_for_those_who_ask(kind: Sound, codec: AudioCodec, rate_hz: int, step: int, *, udp: bool) -> None:
    """Frames without a hole, in the track's own time, beside whole pictures."""
    async with running(sound=kind, udp_only=udp) as (camera, network):
        async with playing(network, source(camera), sound=True) as sink:
            await until(lambda: len(sink.sounds) >= 20)
        assert whole(sink.units)
        assert {(unit.config.codec, unit.config.rate_hz, unit.config.channels) for unit in sink.sounds} == {
            (codec, rate_hz, 1)
        }
        times = [unit.pts_ticks for unit in sink.sounds]
        assert [after - before for before, after in itertools.pairwise(times)] == [step] * (len(times) - 1)
        assert sum(unit.lost_before for unit in sink.sounds) == 0
        assert camera.calls["sound_setups"] == 1


async def test_sound_nobody_can_take_leaves_the_picture_alone() -> None:
    """G.726, asked for or not: no SETUP for it, and video plays."""
    async with running(sound=Sound.G726) as (camera, network):
        async with playing(network, source(camera), sound=True) as sink:
            assert whole(sink.units)
        assert camera.calls["rtsp.SETUP"] == 1


async def test_b_frames_are_a_fact_of_the_stream() -> None:
    """Pictures in another order than shown: whole, recorded as they are, and told by the feed."""
    async with running(b_frames=2) as (camera, network):
        async with playing(network, source(camera), count=25) as sink:
            assert whole(sink.units)
        feed = Feed(PublicId("a" * 16), StreamRole.MAIN)
        for unit in sink.units:
            feed.publish(unit)
        assert feed.facts().b_frames
        assert (network.statistics().streams, camera.sessions) == ((), 0)


async def test_a_full_camera_says_when_to_come_back() -> None:
    """`Retry-After` of a 453 stretches the pause, over both ports of the camera together."""
    async with running(rtsps=True, retry_after_s=40) as (camera, network):
        camera.faults.max_sessions = 1
        clear = replace(source(camera), port=camera.rtsp_port, tls=False)
        async with playing(network, source(camera)):
            error = await fails(network, clear, CameraOverloaded)
        assert error.fields["retry_after_s"] == 40
        assert after_failure(error, 1, 0.0).seconds == 40
