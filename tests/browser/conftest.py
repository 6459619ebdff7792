"""One Chromium per module and the web application on a loopback port.

Playwright's sync API keeps an event loop running in its thread for as long as it is open, so it is opened
for one module at a time: the plugin's session-wide fixtures would break every asyncio test that follows.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, BrowserContext, Page, Request, expect, sync_playwright

from drivers.simulated.scene import SceneSpec, still
from gateway.core.errors import DaemonUnavailable
from tests.fakes.clock import FakeClock
from tests.fakes.demo_box import DemoBox, demo_box
from tests.fakes.web_services import CHOI, LA, MAM, YARD, FakeBox
from web.app import create_app
from web.caller import Caller

if TYPE_CHECKING:
    from tests.browser.demo_fixtures import Street

T = TypeVar("T")
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--mute-audio",
]
AUTOPLAY = [*ARGUMENTS, "--autoplay-policy=no-user-gesture-required"]
"""For pages that nobody touches before they play."""
HANG_MS = 45_000
"""Hang limit of whatever a page waits for: a busy machine is no fault of the page."""
expect.set_options(timeout=HANG_MS)
THURSDAY_MS = 1_790_219_732_000
"""2026-09-24 10:15:32 in Việt Nam."""
SHOTS = os.environ.get("VUON_SHOTS", "")
"""Folder for screenshots; empty = none are kept."""


@dataclass
class Served:
    """A server in a thread of its own."""

    url: str
    loop: asyncio.AbstractEventLoop

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the server's loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=20)


@contextmanager
def serve(app: FastAPI, around: AbstractAsyncContextManager[object] | None = None) -> Iterator[Served]:
    """Serve an app on a free loopback port, inside `around` if given (entered on the server's loop)."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=5
    )
    server = uvicorn.Server(config)
    loops: list[asyncio.AbstractEventLoop] = []

    async def run() -> None:
        async with around or nullcontext():
            loops.append(asyncio.get_running_loop())
            await server.serve()

    thread = threading.Thread(target=lambda: asyncio.run(run()), daemon=True)
    thread.start()
    while not (server.started and server.servers):
        if not thread.is_alive():
            raise RuntimeError("the server did not start")
        threading.Event().wait(0.01)
    try:
        yield Served(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}", loops[0])
    finally:
        loops[0].call_soon_threadsafe(app.state.streams.close)
        server.should_exit = True
        thread.join(timeout=20)


@dataclass
class Site:
    """A running box and a browser that visits it."""

    url: str
    box: FakeBox
    browser: Browser
    contexts: list[BrowserContext] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    """Script errors and CSP violations, as the console reports them."""

    def visit(
        self,
        path: str,
        caller: Caller | None = None,
        *,
        size: tuple[int, int] = (1440, 900),
        language: str = "vi-VN",
        **options: Any,
    ) -> Page:
        """Open a page in a browser of its own, signed in as `caller`."""
        context = self.browser.new_context(
            viewport={"width": size[0], "height": size[1]}, locale=language, timezone_id="Asia/Tokyo", **options
        )
        self.contexts.append(context)
        if caller is not None:
            context.add_cookies([{"name": "vuon-box", "value": f"token-{caller.person}", "url": self.url}])
        page = context.new_page()
        page.set_default_timeout(HANG_MS)
        page.on("request", lambda request: self.requests.append(request))  # noqa: PLW0108 - it marks handlers
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda message: self._console(message.type, message.text))
        page.goto(self.url + path)
        return page

    def _console(self, kind: str, text: str) -> None:
        # Refusals are answers that tests ask for; Chromium logs each failed fetch as an error.
        if kind == "error" and "Failed to load resource" not in text:
            self.errors.append(text)

    def pictures(self) -> list[str]:
        """Return the addresses of every picture or video asked for."""
        return [
            item.url
            for item in self.requests
            if "still.jpg" in item.url or "/whep/" in item.url or "/wall/" in item.url
        ]


def shoot(page: Page, name: str) -> None:
    """Keep a screenshot if somebody wants to look."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, headless, for one module."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoBox]:
    """The demo, running, for one module; modules that want another box have their own."""
    with demo_box(tmp_path_factory.mktemp("demo")) as running:
        running.well()
        yield running


@pytest.fixture
def street(box: DemoBox, chromium: Browser) -> Iterator[Street]:
    """Where people come from to the box of the module; each must have been well."""
    from tests.browser.demo_fixtures import Street

    street = Street(box, chromium)
    yield street
    street.close()


@pytest.fixture
def save(tmp_path: Path) -> Callable[[str], str]:
    """Where screenshots go."""
    return lambda name: str(Path(SHOTS or tmp_path) / name)


@pytest.fixture(scope="session")
def pictures() -> dict[str, bytes]:
    """Drawn classrooms as JPEG, by camera."""
    names = {MAM: "LOP MAM 1", CHOI: "LOP CHOI 1", LA: "LOP LA 1", YARD: "SAN CHOI"}
    return {
        camera: still(SceneSpec(label, variant, 640, 360), 1.0) for variant, (camera, label) in enumerate(names.items())
    }


@pytest.fixture
def site(chromium: Browser, pictures: dict[str, bytes]) -> Iterator[Site]:
    """A box with four cameras, a fixed clock and no video: the live daemon is away."""
    box = FakeBox(FakeClock(THURSDAY_MS))
    box.stills.update(pictures)  # type: ignore[arg-type]  # public ids are strings
    box.live_error = DaemonUnavailable("live is away", service="live")
    with serve(create_app(box.services(secure=False, hosts=frozenset()))) as served:
        site = Site(served.url, box, chromium)
        yield site
        for context in site.contexts:
            context.close()
    assert site.errors == []
