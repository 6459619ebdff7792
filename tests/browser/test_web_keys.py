"""The footage key's page in a real browser: unlock, lock, and nothing wider than a phone."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, shoot
from tests.fakes.web_services import PRINCIPAL

pytestmark = pytest.mark.browser
LOCKED: dict[str, Any] = {"mode": "passphrase", "place": "passphrase", "passphrase_set": True, "unlocked": False}
HOLDER = {"place": 1, "since_ms": 1_790_000_000_000}


def test_the_principal_unlocks_and_locks(site: Site) -> None:
    """The page says that it is locked; a wrong passphrase says so and leaves the field empty; the right one opens."""
    site.box.key = dict(site.box.key) | LOCKED | {"holders": [HOLDER]}
    page = site.visit("/khoa", PRINCIPAL)
    expect(page.get_by_role("heading", level=2).first).to_have_text("Hình đã ghi đang khóa")
    shoot(page, "khoa-locked-1440x900")
    field = page.get_by_label("Mật khẩu mở hình")
    field.fill("sai rồi nhé bạn ơi")
    page.get_by_role("button", name="Mở khóa", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("Không mở được")
    expect(field).to_have_value("")
    field.fill(site.box.passphrase)
    page.get_by_role("button", name="Mở khóa", exact=True).click()
    expect(page.get_by_role("status")).to_have_text("Đang mở")
    shoot(page, "khoa-open-1440x900")
    page.get_by_role("button", name="Khóa lại ngay").click()
    expect(page.get_by_role("status")).to_have_text("Đang khóa")


@pytest.mark.parametrize("language", ["vi", "en"])
def test_it_fits_a_phone(site: Site, language: str) -> None:
    """At 390x844 nothing is cut or scrolls sideways, with every form open, in both languages."""
    site.box.key = dict(site.box.key) | LOCKED
    page = site.visit(f"/khoa?lang={language}", PRINCIPAL, size=(390, 844))
    page.locator("details").evaluate_all("all => all.forEach((item) => { item.open = true; })")
    shoot(page, f"khoa-390x844-{language}")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    widths = page.locator(".keys input:not([type=hidden]), .keys textarea, .keys .btn").evaluate_all(
        "all => all.map((item) => item.getBoundingClientRect()).map((box) => [box.left, box.right, box.height])"
    )
    assert widths
    assert all(left >= 0 and right <= 390 and height >= 40 for left, right, height in widths)


def test_the_rail_names_it_for_the_principal(site: Site) -> None:
    """One tap from the grid."""
    page = site.visit("/", PRINCIPAL)
    page.get_by_role("link", name="Khóa hình").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Khóa hình đã ghi")
    expect(page.get_by_role("link", name="Khóa hình")).to_have_attribute("aria-current", "page")
