"""The small pure parts of the ONVIF driver: profiles, pace, proofs, faults, documents."""

from __future__ import annotations

import base64
import gc
import itertools
import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import TypeVar

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from drivers import xml
from drivers.base import Found
from drivers.onvif import auth, soap
from drivers.onvif.client import device_path
from drivers.onvif.documents import PREWARMED, SHARED, Documents
from drivers.onvif.pace import ADOPTION_BURST, MOST_HOSTS, CallPool, Line, Pace, Turns
from drivers.onvif.profiles import Profile, choose, from_media1, number, own_channel
from drivers.onvif.replies import clock_of, http_date
from drivers.onvif.transport import LoginAsked, Reply
from drivers.rtsp.auth import Challenge
from gateway.core.errors import CameraBadReply, CameraError, CameraOverloaded, CameraUnsupported
from gateway.core.media import Codec
from gateway.core.model import Login, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.onvif_http import envelope, fault

T = TypeVar("T")


def profile(
    token: str, width: int, height: int, source: str = "vs0", codec: Codec | None = Codec.H264, kbps: int = 1000
) -> Profile:
    return Profile(token, token, source, f"e-{token}", codec, width, height, 15.0, kbps * 1000, 30)


# profiles


def test_main_and_sub_by_size_not_by_order() -> None:
    """Main has the most pixels; sub is the smallest that is still 320 wide."""
    found = choose([profile("t", 160, 120), profile("m", 640, 480), profile("s", 352, 288), profile("L", 2560, 1440)])
    (channel,) = found
    assert (channel.main.token, channel.sub and channel.sub.token) == ("L", "s")


def test_equal_sizes_make_no_sub() -> None:
    """Of equal sizes H.264 and the higher rate make main; sub must be lighter."""
    (channel,) = choose(
        [profile("a", 1920, 1080, codec=Codec.H265), profile("b", 1920, 1080), profile("c", 1920, 1080, kbps=4000)]
    )
    assert (channel.main.token, channel.sub and channel.sub.token) == ("c", "b")
    (channel,) = choose([profile("a", 640, 480), profile("b", 640, 480)])
    assert channel.sub is None


def test_a_recorder_has_a_channel_for_each_source() -> None:
    """Profiles of several video sources become several channels, in the recorder's order."""
    profiles = [
        profile(f"{role}{n}", size, size, f"vs{n}") for role, size in (("s", 400), ("m", 1000)) for n in range(3)
    ]
    channels = choose(profiles)
    assert [(c.source, c.main.token, c.sub and c.sub.token) for c in channels] == [
        (f"vs{n}", f"m{n}", f"s{n}") for n in range(3)
    ]


def test_no_profiles_no_channels() -> None:
    """Nothing in, nothing out."""
    assert choose([]) == ()


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 5000), st.integers(0, 3)), max_size=20))
def test_choice_always_keeps_its_rules(sizes: list[tuple[int, int, int]]) -> None:
    """For any profiles: one channel a source, main the largest of it, sub smaller and at least 320 wide."""
    profiles = [profile(str(n), w, h, f"vs{s}") for n, (w, h, s) in enumerate(sizes)]
    channels = choose(profiles)
    assert {c.source for c in channels} == {p.source for p in profiles}
    for channel in channels:
        assert channel.main.pixels == max(p.pixels for p in profiles if p.source == channel.source)
        if channel.sub is not None:
            assert channel.sub.weight < channel.main.weight
            assert channel.sub.width >= 320


def test_media1_with_holes() -> None:
    """Profiles without encoder, with JPEG, without token or with nonsense numbers do no harm."""
    whole = SimpleNamespace(
        token="p",
        Name="n\x1b",
        VideoSourceConfiguration=SimpleNamespace(SourceToken="vs"),
        VideoEncoderConfiguration=SimpleNamespace(
            token="e", Encoding="H264", Resolution=SimpleNamespace(Width="x", Height=-5), RateControl=None, H264=None
        ),
    )
    jpeg = SimpleNamespace(token="j", VideoEncoderConfiguration=SimpleNamespace(Encoding="JPEG"))
    bare = SimpleNamespace(token="b", VideoEncoderConfiguration=None)
    nameless = SimpleNamespace(VideoEncoderConfiguration=SimpleNamespace(Encoding=None))
    (read,) = from_media1([whole, jpeg, bare, nameless])
    assert (read.token, read.name, read.width, read.height, read.fps, read.gop) == ("p", "n", 0, 0, 0.0, 0)


