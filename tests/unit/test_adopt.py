"""Adoption: ONVIF first, RTSP only with a path, one login at most."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
import pytest

from drivers.adopt import Learned, Means, learn
from drivers.base import Capability, Driver, Found, LoginMode
from drivers.discovery.paths import TABLE
from drivers.gate import GateState, LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from drivers.rtsp.protocol import StreamSink
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import RtspOnlyDriver, first_look
from gateway.core.errors import (
    BadInput,
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import Login, Secret, StreamRole
from gateway.roofs.learning import rtsp_place
from tests.fakes.clock import FakeClock
from tests.fakes.onvif_http import PASSWORD, USER, Answer, FakeOnvif, envelope, media1_profile
from tests.fakes.rtsp_paths import PathCamera
from tests.fakes.rtsp_server import serve

pytestmark = pytest.mark.anyio
CONFIG = CodecConfig(Codec.H264, b"sps", b"pps", width=1280, height=720)


class Player:
    """Plays to order: in the description, with the first picture, never, or fails."""

    def __init__(self, how: str = "sdp", error: CameraError | None = None) -> None:
        self.how, self.error = how, error
        self.played: list[str] = []
        self.stopped = 0

    async def play(self, source: RtspSource, gate: LoginGate, sink: StreamSink) -> None:
        self.played.append(source.url())
        if self.error:
            raise self.error
        try:
            sink.playing(CONFIG if self.how == "sdp" else None)
            if self.how == "unit":
                for pts in (0, 6000):
                    sink.unit(AccessUnit((b"x",), pts, True, 0, CONFIG))
            await anyio.sleep_forever()
        finally:
            self.stopped += 1


def means(player: Player | None = None, ports: tuple[int, ...] = ()) -> Means:
    return Means(FakeClock(), CallPool(), player, Limits(total_s=3), ports)


def gate() -> LoginGate:
    return LoginGate(Login(USER, Secret(PASSWORD)))


@contextlib.asynccontextmanager
async def closed_port() -> AsyncIterator[int]:
    """A port on which nobody listens: bound, never listening."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = int(listener.extra(anyio.abc.SocketAttribute.local_port))
    await listener.aclose()
    yield port


async def test_everything_is_learned() -> None:
    """One adoption brings identity, streams, clock and login mode, without a bad login."""
    with FakeOnvif() as camera:
        found = Found("urn:uuid:7", "127.0.0.1", camera.port, (), "", "", None, "lo")
        learned = await learn("127.0.0.1", camera.port, gate(), means(), found=found)
    assert camera.bad_logins == 0
    assert len(camera.calls) <= 10
    main, sub = learned.streams
    assert learned == Learned(
        driver="onvif",
        endpoint="urn:uuid:7",
        port=camera.port,
        serial="SN7",
        mac="02:ab:00:00:00:07",
        manufacturer="Vườn",
        model="Mầm",
        firmware="1.2",
        name="Vườn Mầm",
        streams=(main, sub),
        clock_skew_ms=0,
        login_mode=LoginMode.WSSE,
        channels=1,
        onvif_path="/onvif/device_service",
        onvif_tls=False,
    )
    assert (main.role, main.source.path, main.codec, main.width, main.gop) == (
        StreamRole.MAIN,
        "/live/big?x=1&y=2",
        Codec.H264,
        1920,
        30,
    )
    assert (sub.role, sub.source.path, sub.width) == (StreamRole.SUB, "/live/small?x=1&y=2", 640)


async def test_the_usual_ports_are_tried_without_a_login() -> None:
    """Without a port, ports that speak no ONVIF are passed over and cost no login."""
    async with closed_port() as closed:
        with FakeOnvif(scripted={"GetDeviceInformation": Answer(404, b"")}, auth="open") as web, FakeOnvif() as camera:
            learned = await learn("127.0.0.1", None, gate(), means(ports=(closed, web.port, camera.port)))
    assert learned.port == camera.port
    assert camera.bad_logins == web.bad_logins == 0
    assert not any(USER.encode() in body for body in web.bodies)


async def test_a_refused_login_ends_it() -> None:
    """A wrong password is sent once; no fallback, no other port, no RTSP is tried with it."""
    player = Player()
    with FakeOnvif() as camera, FakeOnvif() as other:
        wrong = LoginGate(Login(USER, Secret("wrong")))
        with pytest.raises(CameraLoginRefused):
            await learn("127.0.0.1", None, wrong, means(player, (camera.port, other.port)), rtsp_path="/x")
    assert (camera.bad_logins, other.bad_logins, player.played) == (1, 0, [])
    assert wrong.state is GateState.REFUSED


