"""The page of who sees what, in a browser."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Site, shoot
from tests.fakes.web_services import MAM, MOTHER, PRINCIPAL


@pytest.mark.parametrize("size", [(1440, 900), (390, 844), (320, 640)])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_principal_asks_who_sees_a_camera_and_why(site: Site, size: tuple[int, int], language: str) -> None:
    """Choose a camera, read the list, follow a name to its chain; it fits, and fingers hit it."""
    page = site.visit(f"/quyen?lang={language}", PRINCIPAL, size=size)
    page.select_option("#camera", MAM)
    expect(page.locator("#gio")).to_be_hidden()
    page.check("#khac")
    page.fill("#gio", "25h")
    page.locator(".ask-rights button").click()
    expect(page.get_by_role("alert")).to_contain_text("25h")
    shoot(page, f"rights-no-time-{language}-{size[0]}")
    page.fill("#gio", "11h30")
    page.locator(".ask-rights button").click()
    expect(page.locator(".answers li").first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    for box in page.locator(".answers a, .ask-rights .btn, .ask-rights select, .tick, #gio").all():
        assert (box.bounding_box() or {"height": 0})["height"] >= 44
    shoot(page, f"rights-{language}-{size[0]}")
    page.locator(f'.answers a[href*="{MOTHER.person}"]').click()
    expect(page.locator(".links .no")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    shoot(page, f"rights-why-{language}-{size[0]}")
