"""The guardian's pages in a real browser: slip, class, closed hours."""

from __future__ import annotations

import gzip

import pytest
from playwright.sync_api import Page, Response, expect

from gateway.core.model import Decision
from tests.browser.conftest import THURSDAY_MS, Site, shoot
from tests.fakes.web_services import ALLOWED, FULL, MAM, MOTHER, TEACHER
from web.services import DayBlock

pytestmark = pytest.mark.browser
PHONE = (390, 844)
HOUR_MS = 3_600_000
SEVEN_MS = THURSDAY_MS - (3 * 3600 + 15 * 60 + 32) * 1000
"""07:00 of the site's day."""


def at(hours: float) -> int:
    """UTC ms of an hour of the site's day."""
    return SEVEN_MS + int((hours - 7) * HOUR_MS)


@pytest.fixture
def day(site: Site) -> Site:
    """A class with two viewing windows and a plan."""
    site.box.windows = ((at(7.5), at(10.5)), (at(14), at(16.5)))
    site.box.blocks = (
        DayBlock(at(7.5), at(10.5), "lesson", True),
        DayBlock(at(10.5), at(11.5), "meal"),
        DayBlock(at(11.5), at(14), "nap"),
        DayBlock(at(14), at(16.5), "outdoors", True),
        DayBlock(at(16.5), at(17), "leaving"),
    )
    site.box.class_decision = Decision(True, "role.guardian", until_ms=at(10.5))
    return site


def phone(site: Site, path: str = "/p/", size: tuple[int, int] = PHONE) -> Page:
    return site.visit(path, MOTHER, size=size, device_scale_factor=2, has_touch=True, is_mobile=True)


def test_the_class_shows_a_still_the_hours_and_the_viewers_name(day: Site) -> None:
    """Picture with age chip, watermark with name and minute, strip of the day, time left."""
    page = phone(day)
    expect(page.locator("live-view > img")).to_be_visible()
    expect(page.locator(".chip-at")).to_contain_text("Ảnh")
    expect(page.locator(".wm")).to_have_text("PH Trần Thị Mai · •••678 · 10:15")
    expect(page.locator("#left")).to_have_text("còn 15 phút")
    expect(page.get_by_role("img", name="Giờ xem hôm nay: 07:30 - 10:30, 14:00 - 16:30")).to_be_visible()
    shoot(page, "parent-live")
    assert day.pictures()
    assert all(MAM in url for url in day.pictures())


@pytest.mark.parametrize("width", [390, 320])
def test_the_name_over_the_picture_is_whole(day: Site, width: int) -> None:
    """Name, last three digits and minute stand inside the picture, wherever they move, also a long name."""
    page = phone(day, size=(width, 640))
    expect(page.locator(".wm")).to_be_visible()
    inside = """() => {
      const [mark, view] = ['.wm', 'live-view'].map((name) => document.querySelector(name).getBoundingClientRect());
      return mark.left >= view.left && mark.right <= view.right && mark.top >= view.top && mark.bottom <= view.bottom;
    }"""
    assert page.evaluate(inside)
    shoot(page, f"mark-{width}")


def test_a_day_without_hours_is_not_over(day: Site) -> None:
    """On a Saturday the page says that today has no hours, and when the next are."""
    day.box.windows = day.box.blocks = ()
    day.box.class_decision = Decision(False, "window.closed", next_ms=at(48 + 7.5))
    page = phone(day)
    expect(page.get_by_role("heading", level=1)).to_have_text("Hôm nay lớp không có giờ xem")
    expect(page.locator(".msg p")).to_contain_text("Hẹn gặp lại Thứ Bảy, 26/09/2026 lúc 07:30.")


def test_without_the_name_there_is_no_picture(day: Site) -> None:
    """Removing the watermark removes the view."""
    page = phone(day)
    expect(page.locator(".wm")).to_be_visible()
    page.evaluate("document.querySelector('.wm').remove()")
    expect(page.locator("live-view")).to_have_count(0)


