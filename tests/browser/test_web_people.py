"""Pages of people in a real browser: nothing wider than a phone, targets of a hand's size, and an audit of access."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from gateway.core.model import PublicId, Role
from tests.browser.conftest import Site, shoot
from tests.fakes.clock import NOON_MS
from tests.fakes.page_audit import audit
from tests.fakes.school import pid
from tests.fakes.web_people import CHILD, GUARDIAN
from tests.fakes.web_services import PRINCIPAL
from tests.fakes.web_slips import FakeDevice
from web.caller import Caller
from web.slip_services import DeviceRow

pytestmark = pytest.mark.browser
PAGES = ("/phu-huynh", f"/phu-huynh/tre/{CHILD}", "/lop", "/nhan-su", "/nhap", "/nam-hoc")


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_page_fits_a_phone_and_a_desk(site: Site, language: str) -> None:
    """At 320, 390 and 1440 wide, every form open: no sideways scroll, targets of 44 px on a phone, no audit finding."""
    for path in PAGES:
        for size in ((390, 844), (320, 700), (1440, 900)):
            page = site.visit(f"{path}?lang={language}", PRINCIPAL, size=size)
            if size[0] == 390:
                shoot(page, f"people{path.replace('/', '-')}-390x844-{language}-top")
            page.locator("details").evaluate_all("all => all.forEach((item) => { item.open = true; })")
            shoot(page, f"people{path.replace('/', '-')}-{size[0]}x{size[1]}-{language}")
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0], (path, size)
            if size[0] < 760:
                small = page.locator("main a.btn, main button, main select, main .fchip, main summary").evaluate_all(
                    "all => all.filter((item) => item.getBoundingClientRect().height < 43.5).map((item) => item.outerHTML)"
                )
                assert small == [], path
            assert audit(page) == [], path
            page.close()


def test_the_principal_finds_a_child_and_opens_it(site: Site) -> None:
    """From the rail: search, open, rename; the act reaches the door."""
    page = site.visit("/", PRINCIPAL)
    page.get_by_role("link", name="Phụ huynh").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Phụ huynh và trẻ")
    shoot(page, "people-1440x900")
    page.get_by_role("searchbox").fill("an nhiên")
    page.get_by_role("button", name="Tìm", exact=True).click()
    page.get_by_role("link", name="Sửa An Nhiên").click()
    page.get_by_label("Họ tên bé").fill("An Nhiên Mới")
    page.get_by_role("button", name="Lưu").first.click()
    expect(page.get_by_role("heading", level=2).first).to_be_visible()
    assert any("child.rename" in call for call in site.box.calls)


@pytest.mark.parametrize("language", ["vi", "en"])
def test_what_a_press_ends_is_said_before_and_after_it(site: Site, language: str) -> None:
    """The new year: when it takes effect and what closes, on the button too. A lost phone: whose it was, afterwards."""
    phone, mother = pid("lostphone"), Caller(PublicId(GUARDIAN["id"]), Role.GUARDIAN, GUARDIAN["name"], pid("her"))
    site.box.slips.devices_of[phone] = FakeDevice(DeviceRow(phone, "Chrome, Android", NOON_MS, True, NOON_MS), mother, "approved")  # fmt: skip
    now = {"vi": "Chuyển năm học ngay bây giờ", "en": "Begin the new year right now"}[language]
    ended = {"vi": "Đã gỡ máy “Chrome, Android” của Trần Thị Mai", "en": "Removed “Chrome, Android” of Trần Thị Mai"}
    for size in ((390, 844), (320, 700), (1440, 900))[: 3 if language == "vi" else 1]:
        page = site.visit(f"/nam-hoc?lang={language}", PRINCIPAL, size=size)
        page.get_by_role("button", name={"vi": "Xem trước", "en": "Preview"}[language]).click()
        page.get_by_role("button", name=now).scroll_into_view_if_needed()
        expect(page.get_by_role("button", name=now)).to_be_visible()
        shoot(page, f"year-{size[0]}x{size[1]}-{language}")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], size
        assert audit(page) == [], size
        page.close()
    page = site.visit(f"/phu-huynh/tre/{CHILD}?lang={language}", PRINCIPAL, size=(390, 844))
    button = page.get_by_role("button", name={"vi": "Gỡ máy", "en": "Remove"}[language])
    assert button.evaluate("button => button.getBoundingClientRect().height") >= 43.5
    button.scroll_into_view_if_needed()
    shoot(page, f"child-phone-390x844-{language}")
    button.click()
    expect(page.get_by_role("status").filter(has_text=ended[language])).to_be_visible()
    shoot(page, f"child-ended-390x844-{language}")
    assert audit(page) == []
    assert phone not in site.box.slips.devices_of
