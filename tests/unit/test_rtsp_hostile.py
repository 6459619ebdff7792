"""Hostile cameras: each harms only its own picture, and learns nothing."""

from __future__ import annotations

import itertools
import tracemalloc
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gate import GateState
from drivers.rtsp.protocol import MOST_STRAYS, Phase
from gateway.core.errors import CameraBadReply, CameraError, CameraLoginRefused, CameraSilent, CameraUnsupported
from gateway.core.media import Codec, CodecConfig
from tests.fakes.encoded import encode, sets_of
from tests.fakes.rtp import framed, rtp
from tests.fakes.rtsp_pipe import RIGHT, Pipe
from tests.fakes.rtsp_server import FakeCamera, Request, reply, sdp

KNOWN = sets_of(Codec.H264, encode(Codec.H264))
CONFIG = CodecConfig(Codec.H264, KNOWN[7], KNOWN[8], width=320, height=240)
Script = Callable[[Request], bytes]


def camera(**scripts: Script) -> FakeCamera:
    return FakeCamera(sdp(CONFIG), scripts=dict(scripts))


def fails(made: FakeCamera, kind: type[CameraError]) -> Pipe:
    """Start a session that must fail in this way, and check what no camera may ever learn."""
    pipe = Pipe(made)
    with pytest.raises(kind):
        pipe.start()
    check_secrets(pipe)
    return pipe


def check_secrets(pipe: Pipe) -> None:
    assert RIGHT.encode() not in pipe.sent
    assert b"Basic" not in pipe.sent
    assert {request.url.split("/")[2] for request in pipe.camera.requests} <= {"10.0.0.5:554"}


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize(
    "place",
    [
        "rtsp://10.0.0.6/internal",
        "rtsp://admin2:x@10.0.0.6/internal",
        "file:///etc/passwd",
        "http://10.0.0.5/",
        "rtsp://10.0.0.5:554/other",
    ],
)
def test_no_redirect_is_followed(method: str, place: str) -> None:
    """302 ends the session, also to the same host; nothing is sent after it."""
    pipe = fails(camera(**{method: lambda request: reply(request, "302 Found", Location=place)}), CameraBadReply)
    assert pipe.camera.methods[-1] == method
    assert pipe.session.take_output() == b""


def test_a_redirect_request_ends_the_session() -> None:
    """RTSP's REDIRECT method is no better."""
    pipe = Pipe(camera()).start()
    with pytest.raises(CameraBadReply):
        pipe.feed(b"REDIRECT rtsp://10.0.0.5/ RTSP/1.0\r\nCSeq: 1\r\nLocation: rtsp://evil/\r\n\r\n")


def refuse(challenge: str) -> Script:
    return lambda request: reply(request, "401 Unauthorized", WWW_Authenticate=challenge)


def refuse_anew(extra: str = "") -> Script:
    """Refuse with another nonce each time."""
    count = itertools.count()

    def script(request: Request) -> bytes:
        return refuse(f'Digest realm="x", nonce="n{next(count)}"{extra}')(request)

    return script


def test_basic_is_never_answered() -> None:
    """The password in clear is not sent; the error tells the installer what to turn on."""
    made = camera(DESCRIBE=refuse('Basic realm="x"'))
    pipe = Pipe(made)
    with pytest.raises(CameraUnsupported) as caught:
        pipe.start()
    assert caught.value.fields["hint"] == "basic_only"
    assert made.logins == []
    assert pipe.gate.state is GateState.UNPROVEN


@pytest.mark.parametrize(
    "challenge",
    [
        'Digest realm="x", nonce="n", qop="auth-int"',
        'Digest realm="x", nonce="n", algorithm=NONE',
        "Negotiate",
        "",
        "x" * 9000,
    ],
)
def test_other_logins_are_not_answered(challenge: str) -> None:
    """Nothing that could weaken the answer is tried."""
    assert fails(camera(DESCRIBE=refuse(challenge)), CameraBadReply).camera.logins == []


