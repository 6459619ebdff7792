"""The RTSP server over real sockets, spoken to byte by byte."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import pytest

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmOptions, FarmWorld
from drivers.simulated.faults import KeepAlive, Quirks
from drivers.simulated.options import CameraOptions
from drivers.simulated.outlet import MOST_WAITING_BYTES, InterleavedOutlet
from drivers.simulated.rtspd import GARBAGE
from gateway.core.errors import AddressTaken
from gateway.core.model import StreamRole
from tests.fakes.simulated import PASSWORD, RtspAnswer, RtspClient
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

T = TypeVar("T")
PLAIN = replace(QUICK, discovery=False)


def farm(quirks: Quirks | None = None, options: FarmOptions = PLAIN, count: int = 1) -> Farm:
    def adjust(camera: CameraOptions) -> CameraOptions:
        return replace(camera, quirks=quirks) if quirks else camera

    return Farm(count, password=PASSWORD, options=options, world=FarmWorld(adjust=adjust))


async def talk(camera: SimulatedCamera, body: Callable[[RtspClient], T], **login: str) -> T:
    """Run `body` with a blocking client in a thread, while the camera answers in this loop."""

    def run() -> T:
        with RtspClient(camera, **login) as client:
            return body(client)

    return await asyncio.to_thread(run)


async def test_a_whole_session() -> None:
    """Log in, describe, set up, play: packets of a key frame come first, in order; teardown ends the session."""
    async with farm() as f:
        camera = f.cameras[0]

        def body(client: RtspClient) -> None:
            answer = client.setup()
            assert answer.values("Transport")[0].startswith("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=")
            assert answer.values("Session")[0].endswith(";timeout=60")
            info = client.play().values("RTP-Info")[0]
            packets = client.take(40)
            assert f"seq={packets[0].seq};" in info
            assert info.endswith(f"rtptime={packets[0].time_90k}")
            assert packets[0].nal_type == 7
            numbers = [packet.seq for packet in packets]
            assert numbers == [(numbers[0] + n) & 0xFFFF for n in range(40)]
            assert len({packet.ssrc for packet in packets}) == 1
            units = [packet for packet in packets if packet.marker]
            assert len({packet.time_90k for packet in units}) == len(units)
            assert client.teardown().status == 200

        await talk(camera, body)
        assert camera.sessions == 0
        assert camera.bad_logins == 0


async def test_sdp_and_content_base() -> None:
    """DESCRIBE gives the base of the stream and a description of one video track."""
    async with farm() as f:
        answer = await talk(f.cameras[0], lambda c: c.ask("DESCRIBE", c.url))
        assert answer.values("Content-Base") == [f.cameras[0].rtsp_url() + "/"]
        assert b"m=video 0 RTP/AVP 96" in answer.body


@pytest.mark.parametrize("order", [("MD5",), ("SHA-256",), ("MD5", "SHA-256"), ("SHA-256", "MD5")])
@pytest.mark.parametrize("qop", [False, True])
async def test_digest_in_any_order(order: tuple[str, ...], *, qop: bool) -> None:
    """Each algorithm of the offer gets in, whichever comes first."""
    async with farm(Quirks(rtsp_digest=order, rtsp_qop=qop)) as f:
        for algorithm in order:
            answer = await talk(f.cameras[0], lambda c: c.ask("DESCRIBE", c.url), algorithm=algorithm)
            assert answer.status == 200
        assert f.cameras[0].bad_logins == 0


async def test_wrong_password_is_counted_and_locks() -> None:
    """A wrong password is refused and counted; after the limit the right one is refused, too."""
    async with farm(Quirks(lockout_after=2)) as f:
        camera = f.cameras[0]
        for _ in range(2):
            answer = await talk(camera, lambda c: c.ask("DESCRIBE", c.url), password="wrong")
            assert answer.status == 401
        assert camera.bad_logins == 2
        assert (await talk(camera, lambda c: c.ask("DESCRIBE", c.url))).status == 401
        assert camera.statistics()["lockouts"] == 1


async def test_asking_without_a_login_costs_nothing() -> None:
    """OPTIONS needs no login; DESCRIBE without one is challenged and not counted as a bad login."""
    async with farm() as f:
        assert (await talk(f.cameras[0], lambda c: c.once("OPTIONS", "*"))).status == 200
        answer = await talk(f.cameras[0], lambda c: c.once("DESCRIBE", c.url))
        assert answer.status == 401
        assert answer.values("WWW-Authenticate")[0].startswith("Digest realm=")
        assert f.cameras[0].bad_logins == 0


async def test_anonymous_camera() -> None:
    """A camera without a login answers DESCRIBE at once."""
    async with farm(Quirks(rtsp_anonymous=True)) as f:
        assert (await talk(f.cameras[0], lambda c: c.once("DESCRIBE", c.url))).status == 200


async def test_overload_401_is_no_bad_login() -> None:
    """A camera without a free connection answers 401 to the right password and counts nothing."""
    async with farm() as f:
        f.cameras[0].faults.refuse_logins = True
        assert (await talk(f.cameras[0], lambda c: c.ask("DESCRIBE", c.url))).status == 401
        assert f.cameras[0].bad_logins == 0


async def test_unknown_path_and_method() -> None:
    """Another path is 404, another method 501, an unknown session 454."""
    async with farm() as f:

        def body(client: RtspClient) -> list[int]:
            client.ask("DESCRIBE", client.url)
            asked = [
                client.ask("DESCRIBE", client.url + "9"),
                client.ask("SETUP", client.url + "9/trackID=0", "Transport: RTP/AVP/TCP;interleaved=0-1"),
                client.ask("RECORD", client.url),
                client.ask("PLAY", client.url, "Session: 1234"),
                client.ask("PLAY", client.url),
                client.ask("GET_PARAMETER", client.url, "Session: 1234"),
            ]
            return [answer.status for answer in asked]

        assert await talk(f.cameras[0], body) == [404, 404, 501, 454, 454, 454]


async def test_no_sub_stream() -> None:
    """A camera without a sub stream has no such path, also when it loses it while it runs."""
    async with farm() as f:
        camera = f.cameras[0]
        url = camera.rtsp_url(StreamRole.SUB)
        assert (await talk(camera, lambda c: c.ask("DESCRIBE", url))).status == 200
        await camera.switch("no_sub", value=True)
        assert (await talk(camera, lambda c: c.ask("DESCRIBE", url))).status == 404


@pytest.mark.parametrize(
    ("quirks", "transport", "status"),
    [
        (Quirks(tcp_only=True), "RTP/AVP;unicast;client_port=5000-5001", 461),
        (Quirks(udp_only=True), "RTP/AVP/TCP;unicast;interleaved=0-1", 461),
        (Quirks(), "RTP/AVP;multicast", 461),
        (Quirks(tcp_only=True), "RTP/AVP/TCP;unicast", 200),
    ],
)
async def test_transports(quirks: Quirks, transport: str, status: int) -> None:
    """A transport that the camera does not do is 461."""
    async with farm(quirks) as f:
        assert (await talk(f.cameras[0], lambda c: c.setup(transport=transport))).status == status


async def test_udp_packets_and_reports() -> None:
    """Over UDP, RTP comes from the announced port to the client's, and a report to the port beside it."""
    async with farm() as f:

        def body(client: RtspClient) -> None:
            with socket.socket(type=socket.SOCK_DGRAM) as rtp, socket.socket(type=socket.SOCK_DGRAM) as rtcp:
                rtp.settimeout(20)
                rtcp.settimeout(20)
                rtp.bind(("127.0.0.1", 0))
                port = rtp.getsockname()[1]
                rtcp.bind(("127.0.0.1", port + 1))
                answer = client.setup(transport=f"RTP/AVP;unicast;client_port={port}-{port + 1}")
                place = answer.values("Transport")[0]
                client.play()
                data, sender = rtp.recvfrom(2048)
                assert f"server_port={sender[1]}-{sender[1] + 1}" in place
                assert data[12] & 0x1F == 7
                report, sender = rtcp.recvfrom(2048)
                assert report[1] == 200
                rtcp.sendto(b"\x80\xc9\0\1\0\0\0\0", sender)
                client.teardown()

        await talk(f.cameras[0], body)


