"""RTSP messages: what is read, and where a camera's message stops being acceptable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.message import (
    MOST_BODY_BYTES,
    MOST_HEADER_BYTES,
    read_message,
    write_not_implemented,
    write_request,
)
from gateway.core.errors import CameraBadReply

REPLY = b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nPublic: A\r\npublic: B\r\nContent-Length: 4\r\n\r\nbodyNEXT"


def test_a_reply_is_read_and_the_rest_is_left() -> None:
    """Status, headers without case, repeated headers, the body, and where the next thing begins."""
    message, after = read_message(b"xx" + REPLY, 2)
    assert message is not None
    assert (message.status, message.cseq, message.body) == (200, 3, b"body")
    assert message.headers["public"] == ("A", "B")
    assert (b"xx" + REPLY)[after:] == b"NEXT"


@pytest.mark.parametrize("cut", range(len(REPLY) - 5))
def test_every_beginning_of_a_reply_is_incomplete(cut: int) -> None:
    """Whatever is missing, the reader waits and moves nothing."""
    assert read_message(REPLY[:cut], 0) == (None, 0)


def test_bare_line_feeds_and_a_missing_reason_are_accepted() -> None:
    """Some firmware ends lines with LF only and writes no reason."""
    message, _ = read_message(b"RTSP/1.0 454\nCSeq: 9\n\n", 0)
    assert message is not None
    assert (message.status, message.cseq) == (454, 9)


def test_a_request_of_the_camera_is_recognised() -> None:
    """Cameras may ask something themselves; we answer 501."""
    message, _ = read_message(b"OPTIONS * RTSP/1.0\r\nCSeq: 7\r\n\r\n", 0)
    assert message is not None
    assert (message.method, message.status) == ("OPTIONS", 0)
    assert write_not_implemented(message.cseq) == b"RTSP/1.0 501 Not Implemented\r\nCSeq: 7\r\n\r\n"
    assert b"CSeq: 0" in write_not_implemented(None)


@pytest.mark.parametrize("value", ["", "x", "-1"])
def test_a_sequence_number_that_is_none_is_none(value: str) -> None:
    """A missing or odd CSeq does not raise."""
    message, _ = read_message(f"RTSP/1.0 200 OK\r\nCSeq: {value}\r\n\r\n".encode(), 0)
    assert message is not None
    assert message.cseq is None


@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"SSH-2.0-x\r\n\r\n",
        b"RTSP/1.0 20 OK\r\n\r\n",
        b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody",
        b"RTSP/1.0 200 OK\r\nContent-Length: 2000000000\r\n\r\n",
        f"RTSP/1.0 200 OK\r\nContent-Length: {MOST_BODY_BYTES + 1}\r\n\r\n".encode(),
        b"RTSP/1.0 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"RTSP/1.0 200 OK\r\nX: " + b"b" * MOST_HEADER_BYTES,
        b"RTSP/1.0 200 OK\r\nX: " + b"b" * MOST_HEADER_BYTES + b"\r\n\r\n",
    ],
)
def test_what_breaks_a_limit_is_refused_at_once(data: bytes) -> None:
    """Another protocol, an unclear or huge length, too many or endless headers: no waiting for more."""
    with pytest.raises(CameraBadReply):
        read_message(data, 0)


@given(st.binary(max_size=400))
def test_any_bytes_are_read_refused_or_awaited(data: bytes) -> None:
    """Nothing but CameraBadReply ever comes out of a message."""
    for whole in (data, b"RTSP/1.0 200 OK\r\n" + data, b"RTSP/1.0 200 OK\r\nContent-Length:" + data + b"\r\n\r\n"):
        try:
            message, after = read_message(whole, 0)
        except CameraBadReply:
            continue
        assert (message is None) == (after == 0)


def test_a_request_is_written_in_one_piece() -> None:
    """Method, URL, number and headers stand in order and end with an empty line."""
    text = write_request("SETUP", "rtsp://h/x", 4, {"Transport": "RTP/AVP/TCP"})
    assert text == b"SETUP rtsp://h/x RTSP/1.0\r\nCSeq: 4\r\nUser-Agent: vuon\r\nTransport: RTP/AVP/TCP\r\n\r\n"
