"""The makers' side of a simulated camera: what it is told, what it takes, and hostile callers."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from ipaddress import IPv4Interface
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.discovery import dahua, sadp
from drivers.discovery import interfaces as ifs
from drivers.simulated.counters import Counters
from drivers.simulated.dahuaweb import DahuaWeb
from drivers.simulated.farm import QUICK, Farm, odd_quirks
from drivers.simulated.faults import Quirks
from drivers.simulated.isapi import CHALLENGE, Isapi
from drivers.simulated.logins import DigestGate, LoginBook, User
from drivers.simulated.state import CameraState, identity_of
from drivers.simulated.vendor import VendorSide
from drivers.simulated.vendordoor import VendorPart, door_of
from drivers.simulated.vendorwire import Vendored
from drivers.simulated.web import HttpReply, HttpRequest
from drivers.vendors import hikcrypto
from gateway.core.errors import BadInput
from gateway.core.model import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.simulated_client import camera

pytestmark = pytest.mark.anyio
PASSWORD = "Mat-khau-12"
LO = ifs.Address("lo", IPv4Interface("127.0.0.1/8"))


def part(vendor: str, **quirks: object) -> tuple[CameraState, VendorPart, LoginBook]:
    clock = FakeClock()
    own = replace(Quirks(), vendor=vendor, **quirks)  # type: ignore[arg-type]  # fields by name
    book = LoginBook({"admin": User(Secret(PASSWORD))}, own, clock)
    made = VendorPart(own, book, None)
    state = CameraState(
        "Lớp", identity_of("s", 1), "127.0.1.9", clock, own, made.onvif_book, [], lambda _: None, onvif_port=8899
    )
    return state, made, book


def side_of(made: VendorPart) -> VendorSide:
    assert made.side is not None
    return made.side


async def knock(state: CameraState, made: VendorPart, method: str, path: str, body: bytes = b"") -> HttpReply:
    answer = await door_of(state, side_of(made))(HttpRequest(method, path, {}, body))
    assert answer is not None
    return answer


async def test_what_it_says_of_itself_is_what_we_read() -> None:
    """Both discoveries: the camera's answer read by our reader gives back its identity and state."""
    for vendor, question, read in (
        ("hikvision", sadp.message(uuid4()), sadp.read),
        ("dahua", dahua.message(uuid4()), dahua.read),
    ):
        for inactive in (False, True):
            state, made, _ = part(vendor, inactive=inactive)
            answer = Vendored(state, side_of(made), Counters()).answer(question)
            assert answer is not None
            device = read(answer, "127.0.1.9", LO)
            assert device is not None
            assert (device.serial, device.mac) == (state.identity.serial, state.identity.mac)
            assert (device.http_port, device.active) == (8899, not inactive)


@given(st.binary(max_size=200))
async def test_other_datagrams_are_not_answered(data: bytes) -> None:
    """Garbage, answers of others, and verbs that would change a device: silence."""
    for vendor in ("hikvision", "dahua"):
        state, made, _ = part(vendor)
        device = Vendored(state, side_of(made), Counters())
        assert device.answer(data) is None
        assert device.answer(b"<Probe><Types>update</Types></Probe>") is None
        assert device.answer(dahua.frame(b'{"method":"DHDiscover.setConfig"}')) is None


async def test_a_door_that_is_shut_hides_onvif() -> None:
    """Without a password, or with ONVIF off, everything else is not found; otherwise ONVIF answers."""
    for quirks in ({"inactive": True}, {"onvif_off": True}):
        state, made, _ = part("hikvision", **quirks)
        assert (await knock(state, made, "POST", "/onvif/device_service")).status == 404
    state, made, _ = part("hikvision")
    door = door_of(state, side_of(made))
    assert await door(HttpRequest("POST", "/onvif/device_service", {}, b"")) is None


async def test_hikvision_keeps_its_onvif_users_apart() -> None:
    """With ONVIF off that list is empty, and changing it leaves the camera's own users; Dahua has one list."""
    _, made, book = part("hikvision", onvif_off=True)
    assert made.onvif_book.users == {}
    assert len(made.books) == 2
    made.onvif_book.users["nvr"] = User(Secret(PASSWORD))
    assert set(book.users) == {"admin"}
    _, made, book = part("dahua", onvif_off=True)
    assert made.onvif_book is book
    assert made.books == (book,)


async def test_a_challenge_is_good_for_one_try() -> None:
    """A second activation with the same sealed password is refused: each needs a key of its own."""
    state, made, book = part("hikvision", inactive=True)
    side = side_of(made)
    web = Isapi(state, side, DigestGate("r", book, b"k" * 32))
    key = hikcrypto.new_key(hikcrypto.OLD_BITS)

    async def ask(method: str, path: str, body: str) -> HttpReply:
        return await web.answer(HttpRequest(method, path, {}, body.encode()))

    told = await ask("POST", CHALLENGE, f"<PublicKey><key>{hikcrypto.public_text(key)}</key></PublicKey>")
    random_text = hikcrypto.opened(key, told.body.decode().partition("<key>")[2].partition("<")[0])
    weak = hikcrypto.sealed(random_text, Secret("short"), None)
    good = hikcrypto.sealed(random_text, Secret("Abcd1234"), None)
    assert (await ask("PUT", "/ISAPI/System/activate", f"<A><password>{weak}</password></A>")).status == 400
    assert (await ask("PUT", "/ISAPI/System/activate", f"<A><password>{good}</password></A>")).status == 403
    assert (side.active, side.refused) == (False, 1)


