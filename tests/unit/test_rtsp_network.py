"""The network thread: many streams, each with its own fate, on real loopback sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from drivers.gate import GateState, LoginGate
from drivers.rtsp.client import knock
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.protocol import Timeouts
from drivers.rtsp.source import RtspSource
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraSilent,
    CameraUnreachable,
)
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import Login, Secret
from tests.fakes.encoded import encode
from tests.fakes.rtp import Packetizer, framed, rtp
from tests.fakes.rtsp_server import FakeCamera, Served, closed_port, reply, sdp, serve
from tests.fakes.rtsp_session import CONFIG, camera

pytestmark = pytest.mark.anyio

PICTURES = encode(Codec.H264, 320, 240, 8)
QUICK = Timeouts(connect_s=0.5, handshake_s=0.75, silent_s=0.75, teardown_s=0.25)


def pictures(size: int = 300) -> Callable[[int], bytes]:
    packetizer = Packetizer(size=size)
    return lambda number: b"".join(packetizer.packets(PICTURES[number % 8], number * 6000))


def source(served: Served) -> RtspSource:
    return RtspSource("127.0.0.1", served.port, "/live")


@dataclass
class Collected:
    """A sink that keeps everything and tells the loop when it has `wanted` units."""

    wanted: int = 20
    configs: list[CodecConfig | None] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)
    threads: set[int] = field(default_factory=set)
    enough: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    def playing(self, config: CodecConfig | None) -> None:
        self.configs.append(config)

    def unit(self, unit: AccessUnit) -> None:
        self.threads.add(threading.get_ident())
        self.units.append(unit)
        if len(self.units) == self.wanted:
            self.loop.call_soon_threadsafe(self.enough.set)


class Broken:
    """A sink with a bug."""

    def __init__(self, *, early: bool) -> None:
        self.early = early

    def playing(self, config: CodecConfig | None) -> None:
        if self.early:
            raise ZeroDivisionError

    def unit(self, unit: AccessUnit) -> None:
        raise KeyError(unit.pts_90k)


@asynccontextmanager
async def playing(work: Coroutine[None, None, None]) -> AsyncIterator[asyncio.Task[None]]:
    """Run `play()` beside the test; it is cancelled at the end if it still runs."""
    task = asyncio.ensure_future(work)
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_stream_plays_and_says_goodbye() -> None:
    """Units arrive whole and in order in the network thread; cancelling tears the session down."""
    made = camera(password="pw", algorithm="SHA-256", qop="auth")
    gate = LoginGate(Login("admin", Secret("pw")))
    async with serve(made, pictures()) as served, RtspNetwork() as network:
        sink = Collected()
        async with playing(network.play(source(served), gate, sink)):
            await sink.enough.wait()
            (stream,) = network.statistics().streams
            assert (stream.phase, stream.lost, stream.source) == ("playing", 0, source(served))
            assert stream.units >= 20
            assert stream.packets > stream.units
            assert stream.bytes > stream.reads > 0
        count = len(sink.units)
        assert network.statistics().streams == ()
        assert made.methods[-1] == "TEARDOWN"
        assert gate.state is GateState.PROVEN
        await asyncio.sleep(0.05)
        assert len(sink.units) == count
    assert [unit.nals for unit in sink.units[:8]] == [
        tuple(nal for nal in nals if nal[0] & 31 not in (7, 8)) for nals in PICTURES
    ]
    assert sink.configs == [CONFIG]
    assert sink.threads.isdisjoint({threading.get_ident()})


async def test_many_streams_share_one_thread() -> None:
    """Sixteen cameras, one thread, nothing lost."""
    cameras = [camera() for _ in range(16)]
    sinks = [Collected() for _ in cameras]
    async with RtspNetwork() as network, asyncio.TaskGroup() as group:
        before = threading.active_count()
        stack = [serve(made, pictures()) for made in cameras]
        served = [await item.__aenter__() for item in stack]
        tasks = [
            group.create_task(network.play(source(place), LoginGate(None), sink))
            for place, sink in zip(served, sinks, strict=True)
        ]
        for sink in sinks:
            await sink.enough.wait()
        assert threading.active_count() <= before  # those of tests before may be ending
        statistics = network.statistics()
        assert len(statistics.streams) == 16
        assert sum(stream.lost + stream.damaged for stream in statistics.streams) == 0
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for item in stack:
            await item.__aexit__(None, None, None)
    assert len(set.union(*(sink.threads for sink in sinks))) == 1


async def fate(made: FakeCamera, media: Callable[[int], bytes] | None = None) -> CameraError:
    """Play a camera until it fails, beside a healthy one that must not notice."""
    healthy, sink = camera(), Collected(5)
    async with (
        serve(healthy, pictures()) as good,
        serve(made, media) as bad,
        RtspNetwork(timeouts=QUICK) as network,
        playing(network.play(source(good), LoginGate(None), sink)) as other,
    ):
        gate = LoginGate(Login("admin", Secret("pw")))
        with pytest.raises(CameraError) as caught:
            await network.play(source(bad), gate, Collected())
        sink.enough.clear()
        sink.wanted = len(sink.units) + 5
        await sink.enough.wait()
        assert not other.done()
        assert [stream.lost for stream in network.statistics().streams] == [0]
    return caught.value


async def test_a_camera_that_hangs_up() -> None:
    """CameraClosed, and the neighbour plays on."""
    source_of = pictures()
    assert isinstance(await fate(camera(), lambda number: source_of(number) if number < 5 else b""), CameraClosed)


async def test_a_camera_that_falls_silent() -> None:
    """The data watchdog ends it."""
    assert isinstance(await fate(camera()), CameraSilent)


async def test_a_camera_that_never_answers() -> None:
    """The handshake limit ends it."""
    error = await fate(camera(scripts={"DESCRIBE": lambda request: b""}))
    assert isinstance(error, CameraSilent)
    assert error.fields["waiting_for"] == "DESCRIBE"


async def test_a_camera_that_sends_garbage() -> None:
    """Framing is lost, the neighbour plays on."""
    assert isinstance(await fate(camera(), lambda number: b"\1" * 50_000), CameraBadReply)


async def test_a_camera_that_floods() -> None:
    """Millions of tiny packets: cut off within a tick or two."""
    burst = framed(rtp(0, 0, b"", kind=8)) * 20_000
    error = await fate(camera(), lambda number: burst)
    assert isinstance(error, CameraBadReply)
    assert "flood" in error.message


async def test_a_wrong_password() -> None:
    """One login on the wire, then CameraLoginRefused."""
    made = camera(password="other")
    assert isinstance(await fate(made), CameraLoginRefused)
    assert len(made.logins) == 1


async def test_a_redirect_reaches_no_third_host() -> None:
    """The place named in `Location:` sees no connection."""
    async with serve(camera()) as third:
        place = f"rtsp://127.0.0.1:{third.port}/x"
        made = camera(scripts={"DESCRIBE": lambda request: reply(request, "302 Found", Location=place)})
        assert isinstance(await fate(made), CameraBadReply)
        made = camera(body=sdp(CONFIG, control=place.replace("127.0.0.1", "127.0.0.2")))
        assert isinstance(await fate(made), CameraBadReply)
        await asyncio.sleep(0)
        assert third.connections == 0


@pytest.mark.parametrize("early", [True, False])
async def test_a_sink_with_a_bug_ends_its_own_stream_only(*, early: bool) -> None:
    """`play()` raises what the sink raised; the neighbour plays on."""
    async with serve(camera(), pictures()) as one, serve(camera(), pictures()) as two, RtspNetwork() as network:
        sink = Collected()
        async with playing(network.play(source(two), LoginGate(None), sink)):
            with pytest.raises(ZeroDivisionError if early else KeyError):
                await network.play(source(one), LoginGate(None), Broken(early=early))
            await sink.enough.wait()


async def test_nobody_listens() -> None:
    """CameraUnreachable with the reason, at once."""
    async with RtspNetwork() as network:
        with pytest.raises(CameraUnreachable) as caught:
            await network.play(RtspSource("127.0.0.1", closed_port(), "/"), LoginGate(None), Collected())
    assert caught.value.fields["reason"] == "ECONNREFUSED"


@asynccontextmanager
async def full_port() -> AsyncIterator[int]:
    """Listen without ever accepting, with the queue full: further connects hang."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        await asyncio.sleep(0.05)
        try:
            yield port
        finally:
            for filler in fillers:
                filler.close()


