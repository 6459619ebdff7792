"""Pages of people in a real browser: nothing wider than a phone, targets of a hand's size, and an audit of access."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, shoot
from tests.fakes.page_audit import audit
from tests.fakes.web_people import CHILD
from tests.fakes.web_services import PRINCIPAL

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
