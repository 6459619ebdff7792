"""The authority's board in a real browser: fifty schools, which camera is bad, why, since when, what next."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.conftest import HANG_MS, THURSDAY_MS, shoot
from tests.fakes.clock import FakeClock
from tests.fakes.hub_fleet import SCHOOLS, UNIT, district
from tests.fakes.hub_site import HubSite, hub_site
from tests.fakes.page_audit import audit

pytestmark = pytest.mark.browser
SIZES = [(1440, 900), (1366, 650), (390, 844), (320, 700)]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubSite]:
    """Fifty schools, seeded; the clock stands on a Thursday morning."""
    clock = FakeClock(THURSDAY_MS - 6_240_000)
    with hub_site(tmp_path_factory.mktemp("hub"), clock, district) as site:
        yield site


Open = Callable[..., Page]


@pytest.fixture
def visit(chromium: Browser, hub: HubSite) -> Iterator[Open]:
    """Open the hub signed in; afterwards no script failed, and nothing but the hub was asked."""
    contexts, errors, requests = [], list[str](), list[Request]()

    def open_page(size: tuple[int, int] = (1440, 900), language: str = "vi-VN", *, signed_in: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=language, timezone_id="Asia/Tokyo"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(HANG_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda request: requests.append(request))  # noqa: PLW0108 - it marks handlers
        page.goto(hub.url)
        if signed_in:
            page.locator("#code").fill(hub.code())
            page.keyboard.press("Enter")
            expect(page.locator("#h-sites")).to_be_visible()
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []
    assert {request.url.split("/")[2] for request in requests} == {hub.url.split("/")[2]}
    assert not [request.url for request in requests if request.resource_type == "media" or "still" in request.url]


@pytest.mark.parametrize("size", SIZES)
def test_fifty_schools_fit_each_screen(visit: Open, size: tuple[int, int]) -> None:
    """Nothing is cut off sideways, and the worst is seen without a click or a scroll."""
    page = visit(size)
    shoot(page, f"hub-{size[0]}x{size[1]}")
    assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert page.locator(".site").count() == len(SCHOOLS)
    first = page.locator("tbody tr").first
    expect(first).to_contain_text("MN Tuổi Thơ")
    expect(first).to_contain_text("Hộp ghi mất liên lạc")
    assert first.bounding_box()["y"] + 20 < size[1]  # type: ignore[index]  # it is visible


@pytest.mark.parametrize("language", ["vi-VN", "en-GB"])
@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_the_board_passes_the_accessibility_audit(visit: Open, size: tuple[int, int], language: str) -> None:
    """Names, contrast, headings, table structure and focus are in order in both languages."""
    page = visit(size, language)
    assert audit(page) == []


def test_the_sign_in_page_passes_the_accessibility_audit(visit: Open) -> None:
    """The form, and the form after a wrong code."""
    page = visit(signed_in=False)
    assert audit(page) == []
    page.locator("#code").fill("AAAA-BBBB-CCCC-DDDD")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    assert audit(page) == []


def test_the_list_says_which_why_since_when_and_what_next(visit: Open) -> None:
    """One line for each cause at each school, loudest first; every field has words."""
    page = visit()
    lines = [[cell.inner_text() for cell in line.locator("th,td").all()] for line in page.locator("tbody tr").all()]
    assert [line[0] for line in lines] == [
        *("MN Tuổi Thơ", "MN Thủy Tiên", "MN Hoa Đào", "MN Nam Hải", "MN Hoàng Anh", "MN Hoa Sen"),
        *("MN Đông Hải 1", "MN Hoa Sen", "MN Thỏ Ngọc", "MN 8-3"),
    ]
    assert all(all(cell.strip() for cell in line) for line in lines)
    refused = lines[2]
    assert refused[1].startswith("3 camera sai mật khẩu")
    assert "số 4, 7, 8" in refused[1]
    assert "23/09" in refused[2]
    assert "không tự thử" in refused[3]


def test_states_differ_by_shape_and_not_only_by_colour(visit: Open) -> None:
    """Good is square, weak a triangle, lost round; a lost box has none that looks good."""
    page = visit()
    shapes = page.evaluate(
        """() => ['good', 'weak', 'lost'].map((kind) => {
          const style = getComputedStyle(document.querySelector(`.sites .pip.${kind}`));
          return [style.borderRadius, style.clipPath, style.backgroundColor].join('|');
        })"""
    )
    assert len({shape.rsplit("|", 1)[0] for shape in shapes}) == 3
    assert page.locator(".site.gone .pip.good").count() == 0


def test_a_school_leads_to_its_line_by_keyboard(visit: Open) -> None:
    """Tab reaches the schools in trouble, worst first; Enter goes to the line that says why."""
    page = visit()
    stops = []
    for _ in range(12):
        page.keyboard.press("Tab")
        stops.append(page.evaluate("document.activeElement.innerText.trim()"))
    assert stops.index("Tuổi Thơ") < stops.index("Thủy Tiên")
    page.get_by_role("link", name="Hoa Đào").press("Enter")
    expect(page.locator("tr:target")).to_contain_text("MN Hoa Đào")


def test_there_is_no_picture_on_the_page(visit: Open) -> None:
    """No image, video or canvas, and the page says so to whoever reads it."""
    page = visit()
    assert page.locator("img,video,canvas,picture").count() == 0
    expect(page.locator(".promise")).to_contain_text(f"{UNIT} chỉ thấy tình trạng máy")


def test_an_open_board_follows_what_happens(visit: Open, hub: HubSite) -> None:
    """A camera that is unplugged, and plugged in again, shows without a touch."""
    page = visit()
    box = hub.boxes[SCHOOLS.index("Mặt Trời")]
    calm = page.locator(".site", has_text="Mặt Trời")
    expect(calm).not_to_have_class("site bad")
    hub.do(box.camera(3, "down", "camera_unreachable"))
    expect(page.locator(".site.bad", has_text="Mặt Trời")).to_be_visible()
    expect(page.locator("tbody tr", has_text="MN Mặt Trời")).to_contain_text("Camera 3")
    hub.do(box.camera(3, "up"))
    expect(page.locator("tbody tr", has_text="MN Mặt Trời")).to_have_count(0)


def test_a_hub_that_does_not_answer_is_said(visit: Open) -> None:
    """Old figures are never shown as if they were new."""
    page = visit()
    expect(page.locator("#stale")).to_be_hidden()
    page.route("**/api/board", lambda route: route.abort())
    expect(page.locator("#stale")).to_be_visible()
    page.unroute("**/api/board")
    expect(page.locator("#stale")).to_be_hidden()


def test_big_letters_do_not_break_the_page(visit: Open) -> None:
    """At 200 % text nothing is cut off sideways."""
    page = visit((1366, 650))
    page.evaluate("document.documentElement.style.zoom = 2")
    assert page.evaluate("document.documentElement.scrollWidth / 2") <= 1366


def test_signing_out_ends_the_board(visit: Open, hub: HubSite) -> None:
    """After the way out the board leads to the sign-in page."""
    page = visit()
    page.get_by_role("button", name="Đăng xuất").click()
    expect(page).to_have_url(hub.url + "/vao")
    page.goto(hub.url + "/")
    expect(page).to_have_url(hub.url + "/vao")
