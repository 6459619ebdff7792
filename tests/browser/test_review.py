"""Recorded pictures in a real browser: the right instant, over gaps, to the newest second, within bounds."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.core.errors import KeyLocked
from gateway.core.media import Codec
from tests.browser.conftest import THURSDAY_MS, shoot
from tests.browser.review_fixtures import (
    DAY_MS,
    HOUR_MS,
    LARGE,
    MIDNIGHT_MS,
    MINUTE_MS,
    NETWORK_GAP,
    NEWEST_MS,
    POWER_GAP,
    SMALL,
    ReviewSite,
    code_of,
    play,
    position,
    ready,
    review_site,
    shown,
    stats,
    wait_for_code,
    wait_for_width,
)
from tests.fakes.review_footage import FPS, GOP_MS
from tests.fakes.web_services import MAM, PRINCIPAL

pytestmark = pytest.mark.browser
FLIP = """hidden => {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""
MORNING_MS = MIDNIGHT_MS + 8 * HOUR_MS


@pytest.fixture
def review(chromium: Browser) -> Iterator[ReviewSite]:
    with review_site(chromium) as site:
        yield site


def seeks(page: Page) -> int:
    return int(page.evaluate("globalThis.frames_seen || 0"))


def click_bar(page: Page, bar: str, share: float) -> None:
    """Click a bar at a share of its width, and wait until that has brought a picture."""
    before = seeks(page)
    box = page.locator(bar).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + share * box["width"], box["y"] + box["height"] * 0.75)
    page.wait_for_function("before => (globalThis.frames_seen || 0) > before", arg=before)


def test_random_instants_show_the_picture_of_that_instant(review: ReviewSite) -> None:
    """Ten clicks on the day bar, today and yesterday: the picture says the instant that the page names."""
    dice = random.Random(11)
    for day in (MIDNIGHT_MS, MIDNIGHT_MS - DAY_MS):
        page = review.review(day + 8 * HOUR_MS)
        ready(page)
        play(page, False)
        at_ms = 0
        for _ in range(5):
            click_bar(page, "#day-bar", dice.uniform(0.01, 0.42 if day == MIDNIGHT_MS else 0.99))
            at_ms = position(page)
            assert day <= at_ms < day + DAY_MS
            wait_for_code(page, code_of(at_ms))
            said = shown(page)
            assert said["picture"] == at_ms % GOP_MS // (1000 // FPS)
        page.wait_for_url(f"**luc={at_ms}")


def test_two_minutes_ago_is_what_an_address_without_an_instant_shows(review: ReviewSite) -> None:
    """The page opens two minutes back and plays on by itself."""
    page = review.review()
    ready(page)
    started = position(page)
    assert abs(started - (THURSDAY_MS - 2 * MINUTE_MS)) < 20_000
    wait_for_code(page, code_of(started + GOP_MS), code_of(started + 2 * GOP_MS))
    shoot(page, "review-code-1440x900")


def test_playing_goes_over_a_gap_and_says_why(review: ReviewSite) -> None:
    """The last group before the gap is followed by the first one after it; the note names times and cause."""
    page = review.review(NETWORK_GAP[0] - GOP_MS)
    ready(page)
    wait_for_code(page, code_of(NETWORK_GAP[0] - GOP_MS))
    expect(page.locator("#note")).to_have_text("Không có hình 10:02:00–10:02:30: Không tới được camera")
    wait_for_code(page, code_of(NETWORK_GAP[1]), code_of(NETWORK_GAP[1] + GOP_MS))
    assert position(page) >= NETWORK_GAP[1]
    shoot(page, "review-gap")


def test_an_instant_within_a_gap_shows_what_comes_after_it(review: ReviewSite) -> None:
    """Nobody stares at nothing: the first picture after the gap stands there, and the note says so."""
    page = review.review(POWER_GAP[0] + MINUTE_MS)
    ready(page)
    expect(page.locator("#note")).to_have_text("Không có hình 09:12:00–09:19:00: Mất điện")
    wait_for_code(page, code_of(POWER_GAP[1]), code_of(POWER_GAP[1] + GOP_MS))


