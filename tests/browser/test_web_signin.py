"""Signing in by password in a real browser: the whole way, the question in place, and nothing that does not fit."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import THURSDAY_MS, Site, shoot
from tests.fakes.web_accounts import DIGITS
from tests.fakes.web_services import DEPUTY, MAM, PRINCIPAL, TEACHER, pid
from web.signin_services import SessionRow

pytestmark = pytest.mark.browser
PASSWORD = "cây bàng trước cổng"
PHONE, SMALL = (390, 844), (320, 640)


def fits(page: Page, width: int, *, least: int) -> None:
    """Nothing scrolls sideways, and what is tapped is large enough."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    heights = page.locator(
        "main .btn:visible, main input:visible:not([type=hidden]), main summary:visible"
    ).evaluate_all("all => all.map((item) => [item.textContent || item.id, item.getBoundingClientRect().height])")
    assert heights
    assert [item for item in heights if item[1] < least] == []


def test_from_the_first_code_to_a_copy_that_asks_again(site: Site) -> None:
    """Code, password, out; in by password and digits; later the copy asks in place, and goes on by itself."""
    site.box.codes = {"K7PX-29QF": PRINCIPAL}
    site.box.accounts.must.add(PRINCIPAL.person)
    site.box.accounts.add(PRINCIPAL, "hanglt")
    page = site.visit("/vao")
    page.get_by_label("Mã đăng nhập").fill("K7PX-29QF")
    page.get_by_role("button", name="Đăng nhập").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Đặt mật khẩu")
    expect(page.locator("#sign-in-name")).to_have_text("hanglt")
    page.get_by_label("Mật khẩu mới", exact=True).fill("mamnonhoasen")
    page.get_by_label("Nhập lại mật khẩu mới").fill("mamnonhoasen")
    page.get_by_role("button", name="Lưu mật khẩu").click()
    expect(page.get_by_role("alert")).to_contain_text("tên trường")
    shoot(page, "mat-khau-refused")
    page.get_by_label("Mật khẩu mới", exact=True).fill(PASSWORD)
    page.get_by_label("Nhập lại mật khẩu mới").fill(PASSWORD)
    page.get_by_role("button", name="Lưu mật khẩu").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Xem trực tiếp")
    page.locator(".rail .who").click()
    page.get_by_role("link", name="Bật bước hai").click()
    expect(page.locator(".qrbox svg")).to_be_visible()
    shoot(page, "lop-hai-1440x900")
    page.get_by_label("Nhập sáu số").fill(DIGITS)
    page.get_by_role("button", name="Bật bước hai").click()
    expect(page.locator(".codes li")).to_have_count(2)
    shoot(page, "lop-hai-codes")
    page.get_by_role("button", name="Đăng xuất").first.click()
    in_with_both(page)
    ask_in_place(site, page)


