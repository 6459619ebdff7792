"""Consent in a real browser over a running school: answering, withdrawing, paper, settling; both languages."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Site, shoot
from tests.browser.consent_fixtures import DESK, PHONE, people, phone, school_site, small_targets, wide

pytestmark = pytest.mark.browser
PAUSED = "Lớp đang tạm dừng chia sẻ hình"


def answer(site: Site, who: str) -> Page:
    """First sign-in: the question comes up, nothing is ticked, the tick is needed; one question is left for later."""
    page = phone(site, who, "/p/")
    expect(page).to_have_url(f"{site.url}/p/dong-y")
    tick = page.get_by_role("checkbox")
    assert page.locator(":checked").count() == 0
    assert not wide(page)
    assert small_targets(page, 44) == []
    shoot(page, f"consent-ask-{who}")
    page.get_by_role("button", name="Đồng ý", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("cùng lớp")
    tick.check()
    page.get_by_role("button", name="Đồng ý", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("dự giờ")
    expect(page.get_by_role("checkbox")).not_to_be_checked()
    page.get_by_role("link", name="Để sau").click()
    return page


def withdraw(site: Site, page: Page) -> None:
    """Two taps on the account page, no reason asked."""
    page.goto(f"{site.url}/p/tai-khoan")
    expect(page.locator(".own .st").first).to_contain_text("Đã đồng ý")
    assert not wide(page)
    shoot(page, "consent-account")
    page.locator(".own summary", has_text="Rút đồng ý").first.click()
    assert small_targets(page, 44) == []
    shoot(page, "consent-withdraw")
    page.get_by_role("button", name="Rút ngay").click()
    expect(page.locator(".own .st").first).to_contain_text("Bạn đã rút đồng ý từ ngày")
    page.goto(f"{site.url}/p/?sau=1")
    expect(page.locator(".msg")).to_contain_text("Bạn đã rút đồng ý từ ngày")
    shoot(page, "consent-withdrawn")


def settle(site: Site) -> None:
    """The principal chooses a remedy and writes down what was agreed."""
    desk = site.visit("/dong-y", people(site)["principal"], size=DESK)
    expect(desk.locator(".case")).to_contain_text("Gia đình đã rút đồng ý")
    desk.locator(".case summary").click()
    shoot(desk, "consent-school")
    desk.get_by_label("Đổi góc máy").check()
    desk.get_by_label("Điều đã thống nhất với gia đình").fill("Xoay camera về phía bảng")
    desk.get_by_role("button", name="Ghi cách xử lý").click()
    expect(desk.get_by_text("Không có việc nào đang chờ.")).to_be_visible()
    desk.goto(f"{site.url}/dong-y?lang=en")
    expect(desk.get_by_role("heading", level=1)).to_have_text("Consent of families")
    assert not wide(desk)


def test_a_family_answers_withdraws_and_others_learn_nothing(
    chromium: Browser, tmp_path: Path, pictures: dict[str, bytes]
) -> None:
    """The other parent sees a paused class and no word of why; once it is settled, the picture again."""
    with school_site(chromium, tmp_path, pictures, agreed=False) as site:
        answer(site, "father")
        page = answer(site, "mother")
        expect(page.locator("live-view > img")).to_be_visible()
        other = phone(site, "father", "/p/?sau=1")
        expect(other.locator("live-view > img")).to_be_visible()
        withdraw(site, page)
        other.goto(f"{site.url}/p/?sau=1")
        expect(other.locator(".msg h1")).to_have_text(PAUSED)
        text = other.locator("body").inner_text()
        assert not any(word in text.lower() for word in ("rút", "đồng ý", "gia đình", "bé an")), text
        shoot(other, "consent-other")
        settle(site)
        other.goto(f"{site.url}/p/?sau=1")
        expect(other.locator("live-view > img")).to_be_visible()
        page.goto(f"{site.url}/p/dong-y/phieu")
        expect(page.locator("tbody tr")).to_have_count(2)
        assert not wide(page)
        shoot(page, "consent-statement")


def test_paper_from_the_meeting_to_the_principal(chromium: Browser, tmp_path: Path, pictures: dict[str, bytes]) -> None:
    """The sheet is printed, put in on the teacher's phone in one pass, compared and countersigned on the desk."""
    with school_site(chromium, tmp_path, pictures, agreed=False) as site:
        teacher = phone(site, "teacher", "/dong-y")
        teacher.locator(".cl").click()
        expect(teacher.locator(".chip", has_text="Chưa trả lời")).to_have_count(4)
        expect(teacher.locator(".chip", has_text="Theo quy chế")).to_have_count(2)
        assert not wide(teacher)
        shoot(teacher, "consent-class-phone")
        teacher.get_by_role("link", name="In phiếu họp phụ huynh").click()
        expect(teacher.locator(".slip")).to_have_count(2)
        assert not wide(teacher)
        shoot(teacher, "consent-sheet-phone")
        teacher.go_back()
        teacher.get_by_role("link", name="Nhập phiếu giấy").click()
        assert teacher.locator("input:checked").count() == 0
        teacher.get_by_label("Ngày họp").fill("2026-11-18")
        teacher.get_by_label("Số bản quét").fill("phiếu 7")
        for entry in teacher.locator(".entry").all():
            entry.get_by_role("radio", name="Đồng ý").first.check()
        teacher.get_by_role("button", name="Gửi hiệu trưởng xác nhận").click()
        expect(teacher.get_by_role("alert")).to_contain_text("Chưa có gì được lưu")
        assert teacher.locator("input:checked").count() == 2, "what was typed is still there"
        assert not wide(teacher)
        assert small_targets(teacher, 32) == []
        shoot(teacher, "consent-entry-phone")
        teacher.get_by_label("Số bản quét").fill("PH-7")
        teacher.get_by_role("button", name="Gửi hiệu trưởng xác nhận").click()
        expect(teacher.locator("article .chip.warn").first).to_contain_text("Chờ hiệu trưởng xác nhận")
        assert teacher.get_by_role("button", name="Xác nhận phiếu").count() == 0

        desk = site.visit("/dong-y", people(site)["principal"], size=DESK)
        expect(desk.locator(".cl")).to_contain_text("1 phiếu chờ xác nhận")
        desk.locator(".cl").click()
        shoot(desk, "consent-class-desk")
        expect(desk.locator(".diff li")).to_have_count(2)
        desk.get_by_role("button", name="Xác nhận phiếu").click()
        expect(desk.locator("p.card.good")).to_contain_text("Đủ câu trả lời")
        desk.goto(desk.url.split("#")[0] + "/phieu?lang=en")
        expect(desk.get_by_role("heading", level=1)).to_contain_text("Consent slips")
        shoot(desk, "consent-sheet-desk")
        assert len(re.findall(rb"/Type\s*/Page\b", desk.pdf(prefer_css_page_size=True))) == 3, "slips, texts, cover"
        desk.goto(f"{desk.url.split('/phieu')[0]}/tong-hop")
        expect(desk.locator(".keep")).to_contain_text("leaders only")
        shoot(desk, "consent-overview-desk")
        mother = phone(site, "mother", "/p/", (320, 700))
        expect(mother.locator("live-view > img")).to_be_visible()
        mother.goto(f"{site.url}/p/tai-khoan")
        expect(mother.locator(".own .st").first).to_contain_text("trên giấy")
        assert not wide(mother)
        for path in ("/dong-y", teacher.url.split("#")[0].removeprefix(site.url)):
            narrow = phone(site, "teacher", path, (320, 700))
            assert not wide(narrow), path