async def test_a_connection_that_hangs() -> None:
    """After the connect time-out it is CameraUnreachable; knocking says no."""
    async with full_port() as port, RtspNetwork(timeouts=QUICK) as network:
        with pytest.raises(CameraUnreachable) as caught:
            await network.play(RtspSource("127.0.0.1", port, "/"), LoginGate(None), Collected())
        assert caught.value.fields["reason"] == "ETIMEDOUT"
        assert not await knock("127.0.0.1", port, 0.2)


async def test_cancelling_while_connecting() -> None:
    """There is nobody to say goodbye to: the socket is closed at once."""
    async with full_port() as port, RtspNetwork() as network:
        async with playing(network.play(RtspSource("127.0.0.1", port, "/"), LoginGate(None), Collected())):
            for _ in range(1000):
                await asyncio.sleep(0.01)
                if network.statistics().streams:
                    break
        assert network.statistics().streams == ()


async def test_cancelling_a_camera_that_does_not_listen() -> None:
    """TEARDOWN without an answer is given up after its limit."""
    made = camera(scripts={"TEARDOWN": lambda request: b""})
    async with serve(made, pictures()) as served, RtspNetwork(timeouts=QUICK) as network:
        sink = Collected(3)
        async with playing(network.play(source(served), LoginGate(None), sink)):
            await sink.enough.wait()
        assert network.statistics().streams == ()
        assert made.methods[-1] == "TEARDOWN"


