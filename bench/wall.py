"""Bench `wall`: sixteen tiles on one page in Chromium, over one connection and over sixteen, on loopback.

Owns the page and its two ways; the box (web, live daemon, feed) runs in this process, so its figures tell the
difference between the ways, not the cost of the daemon alone. Invariant: a round counts only if all sixteen tiles
showed moving pictures to its end.
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, Route, sync_playwright

from bench.harness import Options, Reading, Table, Variant, compare
from bench.schedstat import Meter, descendants, task_times
from tests.browser.conftest import ARGUMENTS, CHROMIUM
from tests.browser.wall_fixtures import ROOMS, decoded, live, school

TIMES = """() => {
  [globalThis.lived, globalThis.seen] = [new Map(), new Map()];
  document.addEventListener('live-state', event => {
    const camera = event.target.getAttribute('camera');
    if (['still', 'live'].includes(event.detail.state) && !seen.has(camera)) seen.set(camera, performance.now());
    if (event.detail.state === 'live' && !lived.has(camera)) lived.set(camera, performance.now());
  });
}"""
SHARES = "part.length > 1"


def alone(route: Route) -> None:
    """Serve the page's script with the sharing of connections taken out."""
    answer = route.fetch()
    text = answer.text()
    assert SHARES in text
    route.fulfill(response=answer, body=text.replace(SHARES, "false"))


def browsers() -> list[int]:
    """Return the processes of the browser."""
    return [pid for pid in descendants(os.getpid()) if b"chromium" in _command(pid)]


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def cpu_ms(pids: Iterator[int] | list[int]) -> float:
    """Return the CPU time of processes since they began."""
    return sum(taken.cpu_ns for pid in pids for taken in task_times(pid).values()) / 1e6


def sdp_bytes(page: Page) -> list[int]:
    """Return the list that fills with the lengths of the offers and answers of a page."""
    sizes: list[int] = []

    def answered(response: Any) -> None:
        body = response.request.post_data or ""
        if "v=0" in body:
            sizes.append(len(json.loads(body)["offer"] if body.startswith("{") else body))
            text = response.text()
            sizes.append(len(json.loads(text)["answer"] if text.startswith("{") else text))

    page.on("response", answered)
    return sizes


def measure(browser: Browser, options: Options, *, shared: bool) -> Reading:
    """Open the page, wait for all tiles, look at it for a while."""
    with tempfile.TemporaryDirectory() as folder, school(browser, Path(folder)) as site:
        page = site.page(visit=False)
        page.context.add_init_script(f"({TIMES})()")
        if not shared:
            page.context.route("**/js/wall.js", alone)
        sizes = sdp_bytes(page)
        before_box = cpu_ms([os.getpid()])
        page.goto(site.url + "/")
        live(page)
        joined_box = cpu_ms([os.getpid()]) - before_box
        joined_page = cpu_ms(browsers())
        stills = max(page.evaluate("() => [...seen.values()]"))
        times = sorted(page.evaluate("() => [...lived.values()]"))
        first = decoded(page)
        meters = Meter(browsers(), time.monotonic), Meter([os.getpid()], time.monotonic)
        for meter in meters:
            meter.look()
        page.wait_for_timeout(options.seconds * 1000)
        for meter in meters:
            meter.look()
        invalid = _still(first, decoded(page), options.seconds)
        threads = sum(len(task_times(pid)) for pid in browsers())
    return Reading(
        {
            "page, % of a core": meters[0].used().cpu_percent,
            "box, % of a core": meters[1].used().cpu_percent,
            "a picture in all tiles, ms": stills,
            "first tile, ms": times[0],
            "all tiles, ms": times[-1],
            "box until then, ms of CPU": joined_box,
            "page until then, ms of CPU": joined_page,
            "SDP, kB": sum(sizes) / 1000,
            "threads of the browser": threads,
        },
        invalid,
    )


def _still(before: list[int], after: list[int], seconds: float) -> str:
    slow = sum(late - early < 9 * seconds for early, late in zip(before, after, strict=True))
    return f"{slow} tiles below 9 of 10 frames a second" if slow else ""


def run(options: Options) -> list[Table]:
    """Compare the two ways."""

    def way(*, shared: bool) -> Reading:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
            try:
                return measure(browser, options, shared=shared)
            finally:
                browser.close()

    variants = [
        Variant("one connection, sixteen lines", lambda: way(shared=True)),
        Variant("sixteen connections", lambda: way(shared=False), control=True),
    ]
    notes = [
        f"{len(ROOMS)} tiles of 320x180 at 10 frames a second, software decoder; box = web, live daemon and feed",
        "times are from the page's navigation: to a still (or video) in each tile, then to a tile's state live",
    ]
    return [compare("Sixteen tiles on one page", variants, options, notes)]