def test_a_wrong_no_is_corrected_and_every_page_says_the_same(
    chromium: Browser, tmp_path: Path, pictures: dict[str, bytes]
) -> None:
    """An unsigned yes is refused at its child; with a name it is yes on the sheet, in the class and on the phone."""
    with school_site(chromium, tmp_path, pictures, agreed=True) as site:
        desk = site.visit("/dong-y", people(site)["principal"], size=DESK)
        desk.locator(".cl").click()

        def put_in(answer: str, signer: str, scan: str) -> None:
            desk.get_by_role("link", name="Nhập phiếu giấy").click()
            desk.get_by_label("Ngày họp").fill("2026-11-19")
            desk.get_by_label("Số bản quét").fill(scan)
            entry = desk.locator(".entry").first
            entry.get_by_role("radio", name=answer, exact=True).first.check()
            entry.get_by_label("Người ký").select_option(label=signer)
            desk.get_by_role("button", name="Gửi hiệu trưởng xác nhận").click()

        put_in("Không", "Mẹ An", "PH-1")
        desk.get_by_role("button", name="Xác nhận phiếu").click()
        expect(desk.locator(".kids .wait")).to_have_count(1)
        put_in("Đồng ý", "Không ghi rõ", "PH-2")
        expect(desk.locator(".entry .err")).to_have_count(1)
        expect(desk.get_by_role("alert")).to_contain_text("Chưa có gì được lưu")
        shoot(desk, "consent-entry-unsigned")
        desk.set_viewport_size({"width": 320, "height": 700})
        assert not wide(desk)
        assert small_targets(desk, 32) == []
        desk.set_viewport_size({"width": 390, "height": 844})
        desk.locator(".entry .err").scroll_into_view_if_needed()
        shoot(desk, "consent-entry-unsigned-phone")
        desk.set_viewport_size({"width": DESK[0], "height": DESK[1]})
        desk.locator(".entry").first.get_by_label("Người ký").select_option(label="Mẹ An")
        desk.get_by_role("button", name="Gửi hiệu trưởng xác nhận").click()
        other = site.visit(desk.url.removeprefix(site.url), people(site)["principal"], size=DESK)
        desk.get_by_role("button", name="Xác nhận phiếu").click()
        expect(desk.locator("p.card.good")).to_be_visible()
        other.get_by_role("button", name="Xác nhận phiếu").click()
        expect(other.get_by_role("alert")).to_contain_text("đã được hiệu trưởng xác nhận rồi")
        other.locator("details", has_text="1 câu trả lời").first.locator("summary").click()
        other.locator("details", has_text="1 câu trả lời").last.locator("summary").click()
        expect(other.get_by_text("Hiện giờ:")).to_have_count(1)
        shoot(other, "consent-class-corrected")
        mother = phone(site, "mother", "/p/")
        expect(mother.locator("live-view > img")).to_be_visible()