async def test_leaving_the_network_ends_every_stream() -> None:
    """Sessions are torn down, `play()` says so, and later calls are refused."""
    made = camera()
    async with serve(made, pictures()) as served:
        async with RtspNetwork() as network:
            sink = Collected(3)
            task = asyncio.ensure_future(network.play(source(served), LoginGate(None), sink))
            await sink.enough.wait()
        with pytest.raises(CameraClosed):
            await task
        assert made.methods[-1] == "TEARDOWN"
        with pytest.raises(CameraClosed):
            await network.play(source(served), LoginGate(None), sink)


async def test_a_thread_that_dies_takes_nobody_into_silence() -> None:
    """If the loop itself fails, every stream ends with that error instead of hanging."""

    class BrokenClock:
        def __init__(self) -> None:
            self.broken = False

        def now_ms(self) -> int:
            return 0

        def mono_ns(self) -> int:
            if self.broken:
                raise OverflowError
            return 1

        def trusted(self) -> bool:
            return False

        async def sleep(self, seconds: float) -> None:
            return

    clock = BrokenClock()
    async with serve(camera(), pictures()) as served, RtspNetwork(clock) as network:
        sink = Collected(3)
        async with playing(network.play(source(served), LoginGate(None), sink)) as task:
            await sink.enough.wait()
            clock.broken = True
            with pytest.raises(OverflowError):
                await task
        with pytest.raises(CameraClosed):
            await network.play(source(served), LoginGate(None), sink)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


async def test_reconnecting_leaves_nothing_behind() -> None:
    """Fifty sessions: as many file descriptors and threads as before."""
    async with serve(camera(), pictures()) as served, RtspNetwork() as network:

        async def once() -> None:
            sink = Collected(2)
            async with playing(network.play(source(served), LoginGate(None), sink)):
                await sink.enough.wait()

        await once()
        await served.idle.wait()
        before = open_files()
        for _ in range(50):
            await once()
        await served.idle.wait()
        assert open_files() <= before


async def test_watchers_shorten_the_batch() -> None:
    """2 ms while somebody watches, 10 ms otherwise: units keep coming through both."""
    async with serve(camera(), pictures()) as served, RtspNetwork() as network:
        sink = Collected(10)
        async with playing(network.play(source(served), LoginGate(None), sink)):
            network.fast(True)
            await sink.enough.wait()
            network.fast(False)
            sink.wanted = len(sink.units) + 10
            sink.enough.clear()
            await sink.enough.wait()
        assert network.statistics().wakes > 0


async def test_large_key_frames_come_through() -> None:
    """A picture larger than one read is put together."""
    nal = b"\x65\x88" + b"\x55" * 900_000
    packetizer = Packetizer()
    big = camera()
    async with serve(big, lambda n: b"".join(packetizer.packets((nal,), n * 6000))) as served, RtspNetwork() as network:
        sink = Collected(3)
        async with playing(network.play(source(served), LoginGate(None), sink)):
            await sink.enough.wait()
    assert {unit.nals for unit in sink.units} == {(nal,)}


async def test_a_network_that_was_never_entered_plays_nothing() -> None:
    """It opens no file and says that it is not running."""
    before = open_files()
    network = RtspNetwork()
    with pytest.raises(CameraClosed):
        await network.play(RtspSource("127.0.0.1", 1, "/"), LoginGate(None), Collected())
    assert open_files() == before
