"""WHEP by the letter: entity tags, links to ICE servers, methods, and players with tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from gateway.core.errors import OfferRefused
from gateway.core.iceservers import IceServer
from gateway.core.model import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import CHOI, LA, MAM, MOTHER, PRINCIPAL, TEACHER, FakeBox
from web.api_live import entity_tag, link_of

pytestmark = pytest.mark.anyio
SDP, FRAGMENT = {"content-type": "application/sdp"}, {"content-type": "application/trickle-ice-sdpfrag"}
OFFER = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef0123456789\r\n"
TAG = entity_tag("s0", OFFER)
CANDIDATE = "a=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n"
TOKEN = "a-players-token"


@pytest.fixture
def box() -> FakeBox:
    return FakeBox(FakeClock())


@asynccontextmanager
async def foreign(box: FakeBox, token: str | None = TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is no browser: no cookie, no origin, perhaps a token."""
    async with browser(box) as client:
        for name in ("Origin", "Sec-Fetch-Site"):
            client.headers.pop(name)
        if token is not None:
            client.headers["Authorization"] = f"Bearer {token}"
        yield client


def test_a_tag_names_the_ice_session() -> None:
    """It changes with the viewer's user name fragment and with nothing else, and holds neither."""
    assert entity_tag("s0", OFFER) == entity_tag("s0", OFFER.replace("\r\n", "\n")) != entity_tag("s1", OFFER)
    assert entity_tag("s0", OFFER.replace("abcd", "abce")) != TAG
    assert entity_tag("s0", "v=0") == '"s0"'
    assert "abcd" not in TAG
    assert TAG.startswith('"s0.')


@pytest.mark.parametrize(
    ("content", "headers", "status"),
    [
        (CANDIDATE, FRAGMENT, 428),
        (CANDIDATE, FRAGMENT | {"if-match": '"other"'}, 412),
        (CANDIDATE, FRAGMENT | {"if-match": '"s00.0123"'}, 412),
        (CANDIDATE, FRAGMENT | {"if-match": TAG}, 204),
        ("a=ice-ufrag:abcd\r\n" + CANDIDATE, FRAGMENT | {"if-match": TAG}, 204),
        ("a=end-of-candidates", FRAGMENT | {"if-match": TAG}, 204),
        (CANDIDATE, FRAGMENT | {"if-match": "*"}, 422),
        ("a=ice-ufrag:wxyz\r\n" + CANDIDATE, FRAGMENT | {"if-match": "*"}, 422),
        ("a=ice-ufrag:wxyz\r\n" + CANDIDATE, FRAGMENT | {"if-match": TAG}, 422),
        ("hello", FRAGMENT | {"if-match": TAG}, 400),
        (CANDIDATE, SDP | {"if-match": TAG}, 415),
    ],
)  # fmt: skip
async def test_fragments_are_checked(box: FakeBox, content: str, headers: dict[str, str], status: int) -> None:
    """No tag 428, a stale one 412, an ICE restart 422, no candidate 400, another type 415; only 204 reaches the door."""
    async with browser(box, MOTHER) as client:
        opened = await client.post(f"/whep/{MAM}", content=OFFER, headers=SDP)
        assert opened.headers["etag"] == TAG
        answer = await client.patch(f"/whep/{MAM}/s0", content=content, headers=headers)
    assert answer.status_code == status
    assert "etag" not in answer.headers
    assert any(call.startswith("candidate") for call in box.calls) is (status == 204)
    assert list(box.open_sessions) == ["s0"], "a refused restart ends nothing"


async def test_ending_needs_no_tag(box: FakeBox) -> None:
    """DELETE ignores entity tags."""
    async with browser(box, MOTHER) as client:
        await client.post(f"/whep/{MAM}", content=OFFER, headers=SDP)
        assert (await client.delete(f"/whep/{MAM}/s0", headers={"if-match": '"other"'})).status_code == 200
    assert box.open_sessions == {}


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
@pytest.mark.parametrize("path", [f"/whep/{MAM}", f"/whep/{MAM}/s0", "/whep/nothing"])
async def test_other_methods_are_refused_everywhere_alike(box: FakeBox, method: str, path: str) -> None:
    """405 with what is allowed, whether or not the address names something."""
    async with browser(box, MOTHER) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST, PATCH, DELETE, OPTIONS"


# ICE servers


def test_a_server_is_a_link() -> None:
    """As RFC 9725 writes it; a STUN server needs no password."""
    assert link_of(IceServer("stun:stun.example:3478")) == '<stun:stun.example:3478>; rel="ice-server"'
    turn = IceServer("turn:t.example?transport=tcp", "1790219732:abc", Secret("a+b/c="))
    assert link_of(turn) == (
        '<turn:t.example?transport=tcp>; rel="ice-server"; username="1790219732:abc"; credential="a+b/c="; '
        'credential-type="password"'
    )


