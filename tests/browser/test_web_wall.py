"""Sixteen cameras on one page, over one connection: a real browser against a live daemon on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import shoot
from tests.browser.test_web_video import FLIP
from tests.browser.wall_fixtures import OPEN_PEERS, ROOMS, Wall, decoded, live, rightly_placed, school, until

pytestmark = pytest.mark.browser


@pytest.fixture
def wall(chromium: Browser, tmp_path: Path) -> Iterator[Wall]:
    """A school of sixteen rooms, each with its own mark in the picture."""
    with school(chromium, tmp_path) as site:
        yield site


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
def test_all_tiles_show_their_own_room_over_one_connection(wall: Wall, size: tuple[int, int]) -> None:
    """Stills first; then each tile in sight decodes its own camera, on one connection of sixteen lines."""
    page = wall.page(size)
    page.evaluate("document.fonts.ready.then(() => true)")  # a late font moves what is in sight
    seen = (
        16
        if size[0] > 1000
        else page.locator("live-view").evaluate_all(
            "views => views.filter(view => view.getBoundingClientRect().top < innerHeight + 100).length"
        )
    )
    assert seen
    live(page, seen)
    before = decoded(page)
    assert sum(count > 0 for count in before) == seen
    page.wait_for_function(
        "before => Promise.all([...document.querySelectorAll('live-view')].map(view => view.stats()))"
        ".then(all => all.every((item, at) => !before[at] || item.framesDecoded >= before[at] + 10))",
        arg=before,
    )
    assert rightly_placed(page) == seen
    assert page.evaluate(OPEN_PEERS) == 1
    assert len(wall.facts()) == seen
    shoot(page, f"wall-{size[0]}")
    pictures = [url.rsplit("/", 1)[-1] for url in wall.pictures()]
    assert all(item.startswith("still.jpg") for item in pictures[:6]), pictures


def test_tiles_ask_in_view_order(wall: Wall) -> None:
    """Top left first: the order of the tiles is the order of their sessions."""
    page = wall.page()
    live(page)
    asked = [url.split("/wall/")[1].split("?")[0].split("/")[0] for url in wall.pictures() if "/wall/" in url]
    assert list(dict.fromkeys(asked)) == ROOMS


def test_one_room_is_paused_and_only_its_tile_ends(wall: Wall) -> None:
    """Its pixels go and its words come; the fifteen others go on; when it may be seen again, it comes back."""
    page = wall.page()
    live(page)
    before = decoded(page)
    wall.close_grant(ROOMS[5], "pause.class")
    tile = page.locator("live-view").nth(5)
    expect(tile).to_have_attribute("data-state", "ended")
    expect(tile.locator(".mid")).to_contain_text("tạm")
    assert not tile.evaluate("view => view.hasAttribute('data-video')")
    live(page, 15)
    page.wait_for_function(
        "before => Promise.all([...document.querySelectorAll('live-view')].map(view => view.stats()))"
        ".then(all => all.every((item, at) => at === 5 || item.framesDecoded >= before[at] + 10))",
        arg=before,
    )
    assert rightly_placed(page) == 15
    assert page.evaluate(OPEN_PEERS) == 1
    shoot(page, "wall-paused")
    tile.evaluate("view => view.retry()")
    live(page, 16)
    assert rightly_placed(page) == 16
    assert page.evaluate("() => peers.length") == 1


def test_a_dead_camera_keeps_nobody_waiting(wall: Wall) -> None:
    """Fifteen rooms play; the sixteenth says that it stands, and plays in its own tile once it sends."""
    wall.feed.dead.add(ROOMS[2])
    page = wall.page()
    live(page, 15)
    assert page.locator("live-view").nth(2).get_attribute("data-state") in {"still", "opening", "weak", "stalled"}
    assert rightly_placed(page) == 15
    shoot(page, "wall-dead")
    wall.feed.dead.clear()
    live(page, 16)
    assert rightly_placed(page) == 16


def test_a_hidden_page_gets_nothing_and_comes_back_whole(wall: Wall) -> None:
    """Hidden: no session is left; seen again: all sixteen, over one new connection."""
    page = wall.page()
    live(page)
    page.evaluate(FLIP, True)
    page.wait_for_function("() => peers.every(peer => peer.connectionState === 'closed')")
    wall.do(wall.door.live.until("gone"))  # type: ignore[union-attr]  # set by the fixture
    until(page, lambda: not wall.box.open_sessions)
    page.evaluate(FLIP, False)
    live(page)
    assert rightly_placed(page) == 16
    assert page.evaluate(OPEN_PEERS) == 1


def test_an_enlarged_tile_gets_the_large_stream_without_a_gap(wall: Wall) -> None:
    """Two columns on a wide screen: the tiles in sight change to main on their own line, and back."""
    page = wall.page((2400, 1300))
    live(page)
    page.evaluate(
        """() => {
          globalThis.left = [];
          const first = document.querySelector('live-view');
          first.addEventListener('live-state', event => left.push(event.detail.state));
        }"""
    )
    page.locator("[data-size=large]").click()
    expect(page.locator("live-view[stream=main]").first).to_be_visible()
    page.wait_for_function("() => document.querySelectorAll('live-view[data-state=live]').length >= 2")
    shown = page.locator("live-view").first
    expect(shown).to_have_attribute("data-state", "live")
    assert page.evaluate("() => peers.length") == 1
    until(page, lambda: "main" in {item["stream"] for item in wall.facts()})
    before = decoded(page)[0]
    page.wait_for_function(
        "before => document.querySelector('live-view').stats().then(item => item.framesDecoded >= before + 10)",
        arg=before,
    )
    assert page.evaluate("() => left") == []
    rightly_placed(page)


def test_a_box_that_takes_no_wall_is_watched_tile_by_tile(wall: Wall) -> None:
    """An offer of sixteen lines is refused: each tile opens a connection of its own."""
    page = wall.page()
    page.unroute_all()
    context = wall.contexts[-1]
    refused = '{"error": {"code": "offer_refused"}}'
    context.route("**/wall/**", lambda route: route.fulfill(status=400, content_type="application/json", body=refused))
    page.goto(wall.url + "/")
    live(page)
    assert page.evaluate(OPEN_PEERS) == 16
    assert rightly_placed(page) == 16
