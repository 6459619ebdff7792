"""A right ends while video plays: the screen that stands there then, for each reason a guardian can meet."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from gateway.access.reasons import Reason
from gateway.core.model import Decision
from tests.browser.conftest import THURSDAY_MS
from tests.browser.test_web_video import LiveSite, expect_state, live  # noqa: F401 - the fixture
from tests.fakes.web_services import MOTHER
from web.views import screen_of

pytestmark = pytest.mark.browser

TEXTS = json.loads((Path(__file__).parents[2] / "web" / "locale" / "vi.json").read_text(encoding="utf-8"))
AGAIN_MS = THURSDAY_MS + 3_600_000
ALLOWED = Decision(True, Reason.GUARDIAN, until_ms=THURSDAY_MS + 4 * 3_600_000)
SCREENS: dict[Reason, str] = {
    Reason.PLAN_NAP: "screen.nap",
    Reason.PLAN_CARE: "screen.care",
    Reason.WINDOW_CLOSED: "hours.not_now",
    Reason.CALENDAR_CLOSED: "hours.no_school",
    Reason.CLASS_PAUSED: "screen.paused",
    Reason.CAMERA_PRIVATE: "screen.paused",
    Reason.SHARING_STOPPED: "screen.paused",
    Reason.CLASS_NOT_OPEN: "screen.paused",
    Reason.CONSENT_MISSING: "screen.consent",
    Reason.CLOCK_UNTRUSTED: "screen.wait",
}
"""Reason to the heading, in the catalogue; of reasons with one screen one is tried."""
TRIED = [
    Reason.PLAN_NAP, Reason.PLAN_CARE, Reason.WINDOW_CLOSED, Reason.CALENDAR_CLOSED, Reason.CLASS_PAUSED,
    Reason.CONSENT_MISSING, Reason.CLOCK_UNTRUSTED,
]  # fmt: skip


def test_the_right_screen_stands_there_when_video_ends(live: LiveSite) -> None:  # noqa: F811 - the fixture
    """Each reason, told over the data channel of a playing stream: its heading, and no pixel left on the page."""
    assert live.door is not None
    page = live.visit("/p/", MOTHER, size=(390, 844))
    url = page.url
    for reason in TRIED:
        page.goto("about:blank")  # a page that stands would hear of the new decision and load itself anew meanwhile
        live.box.class_decision = ALLOWED
        page.goto(url)
        expect_state(page, "live")
        live.box.class_decision = Decision(False, reason, next_ms=AGAIN_MS)
        live.do(live.door.end_all(reason))
        expect(page.get_by_role("heading", level=1)).to_have_text(TEXTS[SCREENS[reason]])
        assert page.locator("video, live-view").count() == 0, reason


def test_reasons_of_one_screen_are_really_of_one_screen() -> None:
    """What was not tried in the browser shows what was."""
    tried = {screen_of(Decision(False, reason), "up"): SCREENS[reason] for reason in TRIED}
    for reason, heading in SCREENS.items():
        assert tried[screen_of(Decision(False, reason), "up")] == heading
