"""The review page itself: finding a day, choosing a span, keyboard, what is said when there is no picture, its looks."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from gateway.core.errors import VolumeMissing
from tests.browser.conftest import THURSDAY_MS, shoot
from tests.browser.review_fixtures import (
    DAY_MS,
    HOUR_MS,
    MIDNIGHT_MS,
    MINUTE_MS,
    NEWEST_MS,
    POWER_GAP,
    ReviewSite,
    code_of,
    play,
    position,
    ready,
    review_site,
    wait_for_code,
)
from tests.fakes.page_audit import audit
from tests.fakes.web_services import MAM, PRINCIPAL, TEACHER

pytestmark = pytest.mark.browser
MORNING_MS = MIDNIGHT_MS + 8 * HOUR_MS
WIDTH = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SIZES = [(1440, 900), (1366, 650), (390, 844), (320, 640)]
BETWEEN = {(1366, 650), (320, 640)}
"""Sizes between and beyond the two that every run looks at."""


@pytest.fixture
def review(chromium: Browser) -> Iterator[ReviewSite]:
    with review_site(chromium) as site:
        yield site


def heard(at_ms: int) -> str:
    seconds = (at_ms - MIDNIGHT_MS) // 1000
    return f"{seconds // 3600} giờ {seconds // 60 % 60} phút {seconds % 60} giây"


def near(page: Page, at_ms: int, within_ms: int = 1500) -> bool:
    return abs(position(page) - at_ms) <= within_ms


def past_the_rail(page: Page) -> None:
    """Follow the first stop of the page, which leads past the rail, however many places somebody has."""
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")


def test_from_the_list_to_a_chosen_span_by_keyboard_alone(review: ReviewSite) -> None:
    """Tab and Enter lead past the rail and open a camera; arrows, brackets, space, plus and minus work on the slider, which speaks its time."""
    page = review.visit("/xem-lai", PRINCIPAL)
    expect(page.locator("[data-camera]").first.locator(".says")).to_have_text("ghi được 98 %, mất hình 2 lần")
    shoot(page, "review-list-1440x900")
    past_the_rail(page)
    for _ in range(12):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.closest('[data-camera]') !== null"):
            break
    page.keyboard.press("Enter")
    ready(page)
    past_the_rail(page)
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.id === 'day-bar'"):
            break
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Phát", exact=True)).to_be_visible()
    at_ms = position(page)
    for key, moved in (
        ("ArrowLeft", -1000),
        ("Shift+ArrowLeft", -10_000),
        ("ArrowRight", 1000),
        ("PageDown", -600_000),
    ):
        page.keyboard.press(key)
        at_ms += moved
        assert near(page, at_ms, 5)
    wait_for_code(page, code_of(at_ms))
    slider = page.get_by_role("slider", name="Thời gian trong ngày")
    expect(slider).to_have_attribute("aria-valuetext", heard(at_ms))
    expect(slider).to_have_attribute("aria-valuenow", str((at_ms - MIDNIGHT_MS) // 1000))
    page.keyboard.press("[")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("]")
    expect(page.locator("#span-length")).to_have_text("10 giây · khoảng 1 MB")
    page.keyboard.press("+")
    expect(page.get_by_role("button", name="10 phút")).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(page.get_by_role("button", name="Ngày", exact=True)).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#near-bar")).to_be_hidden()


def test_a_span_is_typed_or_dragged_and_handed_on(review: ReviewSite) -> None:
    """Times typed in several ways, a handle dragged, a handle by keyboard; nonsense is marked, not taken."""
    page = review.review(MORNING_MS)
    ready(page)
    page.get_by_role("button", name="Chọn quanh lúc này").click()
    expect(page.locator("#span-length")).to_have_text("2 phút · khoảng 1 MB")
    expect(page.locator("#span-actions")).to_be_visible()
    start, end = page.get_by_label("Từ", exact=True), page.get_by_label("Đến", exact=True)
    for text, said in (("75512", "07:55:12"), ("7:56", "07:56:00"), ("07h57", "07:57:00")):
        start.fill(text if text != "75512" else "075512")
        start.press("Enter")
        expect(start).to_have_value(said)
    start.fill("25:99")
    start.press("Enter")
    expect(start).to_have_attribute("aria-invalid", "")
    end.fill("08:10:00")
    end.press("Enter")
    expect(page.locator("#span-length")).to_have_text("13 phút · khoảng 2 MB")
    handle = page.get_by_role("slider", name="Điểm cuối của đoạn")
    handle.focus()
    page.keyboard.press("ArrowLeft")
    expect(end).to_have_value("08:09:59")
    box, bar = handle.bounding_box(), page.locator("#near-bar").bounding_box()
    assert box is not None
    assert bar is not None
    page.mouse.move(box["x"] + 6, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 6 + bar["width"] / 12, box["y"] + 20, steps=5)
    page.mouse.up()
    assert end.input_value()[:5] in {"08:14", "08:15"}
    shoot(page, "review-span-1440x900")
    page.get_by_role("button", name="Bỏ chọn").click()
    expect(page.locator("#near-bar .sel")).to_be_hidden()
    expect(start).to_have_value("")


def test_the_calendar_leads_to_yesterday(review: ReviewSite) -> None:
    """The month says how much of each day there is; a click shows the same time of that day."""
    page = review.review(MORNING_MS)
    ready(page)
    play(page, False)
    page.get_by_role("button", name="Thứ Năm, 24/09").click()
    expect(page.locator("#month")).to_have_text("Tháng 9/2026")
    expect(page.get_by_role("button", name="24/09: ghi được")).to_have_attribute("aria-current", "date")
    expect(page.get_by_role("button", name="22/09: không có hình")).to_be_visible()
    expect(page.locator(".cal .day").nth(24)).to_be_disabled()
    shoot(page, "review-calendar")
    page.get_by_role("button", name="23/09: ghi được 100 %").click()
    expect(page.locator("#day-words")).to_have_text("Thứ Tư, 23/09")
    page.wait_for_function("at => document.getElementById('stage').stats().position < at", arg=MIDNIGHT_MS)
    wait_for_code(page, code_of(position(page)))
    page.locator("#day-next").click()
    expect(page.locator("#day-words")).to_have_text("Thứ Năm, 24/09")


def test_the_list_of_gaps_leads_to_each(review: ReviewSite) -> None:
    """Every gap of the day stands there in words, and a press shows what was seen just before it."""
    page = review.review(MORNING_MS)
    ready(page)
    page.get_by_role("button", name="09:12 Mất hình 7 phút: Mất điện").click()
    wait_for_code(page, *(code_of(POWER_GAP[0] - back) for back in (6000, 4000, 2000)))


def test_a_time_that_is_worth_less_says_so(review: ReviewSite) -> None:
    """Each stretch whose clock was wrong stands there in words, in both languages; a right one is no news."""
    page = review.review(MORNING_MS)
    ready(page)
    expect(page.locator("#unsure li")).to_have_count(0)
    worths = ("unsynchronised", "arrival", "stepped")
    review.footage.unsure = [(*POWER_GAP, worth) for worth in worths]
    page = review.review(MORNING_MS)
    ready(page)
    for words in ("chưa đúng", "camera sai", "chỉnh lại"):
        expect(page.locator("#unsure")).to_contain_text(words)
    expect(page.locator("#unsure")).to_contain_text("09:12")


def test_the_live_page_leads_two_minutes_back(review: ReviewSite) -> None:
    """One press from the live picture; a teacher, who may not, has no such link."""
    page = review.visit(f"/camera/{MAM}", PRINCIPAL)
    page.get_by_role("link", name="Xem lại 2 phút trước").click()
    ready(page)
    assert near(page, THURSDAY_MS - 2 * MINUTE_MS, 30_000)
    teacher = review.visit(f"/camera/{MAM}", TEACHER)
    expect(teacher.locator("#facts")).not_to_be_empty()
    assert teacher.get_by_role("link", name="Xem lại").count() == 0


def test_a_day_without_footage_says_so(review: ReviewSite) -> None:
    """Nothing was recorded three days ago: words and a way on, no endless wheel."""
    page = review.review(MORNING_MS - 3 * DAY_MS)
    expect(page.locator("#plate")).to_contain_text("Không có hình nào được ghi")
    asked = review.footage.count("index")
    page.wait_for_timeout(3000)
    assert review.footage.count("index") - asked <= 12


def test_the_small_pictures_of_a_day_leave_with_it(review: ReviewSite) -> None:
    """Another day without footage shows none of the day before; nothing of it is called a gap, nor complete."""
    page = review.review(MORNING_MS - DAY_MS)
    ready(page)
    expect(page.locator("#film img").first).to_be_attached()
    page.locator("#day-before").click()
    expect(page.locator("#plate")).to_contain_text("Không có hình nào được ghi")
    assert page.locator("#film img").count() == 0
    expect(page.locator("#share")).to_have_text("Không có hình nào được ghi")
    expect(page.locator("#missing")).to_be_empty()


def test_a_first_day_is_measured_from_its_first_picture(review: ReviewSite) -> None:
    """What a camera did not record before it came is no loss; the page says from when on there are pictures."""
    for stream in review.footage.streams.values():
        stream.start_ms = POWER_GAP[1] + 20 * MINUTE_MS
        stream.gaps.clear()
    page = review.review(MORNING_MS)
    ready(page)
    expect(page.locator("#note")).to_have_text("Hình đầu tiên trong ngày lúc 09:39:00")
    expect(page.locator("#share")).to_have_text(re.compile(r"Ghi được (100|9\d) % \(3[67] phút\)"))
    expect(page.locator("#day-from")).to_have_text("Hình đầu tiên trong ngày lúc 09:39")


def test_footage_on_a_disk_that_is_away_is_not_called_unrecorded(review: ReviewSite) -> None:
    """The box answers with nothing, because it cannot see: page, list and grid name the disk."""
    review.box.volumes = [{"id": "", "path": "/srv", "state": "missing", "free_bytes": 0, "total_bytes": 0}]
    page = review.review(MORNING_MS - 3 * DAY_MS)
    expect(page.locator("#plate")).to_contain_text("Không đọc được ổ ghi hình")
    expect(page.locator("#missing")).to_contain_text("Một ổ ghi hình không đọc được")
    page.goto(review.url + f"/xem-lai?luc={MORNING_MS - 3 * DAY_MS}")
    expect(page.locator(".says").first).to_have_text("Không đọc được ổ ghi hình")
    page.goto(review.url + "/")
    expect(page.locator("#strip")).to_contain_text("Không đọc được ổ ghi hình")


def signs(review: ReviewSite) -> int:
    """How often the page told that somebody is there."""
    return sum(item.url.endswith("/api/session/active") for item in review.requests)


def test_a_touch_tells_the_box_that_somebody_is_there(review: ReviewSite) -> None:
    """Playing is no sign of life, a key is; after 25 minutes without one the page asks, and a key answers."""
    page = review.review(MORNING_MS)
    ready(page)
    play(page, False)
    page.wait_for_timeout(300)
    assert signs(review) == 0  # a page that was just opened is known to be looked at
    page.evaluate(
        """async () => {
          const script = document.querySelector('link[href*="js/activity"]').href;
          const [real, wait] = [performance.now.bind(performance), setTimeout];
          let ahead = 0;
          performance.now = () => real() + ahead;
          globalThis.setTimeout = (act, ms) => (ms > 600000 ? globalThis.late = act : wait(act, ms));
          const { untouched } = await import(script);
          untouched(() => { globalThis.said = 'ask'; }, () => { globalThis.said = 'back'; });
          globalThis.setTimeout = wait;
          ahead = 25 * 60000;
          globalThis.late();
        }"""
    )
    assert page.evaluate("said") == "ask"
    page.keyboard.press("Shift")
    page.wait_for_function("() => globalThis.said === 'back'")
    page.keyboard.press("Shift")
    expect(page.locator("#plate")).to_be_hidden()
    assert 1 <= signs(review) <= 2  # the page's own listener and this one: each tells at most once a minute


def test_a_missing_disk_says_so_and_is_tried_again(review: ReviewSite) -> None:
    """The disk is named as what is wrong; one press after it is back shows the picture."""
    review.footage.trouble = VolumeMissing("gone")
    page = review.review(MORNING_MS)
    expect(page.locator("#plate")).to_contain_text("Không đọc được ổ ghi hình")
    review.footage.trouble = None
    page.get_by_role("button", name="Thử lại").click()
    ready(page)


def test_nothing_of_it_stays_in_the_browser(review: ReviewSite) -> None:
    """No cache, no storage, no database holds a picture, a name or an answer; every answer forbids it."""
    page = review.review(MORNING_MS)
    answers = []
    page.on("response", lambda response: answers.append(response))  # noqa: PLW0108 - it marks handlers
    page.reload()
    ready(page)
    found = page.evaluate(
        "async () => [...await caches.keys(), ...(await indexedDB.databases()).map(one => one.name), "
        "...Object.keys(localStorage), ...Object.keys(sessionStorage)]"
    )
    assert found == []
    kept = {
        answer.url for answer in answers if "/api/" in answer.url and answer.header_value("cache-control") != "no-store"
    }
    assert kept == set()


def test_a_span_never_ends_in_the_time_to_come(review: ReviewSite) -> None:
    """Wherever in its second now is, a span chosen up to now is one that the box takes at once."""
    page = review.visit(f"/xem-lai/{MAM}?luc={MORNING_MS}", PRINCIPAL)
    ready(page)
    ends = page.evaluate(
        """async (first) => {
          const { SpanSelect } = await import(document.querySelector('link[href*="js/span-select"]').href);
          const made = (name, ...inside) => {
            const element = document.createElement(name);
            element.append(...inside);
            return element;
          };
          const card = made('div', made('input'), made('input'));
          const chooser = made('div', made('b'), made('b'));
          chooser.className = 'sel';
          const root = made('div', chooser);
          return Array.from({ length: 40 }, (_, n) => {
            const now = first + 300000 + 25 * n;
            const chosen = new SpanSelect(card, { root }, () => [first, now]);
            chosen.around(now - 8000);
            return [now, ...chosen.span];
          });
        }""",
        MORNING_MS,
    )
    assert len(ends) == 40
    assert all(from_ms < to_ms <= now_ms < to_ms + 1000 for now_ms, from_ms, to_ms in ends)
    assert all(ms % 1000 == 0 for row in ends for ms in row[1:])


def test_nothing_is_off_the_page_before_the_day_is_known(review: ReviewSite) -> None:
    """While the box has not said what the day holds, every mark of both bars lies within them."""
    page = review.visit("/xem-lai", PRINCIPAL)
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/timeline?*", hold)
    page.goto(f"{review.url}/xem-lai/{MAM}?luc={MORNING_MS}")
    expect(page.locator("#near-hours span").first).to_have_text("07:30")
    expect(page.locator("#day-hours span").last).to_have_text("24:00")
    places = page.evaluate("""() => [...document.querySelectorAll('.tl .win, .tl .ph:not([hidden]), .hrs span')]
      .map((mark) => [parseFloat(mark.style.left), parseFloat(mark.style.left) + (parseFloat(mark.style.width) || 0)])""")
    assert len(places) > 12
    assert all(0 <= a <= b <= 100.001 for a, b in places)
    assert page.evaluate(WIDTH) <= 0
    assert held
    page.unroute("**/timeline?*")  # it asks again by itself
    expect(page.locator("#gaps li")).to_have_count(2)


@pytest.mark.parametrize(
    "size",
    [pytest.param(one, marks=[pytest.mark.soak] if one in BETWEEN else [], id=f"{one[0]}x{one[1]}") for one in SIZES],
)
def test_looks_and_accessibility(review: ReviewSite, size: tuple[int, int]) -> None:
    """No rule of the audit is broken, nothing scrolls sideways, also in English, at 200 % text, without motion."""
    for name, path in (("list", "/xem-lai"), ("camera", f"/xem-lai/{MAM}?luc={NEWEST_MS - 60_000}")):
        page = review.visit(path, PRINCIPAL, size=size, reduced_motion="reduce")
        if name == "camera":
            ready(page)
            expect(page.locator("#gaps li")).to_have_count(2)
            page.get_by_role("button", name="Chọn quanh lúc này").click()
            page.locator("#day-name").click()
        else:
            expect(page.locator(".says").first).to_contain_text("ghi được")
        assert audit(page) == []
        if name == "camera":
            page.locator("#day-name").click()
        shoot(page, f"review-{name}-{size[0]}x{size[1]}")
        assert page.evaluate(WIDTH) <= 0
        page.goto(page.url.partition("?")[0] + f"?lang=en&luc={MORNING_MS}")
        expect(page.locator("html")).to_have_attribute("lang", "en")
        page.evaluate("document.documentElement.style.fontSize = '200%'; document.body.style.fontSize = '200%'")
        assert page.evaluate(WIDTH) <= 0
        assert audit(page) == []
        shoot(page, f"review-{name}-en-{size[0]}x{size[1]}")
        page.context.close()


def test_the_picture_and_the_day_fit_on_a_desk_without_scrolling(review: ReviewSite) -> None:
    """At both desk sizes the picture, its controls and both bars stand on one screen."""
    for size in SIZES[:2]:
        page = review.review(MORNING_MS, size=size)
        ready(page)
        bottom = page.evaluate("document.getElementById('timeline').getBoundingClientRect().bottom")
        assert bottom <= size[1]
