"""A network that lets no UDP through: pictures all the same, and video where a TURN server listens on TCP."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from tests.browser.conftest import AUTOPLAY, HANG_MS, shoot
from tests.fakes.spaces import NoNamespaces
from tests.fakes.wall import BOX, TURN_PORT, Wall
from tests.fakes.web_services import MAM, MOTHER, PRINCIPAL
from web.caller import Caller

pytestmark = pytest.mark.browser
log = logging.getLogger("figures")
"""`--log-cli-level=INFO` shows how long the first still took."""
TURN = f"turn:{BOX}:{TURN_PORT}?transport=tcp"

WATCH = """() => {
  globalThis.seen = [];
  globalThis.stills = 0;
  document.addEventListener('live-state', event => {
    const image = event.target.querySelector('img');
    seen.push({
      state: event.detail.state, picture: image ? image.naturalWidth : 0, at: performance.now(),
      label: event.target.querySelector('.chip-at')?.textContent || '',
    });
  });
  const real = globalThis.fetch;
  globalThis.fetch = (...args) => {
    stills += String(args[0]).includes('still.jpg');
    return real(...args);
  };
}"""
"""Runs before the page's own scripts: what the view showed, in order, and how many stills it asked for."""


@pytest.fixture
def wall(tmp_path: Path) -> Iterator[Wall]:
    """The box, the viewer, and no UDP between them."""
    try:
        with Wall(tmp_path) as built:
            yield built
    except NoNamespaces as error:
        pytest.skip(f"no network namespaces here: {error}")


@contextmanager
def page_of(wall: Wall, url: str, path: str, caller: Caller) -> Iterator[Page]:
    """A page in a real browser on the viewer's machine; no script error is forgiven."""
    errors: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=wall.browser(), args=AUTOPLAY)
        try:
            context = browser.new_context(locale="vi-VN", timezone_id="Asia/Tokyo")
            context.add_cookies([{"name": "vuon-box", "value": f"token-{caller.person}", "url": url}])
            context.add_init_script(f"({WATCH})()")
            page = context.new_page()
            page.set_default_timeout(HANG_MS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.goto(url + path)
            yield page
        finally:
            browser.close()
    assert errors == []


def until(page: Page, holds: str) -> None:
    """Wait until an expression holds (the page's content policy forbids Playwright's own way)."""
    end = time.monotonic() + HANG_MS / 1000
    look = f"Promise.race([{holds}, new Promise(done => setTimeout(() => done(false), 5000))])"
    while not page.evaluate(look):
        assert time.monotonic() < end, f"{holds} did not come true: {seen(page)}"
        page.wait_for_timeout(100)


FIGURES = "customElements.whenDefined('live-view').then(() => document.querySelector('live-view').stats())"


def seen(page: Page) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = page.evaluate("seen")
    return found


def test_without_udp_there_are_stills_with_their_age_and_no_end(wall: Wall) -> None:
    """The still is first and says how old it is; after video has failed for good, stills go on coming."""
    with page_of(wall, wall.serve()["url"], "/p/", MOTHER) as page:
        expect(page.locator(".chip-at")).to_contain_text("giây trước")
        shoot(page, "udp-blocked-still")
        # Video is given up for now: the next try is announced by the state, the stills go on.
        until(page, f"{FIGURES}.then(figures => figures.failures > 0)")
        before = page.evaluate("stills")
        until(page, f"stills > {before} + 1")
        states = [item["state"] for item in seen(page)]
        first = next(item for item in seen(page) if item["picture"])
        log.info("first still after %d ms", first["at"])
        assert set(states) <= {"opening", "still", "weak"}
        expect(page.locator(".chip-at")).to_have_text("Ảnh 4 giây trước")
        assert wall.dropped() > 0, "the page never tried: this proves nothing about UDP"


def test_a_relay_on_tcp_brings_video_through_the_same_wall(wall: Wall) -> None:
    """The box names the TURN server with its answer: the still comes first, then video by the relay over TCP."""
    wall.relay()
    with page_of(wall, wall.serve(TURN)["url"], f"/camera/{MAM}", PRINCIPAL) as page:
        view = page.locator("live-view")
        until(page, f"{FIGURES}.then(figures => figures.framesDecoded > 20)")
        figures = view.evaluate("view => view.stats()")
        assert (figures["path"], figures["relayProtocol"]) == ("relay", "tcp")
        assert figures["codec"] == "video/H264"
        states = seen(page)
        log.info("first still after %d ms", next(item for item in states if item["picture"])["at"])
        shown = [item["state"] for item in states]
        assert "still" in shown
        assert "live" not in shown[: shown.index("still")]
        shoot(page, "udp-blocked-relay")
