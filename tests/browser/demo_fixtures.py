"""Chromium on the running demo: people in browsers of their own, and a log of all they asked for.

Not a conftest: `tests/browser/conftest.py` serves the pages with fakes, this serves the product itself.
"""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import urlsplit

from playwright.sync_api import Browser, BrowserContext, Error, Page, Request, Response, expect

from tests.browser.conftest import HANG_MS
from tests.fakes.demo_box import DemoBox

T = TypeVar("T")
DESK, PHONE = (1440, 900), (390, 844)

WATCH = """() => {
  globalThis.peers = [];
  globalThis.firsts = [];
  const Real = RTCPeerConnection;
  globalThis.RTCPeerConnection = class extends Real {
    constructor(...args) { super(...args); globalThis.peers.push(this); }
  };
  document.addEventListener('live-state', event => {
    const view = event.target, image = view.querySelector('img');
    globalThis.firsts.push({
      camera: view.getAttribute('camera'), state: event.detail.state,
      picture: image ? image.naturalWidth : 0, source: image ? image.src.slice(0, 5) : '',
    });
  });
  document.addEventListener('securitypolicyviolation', event => console.error('CSP ' + event.violatedDirective));
  addEventListener('pagehide', () => {
    const states = globalThis.peers.map(peer => peer.connectionState);
    sessionStorage.setItem('peers', JSON.stringify(states));
  });
}"""
"""Runs before the page's own scripts: keeps the connections and what each view showed, in order."""


def away(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: Playwright's loop runs in this one."""
    results: list[T] = []
    thread = threading.Thread(target=lambda: results.append(asyncio.run(work)))
    thread.start()
    thread.join()
    return results[0]


@dataclass
class Answer:
    """One answer a page got."""

    url: str
    method: str
    status: int
    kind: str
    """Content type."""
    response: Response

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    @property
    def is_picture(self) -> bool:
        """Whether it carried a still, or opened video."""
        good = 200 <= self.status < 300
        return good and (
            self.kind.startswith("image/jpeg")
            or (self.method == "POST" and ("/whep/" in self.url or "/wall/" in self.url))
        )


TEXTS = ("text/html", "application/json", "application/sdp")
"""Bodies that may hold an id in clear and can be read whole."""


@dataclass
class Visit:
    """One person's browser."""

    page: Page
    context: BrowserContext
    url: str
    answers: list[Answer] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)
    """Path and body of each text that came whole, read as it came: the browser forgets them when the page goes on."""
    unread: list[str] = field(default_factory=list)
    """Paths of texts that were gone before they could be read: whoever looks for something in `texts` asks them again."""
    asked: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def goto(self, path: str) -> None:
        """Open a page of the box."""
        self.page.goto(self.url + path)

    def stats(self, index: int = 0) -> dict[str, Any]:
        """Return a view's figures of its received video."""
        found: dict[str, Any] = self.page.locator("live-view").nth(index).evaluate("view => view.stats()")
        return found

    def live(self, index: int = 0) -> None:
        """Wait until a view shows moving pictures."""
        view = self.page.locator("live-view").nth(index)
        expect(view).to_have_attribute("data-state", "live")

    def shot(self, save: Callable[[str], str], name: str) -> None:
        """Take a screenshot into the test's own folder."""
        self.page.screenshot(path=save(f"{name}.png"))

    def let_go(self) -> None:
        """When the last page went away, no connection of it was open: each it had made (video may be tried anew)."""
        states = self.page.evaluate("JSON.parse(sessionStorage.getItem('peers'))")
        assert states
        assert set(states) == {"closed"}

    def well(self) -> None:
        """Nothing left the origin, and neither scripts nor the content policy complained."""
        assert {urlsplit(url).netloc for url in self.asked if not url.startswith(("blob:", "data:"))} == {
            urlsplit(self.url).netloc
        }
        assert self.errors == []

    def _answered(self, response: Response) -> None:
        kind = response.headers.get("content-type", "")
        self.answers.append(Answer(response.url, response.request.method, response.status, kind, response))

    def _finished(self, request: Request) -> None:
        response = request.response()
        if response is None or not response.headers.get("content-type", "").startswith(TEXTS):
            return
        path = urlsplit(response.url).path
        try:
            self.texts.append((path, response.text()))
        except Error:  # the page went on in this very moment, and the body with it
            self.unread.append(path)

    def _console(self, kind: str, text: str) -> None:
        if kind == "error" and "Failed to load resource" not in text:  # a refusal is an answer, not a fault
            self.errors.append(text)


PASSWORD = "cây bàng trước cổng trường"


def enter_code(page: Page, code: str) -> None:
    """Sign in with a one-use code, and choose a password if this person has none yet."""
    page.locator("#code").fill(code)
    page.locator("#code").press("Enter")
    page.wait_for_url(re.compile(r"/(mat-khau)?$"))
    if page.url.endswith("/mat-khau"):
        page.locator("#new").fill(PASSWORD)
        page.locator("#repeat").fill(PASSWORD)
        page.locator("#repeat").press("Enter")
        page.wait_for_url(re.compile(r"\d/$"))


@dataclass
class Street:
    """Where people come from: a browser and the demo."""

    box: DemoBox
    browser: Browser
    visits: list[Visit] = field(default_factory=list)

    def visitor(self, size: tuple[int, int] = DESK, language: str = "vi-VN") -> Visit:
        """Open a browser of its own, signed in as nobody."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=language, timezone_id="Asia/Tokyo"
        )
        context.add_init_script(f"({WATCH})()")
        page = context.new_page()
        page.set_default_timeout(HANG_MS)
        visit = Visit(page, context, self.box.ready["web"])
        page.on("request", lambda request: visit.asked.append(request.url))
        page.on("response", visit._answered)
        page.on("requestfinished", visit._finished)
        page.on("pageerror", lambda error: visit.errors.append(str(error)))
        page.on("console", lambda message: visit._console(message.type, message.text))
        self.visits.append(visit)
        return visit

    def principal(self, size: tuple[int, int] = DESK, language: str = "vi-VN") -> Visit:
        """Sign in with a fresh one-use code, by hand."""
        visit = self.visitor(size, language)
        visit.goto("/vao")
        enter_code(visit.page, str(self.box.json("ma")["code"]))
        return visit

    def guardian(self, slip: str, size: tuple[int, int] = PHONE, language: str = "vi-VN") -> Visit:
        """Open a slip and tap."""
        visit = self.visitor(size, language)
        visit.page.goto(slip)
        visit.page.locator("#slip button").click()
        visit.page.wait_for_url(visit.url + "/p/")
        return visit

    def close(self) -> None:
        """Close every browser; each must have been well."""
        for visit in self.visits:
            visit.context.close()
        for visit in self.visits:
            visit.well()
        self.visits.clear()
