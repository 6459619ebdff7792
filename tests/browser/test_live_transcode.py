"""A camera without H.264 on the page: video where there is a place for it, stills and the reason where there is none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import THURSDAY_MS, serve
from tests.browser.test_web_video import LiveSite, RealDoor, expect_state, stats
from tests.fakes.clock import FakeClock
from tests.fakes.h265 import h265_clip
from tests.fakes.live_box import LiveBox
from tests.fakes.web_services import MAM, PRINCIPAL, FakeBox
from web.app import create_app
from web.services import Services

pytestmark = pytest.mark.browser


def site(chromium: Browser, pictures: dict[str, bytes], folder: Path, most_transcodes: int) -> Iterator[LiveSite]:
    """Serve a box whose cameras have H.265 only."""
    box = FakeBox(FakeClock(THURSDAY_MS))
    box.stills.update(pictures)  # type: ignore[arg-type]  # public ids are strings
    real = LiveBox(folder, h265_clip(1280, 720), most_transcodes=most_transcodes)
    door = RealDoor(box, real)
    services = box.services(secure=False, hosts=frozenset())
    fields = {name: getattr(services, name) for name in Services.__slots__} | {"live": door}
    with serve(create_app(Services(**fields)), real) as served:
        made = LiveSite(served.url, box, chromium, served=served, door=door)
        yield made
        for context in made.contexts:
            context.close()
    assert real.faults == []
    assert real.transcodes.facts()["processes"] == 0


@pytest.fixture
def h265(chromium: Browser, pictures: dict[str, bytes], tmp_path: Path) -> Iterator[LiveSite]:
    """A box that may transcode."""
    yield from site(chromium, pictures, tmp_path, 1)


@pytest.fixture
def full(chromium: Browser, pictures: dict[str, bytes], tmp_path: Path) -> Iterator[LiveSite]:
    """A box without a place for another transcode."""
    yield from site(chromium, pictures, tmp_path, 0)


def test_chromium_plays_an_h265_only_camera(h265: LiveSite) -> None:
    """Frames of 640x360 are decoded, none is lost, and the page says that it is live."""
    page = h265.visit(f"/camera/{MAM}", PRINCIPAL)
    expect_state(page, "live")
    expect(page.locator(".chip-at").first).to_have_text("Trực tiếp")
    figures = stats(page)
    for _ in range(200):
        if figures["framesDecoded"] >= 30:
            break
        page.wait_for_timeout(100)
        figures = stats(page)
    assert figures["framesDecoded"] >= 30
    assert (figures["frameWidth"], figures["frameHeight"]) == (640, 360)
    assert figures["packetsLost"] == 0
    assert figures["codec"] == "video/H264"
    assert h265.errors == []


def test_without_a_place_the_page_shows_photos_and_says_why(full: LiveSite) -> None:
    """It is not the viewer's network, and video is tried again by itself."""
    page = full.visit(f"/camera/{MAM}", PRINCIPAL)
    view = page.locator("live-view").first
    expect(view).to_have_attribute("full", "", timeout=30_000)
    expect_state(page, "still")
    expect(view.locator(".chip-at")).to_contain_text("Camera này chỉ có ảnh lúc này")
    expect(view.locator("img")).to_be_visible()
