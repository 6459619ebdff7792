"""Pages and files as they leave the box."""

from __future__ import annotations

import gzip
import re

import pytest

from gateway.core.errors import NotFound, all_errors
from gateway.core.model import Decision
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import EVERYBODY, MAM, MOTHER, OFFICER, PRINCIPAL, TEACHER, FakeBox, pid
from web.assets import Asset, Assets, load_assets
from web.i18n import Words
from web.problems import body_of, status_of
from web.services import ClassDay, DayBlock

pytestmark = pytest.mark.anyio
HOUR_MS = 3_600_000
PAGES = {
    "/": PRINCIPAL,
    f"/camera/{MAM}": TEACHER,
    "/p/": MOTHER,
    "/p/tai-khoan": MOTHER,
    "/vao": None,
    "/p/moi": None,
    "/p/cho": None,
    "/p/app": None,
    "/phu-huynh/phieu": PRINCIPAL,
    "/phu-huynh/cho-duyet": PRINCIPAL,
}


@pytest.fixture
def box() -> FakeBox:
    return FakeBox(FakeClock())


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("path", PAGES)
async def test_every_page_is_whole_in_both_languages(box: FakeBox, path: str, language: str) -> None:
    """It names its language, has one h1 and only files of the present version, and holds nothing inline."""
    async with browser(box, PAGES[path], language=language) as client:
        page = (await client.get(path)).text
        assert f'<html lang="{language}"' in page
        assert page.count("<h1") == 1
        for address in re.findall(r'(?:href|src)="(/static/[^"#]*)', page):
            assert (await client.get(address)).status_code == 200, address
    assert "style=" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\son\w+=", page)
    assert "{{" not in page


async def test_the_language_is_remembered_only_when_asked_for(box: FakeBox) -> None:
    """`?lang=` sets a cookie that says nothing else; reading a page sets none."""
    async with browser(box, PRINCIPAL) as client:
        assert "set-cookie" not in (await client.get("/")).headers
        response = await client.get("/?lang=en")
        assert response.headers["set-cookie"].startswith("vuon-lang=en;")
        assert 'lang="en"' in (await client.get("/")).text


async def test_the_language_of_a_link_outlives_the_way_to_the_sign_in(box: FakeBox) -> None:
    """Nobody signed in, sent on in the language that was asked for; anything else behind it is not taken along."""
    async with browser(box) as client:
        asked = {"/?lang=en": "/vao?lang=en", "/?lang=xx": "/vao", "/?lang=en%0d%0aX:%20y": "/vao", "/": "/vao"}
        for address, location in asked.items():
            assert (await client.get(address)).headers["location"] == location
        assert 'lang="en"' in (await client.get("/vao?lang=en")).text


async def test_names_from_outside_are_escaped_everywhere(box: FakeBox) -> None:
    """A camera called like markup stays a name, in text, attributes and the page's data."""
    box.status_of[MAM]["name"] = '</template><script>alert(1)</script>"'
    async with browser(box, PRINCIPAL) as client:
        for path in ("/", f"/camera/{MAM}"):
            page = (await client.get(path)).text
            assert "<script>alert" not in page
            assert "</template><script" not in page


async def test_accounts_without_pictures_have_a_page_without_pictures(box: FakeBox) -> None:
    """The authority's IT sees that it sees no classroom; no camera is named."""
    async with browser(box, OFFICER) as client:
        page = (await client.get("/")).text
    assert "không thấy hình lớp học" in page
    assert "live-view" not in page


async def test_a_school_without_cameras_is_told_what_to_do(box: FakeBox) -> None:
    """An empty grid names the next step."""
    box.status_of.clear()
    async with browser(box, PRINCIPAL) as client:
        assert "vuon tim" in (await client.get("/")).text


async def test_only_who_may_stop_sharing_has_the_button(box: FakeBox) -> None:
    """A teacher's grid has no switch."""
    for caller, has in ((PRINCIPAL, True), (TEACHER, False)):
        async with browser(box, caller) as client:
            assert ('id="sharing"' in (await client.get("/")).text) is has


async def test_the_closed_class_page_has_no_element_that_fetches_a_pixel(box: FakeBox) -> None:
    """Outside the hours: illustration, next time, what is next; no live view, no image, no script for one."""
    box.class_decision = Decision(False, "plan.nap", next_ms=NOON_MS + 2 * HOUR_MS)
    box.windows = ((NOON_MS - HOUR_MS, NOON_MS), (NOON_MS + 2 * HOUR_MS, NOON_MS + 4 * HOUR_MS))
    box.blocks = (
        DayBlock(NOON_MS - HOUR_MS, NOON_MS + HOUR_MS, "nap"),
        DayBlock(NOON_MS + 2 * HOUR_MS, NOON_MS + 4 * HOUR_MS, "siesta", True),
    )
    async with browser(box, MOTHER) as client:
        page = (await client.get("/p/")).text
    assert "<live-view" not in page
    assert "<img" not in page
    assert "still.jpg" not in page
    assert "14:00" in page
    assert "Ngủ trưa" in page
    assert "Hoạt động của lớp" in page, "a kind of block that is not known has a name all the same"


class ManyClasses(FakeBox):
    """A guardian of two children, one class with two cameras."""

    def classes(self, caller: object) -> list[ClassDay]:
        del caller
        allowed = Decision(True, "role.guardian")
        return [
            ClassDay(pid("one"), "Lớp Mầm 1", "Bé An", (MAM, pid("second")), allowed),
            ClassDay(pid("two"), "Lớp Lá 1", "", (), allowed),
        ]


