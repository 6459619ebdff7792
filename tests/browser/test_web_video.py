"""Real video through the pages: `<live-view>` against a live daemon on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from gateway.core.errors import Denied
from gateway.core.model import Action, Decision, Grant, PublicId, Role, StreamRole, WallPlace
from gateway.live.client import Opened
from tests.browser.conftest import THURSDAY_MS, Served, Site, serve, shoot
from tests.fakes.clock import FakeClock
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox, make_grant
from tests.fakes.web_services import MAM, MOTHER, PRINCIPAL, FakeBox, FakeLive
from web.app import create_app
from web.caller import Caller
from web.services import OpenedLive, Services

pytestmark = pytest.mark.browser
FLIP = """hidden => {
  Object.defineProperty(document, 'hidden', {value: hidden, configurable: true});
  document.dispatchEvent(new Event('visibilitychange'));
}"""


@dataclass
class RealDoor(FakeLive):
    """The fake's decisions in front of a real live daemon."""

    live: LiveBox
    grants: dict[str, Grant] = field(default_factory=dict)
    role: Role = Role.TEACHER
    lease_ms: int = 60_000

    async def open(self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole) -> OpenedLive:
        await self.box.grant(caller, Action.LIVE, camera)
        if self.box.live_error is not None:
            raise self.box.live_error
        grant = make_grant(self.live.clock, camera=camera, role=self.role, lease_ms=self.lease_ms)
        opened = await self.live.client.open(self.live.ticket(grant), offer, stream)
        self.box.open_sessions[opened.session] = (caller, camera)
        self.grants[opened.session] = grant
        return OpenedLive(opened.session, opened.answer)

    async def open_tile(
        self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole, place: WallPlace
    ) -> OpenedLive:
        await self.box.grant(caller, Action.LIVE, camera)
        if self.box.live_error is not None:
            raise self.box.live_error
        # A wall serves the person and device that opened it.
        grant = replace(make_grant(self.live.clock, camera=camera), person=caller.person, device=caller.device)
        ticket = self.live.ticket(grant)
        if place.wall is None:
            opened, wall = await self.live.client.open_wall(ticket, offer, place.slot, stream)
        else:
            wall = place.wall
            opened = Opened(await self.live.client.join_wall(ticket, wall, place.slot, stream), "")
        self.box.open_sessions[opened.session] = (caller, camera)
        self.grants[opened.session] = grant
        return OpenedLive(opened.session, opened.answer, wall)

    async def close(self, caller: Caller, camera: PublicId, session: str) -> None:
        await super().close(caller, camera, session)
        await self.live.client.close(PublicId(session), "viewer.left")

    async def end_all(self, reason: str) -> None:
        """End every stream as the gateway does: the reason first."""
        await self.live.client.close_grants([grant.id for grant in self.grants.values()], reason)


@dataclass
class LiveSite(Site):
    """A site whose video flows."""

    served: Served | None = None
    door: RealDoor | None = None

    def do(self, work: Any) -> Any:
        """Run something on the server's loop."""
        assert self.served is not None
        return self.served.run(work)


@pytest.fixture
def live(chromium: Browser, pictures: dict[str, bytes], tmp_path: Path) -> Iterator[LiveSite]:
    """A box whose cameras all show a moving test picture."""
    box = FakeBox(FakeClock(THURSDAY_MS))
    box.stills.update(pictures)  # type: ignore[arg-type]  # public ids are strings
    real = LiveBox(tmp_path, clip(640, 360))
    door = RealDoor(box, real)
    services = box.services(secure=False, hosts=frozenset())
    fields = {name: getattr(services, name) for name in Services.__slots__} | {"live": door}
    with serve(create_app(Services(**fields)), real) as served:
        site = LiveSite(served.url, box, chromium, served=served, door=door)
        yield site
        for context in site.contexts:
            context.close()
    assert site.errors == []
    assert real.faults == []


def stats(page: Page, index: int = 0) -> dict[str, Any]:
    """Ask an element for its figures."""
    found: dict[str, Any] = page.locator("live-view").nth(index).evaluate("view => view.stats()")
    return found


def expect_state(page: Page, state: str, index: int = 0) -> None:
    expect(page.locator("live-view").nth(index)).to_have_attribute("data-state", state)


