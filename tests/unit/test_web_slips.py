"""Slips, keys, waiting and approval over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from gateway.core.model import PublicId
from tests.fakes.clock import FakeClock
from tests.fakes.device import Browser
from tests.fakes.web_client import browser
from tests.fakes.web_services import CLASS_CHOI, CLASS_MAM, FATHER, MOTHER, OFFICER, PRINCIPAL, TEACHER, FakeBox, pid
from tests.fakes.web_slips import FakeSlip
from web import api_standing
from web.app import create_app
from web.inapp import device_label, in_app, system_of
from web.pages_invite import code_of, qr

pytestmark = pytest.mark.anyio
ANDROID = (
    "Mozilla/5.0 (Linux; Android 13; SM-A135F) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36"
)
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1"
VIEW = "Mozilla/5.0 (Linux; Android 13; SM-A135F; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/126.0 Mobile Safari/537.36"
INNER = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"


@pytest.fixture
def box() -> FakeBox:
    box = FakeBox(FakeClock())
    box.slips.slips = {
        "sesame": FakeSlip(MOTHER),
        "careful": FakeSlip(MOTHER, "4678"),
        "slow": FakeSlip(MOTHER, checked=False),
    }
    return box


async def proof(client: httpx.AsyncClient, phone: Browser, purpose: str = "bind") -> dict[str, str]:
    challenge = (await client.post("/api/device/challenge")).json()["challenge"]
    return {"key": phone.point, "challenge": challenge, "signature": phone.sign(challenge, purpose)}


async def redeem(client: httpx.AsyncClient, secret: str, phone: Browser | None = None, **more: str) -> httpx.Response:
    phone = phone or Browser()
    reply = await client.post("/api/slip", json={"secret": secret, **more, **await proof(client, phone)})
    if reply.status_code == 200:
        phone.key = PublicId(reply.json()["id"])
    return reply


async def enter(client: httpx.AsyncClient, phone: Browser) -> httpx.Response:
    return await client.post("/api/device/session", json={"id": phone.key, **await proof(client, phone, "enter")})


def reason(reply: httpx.Response) -> Any:
    return reply.json()["error"]["reason"]


# in another app


@pytest.mark.parametrize(
    ("agent", "app"),
    [
        (f"{VIEW} Zalo android/12110508 ZaloTheme/light ZaloLanguage/vi", "Zalo"),
        (f"{INNER} Zalo iOS/540 ZaloTheme/light ZaloLanguage/vi", "Zalo"),
        (f"{VIEW} [FB_IAB/FB4A;FBAV/470.0.0.1;]", "Facebook"),
        (f"{INNER} [FBAN/FBIOS;FBAV/470.0.0.1]", "Facebook"),
        (f"{VIEW} [FB_IAB/MESSENGER;FBAV/460.0]", "Messenger"),
        (f"{INNER} [FBAN/MessengerForiOS;FBAV/460.0]", "Messenger"),
        (f"{VIEW} Instagram 330.0.0", "Instagram"),
        (f"{VIEW} trill_350603 BytedanceWebview/d8a21c6 musical_ly", "TikTok"),
        (f"{VIEW} Viber/22", "Viber"),
        (f"{INNER} Line/14.8.0", "LINE"),
        (VIEW, ""),
        (INNER, ""),
        (ANDROID, None),
        (IPHONE, None),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) coc_coc_browser/126.0 Chrome/126.0 Safari/537.36",
            None,
        ),
        ("", None),
    ],
)
async def test_an_inner_browser_is_shown_the_way_out_and_nothing_to_spend(
    box: FakeBox, agent: str, app: str | None
) -> None:
    """The page for a real browser has the form; the one inside an app has words, the link and no form at all."""
    assert in_app(agent) == app
    async with browser(box) as client:
        page = await client.get("/p/moi", headers={"User-Agent": agent})
    assert page.status_code == 200
    assert ('id="slip"' in page.text) is (app is None)
    assert ("js/slip-out.js" in page.text) is (app is not None)
    if app:
        assert f"{app} không mở được" in page.text


def test_devices_have_names_that_people_know() -> None:
    """System and browser, not a version string."""
    assert device_label(ANDROID) == "Android · Chrome"
    assert device_label(IPHONE) == "iPhone · Safari"
    assert device_label("curl/8") == ""
    assert [system_of(agent) for agent in (ANDROID, IPHONE, "")] == ["android", "ios", "other"]


# a slip


async def test_reading_and_looking_spend_nothing(box: FakeBox) -> None:
    """Previews fetch links; looking says the class and the kind, no name of a child or a guardian."""
    async with browser(box) as client:
        pages = [await client.get(path) for path in ("/p/moi", "/P/MOI")]
        look = await client.post("/api/slip/look", json={"secret": "careful"})
        unknown = await client.post("/api/slip/look", json={"secret": "guess"})
    assert [page.status_code for page in pages] == [200, 200]
    assert look.json().keys() == {"class", "kind", "digits", "until"}
    assert (look.json()["kind"], look.json()["digits"]) == ("Mẹ", True)
    assert "An Nhiên" not in look.text
    assert MOTHER.name not in look.text
    assert reason(unknown) == "slip.unknown"
    assert not [slip for slip in box.slips.slips.values() if slip.used]


async def test_a_slip_opens_a_guardians_session_once(box: FakeBox) -> None:
    """The right secret and a proven key give cookie and class page; the same secret again says that it was used."""
    async with browser(box) as client:
        first, again = await redeem(client, "sesame"), await redeem(client, "sesame")
    assert first.json()["next"] == "/p/"
    assert f"fresh-{MOTHER.person}" in first.headers["set-cookie"]
    assert (again.status_code, reason(again)) == (403, "slip.used")
    assert "set-cookie" not in again.headers


async def test_wrong_digits_tell_the_tries_left(box: FakeBox) -> None:
    """Five, then the slip is void: also the right ones open nothing."""
    async with browser(box) as client:
        wrong = [await redeem(client, "careful", digits="0000") for _ in range(5)]
        right = await redeem(client, "careful", digits="4678")
    assert [reply.json()["error"].get("left") for reply in wrong] == [4, 3, 2, 1, None]
    assert reason(right) == "slip.void"


async def test_a_third_device_is_shown_the_other_two(box: FakeBox) -> None:
    """The answer names them, and the one that is named goes."""
    box.slips.slips |= {name: FakeSlip(MOTHER) for name in ("one", "two", "three")}
    async with browser(box) as client:
        for name in ("one", "two"):
            await redeem(client, name)
        refused = await redeem(client, "three")
        devices = refused.json()["error"]["devices"]
        done = await redeem(client, "three", replaces=devices[0][0])
    assert (reason(refused), len(devices)) == ("device.limit", 2)
    assert done.status_code == 200
    assert devices[0][0] not in box.slips.devices_of


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "null",
        "{",
        "{}",
        '{"secret": 5}',
        '{"secret": "' + "x" * 129 + '"}',
        '{"secret": "x", "digits": []}',
        "[" * 3000,
    ],
)
@pytest.mark.parametrize("path", ["/api/slip", "/api/slip/look", "/api/device/session", "/api/device/app"])
async def test_a_malformed_call_is_bad_input(box: FakeBox, path: str, body: str) -> None:
    """Anything but an object with short strings is 400 and reaches nobody."""
    async with browser(box) as client:
        response = await client.post(path, content=body, headers={"content-type": "application/json"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_input")
    assert box.calls == []


# waiting


async def test_a_waiting_browser_hears_of_the_decision_and_enters(box: FakeBox) -> None:
    """No session before the school's yes; then the stream says so and the key opens the door."""
    phone = Browser()
    async with browser(box) as client:
        bound = await redeem(client, "slow", phone)
        assert (bound.json()["next"], "set-cookie" in bound.headers) == ("/p/cho", False)
        assert reason(await enter(client, phone)) == "device.waiting"
        assert (await client.get("/p/")).status_code == 401
        (device,) = box.slips.devices_of
        told = asyncio.create_task(client.get(f"/api/device/{phone.key}/standing"))
        box.slips.decide(device, "approved")
        events = [json.loads(line[6:])["state"] for line in (await told).text.splitlines() if line.startswith("data: ")]
        assert events[-1] == "approved"
        assert set(events) <= {"waiting", "approved"}
        assert (await enter(client, phone)).json() == {"next": "/p/"}
        assert (await client.get("/p/")).status_code == 200