def test_a_second_tab_is_told_that_a_case_is_settled(
    chromium: Browser, tmp_path: Path, pictures: dict[str, bytes]
) -> None:
    """What was settled stands there, and so does what the second tab typed."""
    with school_site(chromium, tmp_path, pictures, agreed=True) as site:
        mother = phone(site, "mother", "/p/tai-khoan")
        mother.locator(".own summary", has_text="Rút đồng ý").first.click()
        mother.get_by_role("button", name="Rút ngay").click()
        expect(mother.locator(".own .st").first).to_contain_text("đã rút")
        tabs = [site.visit("/dong-y", people(site)["principal"], size=size) for size in (DESK, PHONE)]
        for tab, words in zip(tabs, ("Xoay camera", "Che góc phải"), strict=True):
            tab.locator(".case summary").click()
            tab.get_by_label("Đổi góc máy").check()
            tab.get_by_label("Điều đã thống nhất với gia đình").fill(words)
        for tab in tabs:
            tab.get_by_role("button", name="Ghi cách xử lý").click()
        expect(tabs[1].get_by_role("alert")).to_contain_text("Xoay camera")
        expect(tabs[1].get_by_role("alert")).to_contain_text("Che góc phải")
        assert not wide(tabs[1])
        shoot(tabs[1], "consent-settled-twice")
