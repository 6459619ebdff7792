"""The pages of guests in a real browser: fit, targets, the audit of a page, and the picture that goes by itself."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from gateway.core.model import Decision
from tests.browser.conftest import Site, shoot
from tests.fakes.page_audit import audit
from tests.fakes.web_observe import CODE
from tests.fakes.web_services import CLASS_MAM, GUEST, MAM, PRINCIPAL, TEACHER, pid
from web.observe_services import NO, WAITS, YES, Named, Visit
from web.services import Change

pytestmark = pytest.mark.browser
HOUR_MS = 3_600_000
SIZES = ((390, 844), (320, 700), (1440, 900))
LIVE = Decision(True, "role.observer")


def visits(site: Site) -> None:
    """A visit that runs, one that waits for its teacher, one that was called off, one that is over."""
    now_ms, box = site.box.clock.now_ms(), site.box
    common: dict[str, Any] = {"class_id": CLASS_MAM, "class_name": "Lớp Mầm 1", "made_by": "Lê Thị Hằng", "teachers": 1}
    box.observe.all = [
        Visit(pid("one"), "Nguyễn Thị Phương Thanh", since_ms=now_ms - 600_000, until_ms=now_ms + HOUR_MS, phase="running",
              said=YES, said_by="Cô Hạnh", reason="Thao giảng cấp phường", invited="Phòng Văn hóa – Xã hội", came=True, **common),
        Visit(pid("two"), "Thầy Vũ", since_ms=now_ms + 24 * HOUR_MS, until_ms=now_ms + 25 * HOUR_MS, phase="coming",
              said=WAITS, missing=2, reason="Dự giờ chuyên môn", **common),
        Visit(pid("six"), "Cô Tư", since_ms=now_ms - 48 * HOUR_MS, until_ms=now_ms - 47 * HOUR_MS, phase="past", said=NO,
              said_by="Cô Hạnh", **common),
        Visit(pid("seven"), "Cô Năm", since_ms=now_ms - 72 * HOUR_MS, until_ms=now_ms - 71 * HOUR_MS, phase="ended",
              said=WAITS, **common),
    ]  # fmt: skip
    box.observe.known = [Named(GUEST.person, GUEST.name)]
    box.school.rooms.put(CLASS_MAM, visits=tuple(box.observe.all[:2]), cameras=(MAM,))


def fits(page: Page, name: str, least_on_desk: int = 44) -> None:
    """At each size: no sideways scroll, big enough targets; no finding of the page's audit."""
    for size in SIZES:
        page.set_viewport_size({"width": size[0], "height": size[1]})
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0], (name, size)
        small = page.locator("main a.btn, main a.bt, main button:not(.sw), main select, main summary").evaluate_all(
            "(all, least) => all.filter((item) => item.getClientRects().length && item.getBoundingClientRect().height < least)"
            ".map((item) => item.outerHTML)",
            (44 if size[0] < 1000 else least_on_desk) - 0.5,
        )
        assert small == [], (name, size)
        shoot(page, f"{name}-{size[0]}")
    assert audit(page) == [], name


@pytest.mark.parametrize("language", ["vi", "en"])
def test_every_page_of_a_visit_fits(site: Site, language: str) -> None:
    """Leaders' list with its form open, the slip, the teacher's cards, each of the guest's screens; both languages."""
    visits(site)
    page = site.visit(f"/du-gio?lang={language}", PRINCIPAL)
    page.locator("main details").evaluate_all("all => all.forEach((one) => one.open = true)")
    fits(page, f"visits-{language}", 32)
    page.locator("form[action$='/ma'] button").first.click()
    expect(page.locator(".code")).to_have_text(CODE)
    fits(page, f"slip-{language}")
    page.close()
    page = site.visit(f"/co/?lang={language}", TEACHER)
    page.locator(".vis").first.scroll_into_view_if_needed()
    fits(page, f"teacher-{language}")
    page.close()
    page = site.visit(f"/khach/het?lang={language}")
    fits(page, f"guest-over-{language}")
    page.close()
    now_ms = site.box.clock.now_ms()
    screens = (
        ("live", LIVE, YES, -600_000),
        ("before", Decision(False, "observation.closed"), WAITS, 26 * HOUR_MS),
        ("declined", Decision(False, "observation.assent"), NO, -1),
        ("nap", Decision(False, "plan.nap", next_ms=now_ms + HOUR_MS), YES, -1),
    )
    for name, decision, said, begins_ms in screens:
        site.box.observe.here(decision, camera=MAM, said=said, begins_in_ms=begins_ms)
        page = site.visit(f"/khach/?lang={language}", GUEST)
        fits(page, f"guest-{name}-{language}")
        page.close()


