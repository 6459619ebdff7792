"""What FFmpeg meets: a loopback server that tells it nothing a camera wrote."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import socket
from collections.abc import AsyncIterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.pyav import front
from drivers.pyav.front import Described, Front, Request, answer, description, read_request
from drivers.rtsp.sdp import read_sdp
from gateway.core.errors import CameraClosed
from gateway.core.media import Codec, CodecConfig
from tests.fakes.encoded import encode, sets_of

pytestmark = pytest.mark.anyio
WORD = "5c0ffee"
ABOUT = Described(Codec.H264, 96, None)


def greeting(word: str = WORD, first: str = "OPTIONS rtsp://127.0.0.1:1/ RTSP/1.0") -> bytes:
    return f"{first}\r\nCSeq: 1\r\nUser-Agent: {word}\r\n\r\n".encode()


@pytest.fixture
async def relay() -> AsyncIterator[Front]:
    async with Front(WORD) as opened:
        yield opened


async def connect(relay: Front, data: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
    writer.write(data)
    return reader, writer


@pytest.mark.parametrize("codec", list(Codec))
def test_ffmpeg_is_told_codec_number_and_parameter_sets(codec: Codec) -> None:
    """Our own reader gets the same out of it."""
    known = sets_of(codec, encode(codec))
    vps, sps, pps = (known.get(kind, b"") for kind in ((0, 7, 8) if codec is Codec.H264 else (32, 33, 34)))
    read = read_sdp(description(Described(codec, 101, CodecConfig(codec, sps, pps, vps))).encode())
    assert (read.video.codec, read.video.payload_type) == (codec, 101)
    assert read.video.sets == tuple(part for part in (vps, sps, pps) if part)
    bare = read_sdp(description(Described(codec, 101, None)).encode())
    assert (bare.video.codec, bare.video.sets) == (codec, ())


def test_parameter_sets_cannot_break_out_of_the_description() -> None:
    """Bytes of a camera stand in it as base64 only."""
    config = CodecConfig(Codec.H264, b"\x67\r\na=control:rtsp://192.0.2.1/", b"\x68; \r\nm=audio 0 RTP/AVP 0")
    text = description(Described(Codec.H264, 96, config))
    assert "192.0.2.1" not in text
    assert text.count("\r\n") == 9
    assert base64.b64encode(config.sps).decode() in text


def test_each_method_of_ffmpeg_is_answered() -> None:
    """The channel is the camera's, the session never needs to be kept alive."""
    about = dataclasses.replace(ABOUT, channel=4)
    replies = {method: answer(Request(method, 3, WORD), about) for method in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY")}
    assert all(reply.startswith(b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n") for reply in replies.values())
    assert b"interleaved=4-5" in replies["SETUP"]
    head, _, body = replies["DESCRIBE"].partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b"timeout=1000000" in replies["PLAY"]


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"GET / HTTP/1.1",
        b"TEARDOWN rtsp://127.0.0.1/ RTSP/1.0\r\nCSeq: 1",
        b"OPTIONS rtsp://127.0.0.1/ RTSP/1.0",
        b"OPTIONS rtsp://127.0.0.1/ RTSP/1.0\r\nCSeq: -1",
        b"OPTIONS http://127.0.0.1/ RTSP/1.0\r\nCSeq: 1",
    ],
)
def test_what_ffmpeg_would_not_ask_ends_the_stream(block: bytes) -> None:
    """A child that was taken over is not argued with."""
    with pytest.raises(CameraClosed):
        read_request(block)


@given(st.binary(max_size=120))
def test_any_bytes_are_a_request_or_an_end(block: bytes) -> None:
    """Nothing else is raised."""
    with contextlib.suppress(CameraClosed):
        assert read_request(block).method in ("OPTIONS", "DESCRIBE", "SETUP", "PLAY")


async def test_the_first_who_knows_the_word_is_served_and_nobody_after(relay: Front) -> None:
    """The port is closed once our child is in."""
    port = relay.port
    reader, writer = await connect(relay, greeting())
    assert await relay.greeted() == Request("OPTIONS", 1, WORD)
    await relay.reply(b"hello")
    assert await reader.readexactly(5) == b"hello"
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
    writer.close()
    with pytest.raises(CameraClosed):
        await relay.ignore()


@pytest.mark.parametrize(
    "data", [greeting("another"), greeting(""), b"GET / HTTP/1.1\r\n\r\n", b"x" * (front.MOST_REQUEST_BYTES + 1)]
)
async def test_a_stranger_is_hung_up_on_and_our_child_still_served(relay: Front, data: bytes) -> None:
    """Any process of the box can open a loopback port; without the word it learns nothing."""
    stranger, one = await connect(relay, data)
    _, other = await connect(relay, greeting())
    assert (await relay.greeted()).word == WORD
    with contextlib.suppress(ConnectionResetError):  # it had more to say than we read
        assert await stranger.read() == b""
    one.close()
    other.close()


async def test_a_stranger_who_says_nothing_does_not_keep_our_child_out(
    relay: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only one connection is looked at at a time: it has to greet."""
    monkeypatch.setattr(front, "GREET_S", 0.05)
    _, mute = await connect(relay, b"")
    _, ours = await connect(relay, greeting())
    async with asyncio.timeout(20):
        assert (await relay.greeted()).word == WORD
    for writer in (mute, ours):
        writer.close()


async def test_a_crowd_of_strangers_ends_the_wait(relay: Front) -> None:
    """The number of tries is bounded."""
    crowd = [await connect(relay, greeting("x")) for _ in range(2)]
    waiting = asyncio.ensure_future(relay.greeted())
    crowd += [await connect(relay, greeting("x")) for _ in range(front.MOST_REQUESTS - len(crowd))]
    with pytest.raises(CameraClosed):
        await waiting
    for _, writer in crowd:
        writer.close()


async def test_what_the_child_says_while_it_plays_goes_nowhere(relay: Front) -> None:
    """Receiver reports and anything else are read, so that it never waits for us, and dropped."""
    _, writer = await connect(relay, greeting())
    await relay.greeted()
    assert relay.client is not None
    ignoring = asyncio.ensure_future(relay.ignore())
    writer.write(b"$\1\0\x08" + bytes(8) + b"TEARDOWN rtsp://192.0.2.1/ RTSP/1.0\r\n\r\n" + bytes(1 << 20))
    await writer.drain()
    writer.close()
    with pytest.raises(CameraClosed):
        await ignoring


async def test_it_listens_on_loopback_only(relay: Front) -> None:
    """Nobody outside the box can knock."""
    assert relay._listener.getsockname()[0] == "127.0.0.1"
    assert relay._listener.family == socket.AF_INET
