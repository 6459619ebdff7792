"""An RTSP session that plays: silence, keep-alives, the camera's own requests, goodbye."""

from __future__ import annotations

import pytest

from drivers.rtsp.protocol import Phase
from drivers.rtsp.source import RtspSource
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraSilent,
)
from gateway.core.media import Codec, CodecConfig
from tests.fakes.encoded import encode, sets_of
from tests.fakes.rtp import Packetizer, framed, rtp, sender_report
from tests.fakes.rtsp_pipe import RIGHT, SECOND, Pipe
from tests.fakes.rtsp_server import reply, sdp
from tests.fakes.rtsp_session import camera, media


@pytest.mark.parametrize("silent", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_a_camera_that_stops_answering_is_given_ten_seconds(silent: str) -> None:
    """The whole handshake has one limit, counted from the connection."""
    made = camera()
    made.scripts[silent] = lambda request: b""
    pipe = Pipe(made).start()
    pipe.wait(10)
    with pytest.raises(CameraSilent):
        pipe.wait(0.25)


def test_a_dripping_camera_has_no_more_time() -> None:
    """One byte each second does not stretch the limit."""
    pipe = Pipe(camera(scripts={"OPTIONS": lambda request: b""})).start()
    with pytest.raises(CameraSilent):
        for byte in b"RTSP/1.0 200 OK":
            pipe.feed(bytes([byte])).wait(1)


def test_without_video_for_ten_seconds_the_camera_is_silent() -> None:
    """Promise 17: replies and sender reports are no video."""
    pipe = Pipe(camera()).start()
    pipe.feed(media(1)[0]).wait(9)
    pipe.feed(framed(sender_report(7, 1, 1), 1)).wait(1.25)
    with pytest.raises(CameraSilent):
        pipe.wait(0.25)


def test_video_that_never_makes_a_picture_ends_after_a_minute() -> None:
    """Packets alone do not keep a stream: without pictures somebody must be told."""
    pipe = Pipe(camera(body=sdp(None))).start()
    with pytest.raises(CameraBadReply) as caught:
        for number in range(70):
            pipe.feed(framed(rtp(number, number * 6000, b"\x41\x88abc", marker=True))).wait(1)
    assert caught.value.fields["packets"] == 61


def steady(pipe: Pipe, seconds: int) -> None:
    """Play on: one picture a second."""
    for _ in range(seconds):
        number = pipe.now_ns // SECOND
        pipe.feed(framed(rtp(number, number * 90_000, b"\x41\x88abc", marker=True))).wait(1)


@pytest.mark.parametrize(
    ("public", "session", "method", "count"),
    [
        ("OPTIONS, DESCRIBE", "abc;timeout=60", "OPTIONS", 4),
        ("OPTIONS, GET_PARAMETER", "abc;timeout=60", "GET_PARAMETER", 4),
        ("OPTIONS, GET_PARAMETER", "abc", "GET_PARAMETER", 4),
        ("OPTIONS", "abc;timeout=10", "OPTIONS", 24),
    ],
)
def test_the_session_is_kept_alive(public: str, session: str, method: str, count: int) -> None:
    """At half the time-out, by the method of `Public:`, with session and login."""
    pipe = Pipe(camera(public=public, session=session, password=RIGHT)).start()
    before = len(pipe.camera.requests)
    steady(pipe, 121)
    kept = pipe.camera.requests[before:]
    assert [request.method for request in kept] == [method] * count
    assert all(request.headers["session"] == "abc" and "authorization" in request.headers for request in kept)


@pytest.mark.parametrize("status", ["405 Method Not Allowed", "451 x", "454 Session Not Found", "401 Unauthorized"])
def test_a_refused_keep_alive_switches_method_and_plays_on(status: str) -> None:
    """Media counts, not the answer: GET_PARAMETER and OPTIONS take turns."""
    made = camera(public="GET_PARAMETER")
    made.scripts["GET_PARAMETER"] = lambda request: reply(
        request, status, WWW_Authenticate='Digest realm="a", nonce="b"'
    )
    pipe = Pipe(made).start()
    steady(pipe, 91)
    assert made.methods[4:] == ["GET_PARAMETER", "OPTIONS", "OPTIONS"]
    assert pipe.phase is Phase.PLAYING


def test_a_keep_alive_learns_the_new_nonce() -> None:
    """A 401 to a keep-alive renews the nonce for the next one."""
    made = camera(password=RIGHT, public="GET_PARAMETER", nonce="old")
    pipe = Pipe(made).start()
    made.nonce = "new"
    steady(pipe, 91)
    assert ['nonce="new"' in request.headers["authorization"] for request in made.logins[-3:]] == [False, True, True]


def test_an_unanswered_keep_alive_does_not_stop_the_next() -> None:
    """Some cameras never answer while they stream."""
    made = camera()
    pipe = Pipe(made).start()
    made.scripts["OPTIONS"] = lambda request: b""
    steady(pipe, 91)
    assert made.methods[4:] == ["OPTIONS"] * 3


def test_the_cameras_own_requests_are_answered_501() -> None:
    """ANNOUNCE, OPTIONS and the like are refused politely."""
    pipe = Pipe(camera()).start()
    pipe.feed(b"ANNOUNCE rtsp://x RTSP/1.0\r\nCSeq: 8\r\nContent-Length: 4\r\n\r\nabcd")
    assert pipe.session.take_output() == b"RTSP/1.0 501 Not Implemented\r\nCSeq: 8\r\n\r\n"
    assert pipe.phase is Phase.PLAYING


def test_goodbye() -> None:
    """TEARDOWN names session and login; after its reply the session is left and no unit is delivered."""
    pipe = Pipe(camera(password=RIGHT)).start()
    pipe.session.teardown()
    pipe.feed(b"".join(media()))
    assert pipe.sink.units == []
    pipe.pump()
    assert pipe.camera.methods[-1] == "TEARDOWN"
    assert pipe.camera.requests[-1].headers["session"] == "abc"
    assert pipe.phase is Phase.LEFT
    pipe.feed(b"anything").wait(60)


def test_goodbye_to_a_camera_that_does_not_answer() -> None:
    """After a second we leave."""
    pipe = Pipe(camera()).start()
    pipe.camera.scripts["TEARDOWN"] = lambda request: b""
    pipe.session.teardown()
    pipe.session.teardown()
    pipe.wait(1)
    assert pipe.session.phase.name == "LEAVING"
    pipe.wait(0.5)
    assert pipe.session.phase.name == "LEFT"
    assert pipe.camera.methods.count("TEARDOWN") == 1


def test_goodbye_before_the_session_stands_says_nothing() -> None:
    """Without a session there is nothing to tear down."""
    made = camera()
    made.scripts["DESCRIBE"] = lambda request: b""
    pipe = Pipe(made).start()
    pipe.session.teardown()
    assert pipe.phase is Phase.LEFT
    assert pipe.session.take_output() == b""


def test_a_closed_connection_is_just_that() -> None:
    """Without a login on its way it is CameraClosed."""
    assert isinstance(Pipe(camera()).start().session.closed("ECONNRESET"), CameraClosed)


def test_other_answers_are_not_taken_for_ours() -> None:
    """Replies with an old CSeq or 1xx are passed over; one without CSeq is ours."""
    made = camera()
    made.scripts["DESCRIBE"] = lambda request: (
        b"RTSP/1.0 100 Continue\r\nCSeq: 2\r\n\r\nRTSP/1.0 500 Late\r\nCSeq: 1\r\n\r\n"
        + reply(request, body=made.body).replace(b"CSeq: 2\r\n", b"")
    )
    assert Pipe(made).start().phase is Phase.PLAYING


def test_h265_plays_too() -> None:
    """The description chooses the depacketizer."""
    sets = sets_of(Codec.H265, encode(Codec.H265))
    config = CodecConfig(Codec.H265, sets[33], sets[34], sets[32], 320, 240)
    pipe = Pipe(camera(body=sdp(config, Codec.H265))).start()
    packetizer = Packetizer(Codec.H265, 200)
    for number, nals in enumerate(encode(Codec.H265, 320, 240, 6)):
        pipe.feed(b"".join(packetizer.packets(nals, number * 6000)))
    assert pipe.sink.configs == [config]
    assert len(pipe.sink.units) == 6


def test_an_ipv6_camera() -> None:
    """Brackets in every URL."""
    pipe = Pipe(camera(), source=RtspSource("fe80::5", 554, "/live")).start()
    assert {request.url.split("/")[2] for request in pipe.camera.requests} == {"[fe80::5]:554"}