def test_the_picture_goes_when_the_teacher_takes_her_word_back_and_the_page_says_why(site: Site) -> None:
    """By the page's own ears, without a reload by hand; it comes back with her yes, and the end has its own page."""
    site.box.observe.here(LIVE, camera=MAM)
    page = site.visit("/khach/", GUEST, size=(390, 844))
    expect(page.locator("live-view > img")).to_be_visible()
    expect(page.locator(".wm")).to_contain_text("Cô Thanh")
    site.box.observe.here(Decision(False, "observation.assent"), camera=MAM, said=NO)
    site.box.tell(GUEST, Change("facts"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Cô giáo của lớp không đồng ý lúc này")
    expect(page.locator("live-view")).to_have_count(0)
    asked = len(site.pictures())
    site.box.observe.here(LIVE, camera=MAM)
    site.box.tell(GUEST, Change("facts"))
    expect(page.locator("live-view > img")).to_be_visible()
    assert len(site.pictures()) > asked
    del site.box.sessions[f"token-{GUEST.person}"]
    site.box.tell(GUEST, Change("signed_out"))
    page.wait_for_url("**/khach/het")
    expect(page.get_by_role("heading", level=1)).to_have_text("Buổi dự giờ đã kết thúc")


def test_the_teachers_page_shows_a_new_guest_by_itself(site: Site) -> None:
    """While it is open, a question comes and an answer is taken, with one tap each."""
    page = site.visit("/co/", TEACHER, size=(390, 844))
    expect(page.locator("#count")).to_have_text("0")
    expect(page.locator(".vis")).to_have_count(0)
    visits(site)
    site.box.tell(TEACHER, Change("facts"))
    expect(page.locator(".vis")).to_have_count(2)
    page.get_by_role("button", name="Dừng, không cho xem nữa").click()
    page.wait_for_url("**/co/?lop=*")
    assert f"no to {pid('one')} by {TEACHER.person}" in site.box.calls


def tell(site: Site, **changes: object) -> None:
    """Change the visit that waits, and let open pages know."""
    site.box.observe.put(pid("two"), **changes)
    site.box.tell(PRINCIPAL, Change("facts"))


def test_the_teachers_word_reaches_the_open_page(site: Site) -> None:
    """Yes, the guest's coming, no and the end show by themselves; what is being typed stays, and only signs change."""
    visits(site)
    page = site.visit("/du-gio", PRINCIPAL, size=(390, 844))
    row = page.locator(f"#{pid('two')}")
    expect(row).to_contain_text("Chờ cô giáo")
    tell(site, said=YES, said_by="Cô Hạnh")
    expect(row.locator(".said")).to_contain_text("đồng ý")
    expect(row).to_contain_text("Cô Hạnh")
    shoot(page, "observe-answered-390")
    page.locator("summary").filter(has_text="Mời").first.click()
    page.locator("#ten").fill("Cô Sáu")
    tell(site, said=NO, came=True)
    expect(row.locator(".said .chip.bad")).to_be_visible()
    assert page.locator("#ten").input_value() == "Cô Sáu"
    expect(row.locator(".chip.out")).to_have_count(0)
    page.locator("#ten").fill("")
    page.locator("h1").click()
    expect(row.locator(".chip.out")).to_be_visible()
    tell(site, phase="ended")
    expect(page.locator("section").last.locator(f"#{pid('two')}")).to_be_visible()
    page.set_viewport_size({"width": 1440, "height": 900})
    shoot(page, "observe-answered-1440")
    assert site.errors == []


def test_a_refused_form_is_not_sent_again_by_a_change(site: Site) -> None:
    """The page that answered a form is asked for anew when something changes and nothing is typed into it."""
    visits(site)
    page = site.visit("/du-gio", PRINCIPAL)
    page.locator("summary").filter(has_text="Mời").first.click()
    page.locator(".fields").evaluate("form => { form.noValidate = true; form.removeAttribute('data-fresh'); }")
    page.locator(".fields button").click()
    expect(page.locator(".fault")).to_be_visible()
    tell(site, said=YES, said_by="Cô Hạnh")
    expect(page.locator(f"#{pid('two')} .said")).to_contain_text("đồng ý")
    page.locator("h1").click()
    expect(page.locator(".fault")).to_have_count(0)
    assert [request.method for request in site.requests if request.url.endswith("/du-gio")] == ["GET", "POST", "GET"]
