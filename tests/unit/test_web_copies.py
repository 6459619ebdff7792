"""Holds and copies over HTTP: who may, what is asked for, and downloads in one range."""

from __future__ import annotations

import json

import pytest

from gateway.core.model import PublicId, new_public_id
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import DEPUTY, EVERYBODY, LA, MAM, PRINCIPAL, FakeBox, pid

pytestmark = pytest.mark.anyio
JSON = {"content-type": "application/json"}
SPAN = {"from_ms": 1_000, "to_ms": 61_000, "why": "Bé ngã"}


async def ready(box: FakeBox) -> PublicId:
    order = await box.copies.request(PRINCIPAL, MAM, 1_000, 61_000, "Bé ngã")
    box.copies.change(order, state="ready", manifest_sha256="ab" * 32)
    return order


async def test_a_hold_is_placed_listed_and_lifted() -> None:
    """One person, one call; the list says who and why; letting it go needs a reason too."""
    box = FakeBox(FakeClock())
    async with browser(box, PRINCIPAL) as client:
        made = await client.post(f"/api/cameras/{MAM}/holds", json=SPAN)
        assert made.status_code == 201
        hold = made.json()
        assert (hold["camera"], hold["by"], hold["why"], hold["confirmed"]) == (MAM, PRINCIPAL.name, "Bé ngã", True)
        assert hold["until_ms"] - hold["placed_ms"] == 30 * 86_400_000
        assert (await client.get("/api/holds")).json() == {"holds": [hold]}
        assert (await client.request("DELETE", f"/api/holds/{hold['hold']}", json={})).status_code == 400
        gone = await client.request("DELETE", f"/api/holds/{hold['hold']}", json={"why": "xong"})
        assert gone.status_code == 204
        assert (await client.get("/api/holds")).json() == {"holds": []}
        assert (await client.request("DELETE", "/api/holds/x", json={"why": "xong"})).status_code == 404
        days = await client.post(f"/api/cameras/{MAM}/holds", json=SPAN | {"days": 5})
        assert days.json()["until_ms"] - days.json()["placed_ms"] == 5 * 86_400_000


async def test_the_second_person_approves_and_both_fetch() -> None:
    """Asked by one; her own approval is refused with the reason; the other's begins it."""
    box = FakeBox(FakeClock())
    async with browser(box, PRINCIPAL) as first, browser(box, DEPUTY) as second:
        made = await first.post(f"/api/cameras/{LA}/exports", json=SPAN)
        assert made.status_code == 201
        order = made.json()["order"]
        assert [item.camera for item in box.holds.held] == [LA]
        (mine,) = (await first.get("/api/exports")).json()["exports"]
        assert (mine["mine"], mine["may_approve"], mine["state"], mine["file"]) == (True, False, "asked", None)
        own = await first.post(f"/api/exports/{order}/approve", json={})
        assert own.status_code == 403
        assert own.json()["error"]["reason"] == "export.same_person"
        assert "chính mình" in own.json()["error"]["why"] or own.json()["error"]["why"]
        (theirs,) = (await second.get("/api/exports")).json()["exports"]
        assert theirs["may_approve"]
        approved = await second.post(f"/api/exports/{order}/approve", json={})
        assert [item["state"] for item in approved.json()["exports"]] == ["queued"]
        box.copies.change(PublicId(order), state="ready", manifest_sha256="ab" * 32)
        for client in (first, second):
            got = await client.get(f"/api/exports/{order}/file")
            assert (got.status_code, got.content) == (200, box.copies.data)


async def test_refusing_needs_a_reason_and_cancelling_none() -> None:
    """Another's order that waits is refused with words; one's own, or a running one, is cancelled."""
    box = FakeBox(FakeClock())
    async with browser(box, PRINCIPAL) as first, browser(box, DEPUTY) as second:
        for who, body, status, state in (
            (second, {}, 400, "asked"),
            (second, {"why": "không đủ lý do"}, 200, "refused"),
            (first, {}, 200, "cancelled"),
        ):
            box.copies.orders.clear()
            order = await box.copies.request(PRINCIPAL, MAM, 1, 2, "x")
            answer = await who.post(f"/api/exports/{order}/cancel", json=body)
            assert (answer.status_code, box.copies.orders[0].state) == (status, state)
        assert (await first.post(f"/api/exports/{new_public_id()}/cancel", json={})).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/trich-xuat"),
        ("GET", "/api/copies"),
        ("GET", "/api/holds"),
        ("GET", "/api/exports"),
        ("POST", f"/api/cameras/{MAM}/holds"),
        ("POST", f"/api/cameras/{MAM}/exports"),
        ("DELETE", f"/api/holds/{pid('hold')}"),
        ("POST", f"/api/exports/{pid('order')}/approve"),
        ("POST", f"/api/exports/{pid('order')}/cancel"),
        ("GET", f"/api/exports/{pid('order')}/file"),
    ],
)
async def test_only_principals_reach_any_of_it(method: str, path: str) -> None:
    """For teachers, families, officers and installers these routes are not there; without a session nobody is."""
    for caller in EVERYBODY.values():
        if caller is PRINCIPAL:
            continue
        box = FakeBox(FakeClock())
        async with browser(box, caller) as client:
            answer = await client.request(method, path, json=SPAN if method != "GET" else None)
        assert answer.status_code == 404, caller.role
        assert not [call for call in box.calls if call.startswith(("hold", "lift", "fetch"))]
    async with browser(FakeBox(FakeClock())) as client:
        answer = await client.request(method, path, json=SPAN if method != "GET" else None)
        assert answer.status_code == (303 if path == "/trich-xuat" else 401)


