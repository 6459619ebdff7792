"""Nothing typed is lost, in a real browser: over a login that grew old, and where another tab was faster."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import THURSDAY_MS, Site, shoot
from tests.fakes.web_services import CLASS_MAM, PRINCIPAL, TEACHER, pid
from web.consent_services import ChildAnswers, ClassTally

pytestmark = pytest.mark.browser
PASSWORD = "cây bàng trước cổng"
PHONE = (390, 844)
NONE = dict.fromkeys(("view", "record", "observe"))


def fits(page: Page) -> None:
    """Nothing scrolls sideways on a small phone, and what is tapped is large enough there."""
    size = page.viewport_size
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    heights = page.locator("main .btn:visible, main input:visible").evaluate_all(
        "all => all.map((item) => item.getBoundingClientRect().height)"
    )
    assert min(heights) >= 44
    assert size is not None
    page.set_viewport_size(size)


def type_a_sheet(site: Site) -> Page:
    """A teacher types a sheet on her phone, and her login grows old meanwhile."""
    box = site.box
    box.accounts.add(TEACHER, "hoa", PASSWORD)
    box.accounts.add(PRINCIPAL, "hanglt", PASSWORD)
    box.consents.tallies = [ClassTally(CLASS_MAM, "Lớp Mầm 1", 1, 0, 0, 1, 1, 0)]
    box.consents.kids[CLASS_MAM] = [ChildAnswers(pid("childan"), "Bé An", NONE, [], waits=True)]
    page = site.visit(f"/dong-y/lop/{CLASS_MAM}/nhap", TEACHER, size=PHONE)
    page.get_by_label("Ngày họp").fill("2026-09-01")
    page.get_by_label("Số bản quét").fill("PH-77")
    page.get_by_role("radio", name="Đồng ý").first.check()
    token = f"token-{TEACHER.person}"
    del box.sessions[token]
    box.accounts.over[token] = TEACHER.person
    page.get_by_role("button", name="Gửi hiệu trưởng xác nhận").click()
    expect(page.get_by_role("status")).to_contain_text("Những gì vừa gõ vẫn còn")
    assert "PH-77" not in page.content()
    return page


def sign_in(page: Page, name: str) -> None:
    page.get_by_label("Tên đăng nhập").fill(name)
    page.get_by_label("Mật khẩu").fill(PASSWORD)
    page.get_by_role("button", name="Đăng nhập", exact=True).click()


def test_a_typed_sheet_is_sent_after_signing_in_again(site: Site) -> None:
    """The same person signs in, reads what is to be done, and one button does it."""
    page = type_a_sheet(site)
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("status")).to_contain_text("What you typed is still here")
    fits(page)
    shoot(page, "kept-signin-phone-en")
    page.get_by_role("button", name="Tiếng Việt").click()
    expect(page.get_by_role("status")).to_contain_text("Những gì vừa gõ vẫn còn")
    fits(page)
    shoot(page, "kept-signin-phone")
    sign_in(page, "hoa")
    expect(page.get_by_role("heading", level=1)).to_have_text("Gửi tiếp?")
    fits(page)
    shoot(page, "kept-on-phone")
    assert not [call for call in site.box.calls if call.startswith("enter")]
    page.get_by_role("button", name="Gửi tiếp").click()
    expect(page.get_by_text("Phiếu ngày 01/09/2026, bản quét PH-77")).to_be_visible()
    assert [call for call in site.box.calls if call.startswith("enter")] == ["enter 2026-09-01 PH-77 1"]
    assert site.errors == []


def test_somebody_else_at_that_phone_reads_nothing(site: Site) -> None:
    """Another person signs in on the page: they are in, and what was typed is gone."""
    page = type_a_sheet(site)
    sign_in(page, "hanglt")
    expect(page.get_by_role("heading", level=1)).to_have_text("Không gửi tiếp được")
    assert "PH-77" not in page.content()
    fits(page)
    shoot(page, "kept-gone-phone")
    page.get_by_role("link", name="Về trang đầu").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Xem trực tiếp")
    assert not [call for call in site.box.calls if call.startswith("enter")]


def test_a_list_that_was_imported_in_another_tab_says_so(site: Site) -> None:
    """Who imported it, when, what it did, and the way on; at both sizes."""
    act = {"counts": {"new": 27, "moved": 2}, "until_ms": THURSDAY_MS + 86_400_000, "undone_ms": None}
    site.box.lists.gone["d" * 16] = {"ending": "applied", "at_ms": THURSDAY_MS, "act": act, "by": "Cô Hằng"}
    page = site.visit(f"/nhap/{'d' * 16}", PRINCIPAL)
    expect(page.get_by_role("status")).to_contain_text("Cô Hằng đã nhập lúc")
    shoot(page, "list-gone-desk")
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320
    page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
    shoot(page, "list-gone-phone")
    page.get_by_role("link", name="Xem các lớp").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert site.errors == []