def test_a_still_comes_first_and_video_follows_in_every_tile(live: LiveSite) -> None:
    """Four tiles decode H.264; each asked for its still before its video; labels say live."""
    page = live.visit("/", PRINCIPAL)
    for index in range(4):
        expect_state(page, "live", index)
        expect(page.locator(".chip-at").nth(index)).to_have_text("Trực tiếp")
    figures = stats(page)
    assert figures["codec"] == "video/H264"
    assert figures["framesDecoded"] > 0
    assert figures["stillBytes"] > 0
    asked = [url for url in live.pictures() if MAM in url]
    assert "still.jpg" in asked[0]
    assert "/wall/" in asked[1]
    shoot(page, "video-grid")


def test_video_comes_without_stills(live: LiveSite) -> None:
    """A box that cannot make stills still shows video: neither waits for the other."""
    live.box.stills.clear()
    page = live.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "live")


def test_frames_go_on_and_stills_stop_while_video_flows(live: LiveSite) -> None:
    """Live means that frames keep coming; no still is fetched meanwhile."""
    page = live.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "live")
    before = stats(page)
    live.requests.clear()
    page.wait_for_timeout(2000)
    after = stats(page)
    assert after["framesDecoded"] > before["framesDecoded"]
    assert after["ageMs"] < 3000
    assert not [url for url in live.pictures() if "still" in url]
    shoot(page, "video-camera")


def test_the_reason_arrives_and_the_pixels_go(live: LiveSite) -> None:
    """When the right ends, picture and video are gone, the reason stands there, and the view is not final."""
    page = live.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "live")
    assert live.door is not None
    live.requests.clear()
    live.box.live_error = Denied("refused", reason="class.paused")  # the right is gone: whoever comes now is not let in
    live.do(live.door.end_all("class.paused"))
    expect_state(page, "ended")
    assert [item for item in live.requests if item.method == "DELETE"] == [], "the box knows that it ended it"
    view = page.locator("live-view")
    expect(view.locator(".mid")).not_to_be_empty()
    expect(view.locator("img")).to_be_hidden()
    assert view.evaluate("view => [view.querySelector('video').srcObject, view.querySelector('img').hasAttribute('src')]") == [
        None, False,
    ]  # fmt: skip
    live.box.live_error = None
    view.evaluate("view => view.retry()")
    expect_state(page, "live")


def test_a_stalled_source_says_how_old_the_picture_is(live: LiveSite) -> None:
    """The source freezes: within seconds the view says so and shows a still with its age, and recovers."""
    page = live.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "live")
    page.evaluate("""() => {
      globalThis.seen = [];
      document.addEventListener('live-state', event => seen.push(event.detail.state));
    }""")
    assert live.door is not None
    live.do(hold(live.door.live))
    expect(page.locator(".chip-at")).to_contain_text("Ảnh")
    assert page.evaluate("seen[0]") == "stalled"
    live.do(release(live.door.live))
    expect_state(page, "live")


def test_a_page_that_opens_with_an_old_still_does_not_say_that_video_stopped(live: LiveSite) -> None:
    """Nothing was lost yet: the still stands with its age while the first video is on its way, and only then it stalls."""
    assert live.door is not None
    live.box.still_age_ms = 12_000
    live.do(hold(live.door.live))
    page = live.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "still")
    expect(page.locator(".chip-at")).to_contain_text("giây trước")
    expect_state(page, "stalled")
    live.box.still_age_ms = 800
    live.do(release(live.door.live))
    expect_state(page, "live")


def test_a_stream_of_a_standing_camera_is_not_live(live: LiveSite) -> None:
    """A new session begins with the pictures kept from before: while the still is old, they are not of now."""
    page = live.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "live")
    assert live.door is not None
    live.box.still_age_ms = 30_000
    live.do(hold(live.door.live))
    expect(page.locator(".mid")).to_contain_text("giây trước")
    page.evaluate("""() => {
      globalThis.seen = [];
      document.addEventListener('live-state', event => seen.push(event.detail.state));
    }""")
    with page.expect_response("**/whep/**"):
        pass  # given up and joined anew
    expect(page.locator("live-view")).not_to_have_attribute("data-video", "")
    page.evaluate("""() => new Promise(joined => {
      const look = () => (document.querySelector('video').readyState > 1 ? joined() : setTimeout(look, 50));
      look();
    })""")
    assert "live" not in page.evaluate("seen")
    expect_state(page, "stalled")
    live.box.still_age_ms = 800
    live.do(release(live.door.live))
    expect_state(page, "live")