def in_with_both(page: Page) -> None:
    """Sign in with name, password and digits, after a slip of the finger."""
    page.get_by_label("Tên đăng nhập").fill("hanglt")
    page.get_by_label("Mật khẩu").fill("sai rồi nhé")
    page.get_by_role("button", name="Đăng nhập", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("chưa đúng")
    expect(page.get_by_label("Mật khẩu")).to_have_value("")
    shoot(page, "vao-refused-1440x900")
    page.get_by_label("Tên đăng nhập").fill("hanglt")
    page.get_by_label("Mật khẩu").fill(PASSWORD)
    page.get_by_role("button", name="Đăng nhập", exact=True).click()
    page.get_by_label("Mã sáu số").fill(DIGITS)
    shoot(page, "vao-ma-1440x900")
    page.get_by_role("button", name="Tiếp tục").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Xem trực tiếp")


def ask_in_place(site: Site, page: Page) -> None:
    """Approve a copy long after signing in."""
    site.box.copies.put(DEPUTY, MAM, THURSDAY_MS - 200_000, THURSDAY_MS - 100_000, "Bé ngã")
    site.box.accounts.old.add(PRINCIPAL.device)
    page.locator(".rail a[href='/trich-xuat']").click()
    page.get_by_role("button", name="Duyệt", exact=True).click()
    page.get_by_role("button", name="Duyệt trích xuất này").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("xác nhận lại")
    asked.get_by_label("Mật khẩu").fill("sai rồi nhé")
    asked.get_by_role("button", name="Xác nhận").click()
    expect(asked.get_by_role("alert")).to_contain_text("chưa đúng")
    asked.get_by_label("Mật khẩu").fill(PASSWORD)
    asked.get_by_role("button", name="Xác nhận").click()
    expect(asked.get_by_label("Mã sáu số")).to_be_focused()
    shoot(page, "xac-nhan-dialog")
    asked.get_by_label("Mã sáu số").fill(DIGITS)
    with page.expect_response(lambda answer: answer.url.endswith("/approve") and answer.ok):
        asked.get_by_role("button", name="Xác nhận").click()
    expect(asked).to_have_count(0)
    assert [item.approver for item in site.box.copies.orders] == [PRINCIPAL.name]


def test_going_back_from_the_question_does_nothing(site: Site) -> None:
    """A form that needs a fresh login asks in place; Back leaves everything as it is; a proof sends the form."""
    site.box.accounts.add(PRINCIPAL, "hanglt", PASSWORD)
    site.box.accounts.add(TEACHER, "hanh", PASSWORD)
    site.box.accounts.old.add(PRINCIPAL.device)
    page = site.visit("/tai-khoan/nhan-vien", PRINCIPAL)
    mine = page.locator(".person", has_text="Cô Hạnh")
    mine.locator("summary").click()
    mine.get_by_role("button", name="Xóa mật khẩu và cấp mã").click()
    page.get_by_role("dialog").get_by_role("button", name="Quay lại").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    assert site.box.accounts.by_name["hanh"].password
    mine.get_by_role("button", name="Xóa mật khẩu và cấp mã").click()
    page.get_by_role("dialog").get_by_label("Mật khẩu").fill(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.locator(".once")).to_contain_text("abcd-efgh-jklm-npqr")
    shoot(page, "nhan-vien-code-1440x900")
    assert not site.box.accounts.by_name["hanh"].password


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_page_fits_a_phone(site: Site, language: str) -> None:
    """At 390 and 320 wide nothing scrolls sideways and targets are 44 px, in both languages."""
    accounts = site.box.accounts
    accounts.add(PRINCIPAL, "hanglt", PASSWORD)
    accounts.add(TEACHER, "hanh", PASSWORD, second=True)
    accounts.rows[PRINCIPAL.person] = [
        SessionRow(pid("here"), "Chrome · Windows", "school", THURSDAY_MS - 3_600_000, THURSDAY_MS, here=True),
        SessionRow(
            pid("there"), "Safari · iPhone", "outside", THURSDAY_MS - 90_000_000, THURSDAY_MS - 60_000, here=False
        ),
    ]
    for size in (PHONE, SMALL):
        page = site.visit(f"/vao?lang={language}", size=size)
        fits(page, size[0], least=44)
        shoot(page, f"vao-{size[0]}-{language}")
        for path, name in (
            ("/tai-khoan", "tai-khoan"),
            ("/mat-khau", "mat-khau"),
            ("/tai-khoan/lop-hai", "lop-hai"),
            ("/tai-khoan/nhan-vien", "nhan-vien"),
            ("/xac-nhan", "xac-nhan"),
        ):
            page = site.visit(f"{path}?lang={language}", PRINCIPAL, size=size)
            page.locator("details").evaluate_all("all => all.forEach((item) => { item.open = true; })")
            shoot(page, f"{name}-{size[0]}-{language}")
            fits(page, size[0], least=44)
    for path, name in (("/vao", "vao"), ("/tai-khoan", "tai-khoan"), ("/tai-khoan/nhan-vien", "nhan-vien")):
        caller = None if path == "/vao" else PRINCIPAL
        page = site.visit(f"{path}?lang={language}", caller)
        shoot(page, f"{name}-1440-{language}")
