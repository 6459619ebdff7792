"""A browser that waits for the school's yes hears of it at once.

Owns `/api/device/{key}/standing`. Invariants: whoever asks has no session, so the number of streams is bounded, by key
and in all; a key that is none is NotFound before a stream opens; a stream ends with the decision, with the page, and
with the app. The id of a key is 80 random bits that one browser was told.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from gateway.core.errors import NotFound
from web.api_events import message
from web.guards import ANYBODY
from web.session import services_of
from web.slip_services import Standing

router = APIRouter()
LOOK_EVERY_S = 5.0
"""How often it is asked again when no hint came."""
MAX_STREAMS, MAX_PER_KEY = 200, 3
RETRY_MS = 3000
WAITING, GONE = "waiting", Standing("gone")


class WaitingStreams:
    """The streams that are open; one per app, on its event loop."""

    def __init__(self) -> None:
        self._by_key: Counter[str] = Counter()

    def full(self, key: str) -> bool:
        """Say whether there is no place left."""
        return self._by_key[key] >= MAX_PER_KEY or self._by_key.total() >= MAX_STREAMS

    @contextmanager
    def place(self, key: str) -> Iterator[None]:
        """Hold one place while the block runs."""
        self._by_key[key] += 1
        try:
            yield
        finally:
            self._by_key[key] -= 1
            self._by_key += Counter()  # drops what reached zero


@router.get("/api/device/{key}/standing", dependencies=[Depends(ANYBODY)])
async def standing(request: Request, key: str) -> Response:
    """Tell a waiting browser when the school has decided (server-sent events); NotFound for a key that is none."""
    await services_of(request).slips.standing(key)
    if request.app.state.waiting.full(key):
        raise HTTPException(429)
    return StreamingResponse(_events(request, key), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


async def _events(request: Request, key: str) -> AsyncIterator[str]:
    door, closing = services_of(request).slips, request.app.state.streams.closing
    yield f"retry: {RETRY_MS}\n\n"
    with request.app.state.waiting.place(key), door.changes() as hints:
        hint = asyncio.ensure_future(anext(hints))
        ending = asyncio.ensure_future(closing.wait())
        try:
            while not closing.is_set():
                try:
                    found = await door.standing(key)
                except NotFound:
                    found = GONE
                yield message("standing", {"state": found.state, "why": found.why})
                if found.state != WAITING:
                    return
                await asyncio.wait({hint, ending}, timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED)
                if hint.done():
                    hint = asyncio.ensure_future(anext(hints))
        finally:
            hint.cancel()
            ending.cancel()