def test_the_newest_seconds_play_and_new_ones_follow(review: ReviewSite) -> None:
    """End shows the newest there is; what is recorded meanwhile follows by itself; the live page is one click away."""
    page = review.review(MORNING_MS)
    ready(page)
    page.locator("#day-bar").focus()
    page.keyboard.press("End")
    wait_for_code(page, code_of(NEWEST_MS - GOP_MS))
    expect(page.locator("#note")).to_contain_text("hình mới nhất")
    for stream in review.footage.streams.values():
        stream.newest_ms += GOP_MS
    wait_for_code(page, code_of(NEWEST_MS))
    expect(page.locator("#to-live")).to_have_class("btn p")
    page.locator("#to-live").click()
    expect(page.locator("live-view")).to_be_visible()


def test_a_click_after_the_newest_picture_shows_that_one(review: ReviewSite) -> None:
    """The box is some seconds behind; whoever clicks at now, or opens such an address, sees what there is."""
    page = review.review(THURSDAY_MS - 1000)
    ready(page)
    wait_for_code(page, code_of(NEWEST_MS - GOP_MS))
    page.locator('[data-zoom="near"]').click()
    play(page, False)
    for share in (0.3, 0.97):
        click_bar(page, "#near-bar", share)
        expect(page.locator("#plate")).to_be_hidden()
    wait_for_code(page, code_of(NEWEST_MS - GOP_MS))


def test_playing_goes_past_midnight(review: ReviewSite) -> None:
    """Yesterday's last seconds are followed by today's first: another day, another grant, no stop."""
    page = review.review(MIDNIGHT_MS - GOP_MS)
    ready(page)
    expect(page.locator("#day-words")).to_have_text("Thứ Tư, 23/09")
    wait_for_code(page, code_of(MIDNIGHT_MS), code_of(MIDNIGHT_MS + GOP_MS))
    expect(page.locator("#day-words")).to_have_text("Thứ Năm, 24/09")
    assert review.footage.count("open") == 2


def test_scrubbing_asks_for_few_small_pictures_and_no_video(review: ReviewSite) -> None:
    """Three hundred moves over the day: thumbnails are throttled, the newest wins, one seek follows the release."""
    page = review.review(MORNING_MS)
    ready(page)
    play(page, False)
    expect(page.locator("#film img")).to_have_count(11)
    box = page.locator("#day-bar").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 10, box["y"] + 55)
    page.wait_for_timeout(500)
    before, media = review.footage.count("thumb"), review.footage.count("media")
    frames, clock = seeks(page), page.evaluate("performance.now()")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 55, steps=300)
    expect(page.locator("#scrubbed")).to_be_visible()
    took_ms = page.evaluate("performance.now()") - clock
    assert review.footage.count("media") == media
    page.mouse.up()
    page.wait_for_function("before => globalThis.frames_seen > before", arg=frames)
    assert review.footage.count("thumb") - before <= took_ms / 120 + 3
    assert review.footage.count("media") - media <= 4
    expect(page.locator("#scrubbed")).to_be_hidden()
    wait_for_code(page, code_of(position(page)))


def test_hovering_shows_a_small_picture_with_its_time_and_a_gaps_cause(review: ReviewSite) -> None:
    """The plate over the bar: picture and time on footage, words on a gap, nothing beyond now."""
    page = review.review(MORNING_MS)
    ready(page)
    box = page.locator("#day-bar").bounding_box()
    assert box is not None
    for share, words in ((0.3, ""), ((POWER_GAP[0] + 200_000 - MIDNIGHT_MS) / DAY_MS, "không có hình: Mất điện")):
        page.mouse.move(box["x"] + share * box["width"], box["y"] + 55)
        expect(page.locator("#hover-time")).to_be_visible()
        expect(page.locator("#hover-why")).to_have_text(words)
        expect(page.locator("#hover-picture")).to_be_visible(visible=not words)
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 55)
    expect(page.locator("#hover-picture")).to_be_visible()
    shoot(page, "review-hover")
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 55)
    expect(page.locator("#hover")).to_be_hidden()


