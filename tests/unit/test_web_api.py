"""Cameras, stills, the switch and WHEP over HTTP."""

from __future__ import annotations

import pytest

from gateway.core.errors import DaemonUnavailable, OfferRefused
from gateway.core.model import Action, Decision, Role
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import (
    CHOI,
    FATHER,
    FULL,
    LA,
    MAM,
    MOTHER,
    PRINCIPAL,
    TEACHER,
    YARD,
    FakeBox,
)  # fmt: skip
from web.api_live import MAX_SDP_BYTES
from web.services import OpenView

pytestmark = pytest.mark.anyio
SDP = {"content-type": "application/sdp"}
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}


@pytest.fixture
def box() -> FakeBox:
    return FakeBox(FakeClock())


async def test_the_list_says_recording_and_viewing_apart(box: FakeBox) -> None:
    """A camera may show pictures and not record; both facts are told, and the alarm comes first."""
    box.status_of[CHOI] |= {"state": "down", "recording": False, "since_ms": 5}
    box.status_of[LA] |= {"recording": False}
    box.views = [OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, 1)]
    async with browser(box, PRINCIPAL) as client:
        state = (await client.get("/api/cameras")).json()
    by_id = {camera["id"]: camera for camera in state["cameras"]}
    assert [camera["id"] for camera in state["cameras"]] == [MAM, CHOI, LA, YARD]
    assert (by_id[LA]["state"], by_id[LA]["recording"], by_id[LA]["trouble"]) == ("up", False, "norec")
    assert (by_id[CHOI]["trouble"], by_id[CHOI]["since_ms"]) == ("down", 5)
    assert [item["id"] for item in state["troubles"]] == [LA, CHOI]
    assert (state["working"], state["watching"], state["disk_pct"]) == (2, 1, 62)
    assert by_id[MAM]["viewers"] == 1


async def test_a_teacher_counts_only_guardians_of_the_own_classes(box: FakeBox) -> None:
    """Viewers of other classes are not hinted at."""
    box.views = [OpenView(CHOI, FATHER.person, FATHER.name, Role.GUARDIAN, 1)]
    async with browser(box, TEACHER) as client:
        assert (await client.get("/api/cameras")).json()["watching"] == 0


async def test_a_still_needs_a_grant_each_time_and_says_its_age(box: FakeBox) -> None:
    """Two stills are two grants; time and age are in headers; nothing may be kept."""
    async with browser(box, MOTHER) as client:
        first = await client.get(f"/api/cameras/{MAM}/still.jpg?w=320")
        await client.get(f"/api/cameras/{MAM}/still.jpg")
    assert first.content == box.stills[MAM]
    assert first.headers["content-type"] == "image/jpeg"
    assert int(first.headers["x-captured-at"]) == box.clock.now_ms() - 800
    assert first.headers["x-age"] == "800"
    assert first.headers["cache-control"] == "no-store"
    grant = f"grant {Action.SNAPSHOT} of {MAM}"
    assert box.calls == [grant, "still 320", grant, "still 640"]


@pytest.mark.parametrize("width", ["1920", "0", "-1", "x", "640;id"])
async def test_a_still_has_two_widths_only(box: FakeBox, width: str) -> None:
    """Anything else is bad input and asks for no grant."""
    async with browser(box, PRINCIPAL) as client:
        response = await client.get(f"/api/cameras/{MAM}/still.jpg", params={"w": width})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "bad_input")
    assert width not in response.text
    assert box.calls == []


async def test_outside_the_hours_a_still_is_a_refusal_without_a_pixel(box: FakeBox) -> None:
    """403 says why and when next; the recorder is not asked."""
    box.class_decision = Decision(False, "plan.nap", next_ms=1_795_250_000_000)
    async with browser(box, MOTHER) as client:
        response = await client.get(f"/api/cameras/{MAM}/still.jpg")
    error = response.json()["error"]
    assert (response.status_code, error["reason"], error["next_ms"]) == (403, "plan.nap", 1_795_250_000_000)
    assert response.headers["content-type"] == "application/json"
    assert not [call for call in box.calls if call.startswith("still")]


async def test_no_still_yet_is_the_cameras_trouble(box: FakeBox) -> None:
    """503 with the camera's code and when to come again."""
    del box.stills[MAM]
    async with browser(box, PRINCIPAL) as client:
        response = await client.get(f"/api/cameras/{MAM}/still.jpg")
    assert (response.status_code, response.json()["error"]["code"]) == (503, "camera_unreachable")
    assert response.headers["retry-after"] == "10"


async def test_the_switch_answers_with_the_new_state(box: FakeBox) -> None:
    """Stop and resume return what the grid shows then, so that a page needs no second question."""
    box.views = [OpenView(MAM, MOTHER.person, MOTHER.name, Role.GUARDIAN, 1)]
    async with browser(box, PRINCIPAL) as client:
        stopped = (await client.post("/api/sharing/stop")).json()
        resumed = (await client.post("/api/sharing/resume")).json()
    assert stopped["sharing"] == {"stopped": True, "since_ms": box.clock.now_ms()}
    assert stopped["watching"] == 0
    assert resumed["sharing"]["stopped"] is False
    assert [call for call in box.calls if " by " in call] == [
        f"stop by {PRINCIPAL.person}",
        f"resume by {PRINCIPAL.person}",
    ]


async def test_the_class_api_says_only_which_screen_and_until_when(box: FakeBox) -> None:
    """No viewers, no technical state, no other family."""
    box.status_of[MAM] |= {"state": "login_refused", "since_ms": 7}
    async with browser(box, MOTHER) as client:
        view = (await client.get("/api/class")).json()
    assert view["screen"] == "offline"
    assert set(view) == {"id", "name", "camera", "screen", "reason", "until_ms", "next_ms", "since_ms", "now_ms"}
    assert "login" not in str(view)


