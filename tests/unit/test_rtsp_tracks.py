"""Which tracks are set up, over what, and what becomes of their packets: a session without sockets."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.gate import GateState
from drivers.rtsp.habits import MOST_HABITS, Habit, HabitBook
from drivers.rtsp.protocol import Phase
from drivers.rtsp.source import RtspSource
from drivers.rtsp.tracks import Takers, Tracks
from gateway.core.errors import (
    CameraBadReply,
    CameraClosed,
    CameraError,
    CameraInsecure,
    CameraLoginRefused,
    CameraOverloaded,
    CameraUnsupported,
)
from gateway.core.media import AudioUnit, Codec
from tests.fakes.encoded import encode, sets_of
from tests.fakes.rtp import framed, rtp, sender_report
from tests.fakes.rtsp_pipe import RIGHT, SECOND, Pipe
from tests.fakes.rtsp_server import FakeCamera, Request, reply, sdp
from tests.fakes.rtsp_session import CONFIG, HANDSHAKE, PICTURES, camera, media

SOUND = "m=audio 0 RTP/AVP 0\r\na=control:trackID=1\r\n"
UDP = "RTP/AVP;unicast;client_port=50000-50001;server_port=6970-6971"
TLS_SOURCE = RtspSource("10.0.0.5", 322, "/live", True)
OTHER = sets_of(Codec.H265, encode(Codec.H265))


@dataclass
class FakePair:
    """UDP ports that only remember."""

    port: int
    heard: list[tuple[int, int]] = field(default_factory=list)
    closed: int = 0

    def hear(self, rtp_port: int, rtcp_port: int) -> None:
        self.heard.append((rtp_port, rtcp_port))

    def close(self) -> None:
        self.closed += 1


@dataclass
class Way:
    """The tracks of one session, and what was opened and heard."""

    habit: Habit = field(default_factory=Habit)
    pairs: list[FakePair] = field(default_factory=list)
    sounds: list[AudioUnit] = field(default_factory=list)

    def open(self) -> FakePair:
        self.pairs.append(FakePair(50_000 + 2 * len(self.pairs)))
        return self.pairs[-1]

    def tracks(self, *, sound: bool = False) -> Tracks:
        return Tracks(self.habit, make_pair=self.open, takers=Takers(self.sounds.append if sound else None))


def only_udp(made: FakeCamera) -> FakeCamera:
    """Make a camera refuse TCP and answer UDP."""

    def setup(request: Request) -> bytes:
        wish = request.headers["transport"]
        if "TCP" in wish:
            return reply(request, "461 Unsupported Transport")
        ports = wish.split("client_port=")[1]
        first = 6970 + 2 * (request.url.endswith("1"))
        transport = f"RTP/AVP;unicast;client_port={ports};server_port={first}-{first + 1}"
        return reply(request, Session="abc;timeout=60", Transport=transport)

    made.scripts["SETUP"] = setup
    return made


def units_over_udp(pipe: Pipe, pair: FakePair) -> None:
    """Send the six pictures as datagrams, all in one read."""
    frames = b"".join(media())
    packets, at = [], 0
    while at < len(frames):
        stop = at + 4 + int.from_bytes(frames[at + 2 : at + 4], "big")
        packets.append(frames[at + 4 : stop])
        at = stop
    pipe.session.datagrams(pair, packets, [sender_report(7, 99, 5)], pipe.now_ns)


def test_udp_only_after_461() -> None:
    """TCP first; the session goes on with UDP, hears the ports the camera named, and the stream remembers."""
    way = Way()
    pipe = Pipe(only_udp(camera()), tracks=way.tracks()).start()
    assert pipe.camera.methods == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY"]
    assert pipe.camera.requests[3].headers["transport"] == "RTP/AVP;unicast;client_port=50000-50001"
    (pair,) = way.pairs
    assert (pair.heard, way.habit.udp, pipe.phase) == ([(6970, 6971)], True, Phase.PLAYING)
    units_over_udp(pipe, pair)
    assert [unit.nals for unit in pipe.sink.units] == [
        tuple(nal for nal in nals if nal[0] & 31 not in (7, 8)) for nals in PICTURES
    ]
    assert pipe.session.tracks.report is not None
    again = Pipe(only_udp(camera()), tracks=way.tracks()).start()
    assert again.camera.methods == HANDSHAKE
    again.session.release()
    assert way.pairs[1].closed > 0


def test_udp_that_is_refused_one_day() -> None:
    """A remembered UDP and a camera that takes TCP only: the ports are let go, the habit forgotten."""
    way = Way(Habit(udp=True))
    made = camera()
    made.scripts["SETUP"] = lambda request: (
        made.usual(request) if "TCP" in request.headers["transport"] else reply(request, "461 Unsupported Transport")
    )
    pipe = Pipe(made, tracks=way.tracks()).start()
    assert (pipe.phase, way.habit.udp, way.pairs[0].closed) == (Phase.PLAYING, False, 1)
    pipe.feed(b"".join(media()))
    assert len(pipe.sink.units) == 6


@pytest.mark.parametrize("udp", [False, True])
def test_461_to_both_ways_ends_it(*, udp: bool) -> None:
    """Each is asked for once."""
    way = Way(Habit(udp=udp))
    made = camera()
    made.scripts["SETUP"] = lambda request: reply(request, "461 Unsupported Transport")
    pipe = Pipe(made, tracks=way.tracks())
    with pytest.raises(CameraUnsupported):
        pipe.start()
    assert made.methods.count("SETUP") == 2
    pipe.session.release()
    assert all(pair.closed for pair in way.pairs)


@pytest.mark.parametrize(
    ("transport", "kind"),
    [
        ("RTP/AVP;unicast;destination=10.9.9.9;server_port=8-9", CameraBadReply),
        ("RTP/AVP;multicast;destination=239.0.0.1", CameraUnsupported),
        ("RTP/AVP/TCP;interleaved=0-1", CameraUnsupported),
    ],
)
def test_a_camera_that_would_send_elsewhere_never_plays(transport: str, kind: type[CameraError]) -> None:
    """PLAY is not sent."""
    made = camera(transport=transport)
    pipe = Pipe(made, tracks=Way(Habit(udp=True)).tracks())
    with pytest.raises(kind):
        pipe.start()
    assert "PLAY" not in made.methods


def test_datagrams_before_play_are_nothing() -> None:
    """Not delivered, not kept, no error."""
    way = Way()
    made = only_udp(camera())
    made.scripts["PLAY"] = lambda request: b""
    pipe = Pipe(made, tracks=way.tracks()).start()
    units_over_udp(pipe, way.pairs[0])
    pipe.session.teardown()
    units_over_udp(pipe, way.pairs[0])
    assert pipe.sink.units == []


def test_what_waits_for_a_lost_datagram_comes_with_the_clock() -> None:
    """A tick later, without a further packet."""
    way = Way()
    pipe = Pipe(only_udp(camera()), tracks=way.tracks()).start()
    pair = way.pairs[0]
    slices = [rtp(number, number * 6000, b"\x65\x88" + bytes(20), marker=True) for number in (0, 2)]
    pipe.session.datagrams(pair, slices, [], pipe.now_ns)
    assert len(pipe.sink.units) == 1
    pipe.wait(0.5)
    assert [unit.lost_before for unit in pipe.sink.units] == [0, 1]


def with_sound(**changes: object) -> FakeCamera:
    return camera(body=sdp(CONFIG, extra=SOUND), **changes)


def test_sound_is_not_set_up_unless_asked_for() -> None:
    """The camera is not even asked."""
    assert Pipe(with_sound()).start().camera.methods == HANDSHAKE


def test_sound_beside_video() -> None:
    """Its own channels, the same session, frames to whoever listens."""
    made = with_sound()
    made.scripts["SETUP"] = lambda request: reply(
        request, Session="abc", Transport=request.headers["transport"].replace("unicast;", "")
    )
    way = Way()
    pipe = Pipe(made, tracks=way.tracks(sound=True)).start()
    second = made.requests[3]
    assert (second.method, second.url) == ("SETUP", "rtsp://10.0.0.5:554/live/trackID=1")
    assert second.headers["transport"] == "RTP/AVP/TCP;unicast;interleaved=2-3"
    assert second.headers["session"] == "abc"
    pipe.feed(framed(rtp(1, 160, b"\xff" * 160, kind=0), 2) + b"".join(media()) + framed(bytes(28), 3))
    assert [unit.data for unit in way.sounds] == [b"\xff" * 160]
    assert len(pipe.sink.units) == 6


@pytest.mark.parametrize("answer", ["404 Not Found", "461 Unsupported Transport", "453 x", "500 x", "udp"])
def test_sound_that_fails_leaves_the_picture_alone(answer: str) -> None:
    """Whatever the camera says to the second SETUP: PLAY, and video."""
    made = with_sound()

    def setup(request: Request) -> bytes:
        if request.url.endswith("0"):
            return made.usual(request)
        return reply(request, Session="abc", Transport=UDP) if answer == "udp" else reply(request, answer)

    made.scripts["SETUP"] = setup
    way = Way()
    pipe = Pipe(made, tracks=way.tracks(sound=True)).start()
    assert made.methods == ["OPTIONS", "DESCRIBE", "SETUP", "SETUP", "PLAY"]
    pipe.feed(framed(rtp(1, 160, b"\xff" * 160, kind=0), 2) + b"".join(media()))
    assert (len(pipe.sink.units), way.sounds) == (6, [])


def test_sound_over_udp_has_its_own_ports() -> None:
    """And is let go with them when the session ends."""
    way = Way()
    pipe = Pipe(only_udp(with_sound()), tracks=way.tracks(sound=True)).start()
    assert [pair.heard for pair in way.pairs] == [[(6970, 6971)], [(6972, 6973)]]
    pipe.session.datagrams(way.pairs[1], [rtp(1, 160, b"\xff" * 160, kind=0)], [], 1)
    assert len(way.sounds) == 1
    pipe.session.release()
    assert [pair.closed for pair in way.pairs] == [1, 1]


def basic(request: Request) -> bytes:
    """Answer as a camera that knows Basic only."""
    if request.headers.get("authorization") == "Basic YWRtaW46cmlnaHQgaG9yc2U=":
        return camera().usual(request)
    return reply(request, "401 Unauthorized", WWW_Authenticate='Basic realm="x"')


def test_basic_goes_through_tls_only() -> None:
    """Inside TLS the password is sent; in clear the error says why it is not."""
    assert RIGHT == "right horse"
    inside = Pipe(camera(scripts={"DESCRIBE": basic}), source=TLS_SOURCE).start()
    assert (inside.phase, inside.gate.state) == (Phase.PLAYING, GateState.PROVEN)
    assert inside.camera.requests[0].url.startswith("rtsps://10.0.0.5:322/")
    clear = Pipe(camera(scripts={"DESCRIBE": basic}))
    with pytest.raises(CameraInsecure):
        clear.start()
    assert b"Basic" not in clear.sent


def test_digest_is_taken_before_basic_also_inside_tls() -> None:
    """The password itself is the last resort."""
    made = camera(password=RIGHT)
    plain = made.challenge
    made.challenge = lambda: 'Basic realm="x", ' + plain()  # type: ignore[method-assign]  # a camera of its own
    pipe = Pipe(made, source=TLS_SOURCE).start()
    assert pipe.phase is Phase.PLAYING
    assert b"Basic" not in pipe.sent


def test_a_wrong_password_in_basic_is_sent_once() -> None:
    """As with Digest."""
    made = camera(scripts={"DESCRIBE": lambda request: reply(request, "401 x", WWW_Authenticate='Basic realm="x"')})
    pipe = Pipe(made, source=TLS_SOURCE)
    with pytest.raises(CameraLoginRefused):
        pipe.start()
    assert len(made.logins) == 1


@pytest.mark.parametrize(("value", "seconds"), [("30", 30), ("99999", 300), ("soon", None), ("", None)])
def test_a_full_camera_may_say_when_to_come_back(value: str, seconds: int | None) -> None:
    """Bounded; what is no number is nothing."""
    made = camera(scripts={"SETUP": lambda request: reply(request, "453 x", Retry_After=value)})
    with pytest.raises(CameraOverloaded) as caught:
        Pipe(made).start()
    assert caught.value.fields.get("retry_after_s") == seconds


def test_a_camera_whose_codec_was_changed() -> None:
    """H.265 in an H.264 stream ends the session at the next look, and no picture comes of it."""
    pipe = Pipe(camera()).start()
    pipe.feed(b"".join(media()))
    for number, nal in enumerate([*OTHER.values(), b"\x26\x01\x80" + bytes(90), b"\x02\x01\x80" + bytes(90)]):
        pipe.feed(framed(rtp(9_000 + number, 90_000, nal, marker=number > 2)))
    assert len(pipe.sink.units) == 6
    with pytest.raises(CameraClosed):
        pipe.wait(0.25)


def test_a_camera_that_hangs_up_after_a_keep_alive() -> None:
    """Within three seconds of it: the stream remembers; later, or answered, it is only a hang-up."""
    for wait_s, answers, deadly in ((0.0, False, "GET_PARAMETER"), (3.25, False, ""), (0.0, True, "")):
        way = Way()
        made = camera(public="GET_PARAMETER", session="abc;timeout=10")
        pipe = Pipe(made, tracks=way.tracks()).start()
        if not answers:
            made.scripts["GET_PARAMETER"] = lambda request: b""
        pipe.wait(5)
        pipe.wait(wait_s)
        assert made.methods[-1] == "GET_PARAMETER"
        assert isinstance(pipe.session.closed(), CameraClosed)
        assert way.habit.deadly == deadly


def test_habits_are_kept_for_as_many_streams_as_a_box_may_have() -> None:
    """The one that was not asked for longest is forgotten."""
    book = HabitBook()
    places = [RtspSource("10.0.0.5", 554, f"/{number}") for number in range(MOST_HABITS)]
    for place in places:
        book.of(place).udp = True
    assert book.of(places[0]).udp
    assert not book.of(RtspSource("10.0.0.5", 554, "/new")).udp
    assert book.of(places[0]).udp
    assert not book.of(places[1]).udp


GOOD = b"".join(
    [
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, GET_PARAMETER\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 2\r\nContent-Length: %d\r\n\r\n" % len(sdp(CONFIG, extra=SOUND)),
        sdp(CONFIG, extra=SOUND),
        b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nSession: a;timeout=9\r\nTransport: RTP/AVP/TCP;interleaved=0-1\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 4\r\nSession: a\r\nTransport: RTP/AVP/TCP;interleaved=2-3\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nCSeq: 5\r\nSession: a\r\n\r\n",
        *media(),
        framed(rtp(1, 160, b"\xff" * 160, kind=0), 2),
        framed(sender_report(7, 99, 5), 1),
    ]
)
flips = st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(1, 255)), max_size=6)


@given(flips=flips, cut=st.integers(0, len(GOOD)), chunk=st.integers(1, 3_000))
@settings(max_examples=300, deadline=None)
def test_a_conversation_with_flipped_bytes_cut_anywhere(flips: list[tuple[int, int]], cut: int, chunk: int) -> None:
    """Every byte of a whole session may be another, in any pieces: only `CameraError`, nothing but bounded memory."""
    data = bytearray(GOOD)
    for place, mask in flips:
        data[place] ^= mask
    way = Way()
    pipe = Pipe(FakeCamera(), chunk=chunk, tracks=way.tracks(sound=True))
    pipe.session.start(0, "10.0.0.2")
    try:
        for at in range(0, cut, chunk):
            pipe.session.receive(bytes(data[at : min(cut, at + chunk)]), at)
            assert len(pipe.session.take_output()) < 64 * 1024
        for second in range(1, 80):
            pipe.session.tick(second * SECOND)
    except CameraError as error:
        assert RIGHT not in f"{error} {error.fields}"
    pipe.session.release()
    assert sum(unit.size_bytes for unit in pipe.sink.units) <= len(GOOD)
    assert sum(len(unit.data) for unit in way.sounds) <= len(GOOD)
    if not flips and cut == len(GOOD):
        assert (len(pipe.sink.units), len(way.sounds)) == (6, 1)


datagram = st.binary(min_size=12, max_size=60) | st.builds(
    rtp, st.integers(0, 80), st.integers(0, 9), st.binary(max_size=40), marker=st.booleans()
)


@given(
    reads=st.lists(st.tuples(st.lists(datagram, max_size=8), st.lists(st.binary(max_size=40), max_size=2)), max_size=30)
)
@settings(max_examples=60, deadline=None)
def test_any_datagrams_raise_nothing(reads: list[tuple[list[bytes], list[bytes]]]) -> None:
    """Rubbish over UDP costs nothing but itself."""
    way = Way()
    pipe = Pipe(only_udp(camera()), tracks=way.tracks()).start()
    for number, (packets, reports) in enumerate(reads):
        pipe.session.datagrams(way.pairs[0], packets, reports, number * 60_000_000)
    pipe.session.tracks.look(40 * SECOND)
    assert pipe.session.tracks.frames >= 0
