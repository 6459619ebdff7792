"""Bench `review`: from a click on the day bar to the first picture of that instant, in Chromium, on loopback.

Owns the footage (a drawn classroom, two days of it), the pages and the control: the same pictures as one MP4 file of
ten minutes with its index in front, in a plain `<video>` that is told another time. Invariant: a round counts only if
every seek was answered with a picture of the instant that was asked for.
"""

from __future__ import annotations

import io
import random
import statistics
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import av
from fastapi import Depends
from playwright.sync_api import Browser, Page, sync_playwright
from starlette.responses import FileResponse, Response

from bench.harness import Options, Reading, Table, Variant, compare
from drivers.simulated.scene import SceneSpec, encode, still
from gateway.core.media import CodecConfig
from recorder.fmp4 import Sample, fragment
from tests.browser.conftest import ARGUMENTS, CHROMIUM, THURSDAY_MS, serve
from tests.fakes.clock import FakeClock
from tests.fakes.review_api import ReviewApi
from tests.fakes.review_footage import GOP_MS, Footage
from tests.fakes.web_services import MAM, PRINCIPAL, FakeBox
from web.app import create_app
from web.guards import ANYBODY

SEEKS, FPS, FILE_S = 30, 15, 600
DESK, PHONE = (1440, 900), (390, 844)
NEWEST_MS = THURSDAY_MS // GOP_MS * GOP_MS - GOP_MS
DAY_MS = 86_400_000
MIDNIGHT_MS = THURSDAY_MS - (10 * 3600 + 15 * 60 + 32) * 1000
MAIN, SUB = SceneSpec("LOP MAM 1", 0, 1920, 1080, grain=10), SceneSpec("LOP MAM 1", 0, 640, 360, bitrate_bps=400_000)

WATCH = """() => {
  const [bar, video] = [document.getElementById('day-bar'), document.getElementById('video')];
  let pressed = 0;
  globalThis.took = [];
  bar.addEventListener('pointerup', event => { pressed = event.timeStamp; }, true);
  const look = (_, {mediaTime}) => {
    const asked = document.getElementById('stage').stats().position;
    if (pressed && !video.seeking && Math.abs(mediaTime * 1000 + globalThis.origin - asked) < 2500) {
      globalThis.took.push(performance.now() - pressed);
      pressed = 0;
    }
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
}"""
PLAIN = """async ([url, places]) => {
  const video = document.createElement('video');
  video.muted = true;
  video.src = url;
  document.body.append(video);
  await new Promise(resolve => video.addEventListener('loadeddata', resolve, {once: true}));
  const took = [];
  for (const place of places) {
    const began = performance.now();
    video.currentTime = place;
    await new Promise(resolve => {
      const again = () => video.requestVideoFrameCallback(look);
      const look = (_, {mediaTime}) => (Math.abs(mediaTime - place) < 2.5 ? resolve() : again());
      again();
    });
    took.push(performance.now() - began);
  }
  return took;
}"""


