"""The second engine as a whole: real children, real cages, cameras on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from drivers.gate import GateState, LoginGate
from drivers.pyav import player as player_module
from drivers.pyav.player import PyavPlayer
from drivers.pyav.process import COMMAND
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.protocol import Timeouts
from drivers.rtsp.source import RtspSource
from gateway.core.cagedchild import environment
from gateway.core.clock import SystemClock
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
    ConfigError,
)
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import Login, Secret
from tests.fakes.encoded import encode, sets_of
from tests.fakes.rtp import Packetizer
from tests.fakes.rtsp_server import FakeCamera, Served, clip_bursts, closed_port, reply, sdp, serve
from tests.fakes.rtsp_session import CONFIG, camera
from tests.unit.test_rtsp_network import Collected, playing

pytestmark = pytest.mark.anyio
PICTURES = encode(Codec.H264, 320, 240, 8)
PASSWORD = "Mat-khau-cua-camera-9"
SETS = {Codec.H264: (7, 8), Codec.H265: (32, 33, 34)}


def source(served: Served) -> RtspSource:
    return RtspSource("127.0.0.1", served.port, "/live")


def pictures(last: int = sys.maxsize) -> Callable[[int], bytes]:
    packetizer = Packetizer(size=300)
    return lambda number: b"".join(packetizer.packets(PICTURES[number % 8], number * 6000)) if number < last else b""


def second(network: RtspNetwork, behaviour: str = "") -> PyavPlayer:
    fake = (sys.executable, "-m", "tests.fakes.pyav_child", behaviour)
    return PyavPlayer(network, SystemClock(), command=fake if behaviour else COMMAND)


def children() -> list[int]:
    """The processes of the second engine that we started and that live."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            if parent == str(os.getpid()) and b"pyav" in (entry / "cmdline").read_bytes():
                found.append(int(entry.name))
        except (OSError, IndexError):
            continue
    return found


@pytest.mark.parametrize("codec", list(Codec))
async def test_it_delivers_what_the_native_engine_delivers(codec: Codec) -> None:
    """Picture by picture: NAL units, relative times, key frames, configuration; and it says goodbye."""
    clip = encode(codec, 320, 240, 8)
    known = sets_of(codec, clip)
    vps, sps, pps = (b"", known[7], known[8]) if codec is Codec.H264 else tuple(known[kind] for kind in SETS[codec])
    config = CodecConfig(codec, sps, pps, vps, width=320, height=240)
    both = []
    async with RtspNetwork() as network:
        for player in (network, second(network)):
            made = FakeCamera(sdp(config, codec))
            made.password, made.algorithm, made.qop = PASSWORD, "SHA-256", "auth"
            sink, gate = Collected(), LoginGate(Login("admin", Secret(PASSWORD)))
            async with serve(made, clip_bursts(list(clip), codec)) as served:
                async with playing(player.play(source(served), gate, sink)):
                    await sink.enough.wait()
                await served.idle.wait()
            assert made.methods[-1] == "TEARDOWN"
            assert gate.state is GateState.PROVEN
            both.append(sink)
        assert network.statistics().streams == ()
    native, ours = both
    assert ours.configs == native.configs == [config]
    for one, other in zip(native.units[:20], ours.units[:20], strict=True):
        assert (one.nals, one.pts_90k, one.is_key, one.config) == (
            other.nals,
            other.pts_90k,
            other.is_key,
            other.config,
        )
        assert other.lost_before == 0
    assert children() == []


async def test_parameter_sets_may_come_with_the_pictures_only() -> None:
    """A camera whose description tells none."""
    async with serve(FakeCamera(sdp(None)), clip_bursts(list(PICTURES))) as served, RtspNetwork() as network:
        sink = Collected()
        async with playing(second(network).play(source(served), LoginGate(None), sink)):
            await sink.enough.wait()
    assert sink.configs == [None]
    assert sink.units[0].config == CONFIG
    assert sink.units[0].is_key


async def test_no_child_knows_the_login_or_the_camera() -> None:
    """Neither its command line nor its environment, nor ours; and it holds one socket."""
    made = camera(password=PASSWORD)
    async with serve(made, pictures()) as served, RtspNetwork() as network:
        sink = Collected()
        async with playing(second(network).play(source(served), LoginGate(Login("admin", Secret(PASSWORD))), sink)):
            await sink.enough.wait()
            (pid,) = children()
            place = Path(f"/proc/{pid}")
            told = (place / "cmdline").read_bytes() + (place / "environ").read_bytes()
            sockets = [link for link in map(os.readlink, (place / "fd").iterdir()) if link.startswith("socket:")]
            status = (place / "status").read_text()
    for secret in (PASSWORD.encode(), b"/live", str(served.port).encode()):
        assert secret not in told
    assert set(environment()) == {"PYTHONPATH", "PATH", "OMP_NUM_THREADS"}
    assert len(sockets) == 1
    assert "Seccomp:\t2" in status
    assert "NoNewPrivs:\t1" in status
    assert all(PASSWORD not in request.url for request in made.requests)


