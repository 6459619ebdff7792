"""Every page that a role's links lead to, in one walk: rules of access, fingers, keyboard, motion, zoom, width."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, shoot
from tests.fakes.page_audit import audit, cut_when_larger, moving, small_targets, unmarked_focus
from tests.fakes.web_services import MOTHER, PRINCIPAL, TEACHER
from web.caller import Caller

pytestmark = pytest.mark.browser
ROLES = {"principal": (PRINCIPAL, "/"), "teacher": (TEACHER, "/"), "guardian": (MOTHER, "/p/?sau=1")}
ZOOMED = (720, 450)
"""A desk's 1440x900 at 200 %."""
_ID = re.compile(r"[a-z2-7]{16}")
_PAPER = re.compile(r"/phieu$|/tuong/")
"""Sheets for the printer: as wide as paper."""


def kinds_of_pages(page: Page, url: str, start: str, language: str) -> Iterator[str]:
    """Open one page of each kind that links lead to from the start; yields its address once it stands."""
    todo, kinds = [start], set[str]()
    while todo:
        link = todo.pop(0)
        kind = _ID.sub("*", link.partition("?")[0])
        if kind in kinds:
            continue
        kinds.add(kind)
        page.goto(url + link)
        links = page.locator("a[href^='/']:not([download])").evaluate_all(
            "all => all.map((a) => a.getAttribute('href'))"
        )
        todo += [item.partition("#")[0] for item in links if not item.startswith(("/static/", "/p/nhac"))]
        expect(page.locator("html")).to_have_attribute("lang", language)
        yield link


def faults_of(page: Page, link: str) -> list[str]:
    """Judge an open page at each width; what is wrong, by width."""
    found: list[str] = []
    paper = bool(_PAPER.search(link.partition("?")[0]))
    page.locator("main details:not(#rest)").evaluate_all("all => all.forEach((item) => { item.open = true; })")
    for width, height, least in ((390, 844, 44), (320, 640, 44), (1440, 900, 32)):
        page.set_viewport_size({"width": width, "height": height})
        found += [f"{width}: {item}" for item in audit(page)]
        if not paper:
            found += [f"{width}: target {item}" for item in small_targets(page, least)]
            found += [f"{width}: {wide}px wide" for wide in [scrolls(page)] if wide > width]
    found += [f"focus: {item}" for item in unmarked_focus(page)]
    found += [f"moves: {item}" for item in moving(page)]
    found += [f"larger text: {item}" for item in cut_when_larger(page)]
    page.set_viewport_size({"width": ZOOMED[0], "height": ZOOMED[1]})
    found += [f"zoomed: {wide}px wide" for wide in [scrolls(page)] if wide > ZOOMED[0] and not paper]
    return found


def scrolls(page: Page) -> int:
    """Return how wide the page is."""
    return int(page.evaluate("document.documentElement.scrollWidth"))


@pytest.mark.parametrize(("role", "language"), [("principal", "vi"), ("teacher", "en"), ("guardian", "en")])
def test_every_page_passes_every_rule(site: Site, role: str, language: str) -> None:
    """Contrast, headings, labels, 44 px for fingers and 32 for pointers, outlines, no motion, 200 %, no sideways scroll."""
    caller, start = ROLES[role]
    page = site.visit(start + ("&" if "?" in start else "?") + f"lang={language}", caller, size=(390, 844))
    faults = {link: faults_of(page, link) for link in kinds_of_pages(page, site.url, start, language)}
    assert {link: found for link, found in faults.items() if found} == {}
    assert len(faults) >= {"principal": 22, "teacher": 8, "guardian": 3}[role], faults.keys()


@pytest.mark.parametrize("caller", [PRINCIPAL, TEACHER])
def test_a_phones_bar_fits_the_narrowest_phone(site: Site, caller: Caller) -> None:
    """At 320 px no tab is narrower than 64 px and nothing scrolls sideways; the sheet holds every other place."""
    site.box.waiting = {"people": 2, "consent": 1, "rooms": 3}
    page = site.visit("/", caller, size=(320, 640))
    tabs = page.locator(".tabs > a, .tabs summary")
    assert 3 <= tabs.count() <= 5
    for tab in tabs.all():
        box = tab.bounding_box()
        assert box is not None
        assert box["width"] >= 64
        assert box["height"] >= 44
    assert scrolls(page) <= 320
    assert page.locator(".tabs").evaluate("bar => bar.scrollWidth <= bar.clientWidth")
    more = page.locator("#rest summary")
    more.focus()
    page.keyboard.press("Enter")
    sheet = page.locator("#rest .rest")
    expect(sheet).to_be_visible()
    shoot(page, f"bar-{caller.role}-320")
    for place in page.locator(".rail nav a").all():
        href = place.get_attribute("href")
        expect(page.locator(f".tabs a[href='{href}']").first).to_be_visible()
    assert scrolls(page) <= 320
    assert audit(page) == []
    page.keyboard.press("Tab")
    expect(sheet.locator("a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(sheet).to_be_hidden()
    expect(more).to_be_focused()
    more.click()
    page.mouse.click(160, 60)
    expect(sheet).to_be_hidden()
    expect(page).to_have_url(site.url + "/")


def test_what_waits_stands_in_rail_bar_and_sheet(site: Site) -> None:
    """A number beside its place, their sum on the tab that hides them, and words for whoever cannot see it."""
    site.box.waiting = {"people": 2, "consent": 1, "rooms": 3, "exports": 3}
    page = site.visit("/", PRINCIPAL, size=(390, 844))
    expect(page.locator(".tabs > a[href='/lop-hoc'] .bdg")).to_have_text("3")
    expect(page.locator(".tabs > a[href='/phu-huynh'] .bdg")).to_have_text("2")
    more = page.locator("#rest summary")
    expect(more.locator(".bdg")).to_have_text("4")
    expect(more).to_contain_text("4 việc đang chờ")
    more.click()
    expect(page.locator("#rest").get_by_role("link", name="Trích xuất 3 việc đang chờ")).to_be_visible()
    expect(page.locator("#rest").get_by_role("link", name="Đồng ý 1 việc đang chờ")).to_be_visible()
    shoot(page, "bar-waits-390")
    page.set_viewport_size({"width": 1440, "height": 900})
    expect(page.locator(".rail a[href='/phu-huynh'] .bdg")).to_have_text("2")
    shoot(page, "rail-waits-1440")
    for size in ((1366, 650), (1440, 900)):
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert page.locator(".rail nav").evaluate("nav => nav.scrollHeight <= nav.clientHeight"), size
        assert page.locator(".rail nav a").evaluate_all("all => all.every((a) => a.scrollWidth <= a.clientWidth)")
        shoot(page, f"rail-waits-{size[0]}x{size[1]}")
    page.goto(site.url + "/phu-huynh/phieu")
    page.set_viewport_size({"width": 390, "height": 844})
    expect(page.locator("#rest summary")).to_have_attribute("aria-current", "true")
