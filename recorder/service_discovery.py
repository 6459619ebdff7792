"""Control calls about finding cameras, and what follows when one of ours announces itself.

Owns the search over the socket and the healing of moved addresses. Invariants: one search at a time; who
asks for a search sees each step with interface and range, and where the reader is slow only the latest
ones; a camera of ours is followed to another address only if its old one no longer answers in its name,
because anybody can announce anything.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gateway.core.errors import BadInput, NotFound
from gateway.core.wire import Handler, Reply, Request
from recorder.cameras import Cameras
from recorder.discovery import Discovery, Explored, FoundCamera, SearchOrder, SearchStep, Tell
from recorder.identity import Identity, of_device
from recorder.registry import Camera, Registry

MAX_SEARCH_S = 60
MOST_RANGES = 16
MOST_TOLD = 64
"""Steps that wait for a slow reader."""
MAX_NAME = 64


class DiscoveryService:
    """Handlers of the discovery calls; `last` is what the last search found, by address and port."""

    def __init__(self, cameras: Cameras, registry: Registry, discovery: Discovery, *, search_s: float) -> None:
        self._cameras, self._registry, self._discovery = cameras, registry, discovery
        self._search_s = search_s
        self._searching = asyncio.Lock()
        self.last: dict[tuple[str, int], FoundCamera] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {"discover": self.discover, "discover.ranges": self.ranges, "discover.run": self.run}

    async def listen(self) -> None:
        """Hear announcements for ever and follow our cameras."""
        await self._discovery.listen(self.heard)

    async def ranges(self, request: Request) -> Reply:
        """Return what a sweep would ask, so that somebody can agree to it."""
        del request
        return Reply({"ranges": [asdict(part) for part in self._discovery.ranges()]})

    async def discover(self, request: Request) -> Reply:
        """Search by passive news and multicast and return when it is done."""
        return Reply(await self._result(SearchOrder(self._seconds(request)), _to_nobody))

    async def run(self, request: Request) -> AsyncIterator[bytes]:
        """Search in all ways ordered; streams JSON: each `step`, at last `found`, `steps`, `failed`, `dropped`."""
        order = SearchOrder(
            self._seconds(request), _networks(request, "sweep"), _networks(request, "ports"), _temporary(request)
        )
        return self._stream(order)

    async def _stream(self, order: SearchOrder) -> AsyncIterator[bytes]:
        waiting: deque[SearchStep] = deque(maxlen=MOST_TOLD)
        news = asyncio.Event()

        def tell(step: SearchStep) -> None:
            waiting.append(step)
            news.set()

        search = asyncio.create_task(self._result(order, tell), name="discover")
        search.add_done_callback(lambda _: news.set())
        try:
            while waiting or not search.done():
                await news.wait()
                news.clear()
                while waiting:
                    yield _json({"step": asdict(waiting.popleft())})
            yield _json(search.result())
        finally:
            search.cancel()
            await asyncio.gather(search, return_exceptions=True)  # its error was told, or nobody is there any more

    async def _result(self, order: SearchOrder, tell: Tell) -> dict[str, Any]:
        async with self._searching:
            explored = await self._discovery.explore(order, tell)
            self.last = {(item.address, item.port): item for item in explored.found}
            rows = await self._rows(explored.found)
        return {"found": rows, **_about(explored)}

    async def _rows(self, found: Sequence[FoundCamera]) -> list[dict[str, Any]]:
        known, rows = await self._registry.cameras(), []
        for item in found:
            ours = of_device(known, identity_among(item, found))
            await self._follow(ours, item)
            channels = [camera.about.identity.channel for camera in ours if camera.about.identity.channel]
            rows.append(asdict(item) | {"adopted_as": ours[0].public_id if ours else None, "channels": channels})
        return rows

    async def quietly(self, seconds: float) -> None:
        """Search by passive news and multicast for nobody: what moved is followed."""
        await self._result(SearchOrder(seconds), _to_nobody)

    async def heard(self, item: FoundCamera) -> None:
        """Follow a camera of ours that announced itself from another address."""
        await self._follow(of_device(await self._registry.cameras(), Identity(item.endpoint, item.mac)), item)

    async def _follow(self, ours: Sequence[Camera], item: FoundCamera) -> None:
        """Move the cameras of a device, all its channels, to where it answers now."""
        if not item.reachable or all(camera.about.address == item.address for camera in ours):
            return
        for camera in ours:
            if item.address == camera.about.address:
                continue
            try:
                if not await self._is_at_home(camera):
                    await self._cameras.move(camera.public_id, item.address, port_of(camera, item))
            except NotFound:  # somebody took it away meanwhile: there is nothing to follow
                continue

    async def _is_at_home(self, ours: Camera) -> bool:
        """Say whether a camera is where it was, whoever claims to be it elsewhere (it may have two cards)."""
        endpoint = ours.about.identity.endpoint
        if endpoint:
            return await self._discovery.is_at(ours.about.address, endpoint)
        return any(task.feed.facts().connected for task in self._cameras.get(ours.public_id).streams)

    def _seconds(self, request: Request) -> float:
        seconds = request.params.get("seconds", self._search_s)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SEARCH_S:
            raise BadInput(f"seconds must be above 0 and at most {MAX_SEARCH_S}", key="seconds")
        return float(seconds)


def port_of(camera: Camera, item: FoundCamera) -> int:
    """Return the port at which a camera that moved is spoken to: the one it announced by ONVIF, else its old one.

    A maker's own discovery names the web page's port, and a camera that is spoken to by RTSP has another.
    """
    return (item.port if item.endpoint and camera.about.driver != "rtsp" else 0) or camera.about.port


def identity_among(item: FoundCamera, found: Sequence[FoundCamera]) -> Identity:
    """Return what marks a device; a MAC that others of a search show too marks none of them.

    Repeaters and routers answer ARP for what is behind them.
    """
    sharing = {other.address for other in found if other.mac == item.mac}
    return Identity(item.endpoint, item.mac if len(sharing) == 1 else "")


def _to_nobody(step: SearchStep) -> None:
    """Stand in for whoever watches."""
    del step


def _networks(request: Request, key: str) -> tuple[str, ...]:
    value = request.params.get(key, [])
    if not isinstance(value, list) or len(value) > MOST_RANGES or not all(isinstance(item, str) for item in value):
        raise BadInput(f"{request.method}: {key} is a list of at most {MOST_RANGES} networks", key=key)
    return tuple(value)


def _temporary(request: Request) -> str:
    name = request.text("temporary", "")
    if len(name) > MAX_NAME:
        raise BadInput(f"{request.method}: temporary is too long", key="temporary")
    return name


def _about(explored: Explored) -> dict[str, Any]:
    return {
        "steps": [asdict(step) for step in explored.steps],
        "failed": [{"step": step, "code": code} for step, code in explored.failed],
        "dropped": explored.dropped,
    }


def _json(value: dict[str, Any]) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()
