"""What one visitor can hold: places, connections, time."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tests.fakes.clock import FakeClock
from tests.fakes.web_services import MOTHER, FakeBox
from web.api_events import MAX_PER_PERSON
from web.app import create_app
from web.headers import Shield

pytestmark = pytest.mark.anyio
OWN_PAGE = [(b"host", b"box"), (b"sec-fetch-site", b"same-origin"), (b"origin", b"https://box")]


class Drip:
    """A client that sends `parts`, then nothing more; `statuses` is what it was answered."""

    def __init__(self, *parts: bytes) -> None:
        self._parts = list(parts)
        self.statuses: list[int] = []

    async def receive(self) -> dict[str, Any]:
        if self._parts:
            return {"type": "http.request", "body": self._parts.pop(0), "more_body": True}
        await asyncio.Event().wait()
        raise AssertionError

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if "status" in message:
            self.statuses.append(message["status"])


def scope(method: str, path: str, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {
        "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"", "scheme": "https",
        "headers": [*OWN_PAGE, *headers], "server": ("box", 443), "client": ("192.0.2.7", 5), "http_version": "1.1",
    }  # fmt: skip


async def test_a_body_that_drips_is_given_up() -> None:
    """A few bytes and then silence: the request is answered 408 instead of being waited for."""
    asked: list[int] = []

    async def app(inner: Scope, receive: Receive, send: Send) -> None:
        try:
            answer: Response = PlainTextResponse(str(len(await Request(inner, receive).body())))
        except Exception as error:  # noqa: BLE001 - what the framework's handlers would see
            asked.append(getattr(error, "status_code", 0))
            answer = PlainTextResponse("", asked[-1])
        await answer(inner, receive, send)

    client = Drip(b"v=0", b"\r\n")
    shield = Shield(app, hosts=frozenset({"box"}), secure=True, body_s=0.02)
    async with asyncio.timeout(20):
        await shield(scope("POST", "/whep/x"), client.receive, client.send)
    assert (asked, client.statuses) == ([408], [408])


async def test_a_length_that_is_no_number_is_refused() -> None:
    """Digits of other scripts and numbers without end are refused as too big, not raised."""

    async def app(inner: Scope, receive: Receive, send: Send) -> None:
        await PlainTextResponse("passed")(inner, receive, send)

    for length in ("²".encode("latin-1"), b"9" * 6000, b"-1", b""):
        client = Drip()
        shield = Shield(app, hosts=frozenset({"box"}), secure=True)
        await shield(scope("POST", "/", (b"content-length", length)), client.receive, client.send)
        assert client.statuses == [413]


async def test_many_event_streams_asked_for_at_once_get_no_more_places() -> None:
    """The bound holds also for requests that arrive together, before the first has taken its place."""
    app = create_app(FakeBox(FakeClock()).services())
    held: list[int] = []
    cookie = (b"cookie", f"__Host-vuon-box=token-{MOTHER.person}".encode())

    async def listen() -> None:
        client = Drip()
        await app(scope("GET", "/api/events", cookie), client.receive, client.send)

    tasks = [asyncio.create_task(listen()) for _ in range(4 * MAX_PER_PERSON)]
    for _ in range(200):
        await asyncio.sleep(0)
        held.append(app.state.streams.open_by(MOTHER))
    app.state.streams.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert max(held) == MAX_PER_PERSON