@pytest.mark.soak
def test_what_is_kept_stays_bounded_at_eight_times_the_speed(review: ReviewSite) -> None:
    """Fifty seconds of footage go by; never more than is kept behind and fetched ahead lies in the buffer."""
    page = review.review(MORNING_MS)
    ready(page)
    page.get_by_role("button", name="Tốc độ 8×").click()
    most = 0.0
    while position(page) < MORNING_MS + 50_000:
        most = max(most, stats(page)["buffered_s"])
        page.wait_for_timeout(100)
    assert most <= 12 + 4 + 30 + 2 * GOP_MS / 1000
    assert stats(page)["stream"] == "sub"
    assert review.footage.count("media") <= (50 + 60) * 1000 / GOP_MS + 20


@pytest.mark.soak
def test_new_parameter_sets_in_the_middle_do_not_stop_the_picture(review: ReviewSite) -> None:
    """The camera changes its size at a full minute: playing goes on with the new one."""
    change = MORNING_MS + MINUTE_MS
    for stream in review.footage.streams.values():
        stream.changes_ms = change
    page = review.review(change - GOP_MS)
    ready(page)
    assert shown(page)["width"] == LARGE[0]
    wait_for_code(page, code_of(change), code_of(change + GOP_MS))
    assert shown(page)["width"] == LARGE[0] // 2


def test_main_that_cannot_be_played_is_replaced_by_sub_and_that_is_said(review: ReviewSite) -> None:
    """H.265 in the main stream: the small one plays by itself, and the note says which and why."""
    main = review.footage.streams["main"]
    main.codec = Codec.H265
    page = review.review(MORNING_MS)
    ready(page)
    expect(page.locator("#note")).to_contain_text("Luồng chính là H.265")
    assert shown(page)["width"] == SMALL[0]
    expect(page.locator("#quality")).to_have_text("Luồng phụ 320×180")


def test_a_browser_that_cannot_be_fed_plays_the_list_of_the_hour(review: ReviewSite) -> None:
    """Without Media Source Extensions the page hands over the box's list; the time shown counts its gap."""
    page = review.visit("/static/none", PRINCIPAL)
    page.add_init_script("delete globalThis.MediaSource; delete globalThis.ManagedMediaSource;")
    page.goto(review.url + f"/xem-lai/{MAM}?luc={POWER_GAP[1] + MINUTE_MS}")
    ready(page)
    assert ".m3u8" in page.evaluate("document.getElementById('video').src")
    play(page, False)
    page.wait_for_timeout(300)
    at_ms = position(page)
    assert at_ms >= POWER_GAP[1] + MINUTE_MS - GOP_MS
    wait_for_code(page, code_of(at_ms - GOP_MS), code_of(at_ms), code_of(at_ms + GOP_MS))
    review.footage.refused = True
    expect(page.locator("#plate")).to_contain_text("Không có quyền")


@pytest.mark.soak
def test_a_hidden_page_fetches_nothing(review: ReviewSite) -> None:
    """Nobody looks: playing stops, and goes on when the page is seen again."""
    page = review.review(MORNING_MS)
    ready(page)
    page.evaluate(FLIP, True)
    page.wait_for_timeout(600)
    asked = review.footage.count("media")
    page.wait_for_timeout(2500)
    assert review.footage.count("media") - asked <= 1
    page.evaluate(FLIP, False)
    at_ms = position(page)
    page.wait_for_function("at => document.getElementById('stage').stats().position > at + 500", arg=at_ms)


def test_neither_stream_can_be_played(review: ReviewSite) -> None:
    """The plate says that recording is complete and what to do."""
    for stream in review.footage.streams.values():
        stream.codec = Codec.H265
    page = review.review(MORNING_MS)
    expect(page.locator("#plate")).to_contain_text("Máy này không mở được")


