"""Turns on the guardian's page, in a real browser against a real live daemon."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.core.model import Role
from gateway.live.rates import Rates
from gateway.live.turns import TURN_S
from gateway.live.uplink import Uplink
from tests.browser.conftest import THURSDAY_MS, serve, shoot
from tests.browser.test_web_video import LiveSite, RealDoor, expect_state, stats
from tests.fakes.clock import FakeClock, JumpClock
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox
from tests.fakes.web_services import FATHER, MOTHER, FakeBox
from web.app import create_app
from web.services import Services

pytestmark = pytest.mark.browser
PHONE = (390, 844)
A_STREAM_BPS = 4_000_000
"""More than the clip draws."""
AN_HOUR_MS = 3_600_000


@pytest.fixture
def school(
    chromium: Browser, pictures: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[LiveSite, JumpClock]]:
    box, clock = FakeBox(FakeClock(THURSDAY_MS)), JumpClock()
    box.stills.update(pictures)  # type: ignore[arg-type]  # public ids are strings
    real = LiveBox(tmp_path, clip(640, 360), clock=clock, uplink=Uplink(A_STREAM_BPS, outside=lambda _address: True))
    monkeypatch.setattr(Rates, "at", lambda *_: 0.8 * A_STREAM_BPS)  # two are more than the uplink carries
    door = RealDoor(box, real, role=Role.GUARDIAN, lease_ms=AN_HOUR_MS)
    services = box.services(secure=False, hosts=frozenset())
    fields = {name: getattr(services, name) for name in Services.__slots__} | {"live": door}
    with serve(create_app(Services(**fields)), real) as served:
        site = LiveSite(served.url, box, chromium, served=served, door=door)
        yield site, clock
        for context in site.contexts:
            context.close()
    assert site.errors == []
    assert real.faults == []


def expect_age(page: Page) -> None:
    """A picture that is not of now says how old it is."""
    expect(page.locator(".chip-at")).to_contain_text("Ảnh")


def test_the_second_guardian_waits_with_stills_and_then_sees_video(school: tuple[LiveSite, JumpClock]) -> None:
    """Told how long, with photos meanwhile; when the turn comes video flows by itself and the first one is told."""
    site, clock = school
    first = site.visit("/p/", MOTHER, size=PHONE)
    expect_state(first, "live")
    second = site.visit("/p/", FATHER, size=PHONE)
    expect_state(second, "turn")
    card = second.locator("#turn")
    expect(card).to_contain_text("Nhiều phụ huynh đang xem cùng lúc. Đến lượt bạn sau khoảng")
    expect(card).to_contain_text("mỗi lượt 2 phút")
    expect(second.locator("#weak")).to_be_hidden()
    expect(second.locator("live-view > img")).to_be_visible()
    expect(second.locator(".chip-at")).to_contain_text("Chờ đến lượt")
    expect_age(second)
    assert stats(second)["failures"] == 0
    expect(first.locator("#turn")).to_contain_text("rồi đến lượt phụ huynh khác")
    shoot(second, "guardian-turn")
    clock.jump(TURN_S)
    expect_state(second, "live")
    expect_state(first, "turn")
    expect_age(first)
    expect(first.locator("#turn")).to_contain_text("Đến lượt bạn sau khoảng")
    expect(second.locator("#turn")).to_contain_text("Còn video khoảng")
    assert stats(second)["framesDecoded"] > 0
    second.close()
    expect_state(first, "live")
    expect(first.locator("#turn")).to_be_hidden()


def test_who_waits_does_not_open_sessions_again_and_again(school: tuple[LiveSite, JumpClock]) -> None:
    """One session, one audit row: the page waits on it, with stills at their usual pace, and leaves it when hidden."""
    site, _ = school
    expect_state(site.visit("/p/", MOTHER, size=PHONE), "live")
    page = site.visit("/p/", FATHER, size=PHONE)
    expect_state(page, "turn")
    site.requests.clear()
    with page.expect_response("**/still.jpg*"):
        pass
    assert [item.method for item in site.requests if "/whep/" in item.url and item.method == "POST"] == []
    page.evaluate("Object.defineProperty(document, 'hidden', {value: true, configurable: true})")
    with page.expect_request(lambda request: request.method == "DELETE"):
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_a_busy_box_is_told_apart_from_a_full_uplink(school: tuple[LiveSite, JumpClock]) -> None:
    """Stills, the reason in words, no promise of a time; video when it has calmed down."""
    site, _ = school
    assert site.door is not None
    site.door.live.sessions.places.full = True
    page = site.visit("/p/", MOTHER, size=PHONE)
    expect_state(page, "turn")
    expect(page.locator("#turn")).to_contain_text("Máy của trường đang bận. Video sẽ tự mở lại khi có chỗ.")
    site.door.live.sessions.places.full = False
    expect_state(page, "live")


def test_the_catalogues_words_are_made_of_what_the_box_said(school: tuple[LiveSite, JumpClock]) -> None:
    """Tens of seconds, minutes from one on, never a negative time, nothing without a promise."""
    site, _ = school
    page = site.visit("/p/", MOTHER, size=PHONE)
    expect_state(page, "live")
    said = page.evaluate(
        """async () => {
          const url = document.querySelector('link[rel=modulepreload][href*="/turns.js"]').href;
          const { sentence, roughly, isHeld } = await import(url);
          const turn = (place, next_s, left_s, why = 'uplink') => ({ place, why, next_s, left_s });
          return [
            roughly(1), roughly(51), roughly(60), roughly(95), roughly(-5),
            sentence(turn('turn', 30, null), 45), sentence(turn('turn', null, null), 0),
            sentence(turn('video', null, null), 0), sentence(turn('video', null, 20), 30),
            sentence(turn('stills', null, null, 'cpu'), 0), sentence(turn('stills', null, null), 0),
            String([turn('turn', 1, null), turn('stills'), turn('video'), turn('smaller')].map(isHeld)),
          ];
        }"""
    )
    assert said == [
        "10 giây", "1 phút", "1 phút", "1 phút 40 giây", "10 giây",
        "Sắp đến lượt bạn.", "Nhiều phụ huynh đang xem cùng lúc. Video sẽ tự mở khi đến lượt bạn.",
        "", "Hết lượt, sắp đến lượt phụ huynh khác.",
        "Máy của trường đang bận. Video sẽ tự mở lại khi có chỗ.",
        "Đường truyền của trường đang hẹp. Video sẽ tự mở lại khi có chỗ.",
        "true,true,false,false",
    ]  # fmt: skip
