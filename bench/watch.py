"""Bench `watch`: Chromium watches `vuon-live`, alone and beside other viewers.

    make bench ARGS="watch --viewers 60 --opens 20 --seconds 300 --rounds 1"

Owns a page, its door, and the rows. Invariants: the first frame is counted from the press of play (before the offer is
made) to the first painted one, by the page's own clock; each opening is a new page; after them the last page plays on
for the window, and its figures are Chromium's own (`getStats`). A round counts only if nothing was lost and nothing
froze. Needs Debian's chromium, and playwright, which is a development dependency.
"""

from __future__ import annotations

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from playwright.async_api import Browser, Page, async_playwright

from bench.harness import Options, Reading, Table, Variant, compare
from bench.live import load, others_and_address
from bench.live_round import WARM_S, Running
from bench.live_servers import Look, Servers
from tests.browser.conftest import AUTOPLAY

FPS = 20
LEAST_FPS = 0.99 * FPS
PAINT_MS = 30_000
PAGE = """<!doctype html><video id=v autoplay muted playsinline width=1280></video><script>
let first = 0;
async function watch() {
  const began = performance.now();
  const pc = window.pc = new RTCPeerConnection();
  const line = pc.addTransceiver('video', {direction: 'recvonly'});
  const known = RTCRtpReceiver.getCapabilities('video').codecs;
  line.setCodecPreferences(known.filter(codec => /h264|rtx/i.test(codec.mimeType)));
  pc.createDataChannel('vuon');
  pc.ontrack = event => { v.srcObject = new MediaStream([event.track]); };
  v.requestVideoFrameCallback(() => { first = performance.now() - began; });
  await pc.setLocalDescription();
  const answer = await fetch('/whep', {method: 'POST', body: pc.localDescription.sdp});
  if (!answer.ok) throw new Error(await answer.text());
  await pc.setRemoteDescription({type: 'answer', sdp: await answer.text()});
}
async function figures() {
  const out = {time: performance.now()};
  (await pc.getStats()).forEach(item => { if (item.type === 'inbound-rtp') Object.assign(out, {
    decoded: item.framesDecoded, dropped: item.framesDropped, lost: item.packetsLost, freezes: item.freezeCount,
    delay: item.jitterBufferDelay, emitted: item.jitterBufferEmittedCount}); });
  return out;
}
</script>"""

Ask = Callable[[str], Awaitable[str]]
"""Offer in, answer out."""


@contextlib.asynccontextmanager
async def door(ask: Ask, address: str) -> AsyncIterator[str]:
    """Serve the page and its `/whep` while entered; gives the page's address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        text = PAGE
        if head.startswith("POST"):
            length = next(int(line.split(":")[1]) for line in head.lower().split("\r\n") if "content-length" in line)
            text = await ask((await reader.readexactly(length)).decode())
        body = text.encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n")
        writer.write(f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, address, 0)
    try:
        yield f"http://{address}:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def opened(browser: Browser, url: str) -> tuple[Page, float]:
    """Open a page and press play; returns it with the milliseconds to its first frame."""
    page = await browser.new_page()
    await page.goto(url)
    await page.evaluate("watch()")
    await page.wait_for_function("first > 0", timeout=PAINT_MS)
    return page, float(await page.evaluate("first"))


async def measured(browser: Browser, url: str, opens: int, seconds: float) -> Reading:
    """Open the page so many times, then let the last one play."""
    waited_ms = []
    for _ in range(opens - 1):
        page, first_ms = await opened(browser, url)
        waited_ms.append(first_ms)
        await page.close()
    page, first_ms = await opened(browser, url)
    waited_ms.append(first_ms)
    await asyncio.sleep(WARM_S)
    before: dict[str, Any] = await page.evaluate("figures()")
    await asyncio.sleep(seconds)
    after: dict[str, Any] = await page.evaluate("figures()")
    await page.close()
    return summed_up(waited_ms, before, after)


def summed_up(waited_ms: list[float], before: dict[str, Any], after: dict[str, Any]) -> Reading:
    """Return the figures of a round: Chromium's two looks at its own statistics, and the first frames."""
    grown = {name: after[name] - before[name] for name in after}
    fps = grown["decoded"] * 1000 / grown["time"]
    waited_ms = sorted(waited_ms)
    figures = {
        "first frame p95, ms": waited_ms[min(len(waited_ms) - 1, int(len(waited_ms) * 0.95))],
        "first frame p50, ms": waited_ms[len(waited_ms) // 2],
        "slowest, ms": waited_ms[-1],
        "pictures/s": fps,
        "lost": float(after["lost"]),
        "freezes": float(grown["freezes"]),
        "jitter buffer, ms": 1000 * grown["delay"] / max(1, grown["emitted"]),
        "minutes": grown["time"] / 60_000,
    }
    troubles = {"packets lost": after["lost"], "freezes": grown["freezes"]}
    said = [f"{count} {what}" for what, count in troubles.items() if count]
    said += [f"{fps:.1f} of {FPS} pictures/s"] if fps < LEAST_FPS else []
    return Reading(figures, ", ".join(said))


def looking(options: Options) -> Look:
    """Return what is done while a server runs: Chromium watches its camera."""

    async def look(running: Running) -> Reading:
        (camera,) = running.feed.cameras

        async def ask(offer: str) -> str:
            return await running.open(offer, camera)

        async with async_playwright() as playwright, door(ask, running.address) as url:
            browser = await playwright.chromium.launch(executable_path=shutil.which("chromium"), args=AUTOPLAY)
            try:
                return await measured(browser, url, options.opens, options.seconds)
            finally:
                await browser.close()

    return look


NOTES = (
    f"1080p{FPS}, 2 Mbit/s, key frame each 1.5 s; Chromium headless, software decoder, on the same machine.",
    "First frame: from the press of play to the first painted frame; a new page each time.",
    "Lost: packets of all the last page's playing; a round with a lost packet, a freeze or fewer pictures is left out.",
)


def run(options: Options) -> list[Table]:
    """Measure alone, and beside other viewers."""
    if shutil.which("chromium") is None:
        row = Variant("Chromium", lambda: Reading({}, "not run: no chromium (apt-get install chromium)"))
        return [compare("watch", [row], options)]
    with others_and_address() as (_, address):
        look = looking(options)
        alone = Servers(address, 1, look, fps=FPS)
        beside = Servers(address, options.viewers, look, fps=FPS)
        rows = [
            Variant("vuon-live, one other viewer", alone.ours),
            Variant(f"vuon-live, {options.viewers} other viewers", beside.ours),
            Variant("aiortc, MediaRelay, one other viewer", alone.plain, control=True),
        ]
        return [compare(f"watch: Chromium, {options.opens} openings", rows, options, (*NOTES, load()))]
