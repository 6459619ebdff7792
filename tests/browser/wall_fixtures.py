"""Sixteen rooms on one page: the site, and what its tests and the bench read off the page."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, expect

from drivers.simulated.scene import SceneSpec, still
from gateway.core.model import PublicId
from tests.browser.conftest import HANG_MS, THURSDAY_MS, serve
from tests.browser.test_web_video import LiveSite, RealDoor
from tests.fakes.clock import FakeClock
from tests.fakes.h264 import MARK_BITS
from tests.fakes.live_box import LiveBox
from tests.fakes.rooms import RoomsFeed, room_clip
from tests.fakes.web_services import CHOI, LA, MAM, PRINCIPAL, YARD, FakeBox, pid
from web.app import create_app
from web.services import Services

ROOMS = [MAM, CHOI, LA, YARD, *(pid(f"phong{letter}") for letter in "abcdefghijkl")]
PEERS = """() => {
  const Real = RTCPeerConnection;
  globalThis.peers = [];
  globalThis.RTCPeerConnection = class extends Real {
    constructor(...args) { super(...args); globalThis.peers.push(this); }
  };
}"""
OPEN_PEERS = "() => peers.filter(peer => peer.connectionState !== 'closed').length"
MARKS = """bits => [...document.querySelectorAll('live-view')].map(view => {
  const video = view.querySelector('video');
  if (!view.hasAttribute('data-video') || !video.videoWidth) return null;
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [8 * bits, 32];
  const paper = canvas.getContext('2d');
  paper.drawImage(video, 0, 0, canvas.width, canvas.height);
  const row = paper.getImageData(0, 28, canvas.width, 1).data;
  let mark = 0;
  for (let bit = 0; bit < bits; bit += 1) if (row[4 * (8 * bit + 4)] > 127) mark += 2 ** bit;
  return mark;
})"""
"""The mark in each tile's video: which room it is."""


class Wall(LiveSite):
    """The site, its page and its rooms."""

    feed: RoomsFeed

    def page(self, size: tuple[int, int] = (1440, 900), *, visit: bool = True) -> Page:
        """Open the grid, with the page's connections kept for looking at; without `visit` the caller goes there."""
        context = self.browser.new_context(viewport={"width": size[0], "height": size[1]}, locale="vi-VN")
        self.contexts.append(context)
        context.add_cookies([{"name": "vuon-box", "value": f"token-{PRINCIPAL.person}", "url": self.url}])
        context.add_init_script(f"({PEERS})()")
        page = context.new_page()
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - it marks handlers
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._console(message.type, message.text))
        if visit:
            page.goto(self.url + "/")
        return page

    def close_grant(self, camera: PublicId, reason: str) -> None:
        """End one camera's session as the gateway does."""
        assert self.door is not None
        sessions = [session for session, (_, room) in self.box.open_sessions.items() if room == camera]
        ids = [self.door.grants[session].id for session in sessions]
        self.do(self.door.live.client.close_grants(ids, reason))

    def facts(self) -> list[dict[str, Any]]:
        """Return the daemon's sessions."""
        assert self.door is not None
        return self.door.live.sessions.facts()


@contextmanager
def school(browser: Browser, folder: Path) -> Iterator[Wall]:
    """A school of sixteen rooms, each with its own mark in the picture."""
    box = FakeBox(FakeClock(THURSDAY_MS))
    for number, camera in enumerate(ROOMS):
        box.status_of[camera] = {"id": camera, "name": f"Phòng {number + 1}", "state": "up", "recording": True}
        box.stills[camera] = still(SceneSpec(f"PHONG {number + 1}", number % 4, 640, 360), 1.0)
    box.extra = ROOMS[4:]
    feed = RoomsFeed(folder / "feed.sock", {camera: room_clip(number) for number, camera in enumerate(ROOMS)})
    real = LiveBox(folder, feed=feed, max_viewers=40)
    door = RealDoor(box, real)
    services = box.services(secure=False, hosts=frozenset())
    fields = {name: getattr(services, name) for name in Services.__slots__} | {"live": door}
    with serve(create_app(Services(**fields)), real) as served:
        site = Wall(served.url, box, browser, served=served, door=door)
        site.feed = feed
        yield site
        for context in site.contexts:
            context.close()
    assert site.errors == []
    assert real.faults == []


def live(page: Page, count: int = 16) -> None:
    """Wait until so many tiles show moving pictures."""
    expect(page.locator("live-view[data-state=live]")).to_have_count(count)


def until(page: Page, true: Callable[[], bool]) -> None:
    """Wait until something is so on the box's side, while the page goes on."""
    waited_ms = 0
    while not true():
        assert waited_ms < HANG_MS
        page.wait_for_timeout(20)
        waited_ms += 20


def decoded(page: Page) -> list[int]:
    """Return how many frames each tile has decoded."""
    found: list[int] = page.evaluate(
        "async () => Promise.all([...document.querySelectorAll('live-view')]"
        ".map(async view => (await view.stats()).framesDecoded || 0))"
    )
    return found


def rightly_placed(page: Page) -> int:
    """Check that no tile shows another room's picture; return how many show one."""
    marks = page.evaluate(MARKS, MARK_BITS)
    assert all(mark in (None, number + 1) for number, mark in enumerate(marks)), marks
    return sum(mark is not None for mark in marks)
