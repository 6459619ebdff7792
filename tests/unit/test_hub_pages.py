"""The hub's routes: who may call them, what boxes and people get, and what they never get."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from gateway.core.db import Database
from gateway.hub.quota import Quota
from gateway.hub.store import MIGRATIONS, HubStore
from gateway.hub.troubles import Trouble
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.hub_fleet import STREAM, UNIT, FleetBox, camera_id, district, hub_store, school, services
from web.guards import guards_of
from web.hub_app import create_hub_app
from web.hub_guards import ANYBODY, BOX, CLAIMANT, MAX_PACKED_BYTES, OFFICER, hub_routes_markdown
from web.hub_pages import row, short
from web.i18n import Words

pytestmark = pytest.mark.anyio
ROUTES_DOC = Path(__file__).parents[2] / "docs" / "ref" / "hub-routes.md"
HOST = "hub.example"
ORIGIN = f"http://{HOST}"
PAGE = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


class World:
    """A hub's store, its application and a browser."""

    def __init__(self, store: HubStore, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.app = create_hub_app(services(store, clock, hosts=frozenset({HOST})))

    def browser(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=ORIGIN, headers=PAGE)

    @asynccontextmanager
    async def officer(self) -> AsyncIterator[httpx.AsyncClient]:
        """A browser that is signed in."""
        async with self.browser() as client:
            code = await self.store.staff.make_code()
            assert (await client.post("/vao", data={"code": code})).status_code == 303
            yield client

    async def box_posts(self, box: FleetBox, path: str, value: object, **headers: str) -> httpx.Response:
        """Send as a box does: no cookie, no origin, perhaps another name of the host."""
        signed, body = box.request(path, value)  # type: ignore[arg-type]  # also what is no object
        async with httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://10.0.0.1") as client:
            return await client.post(path, content=body, headers=signed | headers)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock()
    async with hub_store(tmp_path, clock) as store:
        yield World(store, clock)


def routes(world: World) -> list[APIRoute]:
    found = [route for route in world.app.routes if isinstance(route, APIRoute)]
    assert len(found) == len(world.app.routes), "a mount or bare route would have no guard"
    return found


async def test_every_route_declares_exactly_one_policy(world: World) -> None:
    """A route without a declared guard, or with two, does not get past this test."""
    policies = {(name, route.path): guards_of(route) for route in routes(world) for name in route.methods or ()}
    assert policies == {
        ("POST", "/v1/enrol"): [CLAIMANT],
        ("POST", "/v1/hello"): [BOX],
        ("POST", "/v1/events/{stream}"): [BOX],
        ("GET", "/vao"): [ANYBODY],
        ("POST", "/vao"): [ANYBODY],
        ("POST", "/ra"): [ANYBODY],
        ("GET", "/"): [OFFICER],
        ("GET", "/api/board"): [OFFICER],
        ("GET", "/static/{version}/{path:path}"): [ANYBODY],
    }


async def test_the_reference_lists_every_route(world: World) -> None:
    """docs/ref/hub-routes.md is what the app's routes are; VUON_WRITE_DOCS=1 writes it anew."""
    text = hub_routes_markdown(world.app.routes)
    if os.environ.get("VUON_WRITE_DOCS"):
        ROUTES_DOC.write_text(text, encoding="utf-8")
    assert ROUTES_DOC.read_text(encoding="utf-8") == text


class TestBoxes:
    """The door of boxes."""

    async def test_enrol_hello_events(self, world: World) -> None:
        """The whole conversation over HTTP, whatever name the box calls us by."""
        box, claim = FleetBox(world.store, world.clock, 1), await world.store.make_claim("MN Hoa Sen")
        public = box.key.public_key().public_bytes_raw().hex()
        answer = await world.box_posts(box, "/v1/enrol", {"claim": claim, "public_key": public})
        box.gateway = answer.json()["gateway"]
        lanes = [{"lane": "alarm", "stream": STREAM.format(1), "base": 0}]
        answer = await world.box_posts(box, "/v1/hello", {"lanes": lanes})
        assert answer.json() == {"cursors": [{"stream": STREAM.format(1), "lane": "alarm", "acked": 0, "id": ""}]}
        path = f"/v1/events/{STREAM.format(1)}"
        answer = await world.box_posts(box, path, {"first": 1, "events": [{"sequence": 1}]})
        assert (answer.status_code, answer.json()) == (200, {"acked": 1, "gap": False})
        answer = await world.box_posts(box, path, {"first": 9, "events": [{"sequence": 9}]})
        assert answer.json() == {"acked": 1, "gap": True}
        assert answer.headers["cache-control"] == "no-store"

    @pytest.mark.parametrize("path", ["/v1/hello", "/v1/events/x"])
    async def test_a_session_is_no_signature(self, world: World, path: str) -> None:
        """A signed-in person cannot speak for a box."""
        async with world.officer() as client:
            answer = await client.post(path, content=gzip.compress(b"{}"))
        assert (answer.status_code, answer.json()) == (401, {"error": {"code": "hub_refused", "reason": "unknown"}})

    async def test_a_signature_is_no_session(self, world: World) -> None:
        """A box cannot read the board."""
        box = await school(world.store, world.clock)
        headers, _ = box.request("/api/board", {})
        async with world.browser() as client:
            assert (await client.get("/api/board", headers=headers)).status_code == 401

    async def test_refusals_tell_a_box_what_to_do_in_codes(self, world: World) -> None:
        """Claim, signature, clock, malformed: a status, a code, a reason, no sentence."""
        box = await school(world.store, world.clock)
        refused = await world.box_posts(box, "/v1/hello", {}, **{"vuon-signature": "AAAA"})
        assert (refused.status_code, refused.json()["error"]["reason"]) == (401, "signature")
        public = FleetBox(world.store, world.clock, 2)
        answer = await world.box_posts(
            public, "/v1/enrol", {"claim": "x", "public_key": public.key.public_key().public_bytes_raw().hex()}
        )
        assert (answer.status_code, answer.json()["error"]) == (403, {"code": "code_refused", "reason": "claim"})
        assert (await world.box_posts(box, "/v1/hello", [])).status_code == 400
        assert (await world.box_posts(box, "/v1/hello", {"lanes": 5})).json() == {"error": {"code": "bad_input"}}
        assert (await world.box_posts(box, "/v1/nothing", {})).status_code == 404

    async def test_an_old_box_clock_is_named(self, world: World) -> None:
        """So that its log says why the hub does not take it."""
        box = await school(world.store, world.clock)
        headers, body = box.request("/v1/hello", {"lanes": []})
        world.clock.tick(3600)
        async with world.browser() as client:
            answer = await client.post("/v1/hello", content=body, headers=headers)
        assert answer.json()["error"]["reason"] == "clock"

    async def test_a_body_over_the_cap_is_refused_while_it_arrives(self, world: World) -> None:
        """Content-Length may be absent or a lie."""

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(MAX_PACKED_BYTES // 65_536 + 2):
                yield bytes(65_536)

        async with world.browser() as client:
            answer = await client.post("/v1/enrol", content=endless())
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_input")

    async def test_a_box_over_its_quota_gets_429_with_a_time(self, tmp_path: Path) -> None:
        """Retry-After in seconds, as the link understands it."""
        clock = FakeClock()
        async with Database(tmp_path / "hub.db", [MIGRATIONS]) as db:
            world = World(HubStore(db, clock, Quota(burst=10, per_s=1)), clock)
            box = await school(world.store, clock)
            await box.well(4)
            path = f"/v1/events/{STREAM.format(1)}"
            answer = await world.box_posts(box, path, {"first": 10, "events": [{}] * 8})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert answer.json() == {"error": {"code": "hub_busy"}}


class TestPeople:
    """The door of people."""

    async def test_without_a_session_everything_leads_to_signing_in(self, world: World) -> None:
        """Pages by a redirect, the API by 401, static files not at all."""
        async with world.browser() as client:
            page = await client.get("/")
            api = await client.get("/api/board")
            form = await client.get("/vao")
        assert (page.status_code, page.headers["location"]) == (303, "/vao")
        assert (api.status_code, api.json()) == (401, {"error": {"code": "sign_in"}})
        assert form.status_code == 200
        assert UNIT in form.text

    async def test_a_code_opens_the_board_once(self, world: World) -> None:
        """The cookie is for this host only, unreadable for scripts; a second use is refused."""
        code = await world.store.staff.make_code()
        async with world.browser() as client:
            answer = await client.post("/vao", data={"code": code})
            cookie = answer.headers["set-cookie"]
            assert cookie.startswith("vuon-hub=")
            assert "HttpOnly" in cookie
            assert "SameSite=strict" in cookie
            assert (await client.get("/")).status_code == 200
            assert (await client.get("/vao")).status_code == 303
        async with world.browser() as other:
            again = await other.post("/vao", data={"code": code})
        assert again.status_code == 403
        assert 'role="alert"' in again.text

    async def test_over_tls_the_cookie_is_locked_to_the_host(self, world: World) -> None:
        """`__Host-` and Secure."""
        app = create_hub_app(services(world.store, world.clock, secure=True, hosts=frozenset({HOST})))
        origin = f"https://{HOST}"
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=origin,
            headers={"origin": origin, "sec-fetch-site": "same-origin"},
        ) as client:
            answer = await client.post("/vao", data={"code": await world.store.staff.make_code()})
            assert answer.headers["set-cookie"].startswith("__Host-vuon-hub=")
            assert "Secure" in answer.headers["set-cookie"]
            assert "strict-transport-security" in answer.headers
            assert (await client.get("/")).status_code == 200

    @pytest.mark.parametrize("body", [b"", b"code=", b"code=x", b"a=1&" * 50, b"\xff\xfe=%ff", b"code=" + b"A" * 9_000])
    async def test_any_form_is_answered(self, world: World, body: bytes) -> None:
        """Refused with the page, never an error of ours."""
        async with world.browser() as client:
            answer = await client.post("/vao", content=body)
        assert answer.status_code == 403

    async def test_another_sites_form_cannot_sign_in_or_out(self, world: World) -> None:
        """And a foreign host name never reaches a route."""
        async with world.officer() as client:
            for headers in (
                {"origin": "http://evil.example", "sec-fetch-site": "cross-site"},
                {"host": "evil.example"},
            ):
                assert (await client.post("/ra", headers=headers)).status_code in (403, 421)
            assert (await client.get("/")).status_code == 200

    async def test_signing_out_ends_the_session(self, world: World) -> None:
        """Also for whoever copied the cookie."""
        async with world.officer() as client:
            cookie = client.cookies["vuon-hub"]
            assert (await client.post("/ra")).headers["location"] == "/vao"
        async with world.browser() as thief:
            thief.cookies.set("vuon-hub", cookie)
            assert (await thief.get("/api/board")).status_code == 401

    async def test_an_unknown_address_leads_to_the_board(self, world: World) -> None:
        """A mistyped page is not a dead end; a script gets 404."""
        async with world.officer() as client:
            assert (await client.get("/truong")).headers["location"] == "/"
            assert (await client.get("/api/nothing")).json() == {"error": {"code": "not_found"}}

    async def test_the_board_names_every_school_and_no_picture(self, world: World) -> None:
        """In both languages; no image, video or address of one anywhere in it."""
        await district(world.store, world.clock)
        async with world.officer() as client:
            for language, sentence in (("vi", "Cần xử lý, nặng nhất trước"), ("en", "To be fixed, worst first")):
                page = await client.get("/", params={"lang": language})
                assert sentence in page.text
                assert page.text.count('class="site') == 50 + 1  # and the list around them
                for word in ("<img", "<video", "<canvas", "still.jpg", ".jpeg", "whep"):
                    assert word not in page.text
                assert "img-src 'self'" in page.headers["content-security-policy"]

    async def test_an_empty_hub_says_what_to_do(self, world: World) -> None:
        """No school has enrolled yet: how one does."""
        async with world.officer() as client:
            text = (await client.get("/")).text
        assert "Chưa có trường nào ghi danh" in text
        assert "vuon hub ghi-danh" in text
        assert "Mọi camera" not in text

    async def test_a_calm_district_is_said_to_be_calm(self, world: World) -> None:
        """An empty list could be a broken page."""
        await (await school(world.store, world.clock)).well(3)
        async with world.officer() as client:
            assert "Mọi camera đều kết nối và đang ghi hình" in (await client.get("/")).text

    async def test_the_api_tells_what_the_page_shows(self, world: World) -> None:
        """State, reason and since of every camera; nothing that names a class or a person."""
        box = await school(world.store, world.clock)
        await box.well(2)
        await box.camera(2, "down", "camera_unreachable")
        async with world.officer() as client:
            answer = (await client.get("/api/board")).json()
        (site,) = answer["sites"]
        assert set(site) == {"site", "lost", "last_seen_ms", "viewers", "version", "conditions", "cameras"}
        assert site["cameras"][1] == {
            "id": camera_id(1, 2),
            "number": 2,
            "state": "down",
            "recording": True,
            "why": "camera_unreachable",
            "warning": "",
            "since_ms": NOON_MS,
        }
        assert (answer["now_ms"], answer["clock"]) == (NOON_MS, "12:00")

    async def test_a_school_with_markup_in_its_name_is_text(self, world: World) -> None:
        """Names are the authority's own words, and still only words."""
        await school(world.store, world.clock, name='MN <script>alert("x")</script>')
        async with world.officer() as client:
            text = (await client.get("/")).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;" in text


class TestWords:
    """Every trouble has words in both languages."""

    CAUSES = (
        *("", "camera_unreachable", "camera_login", "camera_silent", "camera_closed", "camera_overloaded"),
        *("camera", "network", "login", "disk", "power", "clock", "overload", "recorder_restart"),
        *("recorder_stopped", "paused", "camera.losing_packets", "a_code_of_tomorrow"),
    )

    @pytest.mark.parametrize("language", ["vi", "en"])
    @pytest.mark.parametrize("why", CAUSES)
    def test_every_cause_says_why_and_what_next(self, language: str, why: str) -> None:
        """Also one that this hub does not know yet."""
        words = Words(language, "Asia/Ho_Chi_Minh")
        for what in ("down", "login_refused", "silent", "connecting", "not_recording", "weak"):
            for cameras in ((3,), (3, 4)):
                found = row(Trouble("MN A", "g", "lost", what, why, cameras, NOON_MS - 60_000), words, NOON_MS)
                assert found["what"]
                assert found["why"]
                assert found["next"]
                assert (found["since"], bool(found["numbers"])) == ("11:59", len(cameras) > 1)

    @pytest.mark.parametrize("language", ["vi", "en"])
    @pytest.mark.parametrize("code", ["recorder.down", "volume.missing", "clock.untrusted", "tomorrow.trouble"])
    def test_every_condition_of_a_box_has_words(self, language: str, code: str) -> None:
        """Title and next step of the catalogue, or that it is new."""
        found = row(Trouble("a", "g", "lost", code, code, (), 5), Words(language, "Asia/Ho_Chi_Minh"), NOON_MS)
        assert found["what"]
        assert found["next"]
        assert code not in (found["what"], found["next"])

    def test_a_box_that_never_spoke_is_another_trouble(self) -> None:
        """It has no since; who installed it is to be asked."""
        found = row(Trouble("a", "g", "box", "box_lost", "", (), None), Words("vi", "Asia/Ho_Chi_Minh"), NOON_MS)
        assert (found["since"], found["age"]) == ("", "")
        assert "chưa kết nối lần nào" in found["what"]

    def test_many_cameras_are_told_by_their_count(self) -> None:
        """The first eight by number; the date only if it was not today."""
        trouble = Trouble("a", "g", "lost", "down", "", tuple(range(1, 13)), NOON_MS - 86_400_000)
        found = row(trouble, Words("vi", "Asia/Ho_Chi_Minh"), NOON_MS)
        assert found["what"] == "12 camera mất kết nối"
        assert found["numbers"] == "số 1, 2, 3, 4, 5, 6, 7, 8…"
        assert found["since"] == "20/11 12:00"

    @pytest.mark.parametrize(
        ("site", "expected"),
        [("MN Hoa Sen", "Hoa Sen"), ("Trường mầm non 20-10", "20-10"), ("Hoa Mai", "Hoa Mai"), ("MNHoa", "MNHoa")],
    )
    def test_a_card_leaves_out_what_all_names_begin_with(self, site: str, expected: str) -> None:
        """The full name is in the list and the card's title."""
        assert short(site) == expected


def test_json_of_the_board_is_small_for_fifty_schools() -> None:
    """What a browser asks every three seconds stays within one round trip of a slow line, packed."""
    camera = {
        "id": "a" * 16,
        "number": 1,
        "state": "up",
        "recording": True,
        "why": "",
        "warning": "",
        "since_ms": NOON_MS,
    }
    board = {"sites": [{"site": f"MN {n}", "cameras": [camera] * 12} for n in range(50)]}
    assert len(gzip.compress(json.dumps(board).encode())) < 14_600
