"""A hub served on a loopback port from a thread of its own, for browsers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import uvicorn

from gateway.hub.store import HubStore
from tests.fakes.clock import FakeClock
from tests.fakes.hub_fleet import FleetBox, hub_store, services
from web.hub_app import create_hub_app

T = TypeVar("T")


@dataclass
class HubSite:
    """A running hub; `do` runs a coroutine on its loop."""

    url: str
    clock: FakeClock
    store: HubStore
    boxes: list[FleetBox]
    loop: asyncio.AbstractEventLoop

    def do(self, work: Awaitable[T]) -> T:
        """Run on the hub's loop and wait."""

        async def run() -> T:
            return await work

        return asyncio.run_coroutine_threadsafe(run(), self.loop).result(30)

    def code(self) -> str:
        """Return a fresh sign-in code."""
        return self.do(self.store.staff.make_code())


Seed = Callable[[HubStore, FakeClock], Awaitable[list[FleetBox]]]


@contextmanager
def hub_site(folder: Path, clock: FakeClock, seed: Seed) -> Iterator[HubSite]:
    """Serve a hub that `seed` filled."""
    found: list[HubSite] = []
    failed: list[BaseException] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def main() -> None:
        async with hub_store(folder, clock) as store:
            boxes = await seed(store, clock)
            app = create_hub_app(services(store, clock))
            config = uvicorn.Config(
                app, host="127.0.0.1", port=0, log_level="error", lifespan="off", timeout_graceful_shutdown=2
            )
            server = uvicorn.Server(config)
            task = asyncio.create_task(server.serve())
            while not (server.started and server.servers):  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            found.append(HubSite(f"http://127.0.0.1:{port}", clock, store, boxes, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()
            server.should_exit = True
            await task

    def run() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            failed.append(error)
            ready.set()

    thread = threading.Thread(target=run, name="hub-site")
    thread.start()
    assert ready.wait(60)
    if failed:
        raise failed[0]
    try:
        yield found[0]
    finally:
        found[0].loop.call_soon_threadsafe(stop.set)
        thread.join(20)
    if failed:
        raise failed[0]