async def test_session_limit() -> None:
    """One session more than allowed is 453, and a place is free again after teardown."""
    async with farm() as f:
        camera = f.cameras[0]
        camera.faults.max_sessions = 1

        def body(client: RtspClient) -> list[int]:
            first = client.setup().status
            with RtspClient(camera) as other:
                second = other.setup().status
            client.teardown()
            with RtspClient(camera) as other:
                return [first, second, other.setup().status]

        assert await talk(camera, body) == [200, 453, 200]


async def test_refusing_and_garbage() -> None:
    """A status can be forced on DESCRIBE, and a camera can answer what is no RTSP at all."""
    async with farm() as f:
        camera = f.cameras[0]
        camera.faults.refuse_status = 503
        assert (await talk(camera, lambda c: c.ask("DESCRIBE", c.url))).status == 503
        camera.faults.garbage = True

        def body(client: RtspClient) -> bytes:
            client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            return client.read_raw(len(GARBAGE))

        assert await talk(camera, body) == GARBAGE


async def test_wrong_content_base() -> None:
    """A camera behind NAT names a host it does not have."""
    async with farm(Quirks(wrong_content_base="192.0.2.7")) as f:
        answer = await talk(f.cameras[0], lambda c: c.ask("DESCRIBE", c.url))
        assert answer.values("Content-Base")[0].startswith("rtsp://192.0.2.7/")