async def test_a_refused_browser_reads_why(box: FakeBox) -> None:
    """The school's words, and no session."""
    phone = Browser()
    async with browser(box) as client:
        await redeem(client, "slow", phone)
        (device,) = box.slips.devices_of
        box.slips.decide(device, "refused", "Số đã đổi")
        told = await client.get(f"/api/device/{phone.key}/standing")
        assert "Số đã đổi" in told.text
        assert reason(await enter(client, phone)) == "device.refused"


async def test_waiting_streams_are_bounded_and_only_for_keys(box: FakeBox, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is no key is not there; too many streams are told to come back."""
    phone = Browser()
    async with browser(box) as client:
        await redeem(client, "slow", phone)
        for key in ("x", pid("nobody"), "..%2F"):
            assert (await client.get(f"/api/device/{key}/standing")).status_code == 404
        monkeypatch.setattr(api_standing, "MAX_STREAMS", 0)
        assert (await client.get(f"/api/device/{phone.key}/standing")).status_code == 429


# the key


async def test_a_session_needs_the_key_each_time(box: FakeBox) -> None:
    """Another key's signature, an old challenge and an unknown id open nothing and set no cookie."""
    phone, thief = Browser(), Browser()
    async with browser(box) as client:
        await redeem(client, "sesame", phone)
        thief.key = phone.key
        used = {"id": phone.key, **await proof(client, phone, "enter")}
        assert (await client.post("/api/device/session", json=used)).status_code == 200
        refused = [
            await enter(client, thief),
            await client.post("/api/device/session", json=used),
            await client.post("/api/device/session", json=used | {"id": pid("nobody")}),
        ]
    assert [reason(reply) for reply in refused] == ["device.proof", "device.proof", "device.unknown"]
    assert not [reply for reply in refused if "set-cookie" in reply.headers]


async def test_the_app_gets_a_start_address_of_its_own(box: FakeBox) -> None:
    """The manifest of a signed-in guardian holds a token that binds one more key of the same device, once."""
    phone, app = Browser(), Browser()
    async with browser(box) as client:
        await redeem(client, "sesame", phone)
        manifest = (await client.get("/p/app.webmanifest")).json()
        start = manifest["start_url"]
        assert start.startswith("/p/app?ma=")
        taken = {"token": start.partition("=")[2], **await proof(client, app)}
        first = await client.post("/api/device/app", json=taken)
        again = await client.post("/api/device/app", json={"token": taken["token"], **await proof(client, app)})
        assert (await client.get("/p/app")).status_code == 200
    assert first.json()["next"] == "/p/"
    assert reason(again) == "handover.unknown"
    assert len(box.slips.devices_of) == 1
    async with browser(box) as nobody:
        assert (await nobody.get("/p/app.webmanifest")).status_code == 401


# the guardian's account


async def test_a_guardian_ends_another_own_device(box: FakeBox) -> None:
    """Listed with name and last use; another family's device is not there."""
    async with browser(box) as client:
        await redeem(client, "sesame")
    (device,) = box.slips.devices_of
    async with browser(box, FATHER) as client:
        assert (await client.post("/p/may/ket-thuc", data={"may": device})).status_code == 404
    async with browser(box, MOTHER) as client:
        page = await client.get("/p/tai-khoan")
        assert str(device) in page.text
        assert "Mẹ · <b>Bé An Nhiên</b>" in page.text
        assert (await client.post("/p/may/ket-thuc", data={"may": "x"})).status_code == 404
        assert (await client.post("/p/may/ket-thuc", data={"may": device})).status_code == 303
    assert box.slips.devices_of == {}


# the school


async def test_slips_are_printed_with_given_names_only(box: FakeBox) -> None:
    """The sheet has code, QR and class; it is the only place of the secret, and nothing may keep it."""
    async with browser(box, PRINCIPAL) as client:
        page = await client.get("/phu-huynh/phieu")
        assert MOTHER.name in page.text
        sheet = await client.post(
            "/phu-huynh/phieu", data={"ai": [MOTHER.person, FATHER.person], "lop": CLASS_MAM, "da-kiem-tra": "1"}
        )
    assert sheet.status_code == 200
    assert sheet.headers["cache-control"] == "no-store"
    assert sheet.text.count("<svg") >= 2
    assert sheet.text.count("ABCD-EFGH-JKLM") == 2
    assert MOTHER.name not in sheet.text
    assert box.invites.made == [((MOTHER.person, FATHER.person), True)]


async def test_whoever_may_not_invite_finds_no_page(box: FakeBox) -> None:
    """Guardians and offices get 404; a teacher prints, but does not approve; another class is not there."""
    for caller in (MOTHER, OFFICER):
        async with browser(box, caller) as client:
            for path in ("/phu-huynh/phieu", "/phu-huynh/cho-duyet"):
                assert (await client.get(path)).status_code == 404
                assert (await client.post(path, data={"ai": MOTHER.person})).status_code == 404
    async with browser(box, TEACHER) as client:
        page = await client.get("/phu-huynh/phieu")
        assert (page.status_code, "da-kiem-tra" in page.text) == (200, False)
        assert (await client.get("/phu-huynh/cho-duyet")).status_code == 404
        assert (await client.get(f"/phu-huynh/phieu?lop={CLASS_CHOI}")).status_code == 404
        assert (await client.post("/phu-huynh/phieu", data={"lop": CLASS_MAM})).status_code == 400
        assert (await client.post("/phu-huynh/phieu", data={"ai": pid("nobody")})).status_code == 404


async def test_the_principal_approves_refuses_and_ends(box: FakeBox) -> None:
    """One form each; a refusal without own words takes the usual ones."""
    box.slips.slips |= {name: FakeSlip(FATHER, checked=False) for name in ("a", "b")}
    phones = [Browser(), Browser()]
    async with browser(box) as client:
        for name, phone in zip(("a", "b"), phones, strict=True):
            await redeem(client, name, phone)
    first, second = box.slips.devices_of
    async with browser(box, PRINCIPAL) as client:
        page = await client.get("/phu-huynh/cho-duyet")
        assert "09•• ••• 678" in page.text
        assert "Trần Văn Ba (Bố)" in page.text
        assert (await client.post("/phu-huynh/cho-duyet", data={"duyet": first})).status_code == 303
        assert (await client.post("/phu-huynh/cho-duyet", data={"tu-choi": second, "loai": "phone"})).status_code == 303
        assert box.slips.devices_of[first].state == "approved"
        assert "cập nhật" in box.slips.devices_of[second].why
        for data in ({"duyet": first}, {"tu-choi": "x"}, {"duyet": pid("nobody")}):
            assert (await client.post("/phu-huynh/cho-duyet", data=data)).status_code == 404
        ended = await client.post("/phu-huynh/may/ket-thuc", data={"may": first, "lop": CLASS_MAM})
        assert ended.headers["location"] == f"/phu-huynh/phieu?lop={CLASS_MAM}&da-go={first}"
        said = (await client.get(ended.headers["location"])).text
        assert re.search(rf'role="status">.*Đã gỡ máy “[^”]+” của {FATHER.name}', said)
        plain = (await client.get(f"/phu-huynh/phieu?lop={CLASS_MAM}")).text
        for never in (pid("nobody"), second, "x", ""):
            same = (await client.get(f"/phu-huynh/phieu?lop={CLASS_MAM}&da-go={never}")).text
            assert ("Đã gỡ máy" in same, len(same)) == (False, len(plain)), never
    assert first not in box.slips.devices_of


def test_a_printed_code_is_small_and_says_its_address() -> None:
    """33 modules a side for a usual address, at medium correction; a reader gets every character back."""
    address = "HTTPS://VUON-MN-HOA-SEN.LOP.VN/P/MOI#ABCDEFGHIJKLMNOPQRSTUVWX23"
    assert 'viewBox="0 0 41 41"' in qr(address)  # with the quiet zone
    dark = np.array([[not cell for cell in row] for row in code_of(address).matrix_iter(border=4)], np.uint8) * 255
    text, _, _ = cv2.QRCodeDetector().detectAndDecode(np.kron(dark, np.ones((8, 8), np.uint8)))
    assert text == address


def test_every_app_has_its_own_streams() -> None:
    """The bound on waiting streams is the app's, not the process's."""
    one, other = (create_app(FakeBox(FakeClock()).services()) for _ in range(2))
    assert one.state.waiting is not other.state.waiting