@pytest.mark.parametrize(
    ("value", "expected"), [("15.0", 15), (None, 0), ("nan", 0), ("inf", 0), (-1, 0), (10**12, 0), (7, 7)]
)
def test_numbers(value: object, expected: int) -> None:
    """A camera's number is a sane int or 0."""
    assert number(value) == expected


# pace


def test_adoption_may_burst_then_one_a_second() -> None:
    """Ten calls go at once, the next wait their second each; after settling every call does."""
    pace = Pace()
    assert [pace.wait_s(0) for _ in range(ADOPTION_BURST)] == [0.0] * ADOPTION_BURST
    assert [pace.wait_s(0) for _ in range(2)] == [1.0, 2.0]
    pace.settle()
    assert pace.wait_s(100_000_000_000) == 0.0
    assert pace.wait_s(100_000_000_000) == 1.0
    assert pace.wait_s(103_000_000_000) == 0.0


def test_the_channels_of_a_recorder_are_asked_for_in_one_go() -> None:
    """So many calls as were allowed, once; then the pace is what it was, and settling takes back the rest."""
    pace = Pace(burst=1)
    pace.allow(3)
    assert [pace.wait_s(0) for _ in range(5)] == [0.0, 0.0, 0.0, 0.0, 1.0]
    pace.allow(3)
    pace.settle()
    assert pace.wait_s(0) == 2.0


def test_one_visit_after_another_keeps_the_pace() -> None:
    """Whoever asked a camera last may be gone: its calls still count, and an adoption still has its burst."""
    turns, second = Turns(), 1_000_000_000
    for visit in range(3):
        turn = turns.of("10.0.0.9")
        turn.pace.settle()
        waited_s = turn.pace.wait_s(5 * second)
        assert waited_s == visit
        del turn
    assert turns.of("10.0.0.8").pace.wait_s(5 * second) == 0
    assert [turns.of("10.0.0.7").pace.wait_s(5 * second) for _ in range(ADOPTION_BURST)] == [0] * ADOPTION_BURST
    for host in range(MOST_HOSTS + 50):
        turns.of(f"10.1.{host // 256}.{host % 256}")
    assert len(turns._latest) == MOST_HOSTS


def test_the_rate_after_adoption_is_configured() -> None:
    """A box whose cameras bear more asks more often."""
    pace = Pace(burst=1, calls_per_s=4.0)
    assert [pace.wait_s(0) for _ in range(3)] == [0.0, 0.25, 0.5]
    turn = Turns(4.0).of("10.0.0.9")
    turn.pace.settle()
    assert [turn.pace.wait_s(0) for _ in range(2)] == [0.0, 0.25]


@given(st.lists(st.integers(0, 3_000), min_size=1, max_size=60))
def test_pace_never_exceeds_its_rate(gaps_ms: list[int]) -> None:
    """However calls arrive, a settled camera gets no two within a second."""
    pace = Pace(burst=1)
    now_ns, starts = 0, []
    for gap in gaps_ms:
        now_ns += gap * 1_000_000
        starts.append(now_ns + round(pace.wait_s(now_ns) * 1e9))
    assert all(later - sooner >= 999_999_999 for sooner, later in itertools.pairwise(starts))


@pytest.mark.anyio
async def test_a_line_is_one_call_at_a_time() -> None:
    """Calls of one camera never overlap, although many wait and threads are free."""
    running: list[int] = []
    most: list[int] = []
    lock = threading.Lock()

    def call() -> None:
        with lock:
            running.append(1)
            most.append(len(running))
        with lock:
            running.pop()

    pool = CallPool()
    line = Line(pool, FakeClock(), "10.0.0.1")
    async with anyio.create_task_group() as group:
        for _ in range(8):
            group.start_soon(line.call, call)
    assert max(most) == 1
    assert pool.busy == 0


