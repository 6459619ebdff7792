"""Server-sent events: what changes while a page is open.

Owns `/api/events`. Messages: `cameras`, `rooms` or `visits` (staff), `class` (guardian) and `observation` (guest)
whenever the view differs from the last one sent (who has none is sent none), `beat` while nothing changes, `ended` with
the reason one of the person's live sessions ended, `signed_out` when the session is over. Invariants: a stream never
outlives its session; the number of streams a person and the box hold is bounded; a lost hint costs at most
`REFRESH_S`, because the view is compared again at that pace.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Self

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.core.model import STAFF_ROLES, Role
from web.api_cameras import grid_state
from web.caller import Caller
from web.guards import SOMEBODY
from web.pages_guardian import class_state
from web.pages_guest import guest_state
from web.rooms_view import rooms_state
from web.services import Change
from web.session import caller_of, services_of
from web.visits_view import visits_state

router = APIRouter()
REFRESH_S = 2.0
BEAT_EVERY = 4
"""Refreshes without news before a `beat`: a page that hears nothing for longer says that the box is lost."""
MAX_PER_PERSON = 6
MAX_STREAMS = 400
RETRY_MS = 3000


class Streams:
    """The event streams that are open; one per app, on its event loop."""

    def __init__(self, refresh_s: float = REFRESH_S) -> None:
        self._by_person: Counter[str] = Counter()
        self.refresh_s = refresh_s
        self.closing = asyncio.Event()

    def close(self) -> None:
        """End all streams: call it before the server stops, which would wait for them."""
        self.closing.set()

    def open_by(self, caller: Caller) -> int:
        """Return how many streams a person holds."""
        return self._by_person[caller.person]

    def full(self, caller: Caller) -> bool:
        """Say whether there is no place left for this person."""
        return self._by_person[caller.person] >= MAX_PER_PERSON or self._by_person.total() >= MAX_STREAMS

    def check(self, caller: Caller) -> None:
        """Raise HTTPException 429 if there is no place left."""
        if self.full(caller) or self.closing.is_set():
            raise HTTPException(429)

    @contextmanager
    def place(self, caller: Caller) -> Iterator[None]:
        """Hold one place while the block runs."""
        self._by_person[caller.person] += 1
        try:
            yield
        finally:
            self._by_person[caller.person] -= 1
            self._by_person += Counter()  # drops what reached zero


def message(event: str, data: object) -> str:
    """Return one event in wire form (HTML Living Standard §9.2)."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n"


async def view_of(request: Request, caller: Caller) -> tuple[str, dict[str, Any]]:
    """Return the kind and content of what this person's page shows, without the time; nothing to those without one."""
    if caller.role is Role.GUARDIAN:
        _, _, view = await class_state(request, caller)
        return "class", view
    if caller.role is Role.OBSERVER:
        visit, view = await guest_state(request, caller)
        return ("nothing", {}) if visit is None else ("observation", view)
    if caller.role not in STAFF_ROLES:
        return "nothing", {}
    if (rooms := await rooms_state(request, caller)) is not None:
        return "rooms", rooms
    if (visits := await visits_state(request, caller)) is not None:
        return "visits", visits
    view = await grid_state(request, caller)
    view.pop("now_ms")
    return "cameras", view


async def events_of(request: Request, caller: Caller) -> AsyncIterator[str]:
    """Yield the person's messages until the session ends, the page goes away or the app closes."""
    services, streams = services_of(request), request.app.state.streams
    last: dict[str, Any] = {}
    quiet = 0
    yield f"retry: {RETRY_MS}\n\n"
    with services.changes.of(caller) as changes, _Hints(changes, streams.closing) as hints:
        while not streams.closing.is_set():
            if await caller_of(request) is None:
                yield message("signed_out", {})
                return
            kind, view = await view_of(request, caller)
            if view != last:
                last, quiet = view, 0
                yield message(kind, view | {"now_ms": services.clock.now_ms()})
            elif quiet >= BEAT_EVERY:
                quiet = 0
                yield message("beat", {})
            quiet += 1
            change = await hints.next(streams.refresh_s)
            if change is not None and change.kind == "ended":
                yield message("ended", {"session": change.session, "reason": change.reason})


class _Hints:
    """Waits for the next hint, for the end of the app, or for a while, without losing a hint."""

    def __init__(self, changes: AsyncIterator[Change], closing: asyncio.Event) -> None:
        self._changes, self._closing = changes, closing
        self._tasks: set[asyncio.Future[Any]] = set()
        self._hint: asyncio.Future[Change] | None = None

    def __enter__(self) -> Self:
        self._tasks.add(asyncio.ensure_future(self._closing.wait()))
        return self

    def __exit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()

    async def next(self, seconds: float) -> Change | None:
        """Return the next hint; None after `seconds` without one, or when the app closes."""
        if self._hint is None:
            self._hint = asyncio.ensure_future(anext(self._changes))
            self._tasks.add(self._hint)
        await asyncio.wait(self._tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        if not self._hint.done():
            return None
        hint, self._hint = self._hint, None
        self._tasks.discard(hint)
        return hint.result()


@router.get("/api/events")
async def events(request: Request, caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """Open the stream of events."""

    async def body() -> AsyncIterator[str]:
        if request.app.state.streams.full(caller):
            return  # many asked at once: their answers had begun before the first took its place
        with request.app.state.streams.place(caller):
            async for text in events_of(request, caller):
                yield text

    request.app.state.streams.check(caller)
    return StreamingResponse(body(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