def test_another_device_keeps_the_picture_until_a_tap_here(live: LiveSite) -> None:
    """Two phones of one guardian do not take turns by themselves."""
    page = live.visit("/p/", MOTHER, size=(390, 844))
    expect_state(page, "live")
    assert live.door is not None
    live.do(live.door.end_all("device.other"))
    expect_state(page, "ended")
    expect(page.locator("live-view")).to_contain_text("Đang xem ở máy khác")
    live.requests.clear()
    button = page.get_by_role("button", name="Xem ở máy này")
    expect(button).to_be_visible()
    page.wait_for_timeout(1500)
    assert live.pictures() == []
    button.click()
    expect_state(page, "live")


IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 "
    "Mobile/15E148 Safari/604.1"
)


def test_the_icon_is_offered_after_the_second_good_view(live: LiveSite) -> None:
    """Not at the first; then with the steps for an iPhone and a manifest that hands the device over; "later" lasts."""
    page = live.visit("/p/", MOTHER, size=(390, 844), user_agent=IPHONE, device_scale_factor=2)
    expect_state(page, "live")
    assert page.locator(".add").count() == 0
    page.reload()
    expect(page.locator(".add")).to_contain_text("Thêm vào MH chính")
    expect(page.locator("link[rel=manifest]")).to_have_attribute("href", "/p/app.webmanifest")
    shoot(page, "install-ios")
    page.get_by_role("button", name="Để sau").click()
    page.reload()
    expect_state(page, "live")
    assert page.locator(".add").count() == 0


def test_a_box_that_cannot_check_the_right_says_so(live: LiveSite) -> None:
    """Neither another device's turn nor a closed class: the page says that it comes back by itself."""
    page = live.visit("/p/", MOTHER, size=(390, 844))
    expect_state(page, "live")
    assert live.door is not None
    live.do(live.door.end_all("policy.error"))
    expect(page.locator("live-view")).to_contain_text("Hình sẽ mở lại khi kiểm tra xong")
    expect_state(page, "live")


async def hold(box: LiveBox) -> None:
    """Stop the feed's pictures without ending anything."""
    assert box.feed._task is not None
    box.feed._task.cancel()


async def release(box: LiveBox) -> None:
    box.feed._task = asyncio.create_task(box.feed._run())


def test_a_hidden_page_takes_no_media_and_a_shown_one_moves_again(live: LiveSite) -> None:
    """Hidden: the viewer is gone from the daemon within a second; shown: video without a tap."""
    page = live.visit("/p/", MOTHER, size=(390, 844))
    expect_state(page, "live")
    page.evaluate(FLIP, True)
    expect_state(page, "idle")
    assert live.door is not None
    live.do(live.door.live.until("gone"))
    assert live.box.open_sessions == {}
    page.evaluate(FLIP, False)
    expect_state(page, "live")


def test_leaving_the_page_frees_the_viewer(live: LiveSite) -> None:
    """Closing the tab ends the session in the daemon."""
    page = live.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "live")
    page.goto("about:blank")
    assert live.door is not None
    live.do(live.door.live.until("gone"))


def test_a_guardians_video_carries_the_name_and_ends_when_the_class_closes(live: LiveSite) -> None:
    """Watermark over moving video; at the end of the right the page becomes the closed screen by itself."""
    page = live.visit("/p/", MOTHER, size=(390, 844), device_scale_factor=2)
    expect_state(page, "live")
    expect(page.locator(".wm")).to_be_visible()
    shoot(page, "video-parent")
    live.box.class_decision = Decision(False, "plan.nap", next_ms=THURSDAY_MS + 3_600_000)
    assert live.door is not None
    live.do(live.door.end_all("plan.nap"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Giờ ngủ trưa của các bé")
    assert page.locator("video").count() == 0
