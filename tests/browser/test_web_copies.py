"""The page of holds and copies, and the buttons of a selected span, in a real browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.core.model import PublicId
from tests.browser.conftest import THURSDAY_MS, Site, shoot
from tests.fakes.web_services import DEPUTY, MAM, PRINCIPAL

pytestmark = pytest.mark.browser
SPAN = (THURSDAY_MS - 212_000, THURSDAY_MS - 62_000)
REASON = "Trẻ bị ngã, bị thương"


def order(site: Site, why: str = "Bé ngã cạnh bàn số 3", **fields: Any) -> PublicId:
    made = site.box.copies.put(PRINCIPAL, MAM, *SPAN, why)
    site.box.copies.change(made, **fields) if fields else None
    return made


def mounted(site: Site, **options: Any) -> Page:
    """A page with the buttons of a span, as the page of playback mounts them."""
    page = site.visit("/trich-xuat", PRINCIPAL, **options)
    page.evaluate(
        """async ([camera, from_ms, to_ms]) => {
          const script = document.querySelector('script[src*="js/exports"]').src;
          const { mountSpanActions } = await import(script.replace('exports.js', 'span-actions.js'));
          const place = document.createElement('div');
          place.id = 'span';
          document.querySelector('main').prepend(place);
          mountSpanActions(place, { camera, from_ms, to_ms, name: 'Lớp Mầm 1' });
        }""",
        [MAM, *SPAN],
    )
    return page


def test_a_selected_span_is_held_and_asked_for_in_three_clicks(site: Site) -> None:
    """Button, reason, send: the hold and the order are there, the page says what comes next."""
    page = mounted(site)
    span = page.locator("#span")
    span.get_by_role("button", name="Trích xuất").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Giữ và gửi yêu cầu")).to_be_disabled()
    expect(dialog).to_contain_text("Lớp Mầm 1 · 24/09/2026 10:12:00–10:14:30")
    dialog.get_by_role("button", name=REASON).click()
    shoot(page, "span-dialog")
    dialog.get_by_role("button", name="Giữ và gửi yêu cầu").click()
    expect(span.get_by_role("status")).to_contain_text("Người thứ hai duyệt")
    assert [(item.camera, item.from_ms, item.to_ms, item.why) for item in site.box.copies.orders] == [
        (MAM, *SPAN, REASON)
    ]
    expect(page.locator("#orders .copy")).to_contain_text("Chờ người thứ hai duyệt")


def test_a_span_is_only_held_by_keyboard(site: Site) -> None:
    """Enter on the button, a note typed, Enter: held for thirty days, no order."""
    page = mounted(site, size=(390, 844))
    page.locator("#span").get_by_role("button", name="Giữ lại").press("Enter")
    page.get_by_label("Ghi chú").fill("Bé Chi khóc lúc 10:13")
    shoot(page, "span-dialog-390")
    page.get_by_label("Ghi chú").press("Enter")
    expect(page.locator("#span").get_by_role("status")).to_contain_text("Đã giữ đến 24/10/2026")
    assert [item.why for item in site.box.holds.held] == ["Bé Chi khóc lúc 10:13"]
    assert site.box.copies.orders == []


def test_the_second_person_approves_in_two_clicks(site: Site) -> None:
    """Her own page offers approval; the requester's says that somebody else has to."""
    made = order(site)
    hers = site.visit("/trich-xuat", PRINCIPAL)
    expect(hers.locator("#orders .copy")).to_contain_text("người khác phải duyệt")
    assert hers.get_by_role("button", name="Duyệt").count() == 0
    page = site.visit("/trich-xuat", DEPUTY)
    page.get_by_role("button", name="Duyệt").click()
    page.get_by_role("button", name="Duyệt trích xuất này").click()
    expect(page.locator("#orders .copy")).to_contain_text("Chờ đến lượt")
    assert site.box.copies.orders[0].approver == DEPUTY.name
    site.box.copies.change(made, state="working", done_bytes=120_000_000, total_bytes=147_000_000, seconds=18.0)
    expect(page.get_by_role("progressbar")).to_be_visible()
    expect(page.locator("#orders .copy")).to_contain_text("40/49 MB")
    shoot(page, "exports-working")
    site.box.copies.change(made, state="ready", manifest_sha256="9f2c" * 16, expires_ms=THURSDAY_MS + 14 * 86_400_000)
    with page.expect_download() as download:
        page.get_by_role("link", name="Tải về").click()
    assert download.value.suggested_filename == f"trich-xuat-{made}.zip"
    assert download.value.path().read_bytes() == site.box.copies.data


def test_refusing_asks_why(site: Site) -> None:
    """No without a reason is not sent; with one the order is refused and the list says by whom and why."""
    order(site)
    page = site.visit("/trich-xuat", DEPUTY)
    page.get_by_role("button", name="Từ chối").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("button", name="Từ chối")).to_be_disabled()
    dialog.get_by_label("Lý do từ chối").fill("không đủ lý do")
    dialog.get_by_role("button", name="Từ chối").click()
    expect(page.locator("#orders .copy")).to_contain_text(f"{DEPUTY.name}: không đủ lý do")


def test_a_hold_is_lifted_with_a_reason(site: Site) -> None:
    """What an open order needs is shown with it; the other holds can be let go."""
    order(site)
    site.box.holds.put(DEPUTY, MAM, *SPAN, "Va chạm ở cầu trượt")
    page = site.visit("/trich-xuat", PRINCIPAL)
    expect(page.locator("#holds .copy")).to_have_count(1)
    expect(page.locator("#orders .chip.hold").first).to_contain_text("Giữ đến 24/10/2026")
    page.locator("#holds").get_by_role("button", name="Bỏ giữ").click()
    page.get_by_role("dialog").get_by_label("Lý do bỏ giữ").fill("xong việc")
    page.get_by_role("dialog").get_by_role("button", name="Bỏ giữ").click()
    expect(page.locator("#no-holds")).to_be_visible()
    assert f"lift by {PRINCIPAL.person}: xong việc" in site.box.calls


@pytest.mark.parametrize("size", [(1440, 900), (390, 844), (320, 640)])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_it_fits_and_nothing_is_left_untranslated(site: Site, size: tuple[int, int], language: str) -> None:
    """Every state on one page: no card is wider than the screen, in both languages."""
    for number, state in enumerate(
        ("asked", "queued", "signing", "ready", "refused", "cancelled", "failed", "expired")
    ):
        order(site, f"Sự việc {number}", state=state, manifest_sha256="9f2c" * 16, trouble="key_locked", expires_ms=1)
    page = site.visit(f"/trich-xuat?lang={language}", DEPUTY, size=size)
    expect(page.locator("#orders .copy")).to_have_count(8)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, f"exports-{language}-{size[0]}")