async def test_one_question_to_the_recorder_a_second(box: FakeBox) -> None:
    """However many pages ask at once; a second later it is asked again."""
    async with browser(box, PRINCIPAL) as client:
        for _ in range(5):
            await client.get("/api/cameras")
        assert box.status_calls == 1
        box.clock.tick(1.0)  # type: ignore[attr-defined]  # the fake's own
        await client.get("/api/cameras")
    assert box.status_calls == 2


async def test_a_silent_recorder_is_a_state(box: FakeBox) -> None:
    """Cameras stay in the list with their names by class, all unknown."""
    box.recorder_down = True
    async with browser(box, PRINCIPAL) as client:
        state = (await client.get("/api/cameras")).json()
        assert (await client.get("/")).status_code == 200
    assert state["recorder"] is False
    assert {camera["trouble"] for camera in state["cameras"]} == {"unknown"}
    assert state["cameras"][0]["name"] == "Lớp Mầm 1"


# WHEP


async def test_an_offer_is_answered_with_a_session_of_its_own(box: FakeBox) -> None:
    """201 with SDP, address and entity tag; then candidates, then the end."""
    async with browser(box, MOTHER) as client:
        opened = await client.post(f"/whep/{MAM}", content="v=0\r\n", headers=SDP)
        assert (opened.status_code, opened.text) == (201, box.answer)
        assert opened.headers["content-type"].startswith("application/sdp")
        assert opened.headers["location"] == f"/whep/{MAM}/s0"
        assert opened.headers["etag"] == '"s0"'
        assert "link" not in opened.headers
        assert opened.headers["accept-patch"] == "application/trickle-ice-sdpfrag"
        trickled = await client.patch(
            opened.headers["location"],
            content="a=candidate:1 1 udp 1 192.0.2.7 9 typ host",
            headers=FRAGMENT | {"if-match": '"s0"'},
        )
        assert trickled.status_code == 204
        closed = await client.delete(opened.headers["location"])
        assert closed.status_code == 200
        assert (await client.delete(opened.headers["location"])).status_code == 404
    assert box.open_sessions == {}


async def test_a_session_answers_only_to_whoever_opened_it(box: FakeBox) -> None:
    """Not to the principal, not by way of another camera: 404."""
    async with browser(box, MOTHER) as client:
        await client.post(f"/whep/{MAM}", content="v=0", headers=SDP)
    async with browser(box, PRINCIPAL) as client:
        for camera in (MAM, LA):
            assert (await client.delete(f"/whep/{camera}/s0")).status_code == 404
            headers = FRAGMENT | {"if-match": '"s0"'}
            fragment = await client.patch(f"/whep/{camera}/s0", content="a=candidate:x", headers=headers)
            assert fragment.status_code == 404
    assert len(box.open_sessions) == 1


async def test_the_stream_is_main_or_sub(box: FakeBox) -> None:
    """`stream` chooses the encoding; anything else is bad input."""
    async with browser(box, PRINCIPAL) as client:
        await client.post(f"/whep/{MAM}?stream=main", content="v=0", headers=SDP)
        await client.post(f"/whep/{MAM}", content="v=0", headers=SDP)
        assert (await client.post(f"/whep/{MAM}?stream=both", content="v=0", headers=SDP)).status_code == 400
    assert [call for call in box.calls if call.startswith("open")] == [
        "open main: 3 characters",
        "open sub: 3 characters",
    ]


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (b"v=0", {"content-type": "text/plain"}, 415),
        (b"v=0", {}, 415),
        (b"x" * (MAX_SDP_BYTES + 1), SDP, 400),
        (b"\xff\xfe", SDP, 400),
        (b"x" * MAX_SDP_BYTES, {"content-type": "Application/SDP; charset=utf-8"}, 201),
    ],
)
async def test_offers_are_bounded_text_of_one_kind(
    box: FakeBox, content: bytes, headers: dict[str, str], status: int
) -> None:
    """Wrong type 415, too long or no text 400; nothing of it reaches the door."""
    async with browser(box, PRINCIPAL) as client:
        response = await client.post(f"/whep/{MAM}", content=content, headers=headers)
    assert response.status_code == status
    assert bool(box.open_sessions) is (status == 201)


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (FULL, 503, "live_full"),
        (OfferRefused("no H.264"), 400, "offer_refused"),
        (DaemonUnavailable("gone"), 503, "daemon_unavailable"),
    ],
)
async def test_what_the_door_refuses_reaches_the_page_as_a_code(
    box: FakeBox, error: Exception, status: int, code: str
) -> None:
    """Code, title and remedy in the page's language; a retry time where trying again helps."""
    box.live_error = error
    for language in ("vi", "en"):
        async with browser(box, PRINCIPAL, language=language) as client:
            response = await client.post(f"/whep/{MAM}", content="v=0", headers=SDP)
        body = response.json()["error"]
        assert (response.status_code, body["code"]) == (status, code)
        assert body["title"]
        assert body["hint"]
        assert ("retry-after" in response.headers) is (status == 503)


async def test_a_refused_offer_says_why_and_when_next(box: FakeBox) -> None:
    """The reason's code, its text and the next time, decided by the grant and not before it."""
    box.class_decision = Decision(False, "plan.nap", next_ms=99)
    async with browser(box, MOTHER) as client:
        error = (await client.post(f"/whep/{MAM}", content="v=0", headers=SDP)).json()["error"]
    assert (error["code"], error["reason"], error["next_ms"]) == ("denied", "plan.nap", 99)
    assert box.calls == [f"grant {Action.LIVE} of {MAM}"]
