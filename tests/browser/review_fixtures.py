"""A box with a day of footage that says in its pictures which instant they show, and what tests read from the page."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from playwright.sync_api import Browser, Page, expect

from drivers.simulated.scene import SceneSpec, still
from gateway.core.media import Codec
from tests.browser.conftest import THURSDAY_MS, Site, serve
from tests.fakes.clock import FakeClock
from tests.fakes.review_api import ReviewApi
from tests.fakes.review_footage import CODES, GOP_MS, Footage, gops
from tests.fakes.web_services import FULL, MAM, PRINCIPAL, FakeBox
from web.app import create_app

MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000
MIDNIGHT_MS = THURSDAY_MS - (10 * 3600 + 15 * 60 + 32) * 1000
NEWEST_MS = THURSDAY_MS // GOP_MS * GOP_MS - GOP_MS
NETWORK_GAP = (MIDNIGHT_MS + 10 * HOUR_MS + 2 * MINUTE_MS, MIDNIGHT_MS + 10 * HOUR_MS + 2 * MINUTE_MS + 30_000)
POWER_GAP = (MIDNIGHT_MS + 9 * HOUR_MS + 12 * MINUTE_MS, MIDNIGHT_MS + 9 * HOUR_MS + 19 * MINUTE_MS)
SMALL, LARGE = (320, 180), (640, 368)

READ = """() => {
  const video = document.getElementById('video');
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [video.videoWidth, video.videoHeight];
  if (!canvas.width) return null;
  const ctx = canvas.getContext('2d');
  ctx.drawImage(video, 0, 0);
  const bit = (row, column) => {
    const [x, y] = [(column + 0.5) * canvas.width / 8, (row + 0.5) * canvas.height / 4];
    return ctx.getImageData(x, y, 1, 1).data[0] > 128 ? 1 : 0;
  };
  const word = row => [0, 1, 2, 3, 4, 5, 6, 7].reduce((sum, column) => sum + (bit(row, column) << column), 0);
  return {code: word(0), check: word(1), picture: word(2) & 15, width: canvas.width};
}"""
"""What the picture on the screen says."""
FRAMES = (
    "document.addEventListener('review-frame', () => { globalThis.frames_seen = (globalThis.frames_seen || 0) + 1; })"
)


@dataclass
class ReviewSite(Site):
    """A site with recorded footage."""

    api: ReviewApi | None = None

    @property
    def footage(self) -> ReviewApi:
        """The API behind the page."""
        assert self.api is not None
        return self.api

    def review(self, at_ms: int | None = None, **options: Any) -> Page:
        """Open the page of one camera at an instant."""
        page = self.visit("/static/none", PRINCIPAL, **options)
        page.add_init_script(FRAMES)
        page.goto(self.url + f"/xem-lai/{MAM}" + (f"?luc={at_ms}" if at_ms is not None else ""))
        return page


def streams() -> dict[str, Footage]:
    """Two days of main and sub, with two gaps this morning."""
    gaps = [(*NETWORK_GAP, "network"), (*POWER_GAP, "power")]
    start = MIDNIGHT_MS - DAY_MS
    return {name: Footage(*size, start, NEWEST_MS, list(gaps)) for name, size in (("main", LARGE), ("sub", SMALL))}


@contextmanager
def review_site(chromium: Browser) -> Iterator[ReviewSite]:
    """Serve a box whose one camera has footage."""
    box = FakeBox(FakeClock(THURSDAY_MS))
    box.live_error = FULL
    api = ReviewApi(streams(), still(SceneSpec("LOP MAM 1", 0, 320, 180), 1.0))
    for size in (SMALL, LARGE):
        gops(*size, Codec.H264)
    with serve(api.install(create_app(box.services(secure=False, hosts=frozenset())))) as served:
        site = ReviewSite(served.url, box, chromium, api=api)
        yield site
        for context in site.contexts:
            context.close()
    assert site.errors == []


def stats(page: Page) -> dict[str, Any]:
    """The player's figures."""
    found: dict[str, Any] = page.evaluate("document.getElementById('stage').stats()")
    return found


def position(page: Page) -> int:
    """The instant that the page says it shows, by its address."""
    return int(page.evaluate("Math.round(document.getElementById('stage').stats().position)"))


def code_of(at_ms: int) -> int:
    """What a picture of that instant says."""
    return at_ms // GOP_MS % CODES


def shown(page: Page) -> dict[str, int]:
    """What the picture says; it must be whole."""
    found: dict[str, int] | None = page.evaluate(READ)
    assert found is not None
    assert found["check"] == 255 - found["code"], found
    return found


def wait_for_code(page: Page, *codes: int) -> None:
    """Wait until the picture is one of a few groups."""
    page.wait_for_function(
        f"(codes) => {{ const said = ({READ})(); return said && said.check === 255 - said.code && codes.includes(said.code); }}",
        arg=list(codes),
    )


def wait_for_width(page: Page, width: int) -> None:
    """Wait until the picture is of that stream: the old one stands, whole, until the first of the new is decoded."""
    page.wait_for_function(f"(width) => {{ const said = ({READ})(); return said && said.width === width; }}", arg=width)


def play(page: Page, wants: bool) -> None:
    """Press play or pause if it is not so already."""
    button = page.locator("#play")
    if (button.get_attribute("aria-label") == "Phát") is wants:
        button.click()


def ready(page: Page) -> None:
    """Wait for the first picture."""
    expect(page.locator("#plate")).to_be_hidden()