def test_a_lasting_failure_of_video_is_called_a_weak_network(day: Site) -> None:
    """After a few tries the page says so, keeps the stills, and never goes black."""
    page = phone(day)
    expect(page.locator("#weak")).to_be_visible(timeout=20_000)
    expect(page.locator(".pb.warn")).to_be_visible()
    expect(page.locator("live-view > img")).to_be_visible()
    shoot(page, "parent-snap")


def test_a_box_that_serves_as_many_as_it_may_is_not_called_a_weak_network(day: Site) -> None:
    """Photos, the true reason, and it goes on trying; no word of turns."""
    day.box.live_error = FULL
    page = phone(day)
    expect(page.locator("#turn")).to_contain_text("Số người xem cùng lúc đã đủ.")
    expect(page.locator("#turn")).not_to_contain_text("luân phiên")
    expect(page.locator(".chip-at")).to_contain_text("Chỉ có ảnh")
    expect(page.locator("live-view > img")).to_be_visible()
    expect(page.locator("#weak")).to_be_hidden()
    with page.expect_request(lambda request: "/whep/" in request.url):
        pass


CLOSED = {
    "nap": (Decision(False, "plan.nap", next_ms=at(14)), "Giờ ngủ trưa của các bé", "Hình mở lại lúc 14:00, còn 3 giờ 45 phút."),
    "closed": (Decision(False, "window.closed", next_ms=at(24 + 7.5)), "Hết giờ xem hôm nay", "Hẹn gặp lại Thứ Sáu, 25/09/2026 lúc 07:30."),
    "early": (Decision(False, "window.closed", next_ms=at(14)), "Chưa đến giờ xem", "Hình mở lại lúc 14:00"),
    "holiday": (Decision(False, "calendar.closed", next_ms=at(24 + 7.5)), "Hôm nay trường nghỉ: Giỗ Tổ", "Hẹn gặp lại"),
    "paused": (Decision(False, "class.paused"), "Lớp đang tạm dừng chia sẻ hình", "bảo đảm quyền riêng tư"),
    "stopped": (Decision(False, "sharing.stopped"), "Lớp đang tạm dừng chia sẻ hình", "bảo đảm quyền riêng tư"),
    "unanswered": (Decision(False, "class.not_open"), "Lớp đang tạm dừng chia sẻ hình", "bảo đảm quyền riêng tư"),
    "consent": (Decision(False, "consent.missing"), "Chưa có đồng ý của gia đình", "cô giáo chủ nhiệm"),
    "device": (Decision(False, "device.other"), "Đang xem ở máy khác", "một máy một lúc"),
}  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_without_the_right_to_see_no_pixel_is_asked_for(day: Site, name: str) -> None:
    """The screen says why and when next; not one picture or video request leaves the phone."""
    day.box.class_decision, title, text = CLOSED[name]
    day.box.note = "Giỗ Tổ" if name == "holiday" else ""
    page = phone(day)
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    expect(page.locator(".msg")).to_contain_text(text)
    if title == CLOSED["paused"][1]:
        expect(page.get_by_text("mở xem", exact=True)).to_have_count(0)
    shoot(page, f"parent-{name}")
    page.wait_for_timeout(1500)
    assert day.pictures() == []
    assert page.locator("img, video, live-view").count() == 0
    assert [call for call in day.box.calls if call.startswith(("grant", "still"))] == []


def test_the_reminder_is_a_calendar_entry(day: Site) -> None:
    """One tap downloads an event for the next opening that names nobody."""
    day.box.class_decision = CLOSED["nap"][0]
    page = phone(day)
    with page.expect_download() as download:
        page.get_by_role("link", name="Nhắc tôi lúc 14:00").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert "DTSTART:20260924T070000Z" in text
    assert "Mầm" not in text
    assert "An Nhiên" not in text