def test_a_login_loop_gets_one_answer() -> None:
    """A new nonce each time does not draw out a second digest of an unproven password."""
    assert len(fails(camera(DESCRIBE=refuse_anew()), CameraLoginRefused).camera.logins) == 1


def test_a_stale_loop_gets_two_answers_at_most() -> None:
    """`stale=true` for ever: one renewal, then it counts as a refusal."""
    pipe = fails(camera(DESCRIBE=refuse_anew(", stale=true")), CameraLoginRefused)
    assert len(pipe.camera.logins) == 2
    assert pipe.gate.state is GateState.REFUSED


def test_a_stale_answer_with_the_same_nonce_gets_none() -> None:
    """Nothing new, nothing to repeat."""
    made = camera(DESCRIBE=refuse('Digest realm="x", nonce="n", stale=true'))
    assert len(fails(made, CameraLoginRefused).camera.logins) == 1


def test_a_challenge_cannot_write_into_our_request() -> None:
    """Quotes in realm, nonce and opaque stay quoted: the request keeps its lines."""
    evil = 'Digest realm="a\\", x=\\"", nonce="n\\"\\\\", opaque="o\\""'
    made = camera()
    made.scripts["DESCRIBE"] = lambda request: (
        made.usual(request) if "authorization" in request.headers else refuse(evil)(request)
    )
    pipe = Pipe(made).start()
    assert pipe.phase is Phase.PLAYING
    assert set(made.logins[0].headers) == {"cseq", "user-agent", "accept", "authorization"}


@pytest.mark.parametrize(
    "control", ["rtsp://10.0.0.6/t", "rtsp://evil.example:554/t", "http://10.0.0.5/t", "rtsp://10.0.0.5@evil/t"]
)
def test_a_control_url_of_another_host_is_refused(control: str) -> None:
    """No SETUP is sent at all."""
    made = camera()
    made.body = sdp(CONFIG, control=control)
    assert "SETUP" not in fails(made, CameraBadReply).camera.methods


@pytest.mark.parametrize(
    ("head", "filler"),
    [
        (b"RTSP/1.0 200 OK\r\nContent-Length: 2000000000\r\n\r\n", b"a=x:" + b"y" * 65_000),
        (b"RTSP/1.0 200 OK\r\n", b"X-A: " + b"b" * 60_000 + b"\r\n"),
        (b"RTSP/1.0 200 OK\r\n", b"X: y\r\n" * 1000),
        (b"RTSP/1.0 200 ", b"O" * 65_000),
        (b"", b"\r\n" * 32_000),
        (b"", b"\0" * 65_000),
    ],
)
def test_endless_answers_are_cut_off_small(head: bytes, filler: bytes) -> None:
    """Two gigabytes of body, endless headers, lines or blanks: an error long before 1 MB is held."""
    pipe = Pipe(camera(OPTIONS=lambda request: b"")).start()
    tracemalloc.start()
    try:
        with pytest.raises(CameraBadReply):
            for _ in range(100):
                pipe.feed(head + filler)
                head = b""
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1_500_000


def test_a_description_of_five_thousand_tracks_is_no_work() -> None:
    """The SDP limit holds before the reader begins."""
    made = camera()
    made.body = b"v=0\r\n" + b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n" * 5000
    fails(made, CameraBadReply)


