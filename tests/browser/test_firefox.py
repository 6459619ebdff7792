"""Another browser than Chromium: Debian's Firefox signs in at the real gateway and plays the real sessions' video."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.h264 import clip
from tests.fakes.marionette import FIREFOX, Marionette, firefox
from tests.fakes.whole_gateway import WholeGateway, whole_gateway

pytestmark = pytest.mark.browser
HANG_S = 120.0
H264 = {
    "gfx__blacklist__webrtc__hw__acceleration__h264": 1,
    "media__webrtc__hw__h264__enabled": True,
    "media__navigator__mediadatadecoder_h264_enabled": True,
}
"""Firefox offers H.264 if it has Cisco's plugin, which it would fetch from elsewhere, or a decoder of the system's; on a
machine without a graphics card the second has to be said. It is then FFmpeg's, by which it also plays MP4."""


async def until(browser: Marionette, body: str) -> Any:
    """Wait until a script in the page returns something true."""
    async with asyncio.timeout(HANG_S):
        while not (found := await browser.script(body)):  # noqa: ASYNC110 - the page's, not ours
            await asyncio.sleep(0.2)
        return found


async def sign_in(browser: Marionette, box: WholeGateway) -> None:
    """Type a one-use code."""
    code = (await box.call("code.new"))["code"]
    await browser.call("WebDriver:Navigate", url=f"{box.url}/vao")
    await until(browser, "return Boolean(document.querySelector('#code'))")
    script = "document.querySelector('#code').value = args[0]; document.querySelector('form button').click();"
    await browser.script(script, code)
    await until(browser, "return location.pathname === '/mat-khau'")
    script = "for (const id of ['#new', '#repeat']) document.querySelector(id).value = args[0];"
    await browser.script(script + "document.querySelector('form button').click();", "cây bàng trước cổng trường")
    await until(browser, "return location.pathname === '/'")


def test_firefox_plays(tmp_path: Path) -> None:
    """The page's own player offers H.264, decodes the camera's pictures without loss, and hears why it ends."""
    if not Path(FIREFOX).exists():
        pytest.skip("Firefox is missing: apt-get install firefox-esr")

    async def scenario(box: WholeGateway, browser: Marionette) -> None:
        await sign_in(browser, box)
        await browser.call("WebDriver:Navigate", url=f"{box.url}/camera/{box.camera}")
        view = "document.querySelector('live-view')"
        await until(browser, f"return {view}?.dataset.state === 'live'")
        await until(browser, f"return (await {view}.stats()).framesDecoded > 20")
        figures = await browser.script(f"return {view}.stats()")
        assert figures["codec"] == "video/H264"
        assert figures["packetsLost"] == 0
        shown = await browser.script(f"const v = {view}.querySelector('video'); return [v.videoWidth, v.videoHeight]")
        assert shown == [640, 360]
        facts = box.live.sessions.facts()[0]
        assert (facts["state"], facts["path"]) == ("live", "host")
        await browser.call("WebDriver:Navigate", url="about:blank")
        await box.live.until("gone")

    async def body() -> None:
        async with whole_gateway(tmp_path, clip(640, 360)) as box, firefox(tmp_path, **H264) as browser:
            await scenario(box, browser)
        assert box.live.faults == []

    asyncio.run(body())