async def test_a_killed_child_closes_its_own_stream_only() -> None:
    """Its neighbours, in either engine, go on; the camera is told goodbye."""
    cameras = [camera(), camera(), camera()]
    async with RtspNetwork() as network:
        engine, sinks = second(network), [Collected(wanted=5) for _ in cameras]
        async with (
            serve(cameras[0], pictures()) as first,
            serve(cameras[1], pictures()) as two,
            serve(cameras[2], pictures()) as three,
        ):
            victim = asyncio.ensure_future(engine.play(source(first), LoginGate(None), sinks[0]))
            await sinks[0].enough.wait()
            (pid,) = children()
            async with (
                playing(engine.play(source(two), LoginGate(None), sinks[1])) as neighbour,
                playing(network.play(source(three), LoginGate(None), sinks[2])) as native,
            ):
                await asyncio.gather(*(sink.enough.wait() for sink in sinks[1:]))
                os.kill(pid, signal.SIGKILL)
                with pytest.raises(CameraClosed) as caught:
                    await victim
                for sink in sinks[1:]:
                    sink.enough.clear()
                    sink.wanted = len(sink.units) + 5
                    await sink.enough.wait()
                assert not neighbour.done()
                assert not native.done()
    assert caught.value.fields["engine"] == "pyav"
    assert caught.value.fields.get("status", -signal.SIGKILL) == -signal.SIGKILL
    assert cameras[0].methods[-1] == "TEARDOWN"


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
async def test_no_redirect_is_followed_and_no_child_started(method: str) -> None:
    """A camera that sends us elsewhere is refused before FFmpeg exists, the other host sees nothing."""
    calls: list[int] = []
    elsewhere = await asyncio.start_server(lambda reader, writer: calls.append(1), "127.0.0.1", 0)
    url = f"rtsp://127.0.0.1:{elsewhere.sockets[0].getsockname()[1]}/live"
    made = camera(scripts={method: lambda request: reply(request, "302 Found", Location=url)})
    async with elsewhere, serve(made) as served, RtspNetwork() as network:
        with pytest.raises(CameraBadReply) as caught:
            await second(network, "absent").play(source(served), LoginGate(None), Collected())
        assert caught.value.fields["status"] == 302
        assert children() == []
    assert calls == []


async def test_a_refused_login_costs_one_try_and_no_child() -> None:
    """The gate is the camera's, whatever the engine."""
    made = camera(password=PASSWORD)
    gate = LoginGate(Login("admin", Secret("wrong")))
    async with serve(made) as served, RtspNetwork() as network:
        for player in (second(network), second(network), network):
            with pytest.raises(CameraLoginRefused):
                await player.play(source(served), gate, Collected())
    assert len(made.logins) == 1
    assert gate.state is GateState.REFUSED
    assert children() == []


async def test_other_failures_are_those_of_the_native_engine() -> None:
    """Nobody there, no room, no video."""
    async with RtspNetwork(timeouts=Timeouts(silent_s=0.5)) as network:
        for player in (second(network), network):
            with pytest.raises(CameraUnreachable):
                nowhere = RtspSource("127.0.0.1", closed_port(), "/live")
                await player.play(nowhere, LoginGate(None), Collected())
            full = camera(scripts={"DESCRIBE": lambda request: reply(request, "453 Not Enough Bandwidth")})
            for made, kind in ((full, CameraOverloaded), (camera(), CameraSilent)):
                async with serve(made) as served:
                    with pytest.raises(kind):
                        await player.play(source(served), LoginGate(None), Collected())
    assert children() == []


async def test_when_the_camera_hangs_up_the_last_pictures_still_come() -> None:
    """FFmpeg gets to hand over what it holds."""
    async with serve(camera(), pictures(last=12)) as served, RtspNetwork() as network:
        sink = Collected()
        with pytest.raises(CameraClosed):
            await second(network).play(source(served), LoginGate(None), sink)
    assert [unit.pts_90k for unit in sink.units] == [number * 6000 for number in range(12)]


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        ("end", CameraClosed),
        ("die", CameraClosed),
        ("refuse", ConfigError),
        ("odd", CameraBadReply),
        ("silent", CameraSilent),
        ("bad", CameraBadReply),
        ("closed", CameraClosed),
        ("unheard", CameraBadReply),
        ("endless", CameraBadReply),
        ("half", CameraBadReply),
        ("late order", CameraBadReply),
    ],
)
async def test_whatever_a_child_does_ends_its_stream_with_a_reason(behaviour: str, kind: type[CameraError]) -> None:
    """And the camera is told goodbye."""
    made = camera()
    async with serve(made, pictures()) as served, RtspNetwork() as network:
        with pytest.raises(kind):
            await second(network, behaviour).play(source(served), LoginGate(None), Collected())
        assert made.methods[-1] == "TEARDOWN"
    assert children() == []


async def test_a_child_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The camera's session is not held for ever."""
    monkeypatch.setattr(player_module, "START_S", 0.3)
    made = camera()
    async with serve(made, pictures()) as served, RtspNetwork() as network:
        with pytest.raises(CameraClosed):
            await second(network, "absent").play(source(served), LoginGate(None), Collected())
    assert made.methods[-1] == "TEARDOWN"
    assert children() == []


async def test_a_sink_with_a_bug_ends_its_stream_by_its_own_error() -> None:
    """As in the native engine."""

    class Broken(Collected):
        def unit(self, unit: object) -> None:
            raise ZeroDivisionError

    async with serve(camera(), pictures()) as served, RtspNetwork() as network:
        with pytest.raises(ZeroDivisionError):
            await second(network).play(source(served), LoginGate(None), Broken())


async def test_two_cancels_in_a_row_still_end_the_child() -> None:
    """A task group that ends and an owner that stops both cancel: the child is gone when the player is."""
    made, network = camera(), RtspNetwork()
    async with serve(made, pictures()) as served, network:
        sink = Collected()
        player = asyncio.ensure_future(second(network).play(source(served), LoginGate(None), sink))
        await sink.enough.wait()
        assert len(children()) == 1
        player.cancel()
        for _ in range(3):  # it is on its way out, and is cancelled there again
            await asyncio.sleep(0)
            player.cancel()
        with pytest.raises(asyncio.CancelledError):
            await player
        assert children() == []
    assert made.methods[-1] == "TEARDOWN"