@pytest.mark.parametrize("line", [b"RTSP/1.0 200 OK\r\nCSeq: 999\r\n\r\n", b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"])
def test_messages_nobody_asked_for_are_counted(line: bytes) -> None:
    """Sixty-five of them between two keep-alives end the stream; our answers stay bounded."""
    pipe = Pipe(camera()).start()
    pipe.feed(line * MOST_STRAYS)
    with pytest.raises(CameraBadReply):
        pipe.feed(line)
    assert len(pipe.session.take_output()) < 100 * MOST_STRAYS


def test_answers_given_in_advance_are_not_taken() -> None:
    """Replies to requests we have not made do not carry the session forward."""
    made = camera(OPTIONS=lambda request: b"")
    pipe = Pipe(made).start()
    advance = b"".join(b"RTSP/1.0 200 OK\r\nCSeq: %d\r\nSession: x\r\n\r\n" % number for number in (2, 3, 4, 5))
    pipe.feed(advance)
    assert pipe.phase is Phase.OPTIONS
    with pytest.raises(CameraSilent):
        pipe.wait(11)


def test_a_udp_answer_makes_us_send_nothing() -> None:
    """A transport with `source=` of a third host is refused before PLAY."""
    made = camera()
    made.transport = "RTP/AVP;unicast;client_port=5000-5001;server_port=6970-6971;source=10.9.9.9"
    assert "PLAY" not in fails(made, CameraUnsupported).camera.methods


def test_units_without_end_are_bounded() -> None:
    """A hundred megabytes of one fragment chain never hold more than 10 MB."""
    pipe = Pipe(camera()).start()
    tracemalloc.start()
    try:
        for number in range(1700):
            flags = b"\x7c\x81" if number == 0 else b"\x7c\x01"
            pipe.feed(framed(rtp(number, 0, flags + bytes(60_000))))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 12_000_000
    assert pipe.sink.units == []


def test_parameter_sets_that_change_with_every_picture_hold_no_memory() -> None:
    """Epochs count up, old configurations are let go with their units."""
    pipe = Pipe(camera()).start()
    for number in range(500):
        sps = KNOWN[7][:-1] + bytes([number % 200 + 1])
        for index, nal in enumerate((sps, KNOWN[8], b"\x65\x88\x80")):
            pipe.feed(framed(rtp(number * 3 + index, number * 6000, nal, marker=index == 2)))
    assert len(pipe.sink.units) == 500
    assert pipe.sink.units[-1].config.epoch >= 400


texts = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40)
headers = st.dictionaries(
    st.sampled_from(
        ["Session", "Transport", "Public", "Content-Base", "WWW-Authenticate", "CSeq", "Content-Length", "X"]
    ),
    texts | st.sampled_from(["abc;timeout=9", "RTP/AVP/TCP;interleaved=0-1", 'Digest realm="a", nonce="b"', "0", "-1"]),
    max_size=4,
)


@given(
    script=st.lists(
        st.tuples(
            st.sampled_from([200, 200, 200, 100, 302, 401, 404, 453, 999]),
            headers,
            st.binary(max_size=80) | st.just(sdp(CONFIG)) | st.just(sdp(None)),
            st.binary(max_size=40),
        ),
        max_size=12,
    ),
    chunk=st.integers(1, 200),
)
@settings(max_examples=300, deadline=None)
def test_any_conversation_ends_in_our_error_or_goes_on(
    script: list[tuple[int, dict[str, str], bytes, bytes]], chunk: int
) -> None:
    """Whatever a camera answers, in whatever pieces: only CameraError, one login at most two digests, no secret."""
    made, steps = FakeCamera(), iter(script)

    def answer(request: Request) -> bytes:
        status, extra, body, tail = next(steps, (404, {}, b"", b""))
        values = {"CSeq": request.cseq, "Content-Length": str(len(body)), **extra}
        lines = [f"RTSP/1.0 {status} X", *(f"{name}: {value}" for name, value in values.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body + tail

    made._answer = answer  # type: ignore[method-assign]  # a camera of any manners
    pipe = Pipe(made, chunk=chunk)
    try:
        pipe.start().wait(15)
    except CameraError as error:
        assert RIGHT not in f"{error} {error.fields}"
    pipe.session.release()
    check_secrets(pipe)
    if pipe.gate.state is not GateState.PROVEN:
        assert len(made.logins) <= 2
