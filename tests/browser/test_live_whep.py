"""A real Chromium watches a session: what no other receiver can prove."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import async_playwright

from gateway.live.client import LiveClient
from tests.browser.conftest import AUTOPLAY, CHROMIUM
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox, make_grant

pytestmark = pytest.mark.browser

PAGE = """<!doctype html><video id=v autoplay muted playsinline width=640></video><script>
const seen = {told: [], first: 0};
async function watch() {
  const began = performance.now();
  const pc = window.pc = new RTCPeerConnection();
  pc.addTransceiver('video', {direction: 'recvonly'});
  pc.createDataChannel('vuon').onmessage = e => seen.told.push(JSON.parse(e.data).end);
  pc.ontrack = e => { v.srcObject = new MediaStream([e.track]); };
  v.requestVideoFrameCallback(() => { seen.first = performance.now() - began; });
  await pc.setLocalDescription();
  const answer = await fetch('/whep', {method: 'POST', body: pc.localDescription.sdp});
  if (!answer.ok) throw new Error(await answer.text());
  await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
}
async function figures() {
  const out = {...seen, time: performance.now()};
  (await pc.getStats()).forEach(s => {
    if (s.type === 'inbound-rtp')
      for (const key of ['framesDecoded', 'packetsLost', 'freezeCount', 'keyFramesDecoded', 'packetsReceived',
        'nackCount', 'pliCount', 'frameWidth', 'jitterBufferDelay']) out[key] = s[key];
    if (s.type === 'transport') { out.srtp = s.srtpCipher; out.role = s.dtlsRole; }
    if (s.type === 'remote-outbound-rtp') out.reports = s.reportsSent;
  });
  return out;
}
</script>"""


class Door:
    """The page and its WHEP door, as small as HTTP can be."""

    def __init__(self, client: LiveClient, ticket: dict[str, str]) -> None:
        self._client, self._ticket = client, ticket

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if head.startswith("POST /whep"):
            length = int(next(line.split(":")[1] for line in head.lower().split("\r\n") if "content-length" in line))
            offer = (await reader.readexactly(length)).decode()
            status, body = "201 Created", (await self._client.open(self._ticket, offer)).answer
        else:
            status, body = "200 OK", PAGE
        text = body.encode()
        writer.write(
            f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {len(text)}\r\n"
            "Connection: close\r\n\r\n".encode()
            + text
        )
        await writer.drain()
        writer.close()


async def _watch(folder: Path, frames: int) -> tuple[dict[str, Any], dict[str, Any]]:
    async with LiveBox(folder, clip(640, 360, noise=24)) as box, async_playwright() as playwright:
        grant = make_grant(box.clock)
        server = await asyncio.start_server(Door(box.client, box.ticket(grant)).serve, "127.0.0.1", 0)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=AUTOPLAY)
        try:
            # A cached GOP needs a feed that runs: another viewer is what makes it run.
            box.feeds.hold(grant.camera, next(iter(sorted(grant.streams))))
            page = await browser.new_page()
            await page.goto(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
            await page.evaluate("watch()")
            await page.wait_for_function("seen.first > 0", timeout=45_000)
            after = await page.evaluate("figures()")
            async with asyncio.timeout(60):
                while after.get("framesDecoded", 0) < frames or not after.get("reports"):
                    await asyncio.sleep(0.1)
                    after = await page.evaluate("figures()")
            facts = box.sessions.facts()[0]
            await box.client.close_grants([grant.id], "pause.class")
            await page.wait_for_function("seen.told.length > 0", timeout=45_000)
            await asyncio.sleep(0.2)  # Chromium caches its figures for 50 ms
            stopped = await page.evaluate("figures()")
            await asyncio.sleep(0.5)
            silent = await page.evaluate("figures()")
            assert silent["packetsReceived"] == stopped["packetsReceived"]
            assert not box.faults
        finally:
            await browser.close()
            server.close()
    return after, {**facts, "told": stopped["told"]}


def test_chromium_plays_without_loss_and_hears_why_it_ends(tmp_path: Path) -> None:
    """Chromium decodes every frame with none lost over AES-GCM, and is told the reason before silence."""
    after, facts = asyncio.run(_watch(tmp_path, 60))
    assert after["packetsLost"] == 0
    assert after["frameWidth"] == 640
    assert after["role"] == "client"
    assert after["srtp"] == "SRTP_AEAD_AES_128_GCM"
    assert after["reports"] >= 1
    assert facts["told"] == ["pause.class"]
    assert facts["lost"] == 0
    assert after["pliCount"] == 0