def test_a_pause_reaches_the_open_page_and_takes_the_pixels_first(day: Site) -> None:
    """The class is paused while a picture stands there: it goes, then the right screen comes, and back again."""
    page = phone(day)
    expect(page.locator("live-view > img")).to_be_visible()
    day.box.class_decision = CLOSED["paused"][0]
    expect(page.get_by_role("heading", level=1)).to_have_text("Lớp đang tạm dừng chia sẻ hình")
    day.requests.clear()
    page.wait_for_timeout(1500)
    assert day.pictures() == []
    day.box.class_decision = ALLOWED
    expect(page.locator("live-view > img")).to_be_visible()


def test_an_offline_camera_is_told_in_plain_words(day: Site) -> None:
    """No picture, no technical reason: since when, who knows, whom to call."""
    day.box.status_of[MAM] |= {"state": "login_refused", "recording": False, "since_ms": at(9) + 42 * 60_000}
    page = phone(day)
    expect(page.get_by_role("heading", level=1)).to_have_text("Camera lớp đang mất kết nối")
    expect(page.locator(".msg")).to_contain_text("Từ 09:42. Nhà trường và kỹ thuật đã được báo.")
    expect(page.get_by_role("link", name="Gọi văn phòng trường")).to_have_attribute("href", "tel:0225 3123 118")
    assert "mật khẩu" not in page.content()
    shoot(page, "parent-offline")


def test_data_saver_keeps_to_stills_and_is_remembered(day: Site) -> None:
    """With the switch on no video is asked for, now and after a reload."""
    page = phone(day)
    expect(page.locator("live-view > img")).to_be_visible()
    page.get_by_role("switch", name="Tiết kiệm dữ liệu").click()
    page.wait_for_timeout(300)
    day.requests.clear()
    page.reload()
    expect(page.locator("live-view > img")).to_be_visible()
    expect(page.get_by_role("switch")).to_have_attribute("aria-checked", "true")
    page.wait_for_timeout(1500)
    assert not [url for url in day.pictures() if "whep" in url]
    expect(page.locator("#weak")).to_be_hidden()
    expect(page.locator(".chip-at")).to_contain_text("Ảnh")
    expect(page.locator("#used")).to_have_text("1 MB")


def test_a_hidden_page_fetches_nothing_and_wakes_by_itself(day: Site) -> None:
    """Hidden: stills and events stop; shown again: a picture without a tap."""
    page = phone(day)
    expect(page.locator("live-view > img")).to_be_visible()
    flip = """hidden => {
      Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
      document.dispatchEvent(new Event('visibilitychange'));
    }"""
    page.evaluate(flip, True)
    page.wait_for_timeout(300)
    day.requests.clear()
    page.wait_for_timeout(2500)
    assert day.requests == []
    page.evaluate(flip, False)
    with page.expect_response(lambda response: "still.jpg" in response.url):
        pass
    expect(page.locator("live-view")).not_to_have_attribute("data-state", "idle")


def test_a_page_without_network_keeps_its_last_picture_and_says_its_age(day: Site) -> None:
    """Offline the page neither empties nor claims to be live; back online it goes on."""
    page = phone(day)
    expect(page.locator("live-view > img")).to_be_visible()
    page.context.set_offline(True)
    expect(page.locator(".chip-at")).to_contain_text("giây trước")
    expect(page.locator("live-view > img")).to_be_visible()
    page.context.set_offline(False)
    expect(page.locator(".chip-at")).to_contain_text("vừa chụp")
    day.errors.clear()


def test_signing_out_from_the_account_page(day: Site) -> None:
    """The account page names the child; after signing out the class is closed to this phone."""
    page = phone(day, "/p/tai-khoan")
    expect(page.locator("main")).to_contain_text("Bé An Nhiên")
    shoot(page, "parent-account")
    page.get_by_role("button", name="Đăng xuất").click()
    page.goto(day.url + "/p/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Hãy quét mã trên phiếu mời")
    shoot(page, "parent-nobody")