HOSTILE = [
    ("POST", CHALLENGE, b""),
    ("POST", CHALLENGE, b"<PublicKey><key>!!</key></PublicKey>"),
    ("POST", CHALLENGE, b"<PublicKey><key>" + base64.b64encode(b"ff" * 8) + b"</key></PublicKey>"),
    ("PUT", "/ISAPI/System/activate", b"<A><password>AAAA</password></A>"),
    ("POST", "/ISAPI/System/activate/GetChallengeV3?format=json", b"[]"),
    ("POST", "/ISAPI/System/activate/StartActivateV3?format=json", b"{}"),
    ("GET", "/ISAPI/System/deviceInfo", b""),
    ("GET", "/ISAPI/../etc/passwd", b""),
]


@pytest.mark.parametrize(("method", "path", "body"), HOSTILE)
@pytest.mark.parametrize("generation", [0, 3])
async def test_hostile_calls_leave_it_as_it_is(method: str, path: str, body: bytes, generation: int) -> None:
    """An inactive Hikvision camera: a refusal, no password, no exception."""
    state, made, _ = part("hikvision", inactive=True, activation=generation)
    assert (await knock(state, made, method, path, body)).status in {400, 403}
    assert not side_of(made).active


@given(st.binary(max_size=200), st.sampled_from(["/OutsideCmd", "/RPC2", "/cgi-bin/configManager.cgi", "/cgi-bin/x"]))
async def test_garbage_leaves_a_dahua_as_it_is(body: bytes, path: str) -> None:
    """Whatever is posted: an answer, no password, no exception."""
    state, made, _ = part("dahua", inactive=True)
    assert (await knock(state, made, "POST", path, body)).status in {200, 400, 401, 404}
    assert not side_of(made).active


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"cipher": "AES", "salt": "", "content": ""},
        {"cipher": "RPAC-256", "salt": "00", "content": "AAAA"},
        {"cipher": "RPAC-256", "salt": "zz", "content": "!"},
    ],
)
async def test_an_envelope_that_is_none_is_refused(params: dict[str, str]) -> None:
    """Another cipher, a key that is not sealed for this camera, no hex: an error, no password."""
    _, made, book = part("dahua", inactive=True)
    web = DahuaWeb(side_of(made), DigestGate("r", book, b"k" * 32))

    async def call(method: str, params: dict[str, object], **more: int) -> HttpReply:
        told = {"method": method, "params": params, "id": 1} | more
        return await web.answer(HttpRequest("POST", "/OutsideCmd", {}, json.dumps(told).encode()))

    await call("DevInit.setProtocolAgree", {"ProtocolEnable": True}, session=0)
    await call("DevInit.getStatus", {})
    assert (await call("DevInit.account", dict(params))).status == 400
    assert not side_of(made).active


async def test_how_it_starts_cannot_be_switched() -> None:
    """Vendor, activation and ONVIF's switch are read when the camera starts."""
    async with camera(vendor="hikvision", inactive=True) as cam:
        for name in ("vendor", "inactive", "onvif_off", "activation", "onvif"):
            with pytest.raises(BadInput):
                await cam.switch(name, False)
        with pytest.raises(BadInput):
            await cam.switch("password", "another one")


async def test_an_unplugged_new_camera_comes_back_as_new() -> None:
    """Power lost and back: still inactive, still without RTSP."""
    async with camera(vendor="dahua", inactive=True) as cam:
        await cam.switch("offline", True)
        await cam.switch("offline", False)
        assert side_of(cam.vendor).active is False
        assert cam.rtsp_port == 0
        assert cam.onvif_port != 0


@pytest.mark.parametrize("word", ["", "hikvision", "hikvision:new", "axis:inactive", ":inactive"])
def test_a_farm_knows_its_odd_cameras(word: str) -> None:
    """Another word is refused with what there is."""
    with pytest.raises(BadInput):
        odd_quirks(word)


async def test_a_farm_of_odd_cameras_and_good_ones() -> None:
    """The first ones lack what was asked for, the rest are as ever, and all stop in order."""
    options = replace(QUICK, odd=("dahua:inactive", "hikvision:ready"), seed=uuid4().hex, discovery=False, warm=False)
    async with Farm(3, password=PASSWORD, base="127.90.3.11", options=options) as farm:
        sides = [camera.vendor.side for camera in farm.cameras]
        assert [side and (side.vendor, side.active) for side in sides] == [("dahua", False), ("hikvision", True), None]
    assert all(camera.sessions == 0 for camera in farm.cameras)
