"""The tiles of one page over HTTP: opening the shared connection, and taking a line of it."""

from __future__ import annotations

import pytest

from gateway.core.iceservers import IceServer
from gateway.core.model import Decision, Secret, new_public_id
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import CHOI, FULL, LA, MAM, MOTHER, OFFICER, PRINCIPAL, TEACHER, FakeBox
from web.api_wall import MAX_WALL_BYTES

pytestmark = pytest.mark.anyio


@pytest.fixture
def box() -> FakeBox:
    return FakeBox(FakeClock())


async def test_the_first_tile_opens_and_the_next_takes_a_line(box: FakeBox) -> None:
    """201 each, with a session of its own under its own camera; ending one leaves the other."""
    async with browser(box, PRINCIPAL) as client:
        opened = await client.post(f"/wall/{MAM}?slot=2&stream=sub", json={"offer": "v=0\r\n"})
        assert opened.status_code == 201
        first = opened.json()
        assert first["answer"] == box.answer
        assert opened.headers["location"] == f"/whep/{MAM}/{first['session']}"
        joined = await client.post(f"/wall/{CHOI}/{first['wall']}/3?stream=main")
        assert joined.status_code == 201
        rest = {"answer": "", "tag": '"s1"', "servers": []}
        assert joined.json() == {"session": "s1", "wall": first["wall"], **rest}
        assert box.walls == {first["wall"]: [(2, MAM), (3, CHOI)]}
        assert (await client.delete(f"/whep/{CHOI}/s1")).status_code == 200
        assert list(box.open_sessions) == ["s0"]


@pytest.mark.parametrize("caller", [MOTHER, OFFICER])
async def test_walls_are_not_there_for_others_than_staff(box: FakeBox, caller: object) -> None:
    """A guardian, though she may see the class, and an officer get 404 and nothing is decided."""
    async with browser(box, caller) as client:  # type: ignore[arg-type]  # a caller
        assert (await client.post(f"/wall/{MAM}", json={"offer": "v=0"})).status_code == 404
        assert (await client.post(f"/wall/{MAM}/{new_public_id()}/0")).status_code == 404
    assert box.open_sessions == {}


async def test_each_tile_is_decided_by_its_own_camera(box: FakeBox) -> None:
    """A teacher's wall takes only rooms the teacher may see; a refusal names its reason."""
    async with browser(box, TEACHER) as client:
        wall = (await client.post(f"/wall/{MAM}", json={"offer": "v=0"})).json()["wall"]
        assert (await client.post(f"/wall/{LA}/{wall}/1")).status_code == 404
        box.refusals[TEACHER.person, MAM] = Decision(False, "pause.class")
        refused = await client.post(f"/wall/{MAM}/{wall}/1")
        assert (refused.status_code, refused.json()["error"]["reason"]) == (403, "pause.class")
    assert len(box.open_sessions) == 1


async def test_a_wall_that_is_gone_says_so(box: FakeBox) -> None:
    """410 with a code of its own, so that the page opens another instead of calling the camera missing."""
    async with browser(box, PRINCIPAL) as client:
        for wall in (new_public_id(), "no-id"):
            answer = await client.post(f"/wall/{MAM}/{wall}/0")
            assert (answer.status_code, answer.json()["error"]["code"]) == (410, "wall_gone")


@pytest.mark.parametrize("slot", ["-1", "16", "x", "1.5"])
async def test_lines_are_numbers_of_the_wall(box: FakeBox, slot: str) -> None:
    """Anything else is bad input and reaches nobody."""
    async with browser(box, PRINCIPAL) as client:
        assert (await client.post(f"/wall/{MAM}?slot={slot}", json={"offer": "v=0"})).status_code == 400
        assert (await client.post(f"/wall/{MAM}/{new_public_id()}/{slot}")).status_code == 400
    assert box.calls == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"offer": 1}', b"\xff", b'{"offer": "' + b"x" * (MAX_WALL_BYTES + 1) + b'"}']
)
async def test_offers_are_bounded_text(box: FakeBox, body: bytes) -> None:
    """No JSON, no text, too much of it: 400."""
    async with browser(box, PRINCIPAL) as client:
        headers = {"content-type": "application/json"}
        assert (await client.post(f"/wall/{MAM}", content=body, headers=headers)).status_code == 400
    assert box.open_sessions == {}


async def test_a_full_box_refuses_with_a_code(box: FakeBox) -> None:
    """503, as for one session."""
    box.live_error = FULL
    async with browser(box, PRINCIPAL) as client:
        answer = await client.post(f"/wall/{MAM}", json={"offer": "v=0"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "live_full")


async def test_a_wall_is_told_its_tag_and_its_servers_once(box: FakeBox) -> None:
    """Whoever opened the connection trickles with the tag and asks the servers; a tile that joins needs neither."""
    box.servers = (IceServer("stun:s"), IceServer("turn:t", "1:a", Secret("pass")))
    async with browser(box, PRINCIPAL) as client:
        offer = "v=0\r\na=ice-ufrag:abcd\r\n"
        first = (await client.post(f"/wall/{MAM}", json={"offer": offer})).json()
        assert first["servers"] == [{"urls": "stun:s"}, {"urls": "turn:t", "username": "1:a", "credential": "pass"}]
        headers = {"content-type": "application/trickle-ice-sdpfrag", "if-match": first["tag"]}
        fragment = "a=ice-ufrag:abcd\r\na=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n"
        assert (
            await client.patch(f"/whep/{MAM}/{first['session']}", content=fragment, headers=headers)
        ).status_code == 204
        joined = (await client.post(f"/wall/{CHOI}/{first['wall']}/3")).json()
        assert joined["servers"] == []