def test_english_is_complete_on_the_class_page(day: Site) -> None:
    """After the switch no Vietnamese text is left but names."""
    page = phone(day, "/p/?lang=en")
    expect(page.locator("#left")).to_have_text("15 min left")
    expect(page.get_by_role("heading", name="Viewing hours today")).to_be_visible()
    text = page.locator("body").inner_text()
    for name in ("Bé An Nhiên", "Lớp Mầm 1", "Trường Mầm non Hoa Sen", "PH Trần Thị Mai", "Tiếng Việt"):
        text = text.replace(name, "")
    assert [letter for letter in text if letter in "ăâđêôơưạảãấầẩẫậắằẳẵặẹẻẽếềểễệịỉĩọỏõốồổỗộớờởỡợụủũứừửữựỳỵỷỹ"] == []


@pytest.mark.parametrize("name", ["live", "nap"])
def test_it_fits_a_phone_of_320_pixels_and_text_of_double_size(day: Site, name: str) -> None:
    """No sideways scrolling at 320 pixels, nor with text at 200 %."""
    if name == "nap":
        day.box.class_decision = CLOSED["nap"][0]
    page = phone(day, size=(320, 640))
    page.wait_for_load_state("load")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    shoot(page, f"parent-{name}-320")
    page.evaluate("document.documentElement.style.fontSize = '200%'; document.body.style.fontSize = '200%'")
    assert page.evaluate("document.documentElement.scrollWidth") <= 320


def test_the_page_is_small(day: Site) -> None:
    """At most 60 kB packed before the first still, at most 30 kB of it scripts, no font, one origin."""
    page = day.visit("/vao", size=PHONE)  # a first page, so that listening begins before the class
    page.context.add_cookies([{"name": "vuon-box", "value": f"token-{MOTHER.person}", "url": day.url}])
    sizes: dict[str, int] = {}

    def measure(response: Response) -> None:
        if not any(part in response.url for part in ("/api/", "/whep/", "blob:")):
            sizes[response.url] = len(gzip.compress(response.body()))

    page.on("response", lambda response: measure(response))  # noqa: PLW0108 - playwright marks its handlers
    page.goto(day.url + "/p/")
    expect(page.locator("live-view > img")).to_be_visible()
    scripts = sum(size for url, size in sizes.items() if url.endswith(".js"))
    assert 0 < scripts <= 30_000
    assert sum(sizes.values()) <= 60_000
    assert not [url for url in sizes if url.endswith(".woff2")]
    assert all(url.startswith(day.url) for url in sizes)


def test_a_page_scrolls_only_for_what_is_on_it(day: Site) -> None:
    """Where everything fits nothing scrolls, with and without the bar; and the bar hides no end of a page."""
    for path, caller in (("/p/moi", None), ("/p/", None), ("/nowhere", MOTHER), ("/p/dong-y", MOTHER),
                         ("/p/?sau=1", MOTHER), ("/p/nhat-ky", MOTHER), ("/p/tai-khoan", MOTHER), ("/co/", TEACHER)):  # fmt: skip
        page = day.visit(path, caller, size=(390, 2600))
        assert page.evaluate("document.documentElement.scrollHeight") == 2600, path
        page.set_viewport_size({"width": 390, "height": 844})
        page.evaluate("scrollTo(0, document.documentElement.scrollHeight)")
        if page.locator(".tb").count():
            end, bar = (page.locator(name).last.bounding_box() for name in ("main > *:visible", ".tb"))
            assert end is not None
            assert bar is not None
            assert end["y"] + end["height"] <= bar["y"], path
        shoot(page, f"end{path.partition('?')[0].replace('/', '-')}-{caller.role if caller else 'nobody'}-390")
        page.set_viewport_size({"width": 1440, "height": 900})
        shoot(page, f"end{path.partition('?')[0].replace('/', '-')}-{caller.role if caller else 'nobody'}-1440")