@pytest.mark.anyio
async def test_the_pool_bounds_the_box() -> None:
    """However many cameras call, no more threads than the pool has run at once."""
    pool, clock = CallPool(2), FakeClock()
    gate, seen, lock = threading.Barrier(2), [], threading.Lock()

    def call() -> None:
        with lock:
            seen.append(pool.busy)
        gate.wait(10)  # needs two at once, and lets no third in

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(Line(pool, clock, f"10.0.0.{number}").call, call)
    assert max(seen) <= 2


class TimedPool(CallPool):
    """Notes on the loop when each call is let go: a starved thread would take down a later instant for its own."""

    def __init__(self, turns: Turns, clock: FakeClock) -> None:
        super().__init__(turns=turns)
        self._clock = clock
        self.starts: list[int] = []

    async def run(self, call: Callable[[], T]) -> T:
        self.starts.append(self._clock.mono_ns())
        return await super().run(call)


@pytest.mark.anyio
async def test_one_turn_for_all_who_ask_a_camera() -> None:
    """Events, settings and health of one host share its second, also over different threads; hosts do not."""
    turns, clock = Turns(), FakeClock()
    one, two, other = (TimedPool(turns, clock) for _ in range(3))
    lines = [Line(one, clock, "10.0.0.1"), Line(two, clock, "10.0.0.1"), Line(other, clock, "10.0.0.2")]
    for line in lines:
        line.settle()
    begun_ns = clock.mono_ns()
    async with anyio.create_task_group() as group:
        for line in lines:
            group.start_soon(line.call, lambda: None)
        while not (one.starts and two.starts and other.starts):
            await anyio.sleep(0.01)  # the first call's thread has to end before the second takes its turn
            await clock.advance(0.05)
    assert other.starts == [begun_ns]
    assert two.starts[0] - one.starts[0] >= 1_000_000_000
    del line, lines
    gc.collect()
    assert turns.of("10.0.0.1").pace.wait_s(clock.mono_ns()) == 0


# proofs


def test_password_digest_of_the_profile() -> None:
    """The digest is that of the WSS UsernameToken Profile (vector computed by ONVIF's programmer's guide)."""
    nonce = base64.b64decode("LKqI6G/AikKCQrN0zqZFlg==")
    assert auth.password_digest(nonce, "2010-09-16T07:50:45Z", "userpassword") == "tuOSpGlFlIXsozq4HFNeeGeFLEI="


def test_created_is_camera_time_with_z() -> None:
    """Created is UTC with Z and milliseconds, in the camera's time."""
    assert auth.created_at(1_795_237_200_123, -86_400_000) == "2026-11-20T05:00:00.123Z"


def test_security_header_holds_no_password() -> None:
    """The element proves the password without containing it, and is put into a new or present header."""
    login = Login("admin", Secret("Sữa&<>"))
    element = auth.security_header(login, "2026-11-21T05:00:00Z", b"n" * 16)
    assert "Sữa" not in etree.tostring(element, encoding="unicode")
    root = etree.fromstring(soap.envelope("<a/>"))
    auth.add_security(root, element)
    auth.add_security(root, auth.security_header(login, "2026-11-21T05:00:00Z", b"m" * 16))
    assert [xml.local(child) for child in root] == ["Header", "Body"]
    assert len(root[0]) == 2


def test_digest_counts_its_nonce_in_every_thread() -> None:
    """Twelve threads using one challenge never use a count twice."""
    challenge = Challenge("digest", "cam", "n", "SHA-256", ("auth",))
    digest, seen = auth.DigestLogin(challenge, bytes), list[str]()
    login = Login("admin", Secret("x"))

    def use() -> None:
        seen.extend(digest.header(login, "POST", "/x").split("nc=")[1][:8] for _ in range(50))

    threads = [threading.Thread(target=use) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(seen)) == 600


