"""Bytes that cameras never should send: whatever comes, our errors come out and nothing is sent twice."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from ipaddress import IPv4Interface

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.discovery import wsd
from drivers.gate import GateState, LoginGate
from drivers.onvif.client import OnvifClient
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.onvif.transport import Limits
from drivers.rtsp.auth import parse_challenges, strongest
from gateway.core.errors import CameraBadReply, CameraError, CameraUnsupported
from gateway.core.model import Login, Secret, StreamRole
from tests.fakes.clock import FakeClock, HastyClock
from tests.fakes.onvif_http import PASSWORD, USER, Answer, FakeOnvif, envelope, fault, media1_profile
from tests.unit.test_wsd import device, message

MATCH = message(f"<d:ProbeMatches><d:ProbeMatch>{device()}</d:ProbeMatch></d:ProbeMatches>")
OURS = IPv4Interface("192.168.1.10/24")
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@st.composite
def damaged(draw: st.DrawFn, original: bytes) -> bytes:
    """`original` with some bytes overwritten, cut out, doubled or cut off."""
    data = bytearray(original)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        match draw(st.sampled_from(["set", "drop", "double", "cut", "insert"])):
            case "set" if data:
                data[at] = draw(st.integers(0, 255))
            case "drop":
                del data[at : at + draw(st.integers(1, 40))]
            case "double":
                data[at:at] = data[at : at + draw(st.integers(1, 200))]
            case "cut":
                del data[draw(st.integers(len(data) // 2, len(data))) :]
            case _:
                data[at:at] = draw(
                    st.sampled_from([b"<", b">", b"&", b"&#0;", b"&x;", b"<!DOCTYPE a>", b"\xff", b"-", b"'"])
                )
    return bytes(data)


@given(st.one_of(damaged(MATCH), st.binary(max_size=300)))
def test_any_datagram_is_read_or_refused(data: bytes) -> None:
    """Every datagram is devices with a usable place, or a bad reply."""
    try:
        found = wsd.read(data)
    except CameraBadReply:
        return
    for announcement in found:
        where = wsd.place(announcement, "192.168.1.64", OURS)
        assert 0 < where.port < 65_536
        assert announcement.name.isprintable()
        assert len(where.xaddrs) <= wsd.MOST_XADDRS


@given(st.lists(st.text(max_size=200), max_size=4))
def test_any_challenge_is_read_or_passed_over(headers: list[str]) -> None:
    """No WWW-Authenticate header can raise."""
    strongest(parse_challenges(headers))


@pytest.fixture(scope="module")
def camera() -> Iterator[FakeOnvif]:
    with FakeOnvif(auth="open") as running:
        yield running


ASKED: dict[str, Callable[[OnvifClient], object]] = {
    "GetSystemDateAndTime": OnvifClient.read_clock,
    "GetDeviceInformation": OnvifClient.device_information,
    "GetServices": OnvifClient.services,
    "GetNetworkInterfaces": OnvifClient.mac,
    "GetProfiles": OnvifClient.profiles,
}


@pytest.mark.parametrize("operation", ASKED)
def test_any_answer_is_read_or_refused(camera: FakeOnvif, operation: str) -> None:
    """Damaged answers to each question give a value or a camera error, and each question is sent once."""
    true_answer = envelope(getattr(camera, f"_{operation.lower()}")(""))

    @FUZZ
    @given(damaged(true_answer))
    def check(body: bytes) -> None:
        camera.scripted = {operation: Answer(200, body)}
        client = OnvifClient("127.0.0.1", camera.port, LoginGate(None), clock=FakeClock(), limits=Limits(total_s=5))
        before = camera.calls.count(operation)
        try:
            with contextlib.suppress(CameraError):
                ASKED[operation](client)
        finally:
            client.close()
        assert camera.calls.count(operation) == before + 1

    check()
    camera.scripted = {}


@FUZZ
@given(damaged(fault("NotAuthorized").body), st.sampled_from([200, 400, 401, 403, 500]))
def test_damaged_refusals_cost_at_most_one_login(camera: FakeOnvif, body: bytes, status: int) -> None:
    """However a refusal is worded, the password goes out once at the most."""
    camera.scripted = {"GetDeviceInformation": Answer(status, body)}
    gate = LoginGate(Login(USER, Secret(PASSWORD)))
    client = OnvifClient("127.0.0.1", camera.port, gate, clock=FakeClock(), limits=Limits(total_s=5))
    camera.bodies.clear()
    for _ in range(2):
        with contextlib.suppress(CameraError):
            client.device_information()
    client.close()
    camera.scripted = {}
    sent = sum(b"UsernameToken" in one for one in camera.bodies)
    assert sent <= 1 or gate.state is not GateState.REFUSED


@pytest.mark.parametrize("size", [3_000, 12_000])
def test_many_small_elements_stay_small(size: int) -> None:
    """A reply of nothing but tags, up to the limit, is read without a crash and is no device."""
    flood = b"<a>" + b"<b/>" * size + b"</a>"
    if len(flood) <= wsd.MOST_MESSAGE_BYTES:
        assert wsd.read(flood) == ()
    else:
        with pytest.raises(CameraBadReply):
            wsd.read(flood)


def test_many_attributes() -> None:
    """A tag with thousands of attributes is read without a crash."""
    attributes = " ".join(f'a{n}="1"' for n in range(4_000))
    assert wsd.read(f"<x {attributes}/>".encode()) == ()


def test_hundreds_of_profiles_are_cut(camera: FakeOnvif) -> None:
    """A camera that lists a thousand profiles gives us no more than a big recorder has."""
    many = "".join(re.sub(r"\s+", " ", media1_profile(f"p{n}", "vs0", (640, 360))) for n in range(400))
    camera.scripted = {
        "GetProfiles": Answer(200, envelope(f"<trt:GetProfilesResponse>{many}</trt:GetProfilesResponse>"))
    }
    client = OnvifClient("127.0.0.1", camera.port, LoginGate(None), clock=FakeClock(), limits=Limits(total_s=10))
    assert len(client.profiles()) == 256
    client.close()
    camera.scripted = {}


@pytest.mark.anyio
async def test_a_sub_stream_without_an_address_is_left_out() -> None:
    """A camera that tells the address of its main stream only is used with that."""

    class MainOnly(FakeOnvif):
        def _answer(self, operation: str, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
            if operation == "GetStreamUri" and b">small<" in body:
                return fault("ActionNotSupported", "no", 500)
            return super()._answer(operation, request, body)

    with MainOnly(auth="open") as camera:
        driver = OnvifDriver("127.0.0.1", camera.port, LoginGate(None), pool=CallPool(), clock=FakeClock())
        assert [s.role for s in await driver.streams()] == [StreamRole.MAIN]
        camera.scripted["GetStreamUri"] = Answer(200, envelope("<tds:Nothing/>"))
        with pytest.raises(CameraBadReply):
            await driver.streams()
        await driver.close()


@pytest.mark.anyio
async def test_after_adoption_calls_keep_their_distance() -> None:
    """A settled driver waits for its second before it asks again."""
    clock = FakeClock()
    with FakeOnvif(auth="open") as camera:
        driver = OnvifDriver("127.0.0.1", camera.port, LoginGate(None), pool=CallPool(), clock=clock)
        driver.settle()
        await driver.health()
        clock.tick(1)
        await driver.health()
        assert clock.mono_ns() == 2_000_000_000
        await driver.close()


@pytest.mark.anyio
async def test_a_camera_without_an_event_service_says_so() -> None:
    """No address of an event service is the one thing that is believed: the iteration ends with it."""
    with FakeOnvif(auth="open") as camera:
        driver = OnvifDriver("127.0.0.1", camera.port, LoginGate(None), pool=CallPool(), clock=HastyClock())
        with pytest.raises(CameraUnsupported):
            await anext(driver.events())
        await driver.close()