@pytest.mark.parametrize(
    ("keepalive", "public", "status"),
    [(KeepAlive.BOTH, True, 200), (KeepAlive.OPTIONS, False, 405), (KeepAlive.GET_PARAMETER, True, 200)],
)
async def test_keepalive_methods(keepalive: KeepAlive, status: int, *, public: bool) -> None:
    """Public tells what keeps a session, and GET_PARAMETER is refused where it does not."""
    async with farm(Quirks(keepalive=keepalive)) as f:

        def body(client: RtspClient) -> tuple[RtspAnswer, RtspAnswer]:
            options = client.once("OPTIONS", "*")
            client.setup()
            return options, client.ask("GET_PARAMETER", client.url, f"Session: {client.session}")

        options, parameter = await talk(f.cameras[0], body)
        assert ("GET_PARAMETER" in options.values("Public")[0]) is public
        assert parameter.status == status


async def test_session_times_out() -> None:
    """A client that is not heard for the time-out loses its session and connection."""
    async with farm(Quirks(session_timeout_s=1)) as f:

        def body(client: RtspClient) -> bytes:
            client.setup(StreamRole.SUB)
            return client.read_raw(1)

        assert await talk(f.cameras[0], body) == b""
        await until(lambda: f.cameras[0].sessions == 0)


async def test_requests_keep_the_session() -> None:
    """Keep-alives, and RTCP from the client, hold a session beyond its time-out, in which media flows on."""
    async with farm(Quirks(session_timeout_s=2)) as f:

        def body(client: RtspClient) -> int:
            client.setup(StreamRole.SUB)
            client.play()
            first = client.take(1)[0].time_90k
            while (client.take(1)[0].time_90k - first) & 0xFFFFFFFF < 2 * 90_000:
                client.ask("GET_PARAMETER", client.url, f"Session: {client.session}")
            first = client.take(1)[0].time_90k
            while (client.take(1)[0].time_90k - first) & 0xFFFFFFFF < 2 * 90_000:
                client.send(b"$\x01\x00\x08\x80\xc9\x00\x01\x00\x00\x00\x00")
            return client.teardown().status

        assert await talk(f.cameras[0], body) == 200


async def test_hostile_clients_end_only_themselves() -> None:
    """No request line, endless heads, a huge body or a cut connection: hung up on, while others are served."""
    async with farm() as f:
        camera = f.cameras[0]
        attacks = [
            b"GET / HTTP/1.1\r\n\r\n",
            b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nX: " + b"a" * 40_000,
            b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: 99999999\r\n\r\n",
            b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nContent-Length: minus\r\n\r\n",
        ]

        def body(client: RtspClient) -> None:
            for attack in attacks:
                with socket.create_connection((camera.address, camera.rtsp_port), 20) as sock:
                    sock.sendall(attack)
                    with contextlib.suppress(ConnectionResetError):  # hung up with our bytes unread
                        assert sock.recv(100) == b""
            with socket.create_connection((camera.address, camera.rtsp_port), 20) as sock:
                sock.sendall(b"$\x00\x10")
            assert client.once("OPTIONS", "*").status == 200

        await talk(camera, body)


async def test_drop_connections() -> None:
    """Dropping resets every connection at once; the client may come again and plays on."""
    async with farm() as f:
        camera = f.cameras[0]
        loop = asyncio.get_running_loop()

        def body(client: RtspClient) -> None:
            client.setup()
            client.play()
            client.take(3)
            asyncio.run_coroutine_threadsafe(camera.drop_connections(), loop).result(20)
            with pytest.raises((ConnectionResetError, AssertionError)):
                client.take(100_000)

        await talk(camera, body)
        assert camera.sessions == 0

        def again(client: RtspClient) -> int:
            client.setup()
            client.play()
            return len(client.take(5))

        assert await talk(camera, again) == 5


async def test_port_in_use_is_told() -> None:
    """A second farm on the same address and port raises AddressTaken and leaves nothing behind."""
    async with farm() as f:
        taken = replace(PLAIN, rtsp_port=f.cameras[0].rtsp_port)
        with pytest.raises(AddressTaken):
            async with farm(options=taken):
                pass


async def test_left_farm_does_not_listen() -> None:
    """After the farm is left, its ports refuse connections."""
    async with farm() as f:
        address = (f.cameras[0].address, f.cameras[0].rtsp_port)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.to_thread(socket.create_connection, address, 5)


def test_full_outlet() -> None:
    """An interleaved outlet is full when more bytes wait than its bound, and writes a unit in one piece."""

    class Sink:
        def __init__(self) -> None:
            self.written: list[bytes] = []
            self.waiting = 0

        def write(self, data: bytes) -> None:
            self.written.append(data)

        def waiting_bytes(self) -> int:
            return self.waiting

        def close(self) -> None:
            return

    sink = Sink()
    outlet = InterleavedOutlet(sink, 0)
    outlet.send([(5, b"a" * 10), (6, b"b" * 20)], last_seq=6, time_90k=1, ssrc=2)
    assert len(sink.written) == 1
    assert len(sink.written[0]) == 2 * 16 + 30
    assert not outlet.full()
    sink.waiting = MOST_WAITING_BYTES + 1
    assert outlet.full()