# faults and clocks


@pytest.mark.parametrize(
    ("code", "reason", "expected"),
    [
        ("NotAuthorized", "", LoginAsked),
        ("Whatever", "The action requested requires authorization", LoginAsked),
        ("FailedAuthentication", "", LoginAsked),
        ("ActionNotSupported", "", CameraUnsupported),
        ("OutofMemory", "", CameraOverloaded),
        ("InvalidArgVal", "", CameraBadReply),
    ],
)
def test_what_a_fault_means(code: str, reason: str, expected: type[Exception]) -> None:
    """Each fault has its error."""
    answer = fault(code, reason)
    with pytest.raises(expected):
        soap.body_of(Reply(answer.status, {}, answer.body), 1 << 20)


def test_a_body_is_needed() -> None:
    """HTML, an empty body and an error status without a fault are bad replies."""
    for status, content in ((200, b"<html/>"), (200, envelope("")), (500, envelope("<a/>"))):
        with pytest.raises(CameraError):
            soap.body_of(Reply(status, {}, content), 1 << 20)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<UTCDateTime/>",
        "<UTCDateTime><Year>x</Year></UTCDateTime>",
        "<UTCDateTime><Time><Hour>25</Hour><Minute>0</Minute><Second>0</Second></Time><Date><Year>2026</Year><Month>2</Month><Day>30</Day></Date></UTCDateTime>",
    ],
)
def test_no_time_is_none(text: str) -> None:
    """A clock answer without a possible time is None, never an exception."""
    assert clock_of(xml.parse(f"<r>{text}</r>".encode(), 10_000)) is None


def test_http_dates() -> None:
    """A Date header is read; a broken or missing one is None."""
    read = http_date({"Date": "Sat, 21 Nov 2026 05:00:00 GMT"})
    assert read is not None
    assert read.isoformat() == "2026-11-21T05:00:00+00:00"
    assert http_date({"Date": "yesterday"}) is None
    assert http_date({}) is None


def test_device_path_of_a_found_device() -> None:
    """The service path is the chosen XAddr's, or the standard one."""
    found = Found("e", "10.0.0.5", 80, ("http://10.9.9.9/no", "http://10.0.0.5/onvif/other"), "", "", None, "eth0")
    assert device_path(found) == "/onvif/other"
    assert device_path(Found("e", "10.0.0.6", 80, (), "", "", None, "eth0")) == "/onvif/device_service"


# documents


def test_a_document_is_parsed_once_for_all_threads() -> None:
    """Many threads asking at once get the same object."""
    documents = Documents()
    got: list[object] = []
    threads = [threading.Thread(target=lambda: got.append(documents.get("media.wsdl"))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in got}) == 1
    assert documents.parsed == {"media.wsdl"}


def test_prewarming_and_unknown_files() -> None:
    """Prewarming parses what adoption needs; an unknown service is said to be unsupported."""
    SHARED.prewarm()
    assert set(PREWARMED) <= SHARED.parsed
    with pytest.raises(CameraUnsupported):
        SHARED.get("no-such.wsdl")


def test_the_import_leaves_logging_alone() -> None:
    """Importing the driver adds no handler to the root logger and does not change its level."""
    program = (
        "import logging; import drivers.onvif.session, drivers.onvif.driver; root = logging.getLogger();"
        "print(len(root.handlers), root.level)"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert result.stdout.split() == ["0", str(logging.WARNING)]


def test_a_channel_is_known_by_its_profile_before_its_place() -> None:
    """A recorder that lost its first channel lists the others earlier; what is set must not go to a neighbour."""
    one, two, three = choose([profile("a", 640, 480, source="A"), profile("b", 640, 480, source="B"),
                              profile("c", 640, 480, source="C")])  # fmt: skip
    assert own_channel((one, two, three), 0, "c") is three
    assert own_channel((two, three), 1, "b") is two
    assert own_channel((two, three), 1, "gone") is three
    assert own_channel((two, three), 1) is three
    with pytest.raises(CameraUnsupported):
        own_channel((two, three), 2, "gone")