async def test_overload_is_not_taken_for_no_onvif() -> None:
    """A camera that has no room is not adopted as something else."""
    player = Player()
    with (
        FakeOnvif(auth="open", scripted={"GetDeviceInformation": Answer(503, b"")}) as camera,
        pytest.raises(CameraOverloaded),
    ):
        await learn("127.0.0.1", camera.port, gate(), means(player), rtsp_path="/x")
    assert player.played == []


def wrong_gate() -> LoginGate:
    return LoginGate(Login(USER, Secret("wrong")))


async def test_rtsp_only_with_a_path() -> None:
    """A camera without ONVIF is adopted by its path: opened once, closed again."""
    player = Player()
    rtsp_listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    rtsp_port = int(rtsp_listener.extra(anyio.abc.SocketAttribute.local_port))
    async with rtsp_listener, closed_port() as closed:
        learned = await learn("127.0.0.1", closed, gate(), means(player), rtsp_path="/stream1", rtsp_port=rtsp_port)
    assert player.played == [f"rtsp://127.0.0.1:{rtsp_port}/stream1"]
    assert player.stopped == 1
    assert (learned.driver, learned.serial, learned.port) == ("rtsp", "", rtsp_port)
    (stream,) = learned.streams
    assert (stream.codec, stream.width, stream.source.path) == (Codec.H264, 1280, "/stream1")


async def test_rtsp_only_without_a_path() -> None:
    """The path is guessed, its maker's first, and the streams found are opened with the same one login."""
    player, clock = Player(), FakeClock()
    wanted = next(paths for paths in TABLE if "TP-Link" in paths.vendors)
    camera = PathCamera(password=PASSWORD, paths=(wanted.main, wanted.sub))
    found = Found("address:127.0.0.1:9", "127.0.0.1", 0, (), "", "", None, "lo", maker="TP-Link")
    own, learned = gate(), list[Learned]()
    async with serve(camera) as served, closed_port() as closed, anyio.create_task_group() as group:
        found = replace(found, rtsp_port=served.port)

        async def adopt() -> None:
            learned.append(await learn("127.0.0.1", closed, own, replace(means(player), clock=clock), found=found))
            group.cancel_scope.cancel()

        group.start_soon(adopt)
        while True:
            await clock.advance(1)
            await anyio.sleep(0.01)
    (camera_learned,) = learned
    assert [stream.source.path for stream in camera_learned.streams] == [wanted.main, wanted.sub]
    assert (camera_learned.driver, camera_learned.endpoint, camera_learned.port) == ("rtsp", "", served.port)
    assert own.state is GateState.PROVEN
    assert camera.asked[1:] == [wanted.main, wanted.sub]
    assert len(camera.logins) == 2


async def test_a_port_that_is_asked_for_goes_before_the_one_that_was_found() -> None:
    """A box may serve two cameras on two ports: the installer's word counts, and no other port is tried."""
    player, camera, other = Player(), PathCamera(password=PASSWORD), PathCamera(password=PASSWORD)
    async with serve(camera) as served, serve(other) as elsewhere, closed_port() as closed:
        found = Found("", "127.0.0.1", 0, (), "", "", None, "lo", rtsp_port=elsewhere.port)
        with pytest.raises(CameraLoginRefused):
            await learn("127.0.0.1", closed, wrong_gate(), means(player), found=found, rtsp_port=served.port)
    assert (len(camera.logins), other.asked) == (1, [])


async def test_a_wrong_password_ends_the_guessing() -> None:
    """One camera without ONVIF, one wrong password, one bad login; nothing is played."""
    player = Player()
    camera, wrong = PathCamera(password=PASSWORD), wrong_gate()
    async with serve(camera) as served, closed_port() as closed:
        with pytest.raises(CameraLoginRefused):
            await learn("127.0.0.1", closed, wrong, means(player), rtsp_port=served.port)
    assert (len(camera.logins), player.played, wrong.state) == (1, [], GateState.REFUSED)


async def test_nobody_there() -> None:
    """Nothing answers: unreachable, with and without a path, and the login stays untried."""
    async with closed_port() as closed:
        for path in (None, "/x"):
            free = gate()
            with pytest.raises(CameraUnreachable) as nobody:
                await learn("127.0.0.1", closed, free, means(Player()), rtsp_path=path, rtsp_port=closed)
            if path is None:
                assert (nobody.value.fields["case"], nobody.value.fields["address"]) == ("no_answer", "127.0.0.1")
            assert free.state is GateState.UNPROVEN


