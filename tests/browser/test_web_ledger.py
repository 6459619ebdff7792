"""The audit's pages in a real browser, by mouse and thumb, in both languages, down to 320 pixels."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import THURSDAY_MS, Site, shoot
from tests.fakes.ledger_lines import CHILD, looks, told
from tests.fakes.web_services import MOTHER, PRINCIPAL, TEACHER
from web.ledger_services import ChainFacts

pytestmark = pytest.mark.browser


def fits(page: Page, width: int, targets: str, least: int) -> None:
    """Nothing scrolls sideways, and what is pressed is big enough."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.locator(targets).evaluate_all("all => all.map(item => item.getBoundingClientRect().height)")
    assert sizes
    assert min(size for size in sizes if size) >= least


def test_the_principal_reads_filters_and_checks_again(site: Site) -> None:
    """Banner, chips and days lead on without a script; the file comes as a download; a broken chain is red."""
    told(site.box)
    page = site.visit("/nhat-ky", PRINCIPAL)
    expect(page.get_by_role("status")).to_contain_text("Nhật ký liền mạch, chưa bị sửa.")
    shoot(page, "nhat-ky-1440x900")
    page.get_by_text("2 dòng nhật ký").click()
    expect(page.locator("details.rows li").first).to_contain_text("Xem ảnh")
    fits(page, 1440, ".rows summary", 32)
    shoot(page, "nhat-ky-opened-1440x900")
    page.get_by_role("link", name="Bị từ chối").click()
    expect(page.get_by_role("link", name="Bị từ chối")).to_have_attribute("aria-current", "true")
    page.get_by_label("Người").select_option(MOTHER.person)
    page.get_by_role("button", name="Lọc").click()
    assert (site.box.ledger.wishes[-1].group, site.box.ledger.wishes[-1].person) == ("denied", MOTHER.person)
    page.get_by_role("link", name="Ngày trước").click()
    expect(page.get_by_text("Thứ Tư, 23/09/2026")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Xuất Excel").click()
    assert download.value.suggested_filename == "nhat-ky-2026-09-23.csv"
    page.get_by_role("button", name="Kiểm lại").click()
    expect(page.get_by_role("status")).to_contain_text("kiểm lúc 10:15")
    site.box.ledger.facts = ChainFacts(False, 1_482, 9, 0, THURSDAY_MS, (("row_edited", 7, 7), ("rewritten", 61, 120)))
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Dòng 7 đã bị sửa.")
    shoot(page, "nhat-ky-broken-1440x900")


@pytest.mark.parametrize(("width", "language"), [(390, "vi"), (320, "en")])
def test_the_log_fits_a_phone(site: Site, width: int, language: str) -> None:
    """Rows become cards; every filter and button can be hit."""
    told(site.box)
    page = site.visit(f"/nhat-ky?lang={language}", PRINCIPAL, size=(width, 844))
    shoot(page, f"nhat-ky-{width}-{language}")
    page.locator(".rows summary").click()
    expect(page.locator(".rows li").last).to_be_visible()
    shoot(page, f"nhat-ky-opened-{width}-{language}")
    fits(page, width, ".rows summary, .led .fchip, .tools .btn, .flt select, .flt input[type=date], .banner .btn", 44)
    page = site.visit(f"/xoa-du-lieu?ai=child:{CHILD}&lang={language}", PRINCIPAL, size=(width, 844))
    shoot(page, f"xoa-du-lieu-{width}-{language}")
    fits(page, width, ".era .btn, .era select, .era input:not([type=hidden])", 40)


@pytest.mark.parametrize(("width", "language"), [(390, "vi"), (320, "en")])
def test_a_guardian_reads_who_saw_the_class(site: Site, width: int, language: str) -> None:
    """From the bar below in one tap; day by day; her own rows beside it."""
    told(site.box).lines = looks()
    page = site.visit(f"/p/tai-khoan?lang={language}", MOTHER, size=(width, 844))
    page.locator(".tb a").nth(1).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(
        "Ai đã xem lớp của con" if language == "vi" else "Who saw my child's class"
    )
    shoot(page, f"p-nhat-ky-{width}-{language}")
    page.locator(".rows summary").click()
    expect(page.locator(".rows li").last).to_be_visible()
    shoot(page, f"p-nhat-ky-opened-{width}-{language}")
    fits(page, width, ".rows summary, .gl-n a, .gl-d a, .tb a", 44)
    page.locator(".gl-d a").first.click()
    page.locator(".gl-n a").last.click()
    expect(page.locator(".gl-n a").last).to_have_attribute("aria-current", "true")
    fits(page, width, ".gl-n a", 44)


def test_a_teacher_reads_the_looks_at_her_class(site: Site) -> None:
    """From the rail; no filter of people, no name of a guardian."""
    told(site.box).lines = looks()
    page = site.visit("/", TEACHER)
    page.get_by_role("link", name="Nhật ký").click()
    expect(page.get_by_role("cell", name="Một phụ huynh của lớp").first).to_be_visible()
    assert page.get_by_label("Người").count() == 0
    shoot(page, "nhat-ky-lop-1440x900")


def test_erasing_takes_a_typed_name(site: Site) -> None:
    """A wrong one says so and changes nothing; the right one is the last word."""
    told(site.box)
    page = site.visit("/xoa-du-lieu", PRINCIPAL)
    page.get_by_label("Trẻ hoặc người dùng").select_option(f"child:{CHILD}")
    page.get_by_role("button", name="Xem sẽ xóa gì").click()
    shoot(page, "xoa-du-lieu-1440x900")
    for typed in ("Bé Nhầm", "Bé An Nhiên"):
        page.get_by_label("Vì sao").select_option("withdrawn")
        page.get_by_label("Ai yêu cầu").select_option("guardian")
        page.get_by_label("Gõ lại đúng tên").fill(typed)
        page.get_by_role("button", name="Xóa vĩnh viễn").click()
        if typed == "Bé Nhầm":
            expect(page.get_by_role("alert")).to_contain_text("không trùng")
            assert site.box.ledger.erased == {}
    expect(page.get_by_role("status")).to_contain_text("Đã xóa dữ liệu")
