"""One RTSP session from the first request to PLAY, byte by byte, against a camera without a socket."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gate import MOST_DOUBTS, GateState, LoginGate
from drivers.rtsp.protocol import Phase
from gateway.core.errors import (
    CameraBadReply,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnsupported,
)
from tests.fakes.rtp import framed, rtp, sender_report
from tests.fakes.rtsp_pipe import RIGHT, Pipe
from tests.fakes.rtsp_server import Request, reply, sdp
from tests.fakes.rtsp_session import CONFIG, HANDSHAKE, camera, media


def test_an_open_camera_plays_without_any_login() -> None:
    """OPTIONS, DESCRIBE, SETUP, PLAY; no Authorization is sent; the sink learns the configuration."""
    pipe = Pipe(camera()).start()
    assert pipe.camera.methods == HANDSHAKE
    assert pipe.camera.logins == []
    assert pipe.phase is Phase.PLAYING
    assert pipe.sink.configs == [CONFIG]
    assert pipe.gate.state is GateState.UNPROVEN
    pipe.feed(b"".join(media()))
    assert len(pipe.sink.units) == 6


def test_the_requests_are_what_cameras_expect() -> None:
    """TCP interleaved is asked for, the session is named, CSeq counts up, URLs hold no login."""
    pipe = Pipe(camera(password=RIGHT)).start()
    by_method = {request.method: request for request in pipe.camera.requests}
    assert by_method["SETUP"].headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert by_method["SETUP"].url == "rtsp://10.0.0.5:554/live/trackID=0"
    assert by_method["PLAY"].headers["session"] == "abc"
    assert by_method["PLAY"].url == "rtsp://10.0.0.5:554/live"
    assert [int(request.cseq) for request in pipe.camera.requests] == list(range(1, 6))
    assert RIGHT.encode() not in pipe.sent


@pytest.mark.parametrize(
    ("algorithm", "qop"), list(itertools.product(["MD5", "MD5-sess", "SHA-256", "SHA-256-sess"], ["", "auth"]))
)
def test_login_by_digest(algorithm: str, qop: str) -> None:
    """First without a login, then once with it, then every request carries it; the gate is proven."""
    pipe = Pipe(camera(password=RIGHT, algorithm=algorithm, qop=qop)).start()
    assert pipe.camera.methods == ["OPTIONS", "DESCRIBE", "DESCRIBE", "SETUP", "PLAY"]
    assert [request.method for request in pipe.camera.logins] == ["DESCRIBE", "SETUP", "PLAY"]
    assert pipe.gate.state is GateState.PROVEN
    assert pipe.phase is Phase.PLAYING


def test_a_camera_that_asks_only_at_setup() -> None:
    """The challenge may come at any request of the handshake."""
    made = camera()
    made.scripts["SETUP"] = lambda request: (
        made.usual(request)
        if "authorization" in request.headers
        else reply(request, "401 Unauthorized", WWW_Authenticate='Digest realm="a", nonce="b"')
    )
    pipe = Pipe(made).start()
    assert made.methods == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY"]
    assert pipe.phase is Phase.PLAYING


def test_a_wrong_password_is_sent_once() -> None:
    """One authorised request, then CameraLoginRefused; the gate lets nobody try again."""
    made = camera(password="other")
    pipe = Pipe(made)
    with pytest.raises(CameraLoginRefused) as caught:
        pipe.start()
    assert caught.value.fields["status"] == 401
    assert len(made.logins) == 1
    again = Pipe(camera(password="other"), pipe.gate)
    with pytest.raises(CameraLoginRefused):
        again.start()
    assert again.camera.logins == []


def test_forbidden_counts_as_a_refusal() -> None:
    """403 to the first try: a locked or limited account must not be hammered."""
    made = camera(password=RIGHT)
    made.usual = lambda request: reply(request, "403 Forbidden")  # type: ignore[method-assign]  # a camera of its own
    pipe = Pipe(made)
    with pytest.raises(CameraLoginRefused):
        pipe.start()
    assert pipe.gate.state is GateState.REFUSED


def test_a_camera_that_wants_a_login_we_do_not_have() -> None:
    """Nothing is sent, and the error says that none is stored."""
    pipe = Pipe(camera(password=RIGHT), LoginGate(None))
    with pytest.raises(CameraLoginRefused) as caught:
        pipe.start()
    assert caught.value.fields == {"stored": False}


def test_a_second_connection_waits_while_the_first_tries() -> None:
    """Main and sub of one new camera: only one of them sends the unproven password."""
    first = Pipe(camera(password=RIGHT))
    first.session.start(0)
    for _ in range(2):
        first.feed(first.camera.receive(first.session.take_output()))
    second = Pipe(camera(password=RIGHT), first.gate)
    with pytest.raises(CameraOverloaded) as caught:
        second.start()
    assert caught.value.fields == {"busy": True}
    assert second.camera.logins == []
    second.session.release()
    first.pump()
    assert first.phase is Phase.PLAYING


def test_a_try_that_gets_no_answer_gives_the_gate_back() -> None:
    """Closed or timed out in the middle of the login: an overload, repeated slowly; still unproven."""
    for end in ("closed", "time"):
        pipe = Pipe(camera(password=RIGHT))
        pipe.camera.usual = lambda request: b""  # type: ignore[method-assign]  # it never answers a login
        pipe.start()
        if end == "closed":
            assert isinstance(pipe.session.closed(), CameraOverloaded)
        else:
            with pytest.raises(CameraOverloaded):
                pipe.wait(11)
        pipe.session.release()
        assert pipe.gate.state is GateState.UNPROVEN


def proven() -> Pipe:
    return Pipe(camera(password=RIGHT)).start()


def test_401_after_a_login_that_worked_is_an_overload() -> None:
    """The password is kept, whoever refuses it later."""
    login = proven().gate
    pipe = Pipe(camera(password="the camera is confused"), login)
    with pytest.raises(CameraOverloaded) as caught:
        pipe.start()
    assert caught.value.fields == {"status": 401, "doubted": True}
    assert login.state is GateState.PROVEN


def test_a_password_changed_on_the_camera_is_sent_no_more_after_some_tries() -> None:
    """However often it is tried, the camera sees fewer bad logins than it locks an account for."""
    login, changed = proven().gate, camera(password="changed")
    seen = 0
    for _ in range(20):
        changed.requests.clear()
        with pytest.raises(CameraOverloaded) as caught:
            Pipe(changed, login).start()
        assert caught.value.fields["doubted"] is True
        seen += len(changed.logins)
    assert seen == MOST_DOUBTS


def test_a_session_that_plays_on_does_not_vouch_for_new_logins() -> None:
    """Its keep-alives are answered, yet a changed password stays in doubt."""
    old = proven()
    changed = camera(password="changed")
    for _ in range(MOST_DOUBTS):
        with pytest.raises(CameraOverloaded):
            Pipe(changed, old.gate).start()
        for _ in range(5):
            old.feed(b"".join(media())).wait(9)
    assert old.camera.methods.count("OPTIONS") > 1 + MOST_DOUBTS
    with pytest.raises(CameraOverloaded):
        old.gate.claim()


@pytest.mark.parametrize("refused", ["SETUP", "PLAY"])
def test_401_later_in_the_handshake_is_an_overload(refused: str) -> None:
    """DESCRIBE accepted the login; a 401 with the same nonce is not about the password."""
    made = camera(password=RIGHT)
    made.scripts[refused] = lambda request: reply(request, "401 Unauthorized", WWW_Authenticate=made.challenge())
    pipe = Pipe(made)
    with pytest.raises(CameraOverloaded):
        pipe.start()
    assert pipe.gate.state is GateState.PROVEN
    assert [request.method for request in made.logins].count(refused) == 1


def test_a_nonce_that_got_stale_is_no_wrong_password() -> None:
    """stale=true: once more with the new nonce, even for an unproven login."""
    made, tries = camera(password=RIGHT), []

    def describe(request: Request) -> bytes:
        tries.append(request)
        if len(tries) == 2:
            made.nonce = "n1"
            return reply(request, "401 Unauthorized", WWW_Authenticate=made.challenge() + ", stale=true")
        del made.scripts["DESCRIBE"]
        made.requests.pop()
        answer = made._answer(request)
        made.requests.append(request)
        made.scripts["DESCRIBE"] = describe
        return answer

    made.scripts["DESCRIBE"] = describe
    pipe = Pipe(made).start()
    assert pipe.phase is Phase.PLAYING
    assert pipe.gate.state is GateState.PROVEN


def test_a_nonce_that_changes_with_every_request_is_followed() -> None:
    """After the login worked, a fresh nonce without `stale` gets one more try a request."""
    made, count = camera(password=RIGHT), itertools.count(1)
    whole = made.usual

    def usual(request: Request) -> bytes:
        answer = whole(request)
        made.nonce = f"n{next(count)}"
        return answer

    made.usual = usual  # type: ignore[method-assign]  # a camera of its own
    pipe = Pipe(made).start()
    assert pipe.phase is Phase.PLAYING
    assert made.methods == ["OPTIONS", "DESCRIBE", "DESCRIBE", "SETUP", "SETUP", "PLAY", "PLAY"]


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("453 Not Enough Bandwidth", CameraOverloaded),
        ("503 Service Unavailable", CameraOverloaded),
        ("404 Not Found", CameraBadReply),
        ("454 Session Not Found", CameraBadReply),
        ("500 Internal Server Error", CameraBadReply),
        ("461 Unsupported Transport", CameraUnsupported),
        ("301 Moved", CameraBadReply),
    ],
)
def test_what_a_status_means(method: str, status: str, kind: type[CameraError]) -> None:
    """Overload, a bad reply with its status, or no TCP; OPTIONS may fail with 4xx, many cameras lack it."""
    made = camera()
    made.scripts[method] = lambda request: reply(request, status)
    pipe = Pipe(made)
    if method == "OPTIONS" and status[0] in "45" and kind is not CameraOverloaded:
        assert pipe.start().phase is Phase.PLAYING
        return
    with pytest.raises(kind) as caught:
        pipe.start()
    assert caught.value.fields["status"] == int(status[:3])
    assert caught.value.fields.get("method", method) == method


def test_not_found_after_the_login_proves_the_password() -> None:
    """A camera looks for the path after the login: the next path may be tried with it."""
    made = camera(password=RIGHT)
    made.usual = lambda request: reply(request, "404 Not Found")  # type: ignore[method-assign]  # a camera of its own
    pipe = Pipe(made)
    with pytest.raises(CameraBadReply):
        pipe.start()
    assert pipe.gate.state is GateState.PROVEN


def test_a_busy_camera_leaves_the_login_unproven() -> None:
    """453 to the first try says nothing about the password."""
    made = camera(password=RIGHT)
    made.usual = lambda request: reply(request, "453 Not Enough Bandwidth")  # type: ignore[method-assign]  # a camera of its own
    pipe = Pipe(made)
    with pytest.raises(CameraOverloaded):
        pipe.start()
    assert pipe.gate.state is GateState.UNPROVEN


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("rtsp://10.0.0.5/live/", "trackID=1", "rtsp://10.0.0.5:554/live/trackID=1"),
        ("rtsp://192.168.1.64:554/x/", "trackID=1", "rtsp://10.0.0.5:554/x/trackID=1"),
        ("", "rtsp://10.0.0.5:554/live/v", "rtsp://10.0.0.5:554/live/v"),
        ("", "", "rtsp://10.0.0.5:554/live"),
    ],
)
def test_the_track_is_set_up_at_our_host(base: str, control: str, url: str) -> None:
    """Content-Base and control texts as cameras write them; a private host in the base is ours."""
    made = camera(body=sdp(CONFIG, control=control))
    made.scripts["DESCRIBE"] = lambda request: reply(request, body=made.body, Content_Base=base)
    Pipe(made).start()
    assert [request.url for request in made.requests if request.method == "SETUP"] == [url]


@pytest.mark.parametrize(
    ("transport", "video", "rtcp"),
    [
        ("RTP/AVP/TCP;unicast;interleaved=0-1", 0, 1),
        ("RTP/AVP/TCP;interleaved=2-3;ssrc=1234", 2, 3),
        ("RTP/AVP/TCP;Interleaved = 4", 4, 5),
        ("RTP/AVP/TCP", 0, 1),
        ("", 0, 1),
    ],
)
def test_channels_are_those_the_camera_chose(transport: str, video: int, rtcp: int) -> None:
    """Video and sender reports are taken from the channels of the reply."""
    pipe = Pipe(camera(transport=transport)).start()
    pipe.feed(framed(sender_report(7, 99, 5), rtcp) + b"".join(media(channel=video)))
    assert len(pipe.sink.units) == 6
    assert pipe.session.tracks.report is not None
    assert pipe.session.tracks.report.ntp == 99


@pytest.mark.parametrize(
    ("transport", "kind"),
    [
        ("RTP/AVP;unicast;client_port=0-1;source=10.9.9.9", CameraUnsupported),
        ("RTP/AVP/TCP;interleaved=300-301", CameraBadReply),
    ],
)
def test_other_transports_are_refused(transport: str, kind: type[CameraError]) -> None:
    """UDP, whatever its source, is never opened."""
    with pytest.raises(kind):
        Pipe(camera(transport=transport)).start()


@pytest.mark.parametrize("session", ["", ";timeout=5", "a b", "é"])
def test_a_session_must_have_a_plain_name(session: str) -> None:
    """SETUP without a session, or with one that would break our next request."""
    with pytest.raises(CameraBadReply):
        Pipe(camera(session=session)).start()


def test_media_before_the_reply_to_play_is_not_lost() -> None:
    """Servers send the first key frame before they answer: it comes out first, after `playing`."""
    made = camera()
    early = b"".join(media())
    made.scripts["PLAY"] = lambda request: early + framed(b"x", 9) + made.usual(request)
    pipe = Pipe(made).start()
    assert pipe.sink.units[0].is_key
    assert len(pipe.sink.units) == 6


def test_media_before_the_reply_to_play_is_bounded() -> None:
    """A camera that never answers PLAY but sends media fills 2 MiB, then waits for its time-out."""
    pipe = Pipe(camera())
    pipe.camera.scripts["PLAY"] = lambda request: b""
    pipe.start()
    burst = framed(rtp(0, 0, bytes(60_000)))
    for _ in range(100):
        pipe.feed(burst)
    assert len(pipe.session.tracks._early) < 2 << 21
    with pytest.raises(CameraSilent) as caught:
        pipe.wait(11)
    assert caught.value.fields["waiting_for"] == "PLAY"


@given(st.integers(1, 400))
@settings(max_examples=40, deadline=None)
def test_any_chunking_of_a_whole_session_gives_the_same(chunk: int) -> None:
    """Handshake, login and media cut into pieces of any size: the same units."""
    pipe = Pipe(camera(password=RIGHT, qop="auth"), chunk=chunk).start()
    pipe.feed(b"".join(media()))
    whole = Pipe(camera(password=RIGHT, qop="auth")).start()
    whole.feed(b"".join(media()))
    assert pipe.sink == whole.sink
    assert len(pipe.sink.units) == 6
