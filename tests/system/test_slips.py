"""A slip in the running product: real HTTP, real database, real video; from paper to picture and out again."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.box_door import BoxDoor, silence
from tests.fakes.device import Browser
from tests.fakes.h264 import clip
from tests.fakes.viewer import Viewer
from tests.fakes.whole_gateway import WholeGateway, whole_gateway

pytestmark = [pytest.mark.system, pytest.mark.anyio]
DIGITS = "5678"


async def proof(door: BoxDoor, phone: Browser, purpose: str) -> dict[str, str]:
    challenge = (await door.post("/api/device/challenge")).json()["challenge"]
    return {"key": phone.point, "challenge": challenge, "signature": phone.sign(challenge, purpose)}


async def bind(door: BoxDoor, phone: Browser, secret: str, digits: str = DIGITS) -> httpx.Response:
    return await door.post("/api/slip", json={"secret": secret, "digits": digits, **await proof(door, phone, "bind")})


async def enter(door: BoxDoor, phone: Browser, key: str) -> httpx.Response:
    return await door.post("/api/device/session", json={"id": key, **await proof(door, phone, "enter")})


async def printed(head: BoxDoor, person: str) -> str:
    """Print a slip on the principal's page; returns its typed code."""
    sheet = await head.post("/phu-huynh/phieu", data={"ai": person})
    assert sheet.status_code == 200, sheet.text
    return sheet.text.partition('<p class="code">')[2].partition("<")[0]


async def found(box: WholeGateway) -> dict[str, Any]:
    await box.call("hours.set", **{"class": "Mầm 1", "start": "00:00", "end": "24:00", "days": "2,3,4,5,6,7,8"})
    mother = {"name": "Trần Thị Mai", "kind": "mẹ", "child": "Trần An Nhiên", "class": "Mầm 1", "consent": True}
    return await box.call("guardian.add", **mother)


async def test_from_paper_to_picture_and_out_again(tmp_path: Path) -> None:
    """Printed, digits, waiting, approved, watching under the guardian's name; ended by the school: video stops within a second."""
    async with whole_gateway(tmp_path, clip(640, 360)) as box, BoxDoor(box.url) as head, BoxDoor(box.url) as door:
        person = (await found(box))["person"]
        await box.call("slip.new", guardian=person, phone="0912 345 678")
        assert (await head.sign_in((await box.call("code.new"))["code"])).status_code == 303
        code, phone = await printed(head, person), Browser()
        assert "Trần" not in (await door.post("/api/slip/look", json={"secret": code})).text
        wrong = await bind(door, phone, code, "0000")
        assert (wrong.json()["error"]["reason"], wrong.json()["error"]["left"]) == ("slip.digits", 4)
        bound = await bind(door, phone, code)
        key = bound.json()["id"]
        assert bound.json()["next"] == "/p/cho"
        assert (await enter(door, phone, key)).json()["error"]["reason"] == "device.waiting"
        assert (await door.get("/p/")).status_code == 401

        waiting = (await head.get("/phu-huynh/cho-duyet")).text
        assert "09•• ••• 678" in waiting
        device = waiting.partition('name="duyet" value="')[2].partition('"')[0]
        async with door.stream("GET", f"/api/device/{key}/standing") as told:
            lines = told.aiter_lines()
            assert json.loads(await next_data(lines))["state"] == "waiting"
            assert (await head.post("/phu-huynh/cho-duyet", data={"duyet": device})).status_code == 303
            assert json.loads(await next_data(lines))["state"] == "approved"
        assert (await enter(door, phone, key)).status_code == 200
        page = (await door.get("/p/")).text
        assert 'data-mark="PH Trần Thị Mai · •••678"' in page

        async with Viewer() as viewer:
            reply = await door.offer(viewer, str(box.camera))
            assert reply.status_code == 201, reply.text
            await viewer.seen(3)
            old = door.cookies["vuon-box"]
            assert (await enter(door, phone, key)).status_code == 200  # the proof changes the token, not the stream
            await viewer.seen(len(viewer.rtp) + 3)
            async with BoxDoor(box.url) as thief:
                thief.cookies.set("vuon-box", old)
                assert (await thief.get("/p/")).status_code == 401
            ended_s = time.monotonic()
            assert (await head.post("/phu-huynh/may/ket-thuc", data={"may": device})).status_code == 303
            answered_s = time.monotonic() - ended_s
            count = len(viewer.rtp)
            assert await silence(viewer) - count <= 30, f"video went on after an answer of {answered_s:.2f} s"
        assert (await enter(door, phone, key)).json()["error"]["reason"] == "device.unknown"
        (slip,) = (await box.call("slip.sheet", **{"class": "Mầm 1"}))["slips"]
        assert (slip["child"], slip["kind"]) == ("An Nhiên", "mother")
        assert (await bind(door, Browser(), slip["url"].partition("#")[2])).json()["next"] == "/p/cho"
        assert await box.audit() > 0


async def next_data(lines: Any) -> str:
    """Return the data of the next event."""
    async for line in lines:
        if line.startswith("data: "):
            return str(line[6:])
    raise AssertionError("the stream ended")
