"""`<live-view>` in Chromium behind a router of our own: loss, a narrow link, and back."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.core.model import PublicId, StreamRole
from tests.browser.conftest import THURSDAY_MS, serve
from tests.browser.test_web_video import FLIP, LiveSite, RealDoor, expect_state, stats
from tests.fakes.clock import FakeClock
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox
from tests.fakes.udp_proxy import UdpProxy, is_media
from tests.fakes.web_services import MAM, MOTHER, PRINCIPAL, FakeBox
from web.app import create_app
from web.caller import Caller
from web.services import OpenedLive

pytestmark = pytest.mark.browser
HANG_S = 90.0
NARROW_BPS = 300_000
FRAMES = 100
SLACK = 3
"""Pictures between what is shown and what is counted."""
WHOLE = """wanted => new Promise(done => {
  const view = document.querySelector('live-view'), video = view.querySelector('video');
  let joined = null, first = null;
  const look = async (_, shown) => {
    const { framesReceived } = await view.stats();
    joined ??= shown.rtpTimestamp;
    if (((shown.rtpTimestamp - joined) >>> 0) / 4500 < 40) return video.requestVideoFrameCallback(look);
    first ||= { at: shown.rtpTimestamp, whole: framesReceived };
    const source = ((shown.rtpTimestamp - first.at) >>> 0) / 4500;
    if (source >= wanted) done({ source, whole: framesReceived - first.whole });
    else video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
})"""
"""Waits until the source's own clock went on by so many pictures (20 a second); returns how many came whole. Begins
after the first forty: what came in the burst of the join was received long before it is shown."""
LOST_EACH = 50
"""2 % of the packets."""
NOTE = """() => {
  globalThis.seen = [];
  const view = document.querySelector('live-view');
  document.addEventListener('live-state', event => seen.push(event.detail.state));
  globalThis.bare = 0;
  setInterval(() => {
    const image = view.querySelector('img');
    const picture = view.hasAttribute('data-video') || (image.src && !image.hidden && image.naturalWidth > 0);
    const words = view.querySelector('.mid').textContent.trim() || view.querySelector('.chip-at').textContent.trim();
    if (!picture || !words) globalThis.bare += 1;
  }, 50);
}"""
"""From now on: the states in order, and each look at which there was no picture or no word about it."""


class LinkedBox(LiveBox):
    """A live daemon whose viewers come through routers; `links`, newest last."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, clip(640, 360, noise=24), sub=clip(160, 120, noise=24))
        self.links: list[UdpProxy] = []
        self.rate_bps = 0.0
        self.drops: Callable[[bytes], bool] = lambda _: False

    async def link(self) -> UdpProxy:
        """Return a router for one more viewer."""
        made = await self._stack.enter_async_context(UdpProxy(rate_bps=self.rate_bps, drops=self.drops))
        self.links.append(made)
        return made

    async def narrow(self, bps: float) -> None:
        """Give every link this rate from now on; 0 = any."""
        self.rate_bps = bps
        for item in self.links:
            item.rate_bps = bps

    async def facts(self) -> dict[str, Any]:
        """Return the newest session's facts."""
        return (self.sessions.facts() or [Counter()])[-1]


@dataclass
class LinkedDoor(RealDoor):
    """Leads every viewer through a router."""

    links: list[UdpProxy] = field(default_factory=list)

    async def open(self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole) -> OpenedLive:
        assert isinstance(self.live, LinkedBox)
        link = await self.live.link()
        opened = await super().open(caller, camera, link.hide(offer), stream)
        return replace(opened, answer=link.lead(opened.answer))


@dataclass
class WeakSite(LiveSite):
    """A site behind routers."""

    linked: LinkedBox | None = None

    @property
    def far(self) -> LinkedBox:
        assert self.linked is not None
        return self.linked

    def until(self, page: Page, **wanted: object) -> None:
        """Wait until the newest session's facts are these."""
        until = time.monotonic() + HANG_S
        while {name: self.do(self.far.facts())[name] for name in wanted} != wanted:
            assert time.monotonic() < until, f"{self.do(self.far.facts())} never became {wanted}"
            page.wait_for_timeout(100)


@pytest.fixture
def weak(
    chromium: Browser,
    pictures: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[WeakSite]:
    """A box whose viewers come through routers; a weak link is tried again after a second instead of ten."""
    monkeypatch.setattr("gateway.live.link.FIRST_TRIAL_WAIT_S", 1.0)
    box = FakeBox(FakeClock(THURSDAY_MS))
    box.stills.update(pictures)  # type: ignore[arg-type]  # public ids are strings
    linked = LinkedBox(tmp_path)
    door = LinkedDoor(box, linked)
    services = replace(box.services(secure=False, hosts=frozenset()), live=door)
    with serve(create_app(services), linked) as served:
        site = WeakSite(served.url, box, chromium, served=served, door=door, linked=linked)
        yield site
        for context in site.contexts:
            context.close()
    assert site.errors == []
    assert linked.faults == []


def watching(site: WeakSite) -> Page:
    """Open the large picture of one camera; returns it live."""
    page = site.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "live")
    page.evaluate(NOTE)
    return page


def shows(page: Page, width: int) -> None:
    """Wait until pictures of this width are decoded."""
    while stats(page)["frameWidth"] != width:
        page.wait_for_timeout(100)


def test_two_percent_loss_costs_no_pictures(weak: WeakSite) -> None:
    """Every fiftieth packet is lost: nineteen of twenty pictures of the source arrive whole, on the large stream."""
    number = itertools.count(1)
    weak.far.drops = lambda data: is_media(data) and next(number) % LOST_EACH == 0
    page = watching(weak)
    found = page.evaluate(WHOLE, FRAMES)
    assert found["whole"] >= 0.95 * found["source"] - SLACK
    facts = weak.do(weak.far.facts())
    assert weak.far.links[-1].dropped > FRAMES / LOST_EACH
    assert facts["resent"] > 0
    assert (facts["stream"], facts["resting"]) == ("main", False)
    assert page.evaluate("[seen, bare]") == [[], 0]


def test_a_narrow_link_gets_sub_then_stills_and_video_again(weak: WeakSite) -> None:
    """300 kbit/s: main, sub, stills that say how old they are, and when it is wide again video by itself; never black."""
    page = watching(weak)
    weak.do(weak.far.narrow(NARROW_BPS))
    weak.until(page, stream="sub")
    weak.until(page, resting=True)
    expect_state(page, "weak")
    expect(page.locator("live-view:not([data-video]) > img")).to_be_visible()
    expect(page.locator(".chip-at")).to_contain_text("Ảnh")
    sent = weak.do(weak.far.facts())["packets"]
    weak.do(weak.far.narrow(0))
    expect_state(page, "live")
    weak.until(page, stream="main", resting=False)
    assert weak.do(weak.far.facts())["packets"] > sent
    expect(page.locator("live-view[data-video]")).to_be_visible()
    shows(page, 640)
    states = page.evaluate("seen")
    assert "weak" in states
    assert states[-1] == "live"
    assert page.evaluate("bare") == 0
    assert len(weak.far.links) == 1, "one session all the time: no new decision, no new audit row"


def test_a_hidden_page_takes_no_packet_more(weak: WeakSite) -> None:
    """Hidden: at most a second of pictures leaves after it, and then none, though the feed goes on for another."""
    page = weak.visit("/p/", MOTHER, size=(390, 844))
    expect_state(page, "live")
    (viewer,) = weak.do(viewers(weak.far))
    before = viewer.frames
    page.evaluate(FLIP, True)
    weak.do(weak.far.until("gone"))
    assert viewer.frames - before <= 20
    gone, fed = viewer.packets, weak.far.feed.number
    while weak.far.feed.number < fed + 20:
        page.wait_for_timeout(50)
    assert viewer.packets == gone


def test_a_large_picture_takes_main_and_a_small_one_sub(weak: WeakSite) -> None:
    """The picture is made small and large again: the stream follows in the same session, without a still between."""
    page = watching(weak)
    weak.until(page, stream="main")
    page.set_viewport_size({"width": 500, "height": 700})
    weak.until(page, stream="sub")
    shows(page, 160)
    page.set_viewport_size({"width": 1440, "height": 900})
    weak.until(page, stream="main")
    shows(page, 640)
    assert page.evaluate("[seen, bare]") == [[], 0]
    assert len(weak.far.links) == 1


async def viewers(box: LiveBox) -> list[Any]:
    """Return what the daemon counts of each viewer."""
    return [session.viewer for session in box.sessions._by_id.values()]