async def test_a_guardian_of_several_classes_chooses() -> None:
    """Each camera is one choice; an unknown choice is the first; a class without camera is offline."""
    box = ManyClasses(FakeClock())
    box.status_of[pid("second")] = {"id": pid("second"), "name": "Góc sau", "state": "up", "recording": True}
    async with browser(box, MOTHER) as client:
        page = (await client.get("/p/?lop=nowhere&cam=nothing")).text
        assert page.count('class="picks"') == 1
        assert f'camera="{MAM}"' in page
        assert f'camera="{pid("second")}"' in (await client.get(f"/p/?lop={pid('one')}&cam={pid('second')}")).text
        assert "mất kết nối" in (await client.get(f"/p/?lop={pid('two')}")).text


class NoClasses(FakeBox):
    """A guardian whose child is in no class."""

    def classes(self, caller: object) -> list[ClassDay]:
        del caller
        return []


async def test_a_guardian_without_a_class_is_told_whom_to_ask() -> None:
    """No class: a page with the way out, and no view from the API."""
    async with browser(NoClasses(FakeClock()), MOTHER) as client:
        assert "Chưa có lớp nào" in (await client.get("/p/")).text
        assert (await client.get("/api/class")).json()["screen"] == "none"
        assert (await client.get("/p/nhac.ics")).status_code == 404


async def test_the_reminder_needs_a_next_time(box: FakeBox) -> None:
    """While the class is open there is nothing to be reminded of."""
    async with browser(box, MOTHER) as client:
        assert (await client.get("/p/nhac.ics")).status_code == 404
        box.class_decision = Decision(False, "window.closed", next_ms=NOON_MS)
        entry = await client.get("/p/nhac.ics")
    assert entry.headers["content-type"].startswith("text/calendar")
    assert "DTSTART:20261121T050000Z" in entry.text


async def test_the_manifest_names_the_school_and_nobody(box: FakeBox) -> None:
    """Icons exist; the scope is the guardians' pages."""
    async with browser(box) as client:
        manifest = (await client.get("/manifest.webmanifest")).json()
        assert manifest["scope"] == manifest["start_url"] == "/p/"
        assert "Hoa Sen" in manifest["name"]
        for icon in manifest["icons"]:
            assert (await client.get(icon["src"])).headers["content-type"] == "image/png"


# problems


def test_every_error_has_a_status_and_words() -> None:
    """No class of the tree is left out, in either language."""
    for kind in all_errors():
        error = kind("secret message")
        assert status_of(error) in {400, 403, 404, 410, 423, 429, 500, 503}
        for language in ("vi", "en"):
            body = body_of(error, Words(language, "Asia/Ho_Chi_Minh"))["error"]
            assert body["title"]
            assert body["hint"]
            assert "secret" not in str(body)


@pytest.mark.parametrize("role", list(EVERYBODY))
async def test_people_get_pages_and_scripts_get_json(box: FakeBox, role: object) -> None:
    """404 is a page with a code to read aloud outside /api, JSON inside."""
    async with browser(box, EVERYBODY[role]) as client:  # type: ignore[index]  # a Role
        page, machine = await client.get("/nowhere"), await client.get("/api/nowhere")
    assert "Mã: not_found" in page.text
    assert machine.json()["error"]["code"] == "not_found"


# files


def test_the_version_is_that_of_the_files() -> None:
    """Another byte is another address; another version or path is not there."""
    one, two = (
        Assets({"a.js": Asset("text/javascript", b"1", None)}),
        Assets({"a.js": Asset("text/javascript", b"2", None)}),
    )
    assert one.version != two.version
    assert one.get(one.version, "a.js").body == b"1"
    for version, path in ((two.version, "a.js"), (one.version, "b.js"), (one.version, "../a.js")):
        with pytest.raises(NotFound):
            one.get(version, path)
    with pytest.raises(KeyError):
        one.url("b.js")


async def test_files_are_sent_packed_to_whoever_takes_that_and_kept_for_ever(box: FakeBox) -> None:
    """Scripts are packed, fonts and pictures are not; both may be kept; none needs a session."""
    assets = load_assets()
    async with browser(box) as client:
        packed = await client.get(assets.url("js/live-view.js"), headers={"Accept-Encoding": "gzip"})
        plain = await client.get(assets.url("js/live-view.js"), headers={"Accept-Encoding": "identity"})
        font = await client.get(assets.url("fonts/num.woff2"))
        outside = await client.get(f"/static/{assets.version}/../app.py")
    assert packed.headers["content-encoding"] == "gzip"
    assert (
        packed.content == plain.content == gzip.decompress(assets.get(assets.version, "js/live-view.js").packed or b"")
    )
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-type"] == "text/javascript; charset=utf-8"
    assert "content-encoding" not in font.headers
    assert outside.status_code == 404


def test_every_font_has_its_licence_beside_it() -> None:
    """The fonts' licence text is served with them."""
    assets = load_assets()
    licence = assets.get(assets.version, "fonts/OFL.txt").body.decode()
    assert "SIL OPEN FONT LICENSE Version 1.1" in licence
    assert "Be Vietnam Pro" in licence
    assert "Inter" in licence
