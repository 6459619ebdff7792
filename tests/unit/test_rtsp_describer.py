"""Asking what is at a path: DESCRIBE alone, one login, bounded replies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from drivers.gate import GateState, LoginGate
from drivers.rtsp.describer import Describer
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
)
from gateway.core.media import Codec
from gateway.core.model import Login, Secret
from tests.fakes.rtsp_server import FakeCamera, Request, parse_request, reply, sdp, serve

pytestmark = pytest.mark.anyio
PASSWORD = "Mật khẩu"
HOST = "127.0.0.1"


def gate(password: str = PASSWORD) -> LoginGate:
    return LoginGate(Login("admin", Secret(password)))


def knows(*paths: str, status: str = "404 Not Found") -> Callable[[Request], bytes]:
    """A DESCRIBE that finds only these paths, and asks nobody for a login."""

    def answer(request: Request) -> bytes:
        found = any(request.url.endswith(path) for path in paths)
        return reply(request, body=sdp(None)) if found else reply(request, status)

    return answer


async def test_many_paths_are_asked_over_one_connection_with_one_login() -> None:
    """The first question carries none; nothing but DESCRIBE is ever sent."""
    camera = FakeCamera(body=sdp(None), password=PASSWORD)
    key = gate()
    async with serve(camera) as served, Describer(HOST, served.port, key) as look:
        for number in range(1, 6):
            track = await look.video(f"/Streaming/Channels/{number}01")
            assert track is not None
            assert track.codec is Codec.H264
        assert served.connections == 1
    assert set(camera.methods) == {"DESCRIBE"}
    assert "authorization" not in camera.requests[0].headers
    assert len(camera.requests) == 6
    assert key.state is GateState.PROVEN


@pytest.mark.parametrize("status", ["404 Not Found", "454 Session Not Found"])
async def test_a_missing_path_is_nothing_and_the_next_is_asked(status: str) -> None:
    """Both words for it; also without a login."""
    camera = FakeCamera(scripts={"DESCRIBE": knows("/2", "/4", status=status)})
    async with serve(camera) as served, Describer(HOST, served.port, LoginGate(None)) as look:
        found = [await look.video(f"/{number}") is not None for number in range(1, 5)]
    assert found == [False, True, False, True]


async def test_a_refused_login_ends_it() -> None:
    """One bad login, whatever paths are asked afterwards and over which connection."""
    camera = FakeCamera(password=PASSWORD)
    key = gate("wrong")
    async with serve(camera) as served:
        for _ in range(2):
            async with Describer(HOST, served.port, key) as look:
                for path in ("/1", "/2"):
                    with pytest.raises(CameraLoginRefused):
                        await look.video(path)
    assert len(camera.logins) == 1
    assert key.state is GateState.REFUSED


@asynccontextmanager
async def one_answer_each(answer: Callable[[Request], bytes]) -> AsyncIterator[tuple[int, list[Request]]]:
    """A camera that hangs up after each answer, also after an empty one."""
    asked: list[Request] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked.append(parse_request((await reader.readuntil(b"\r\n\r\n")).removesuffix(b"\r\n\r\n")))
            said = answer(asked[-1])
            writer.write(said)
            await writer.drain()
            if b" 401 " not in said:
                break
        writer.close()

    server = await asyncio.start_server(talk, HOST, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


async def test_a_camera_that_hangs_up_after_a_miss_is_asked_again() -> None:
    """Over a new connection."""
    async with one_answer_each(knows("/2")) as (port, asked), Describer(HOST, port, LoginGate(None)) as look:
        assert await look.video("/1") is None
        assert await look.video("/2") is not None
        assert await look.video("/2") is not None
    assert len(asked) in {3, 4, 5}  # a request that met the goodbye is sent once more


async def test_a_login_that_was_not_answered_is_not_sent_again() -> None:
    """The camera hung up on it: that may be its way of refusing."""
    camera = FakeCamera(password=PASSWORD)

    def answer(request: Request) -> bytes:
        if request.url.endswith("/1"):
            return reply(request, "404 Not Found")
        if "authorization" in request.headers:
            return b""
        return reply(request, "401 Unauthorized", WWW_Authenticate=camera.challenge())

    key = gate()
    async with one_answer_each(answer) as (port, asked), Describer(HOST, port, key) as look:
        assert await look.video("/1") is None
        with pytest.raises(CameraOverloaded):
            await look.video("/2")
    assert sum("authorization" in request.headers for request in asked) == 1
    assert key.state is GateState.UNPROVEN


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", CameraBadReply),
        (b"\x00" * 100, CameraBadReply),
        (b"RTSP/1.0 200 OK\r\nContent-Length: 99999999\r\n\r\n", CameraBadReply),
        (b"RTSP/1.0 200 OK\r\nX: " + b"x" * 20_000, CameraBadReply),
        (b"RTSP/1.0 200 OK\r\nCSeq: 999\r\n\r\n" * 40, CameraBadReply),
        (b"RTSP/1.0 453 Not Enough Bandwidth\r\nCSeq: 1\r\n\r\n", CameraOverloaded),
        (b"RTSP/1.0 302 Moved\r\nCSeq: 1\r\nLocation: rtsp://10.9.9.9/\r\n\r\n", CameraBadReply),
    ],
    ids=["http", "zeros", "endless body", "endless header", "not ours", "no room", "redirect"],
)
async def test_whatever_a_host_answers_is_bounded(answer: bytes, error: type[CameraError]) -> None:
    """It ends in a camera error; no address it names is spoken to."""
    camera = FakeCamera(scripts={"DESCRIBE": lambda _: answer})
    async with serve(camera) as served, Describer(HOST, served.port, gate()) as look:
        with pytest.raises(error):
            await look.video("/1")


async def test_a_description_without_video_is_nothing() -> None:
    """Sound alone, or no description at all."""
    camera = FakeCamera(body=b"v=0\r\nm=audio 0 RTP/AVP 0\r\n")
    async with serve(camera) as served, Describer(HOST, served.port, LoginGate(None)) as look:
        assert await look.video("/1") is None
        camera.body = b"nothing"
        assert await look.video("/1") is None


async def test_silence_and_absence_are_told_apart() -> None:
    """A host that accepts and says nothing, one that hangs up, one that is not there."""
    key = gate()
    camera = FakeCamera(scripts={"DESCRIBE": lambda _: b""})
    async with serve(camera) as served, Describer(HOST, served.port, key, answer_s=0.2) as look:
        with pytest.raises(CameraSilent):
            await look.video("/1")
    assert key.state is GateState.UNPROVEN

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, HOST, 0)
    port = server.sockets[0].getsockname()[1]
    async with Describer(HOST, port, key) as look:
        with pytest.raises(CameraClosed):
            await look.video("/1")
    server.close()
    await server.wait_closed()
    async with Describer(HOST, port, key) as look:
        with pytest.raises(CameraUnreachable):
            await look.video("/1")