def test_the_small_stream_on_a_small_screen_and_the_main_one_when_paused(review: ReviewSite) -> None:
    """A phone plays the small stream; a paused picture is the large one, and playing takes the small one again."""
    page = review.review(MORNING_MS, size=(390, 844))
    ready(page)
    assert stats(page)["stream"] == "sub"
    play(page, False)
    page.wait_for_function("() => document.getElementById('stage').stats().stream === 'main'")
    wait_for_width(page, LARGE[0])
    wait_for_code(page, code_of(position(page)))
    play(page, True)
    page.wait_for_function("() => document.getElementById('stage').stats().stream === 'sub'")
    wait_for_width(page, SMALL[0])
    page.locator("#closer").click()
    page.wait_for_function("() => document.getElementById('stage').stats().stream === 'main'")


@pytest.mark.soak
def test_single_frames_forward_and_back(review: ReviewSite) -> None:
    """Each press is one picture, across the end of a group too."""
    page = review.review(MORNING_MS)
    ready(page)
    wait_for_code(page, code_of(MORNING_MS + GOP_MS))
    play(page, False)
    page.wait_for_timeout(300)
    said = shown(page)
    number = said["code"] * 10 + said["picture"]
    for press, step in (("#frame-on", 1),) * 6 + (("#frame-back", -1),) * 7:
        before = seeks(page)
        page.locator(press).click()
        page.wait_for_function("before => globalThis.frames_seen > before", arg=before)
        number += step
        wait_for_code(page, number // 10)
        assert shown(page)["picture"] == number % 10


def test_a_right_that_goes_while_playing_takes_the_picture_with_it(review: ReviewSite) -> None:
    """The picture goes, the reason stands there, nothing more is asked for; when the right is back, one press shows it."""
    page = review.review(MORNING_MS)
    ready(page)
    review.footage.refused = True
    expect(page.locator("#plate")).to_contain_text("Không có quyền xem lại camera này")
    assert page.evaluate("document.getElementById('video').getAttribute('src')") is None
    shoot(page, "review-denied")
    asked = review.footage.count("media")
    page.wait_for_timeout(1500)
    assert review.footage.count("media") == asked
    review.footage.refused = False
    page.get_by_role("button", name="Thử lại").click()
    ready(page)
    wait_for_code(page, code_of(position(page)))


def test_a_right_that_goes_while_paused_is_noticed_too(review: ReviewSite) -> None:
    """Nothing is fetched while a picture stands, but the box is asked again."""
    page = review.review(MORNING_MS)
    ready(page)
    play(page, False)
    review.footage.refused = True
    expect(page.locator("#plate")).to_contain_text("Không có quyền")


def test_locked_footage_leads_to_the_key(review: ReviewSite) -> None:
    """The plate says that recording goes on, and links to where footage is unlocked."""
    review.footage.trouble = KeyLocked("no key")
    page = review.review(MORNING_MS)
    expect(page.locator("#plate")).to_contain_text("Hình đã ghi đang khóa")
    assert page.get_by_role("link", name="Mở khóa").get_attribute("href") == "/khoa"


@pytest.mark.soak
def test_a_silent_box_is_asked_again_until_it_answers(review: ReviewSite) -> None:
    """Requests fail, the page says so and is well again by itself."""
    page = review.review(MORNING_MS)
    ready(page)
    page.context.set_offline(True)
    expect(page.locator("#plate")).to_contain_text("Đầu ghi không trả lời")
    page.context.set_offline(False)
    ready(page)
    at_ms = position(page)
    page.wait_for_function("at => document.getElementById('stage').stats().position > at + 1000", arg=at_ms)


def test_broken_groups_are_holes_and_not_the_end(review: ReviewSite) -> None:
    """The disk cannot give the group that was asked for, nor one later: what comes after each plays."""
    torn = {MORNING_MS, MORNING_MS + 2 * GOP_MS}
    review.footage.torn = torn
    page = review.review(MORNING_MS)
    ready(page)
    wait_for_code(page, code_of(MORNING_MS + GOP_MS))
    wait_for_code(page, code_of(MORNING_MS + 3 * GOP_MS))