async def test_no_onvif_and_no_path() -> None:
    """A web server that is no camera is unsupported, not unreachable."""
    with (
        FakeOnvif(auth="open", scripted={"GetDeviceInformation": Answer(404, b"")}) as web,
        pytest.raises(CameraUnsupported),
    ):
        await learn("127.0.0.1", web.port, gate(), means())


async def test_rtsp_needs_a_player() -> None:
    """Without a stream player the fallback says that it cannot."""
    async with closed_port() as closed:
        with pytest.raises(CameraUnsupported):
            await learn("127.0.0.1", closed, gate(), means(None), rtsp_path="/x")


async def test_a_recorders_channels() -> None:
    """Each channel of a recorder is adopted by its number; one too many is unsupported."""
    profiles = "".join(media1_profile(f"p{n}", f"vs{n}", (1280, 720)) for n in range(2))
    scripted = {"GetProfiles": Answer(200, envelope(f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>"))}
    with FakeOnvif(scripted=scripted) as camera:
        second = await learn("127.0.0.1", camera.port, gate(), means(), channel=1)
        assert (second.channels, second.streams[0].token) == (2, "p1")
        with pytest.raises(CameraUnsupported):
            await learn("127.0.0.1", camera.port, gate(), means(), channel=2)


@pytest.mark.parametrize("how", ["sdp", "unit"])
async def test_first_look(how: str) -> None:
    """The codec is learned from the description or the first picture, then the stream is left."""
    player = Player(how)
    assert await first_look(player, RtspSource("127.0.0.1", 554, "/x"), gate()) == CONFIG
    assert player.stopped == 1


async def test_first_look_fails_as_the_camera_does() -> None:
    """A camera's error comes out as it is; silence ends by itself."""
    with pytest.raises(CameraClosed):
        await first_look(Player(error=CameraClosed("bye")), RtspSource("127.0.0.1", 554, "/x"), gate())
    silent = Player("never")
    with pytest.raises(CameraSilent):
        await first_look(silent, RtspSource("127.0.0.1", 554, "/x"), gate(), seconds=0.05)
    assert silent.stopped == 1


async def test_rtsp_only_has_a_sub_stream_if_given() -> None:
    """Two paths make two streams, each looked at once however often one asks."""
    player = Player()
    main, sub = (RtspSource("127.0.0.1", 554, path) for path in ("/a", "/b"))
    driver = RtspOnlyDriver(main, gate(), player=player, clock=FakeClock(), sub=sub)
    assert [s.role for s in await driver.streams()] == [StreamRole.MAIN, StreamRole.SUB]
    await driver.streams()
    assert [url[-2:] for url in player.played] == ["/a", "/b"]
    await driver.close()


async def test_drivers_fit_the_protocol() -> None:
    """Both drivers are `Driver`s, and what they cannot do they say."""
    made: list[Driver] = [
        OnvifDriver("127.0.0.1", 1, gate(), pool=CallPool(), clock=FakeClock()),
        RtspOnlyDriver(RtspSource("127.0.0.1", 1, "/"), gate(), player=Player(), clock=FakeClock()),
    ]
    for driver in made:
        assert isinstance(driver, Driver)
        assert (Capability.SETTINGS in driver.capabilities) is (driver.name == "onvif")
        await driver.close()


@pytest.mark.parametrize(
    ("text", "place"),
    [
        (None, (None, 554, False)),
        ("/stream1", ("/stream1", 554, False)),
        (":8554/a/b?c=1", ("/a/b?c=1", 8554, False)),
        (":8554", (None, 8554, False)),
        (":8554/", ("/", 8554, False)),
        ("rtsps:///stream1", ("/stream1", 322, True)),
        ("rtsps://:8322/a?b=1", ("/a?b=1", 8322, True)),
    ],
)
def test_where_rtsp_is(text: str | None, place: tuple[str | None, int, bool]) -> None:
    """A path, a port with a path, TLS with a path, or a port alone: the path is guessed there."""
    assert rtsp_place(text) == place


@pytest.mark.parametrize("text", [":", ":x/a", ":85 54/a", "rtsps://", "rtsps://:322", "rtsps://:a/b"])
def test_an_rtsp_port_is_a_number(text: str) -> None:
    """Anything else is refused, also TLS without a path: nothing is guessed there."""
    with pytest.raises(BadInput):
        rtsp_place(text)