def loop_of(spec: SceneSpec) -> tuple[CodecConfig, tuple[bytes, ...]]:
    """Return the scene as fragments of two seconds that begin at 0."""
    loop = encode(spec)
    made = []
    for at in range(0, len(loop.units), spec.gop_frames):
        units = loop.units[at : at + spec.gop_frames]
        samples = [Sample(90_000 // FPS, sum(len(nal) + 4 for nal in unit.nals), unit.is_key) for unit in units]
        made.append(fragment(1, 0, samples, [nal for unit in units for nal in unit.nals]))
    return loop.config, tuple(made)


def one_file(footage: Footage, folder: Path) -> Path:
    """Return the first minutes of a stream as one MP4 with its index in front."""
    start_ms = footage.start_ms
    pieces = [footage.init(1), *(footage.gop(start_ms + n * GOP_MS) for n in range(FILE_S * 1000 // GOP_MS))]
    path = folder / "film.mp4"
    with (
        av.open(io.BytesIO(b"".join(pieces)), "r") as source,
        av.open(str(path), "w", "mp4", options={"movflags": "faststart"}) as sink,
    ):
        stream = sink.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None and packet.pts is not None:
                packet.pts, packet.dts = packet.pts - start_ms * 90, packet.dts - start_ms * 90
                packet.stream = stream
                sink.mux(packet)
    return path


@contextmanager
def site() -> Iterator[tuple[str, Browser]]:
    """Serve a box with two days of footage and open a browser."""
    box = FakeBox(FakeClock(THURSDAY_MS))
    streams = {
        name: Footage(spec.width, spec.height, MIDNIGHT_MS - DAY_MS, NEWEST_MS, loop=loop_of(spec))
        for name, spec in (("main", MAIN), ("sub", SUB))
    }
    api = ReviewApi(streams, still(SUB, 1.0))
    app = api.install(create_app(box.services(secure=False, hosts=frozenset())))
    with tempfile.TemporaryDirectory() as folder:
        film = one_file(streams["main"], Path(folder))

        @app.get("/film.mp4", dependencies=[Depends(ANYBODY)])
        async def whole() -> Response:
            return FileResponse(film, media_type="video/mp4")

        with serve(app) as served, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            yield served.url, browser
            browser.close()


def _page(browser: Browser, url: str, path: str, size: tuple[int, int]) -> Page:
    context = browser.new_context(viewport={"width": size[0], "height": size[1]})
    context.add_cookies([{"name": "vuon-box", "value": f"token-{PRINCIPAL.person}", "url": url}])
    page = context.new_page()
    page.goto(url + path)
    return page


def _reading(took_ms: list[float]) -> Reading:
    if len(took_ms) != SEEKS:
        return Reading({}, f"{SEEKS - len(took_ms)} seeks without a picture")
    ordered = sorted(took_ms)
    figures = {"median ms": statistics.median(ordered), "p95 ms": ordered[int(0.95 * SEEKS)], "most ms": ordered[-1]}
    return Reading(figures)


def clicks(browser: Browser, url: str, size: tuple[int, int], dice: random.Random) -> Reading:
    """Click all over yesterday on our page."""
    page = _page(browser, url, f"/xem-lai/{MAM}?luc={MIDNIGHT_MS - DAY_MS // 2}", size)
    page.wait_for_selector("#plate", state="hidden")
    page.wait_for_timeout(4000)  # the strip of small pictures is full: it would share the line
    page.evaluate(f"() => {{ globalThis.origin = {MIDNIGHT_MS - DAY_MS}; }}")
    page.evaluate(WATCH)
    bar = page.locator("#day-bar").bounding_box()
    assert bar is not None
    for number in range(SEEKS):
        page.mouse.click(bar["x"] + dice.uniform(0.01, 0.98) * bar["width"], bar["y"] + 55)
        page.wait_for_function("count => globalThis.took.length >= count", arg=number + 1, timeout=10_000)
        page.wait_for_timeout(150)
    took: list[float] = page.evaluate("() => globalThis.took")
    page.context.close()
    return _reading(took)


def plain(browser: Browser, url: str, dice: random.Random) -> Reading:
    """Seek in one file with the browser's own player."""
    page = _page(browser, url, "/vao", DESK)
    took: list[float] = page.evaluate(PLAIN, ["/film.mp4", [dice.uniform(1, FILE_S - 3) for _ in range(SEEKS)]])
    page.context.close()
    return _reading(took)


def run(options: Options) -> list[Table]:
    """Measure both sizes of the page beside a plain `<video>`."""
    with site() as (url, browser):
        dice = random.Random(4)
        variants = [
            Variant("our page on a desk: main, 1080p, anywhere in a day", lambda: clicks(browser, url, DESK, dice)),
            Variant("our page on a phone: sub, 360p, anywhere in a day", lambda: clicks(browser, url, PHONE, dice)),
            Variant(
                "a plain <video> and one MP4 of ten minutes, 1080p", lambda: plain(browser, url, dice), control=True
            ),
        ]
        notes = [
            f"{SEEKS} seeks a round, from the release of the pointer to the picture on the screen.",
            "The page's own API is a fake in the same process as the bench: no disk, no decryption.",
        ]
        return [compare("review: from a click to the first picture", variants, options, notes)]
