"""What lies on the line: frames, messages, and rubbish within bounds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.framing import MOST_RUBBISH_BYTES, Framer
from drivers.rtsp.message import Message
from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.payload import make_depacketizer
from gateway.core.errors import CameraBadReply
from gateway.core.media import AccessUnit, Codec
from tests.fakes.encoded import encode, sets_of
from tests.fakes.rtp import Packetizer, framed, sender_report

REPLY = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nContent-Length: 3\r\n\r\n$$$"
REQUEST = b"GET_PARAMETER rtsp://x RTSP/1.0\r\nCSeq: 5\r\n\r\n"


class Heard:
    """Records what a framer hands on."""

    def __init__(self, *, media: bool = True) -> None:
        self.messages: list[Message] = []
        self.frames: list[tuple[int, bytes]] = []
        self.units: list[AccessUnit] = []
        self.framer = Framer(self.messages.append, self.frame)
        if media:
            sets = ParameterSets(Codec.H264, sets_of(Codec.H264, encode(Codec.H264)).values())
            self.framer.media = make_depacketizer(0, 96, sets, self.units.append)

    def frame(self, channel: int, data: bytes, at: int, stop: int, _: int) -> None:
        self.frames.append((channel, data[at:stop]))


def stream() -> bytes:
    """Return media with RTCP, a reply, a request and other channels in between."""
    packetizer, out = Packetizer(size=90), b""
    between = [framed(sender_report(7, 1, 2), 1), REPLY, framed(b"sound", 2), REQUEST, b"\r\n", framed(b"", 3)]
    for number, nals in enumerate(encode(Codec.H264, 320, 240, 6)):
        packets = packetizer.packets(nals, number * 6000)
        half = len(packets) // 2
        out += b"".join(packets[:half]) + between[number] + b"".join(packets[half:])
    return out


WHOLE = Heard()
WHOLE.framer.receive(stream(), 0)


def test_everything_is_told_apart() -> None:
    """Six pictures, a reply whose body looks like frames, a request, RTCP and other channels."""
    assert len(WHOLE.units) == 6
    assert [(message.status, message.method) for message in WHOLE.messages] == [(200, ""), (0, "GET_PARAMETER")]
    assert [channel for channel, _ in WHOLE.frames] == [1, 2, 3]


@given(st.lists(st.integers(0, len(stream())), max_size=40))
def test_any_chunking_gives_the_same(cuts: list[int]) -> None:
    """However TCP cuts the stream, the same units, messages and frames come out."""
    data, heard = stream(), Heard()
    edges = [0, *sorted(cuts), len(data)]
    for begin, end in itertools.pairwise(edges):
        heard.framer.receive(data[begin:end], 0)
    assert heard.units == WHOLE.units
    assert heard.messages == WHOLE.messages
    assert heard.frames == WHOLE.frames


def test_one_byte_at_a_time() -> None:
    """The slowest camera is read like any other."""
    heard = Heard()
    for byte in stream():
        heard.framer.receive(bytes([byte]), 0)
    assert heard.units == WHOLE.units


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad\r\n\r\n", b"SSH-2.0", b"\0", b"R2", b"<html>"])
def test_before_media_nothing_but_rtsp_is_accepted(data: bytes) -> None:
    """A web server or a telnet port is recognised at its first wrong byte."""
    with pytest.raises(CameraBadReply):
        Heard(media=False).framer.receive(data, 0)


def test_rubbish_in_media_is_passed_over() -> None:
    """After stray bytes the next frame is found; the picture hit by them is dropped, the rest come."""
    packetizer = Packetizer(size=90)
    pictures = [packetizer.packets(nals, number * 6000) for number, nals in enumerate(encode(Codec.H264, 320, 240, 4))]
    heard = Heard()
    heard.framer.receive(
        b"".join([*pictures[0], b"\1\2rubbish$", *pictures[1], b"Rubbish", *pictures[2], *pictures[3]]), 0
    )
    assert len(heard.units) >= 2
    assert heard.framer.rubbish_bytes > 0


def test_endless_rubbish_ends_the_stream() -> None:
    """After 64 KiB of nonsense the framing is lost for good."""
    heard = Heard()
    with pytest.raises(CameraBadReply):
        for _ in range(MOST_RUBBISH_BYTES // 1000 + 2):
            heard.framer.receive(b"\1" * 1000, 0)


def test_endless_line_breaks_end_it_too() -> None:
    """Empty lines are rubbish as well."""
    with pytest.raises(CameraBadReply):
        Heard(media=False).framer.receive(b"\r\n" * MOST_RUBBISH_BYTES, 0)


@given(st.lists(st.binary(max_size=300), max_size=20), st.booleans())
def test_any_bytes_end_in_our_error_or_in_nothing(chunks: list[bytes], media: bool) -> None:
    """Nothing but CameraBadReply comes out, and what is held stays small."""
    heard = Heard(media=media)
    try:
        for chunk in chunks:
            heard.framer.receive(chunk, 0)
    except CameraBadReply:
        return
    assert len(heard.framer._rest) <= 6000