@pytest.mark.parametrize(
    "body",
    ["", "[]", "{", '{"from_ms": 1}', '{"from_ms": "1", "to_ms": 2, "why": "x"}', '{"from_ms": 1, "to_ms": 2}',
     '{"from_ms": true, "to_ms": 2, "why": "x"}', '{"from_ms": 1e3, "to_ms": 2000, "why": "x"}',
     '{"from_ms": 1, "to_ms": 99999999999999999999, "why": "x"}', '{"from_ms": 1, "to_ms": 2, "why": 3}',
     '{"from_ms": 1, "to_ms": 2, "why": ""}', '{"from_ms": 2, "to_ms": 2, "why": "x"}'],
)  # fmt: skip
async def test_bodies_of_another_form_are_refused(body: str) -> None:
    """Whatever is not a span with a reason gets 400, and nothing is held."""
    box = FakeBox(FakeClock())
    async with browser(box, PRINCIPAL) as client:
        for what in ("holds", "exports"):
            answer = await client.post(f"/api/cameras/{MAM}/{what}", content=body, headers=JSON)
            assert answer.status_code == 400
    assert box.holds.held == []


async def test_a_download_goes_on_where_it_broke_off() -> None:
    """One range is answered with 206 and exactly those bytes; with another entity tag the whole comes anew."""
    box = FakeBox(FakeClock())
    order, size = await ready(box), len(box.copies.data)
    async with browser(box, DEPUTY) as client:
        whole = await client.get(f"/api/exports/{order}/file")
        assert whole.headers["accept-ranges"] == "bytes"
        assert whole.headers["content-length"] == str(size)
        assert whole.headers["cache-control"] == "no-store"
        assert whole.headers["content-disposition"] == f'attachment; filename="trich-xuat-{order}.zip"'
        same = {"If-Range": whole.headers["etag"]}
        for asked, first, last in (
            ("bytes=5000-", 5000, size - 1),
            ("bytes=0-0", 0, 0),
            ("bytes=-7", size - 7, size - 1),
        ):
            part = await client.get(f"/api/exports/{order}/file", headers={"Range": asked} | same)
            assert part.status_code == 206
            assert part.headers["content-range"] == f"bytes {first}-{last}/{size}"
            assert part.content == box.copies.data[first : last + 1]
        other = await client.get(f"/api/exports/{order}/file", headers={"Range": "bytes=5-", "If-Range": '"x"'})
        assert (other.status_code, len(other.content)) == (200, size)
        beyond = await client.get(f"/api/exports/{order}/file", headers={"Range": f"bytes={size}-"})
        assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{size}")
        answers = {"bytes=0-1,4-5": 416, "bytes=5-4": 416, "bytes=-": 400, "lines=1-2": 200, "bytes=a-b": 400}
        for wrong, status in answers.items():
            found = await client.get(f"/api/exports/{order}/file", headers={"Range": wrong})
            assert (wrong, found.status_code) == (wrong, status)
        box.copies.change(order, state="asked")
        assert (await client.get(f"/api/exports/{order}/file")).status_code == 403


async def test_the_page_carries_its_first_state() -> None:
    """In both languages: title, the rule of two people, and the state with the cameras' names in it."""
    box = FakeBox(FakeClock())
    await ready(box)
    for language, title in (("vi", "Trích xuất và lưu giữ"), ("en", "Copies and holds")):
        async with browser(box, DEPUTY, language=language) as client:
            page = await client.get("/trich-xuat")
            assert page.status_code == 200
            assert title in page.text
            assert "Lớp Mầm 1" in page.text
            state = (await client.get("/api/copies")).json()
            assert state["names"] == {MAM: "Lớp Mầm 1"}
            assert [item["state"] for item in state["exports"]] == ["ready"]
            assert json.dumps(state)