async def test_servers_are_named_to_whoever_was_let_in(box: FakeBox) -> None:
    """One link each in the answer to an accepted offer; never to a refused one, OPTIONS or a stranger."""
    box.servers = (IceServer("stun:s.example"), IceServer("turn:t.example", "1:a", Secret("pass")))
    async with browser(box, MOTHER) as client:
        opened = await client.post(f"/whep/{MAM}", content=OFFER, headers=SDP)
        assert [link.split(">")[0] for link in opened.headers.get_list("link")] == [
            "<stun:s.example",
            "<turn:t.example",
        ]
        for answer in (
            await client.options(f"/whep/{MAM}"),
            await client.post(f"/whep/{CHOI}", content=OFFER, headers=SDP),
            await client.post(f"/whep/{MAM}", content=OFFER),
        ):
            assert "link" not in answer.headers
            assert "pass" not in answer.text
    async with browser(box) as client:
        assert "link" not in (await client.post(f"/whep/{MAM}", content=OFFER, headers=SDP)).headers


# players


async def test_a_player_with_a_token_opens_trickles_and_ends(box: FakeBox) -> None:
    """Without cookie and without a page's proof of origin; under the staff member's name and the token's device."""
    box.players[TOKEN] = TEACHER
    async with foreign(box) as client:
        opened = await client.post(f"/whep/{MAM}", content=OFFER, headers=SDP)
        assert opened.status_code == 201
        assert box.open_sessions["s0"] == (TEACHER, MAM)
        headers = FRAGMENT | {"if-match": opened.headers["etag"]}
        assert (await client.patch(opened.headers["location"], content=CANDIDATE, headers=headers)).status_code == 204
        assert (await client.delete(opened.headers["location"])).status_code == 200
        assert (await client.post(f"/whep/{LA}", content=OFFER, headers=SDP)).status_code == 404


@pytest.mark.parametrize("header", ["Bearer wrong", "Bearer ", "Bearer", "Basic YTpi", "Bearer " + "x" * 200, "é"])
async def test_what_is_no_living_token_opens_nothing(box: FakeBox, header: str) -> None:
    """401 with the way to authenticate, also beside a cookie that would do: who brings a token is that player."""
    box.players[TOKEN] = PRINCIPAL
    async with browser(box, PRINCIPAL) as client:
        headers = [
            (name.encode(), value.encode("latin-1")) for name, value in (SDP | {"Authorization": header}).items()
        ]
        answer = await client.post(f"/whep/{MAM}", content=OFFER, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="vuon"')
    assert box.calls == []


async def test_a_token_is_for_video_alone(box: FakeBox) -> None:
    """No page, no still, no other call takes it; changes without a page's proof stay refused elsewhere."""
    box.players[TOKEN] = PRINCIPAL
    async with foreign(box) as client:
        assert (await client.get("/", follow_redirects=False)).status_code == 303
        assert (await client.get(f"/api/cameras/{MAM}/still.jpg")).status_code == 401
        assert PRINCIPAL.name not in (await client.get("/api/me")).text
        for path in ("/api/sharing/stop", "/ra", "/vao", "/api/session/active"):
            refused = await client.post(path)
            assert (refused.status_code, "origin" in refused.text) == (403, True)
    assert box.calls == []


async def test_a_guardian_is_no_player(box: FakeBox) -> None:
    """Even if a token in a guardian's name existed, it would open nothing."""
    box.players[TOKEN] = MOTHER
    async with foreign(box) as client:
        assert (await client.post(f"/whep/{MAM}", content=OFFER, headers=SDP)).status_code == 401
    assert box.calls == []


async def test_a_foreign_page_cannot_play_the_player(box: FakeBox) -> None:
    """A request that a browser sends for another origin is refused, token or not; without a token so is everybody."""
    box.players[TOKEN] = PRINCIPAL
    async with foreign(box) as client:
        for said in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "none"}):
            answer = await client.post(f"/whep/{MAM}", content=OFFER, headers=SDP | said)
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "origin")
    assert box.calls == []


async def test_a_player_without_a_token_is_told_how_to_prove_who_it_is(box: FakeBox) -> None:
    """401 with the challenge and a player's words, at every address alike and whatever cookie comes with it."""
    answers = []
    async with foreign(box, None) as client:
        for method, path in (("POST", MAM), ("POST", "unknown"), ("PATCH", f"{MAM}/s0"), ("DELETE", f"{LA}/s0")):
            answers += [
                await client.request(method, f"/whep/{path}", content=OFFER, headers=SDP | cookie)
                for cookie in ({}, {"Cookie": f"__Host-vuon-box=token-{PRINCIPAL.person}"})
            ]
    assert {answer.status_code for answer in answers} == {401}
    assert {answer.headers["www-authenticate"] for answer in answers} == {'Bearer realm="vuon"'}
    assert len({answer.content for answer in answers}) == 1
    assert "trinh-phat" in answers[0].json()["error"]["hint"]
    assert box.calls == []


async def test_a_player_hears_of_its_offer_what_a_browser_does_not(box: FakeBox) -> None:
    """Rubbish instead of SDP: a program is told what to send, a person which browser to use; the code is one."""
    box.players[TOKEN], box.live_error = TEACHER, OfferRefused("rubbish")
    async with foreign(box) as client:
        player = await client.post(f"/whep/{MAM}", content="rubbish", headers=SDP)
    async with browser(box, MOTHER) as client:
        person = await client.post(f"/whep/{MAM}", content="rubbish", headers=SDP)
    assert player.status_code == person.status_code == 400
    assert player.json()["error"]["code"] == person.json()["error"]["code"] == "offer_refused"
    assert "SDP" in player.json()["error"]["title"]
    assert "Chrome" in person.json()["error"]["hint"]
