"""A browser's manners over an app in memory: cookies, Host, Origin, Sec-Fetch-Site."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
from fastapi import FastAPI

from tests.fakes.clock import FakeClock
from tests.fakes.web_services import FakeBox
from web.app import create_app
from web.caller import Caller
from web.i18n import LANGUAGE_COOKIE
from web.session import cookie_name

ORIGIN = "https://vuon.test"
OWN_PAGE = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


@asynccontextmanager
async def browser(
    box: FakeBox, caller: Caller | None = None, *, app: FastAPI | None = None, language: str = "vi", **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that is signed in as `caller`, speaking to the app as its own pages do."""
    services = box.services(**settings)
    base = ORIGIN if services.secure else "http://vuon.test"
    transport = httpx.ASGITransport(app or create_app(services), raise_app_exceptions=False, client=("192.0.2.7", 5000))
    headers = {"Accept-Language": "en-US,en;q=0.9", "Origin": base, "Sec-Fetch-Site": "same-origin"}
    async with httpx.AsyncClient(transport=transport, base_url=base, headers=headers) as client:
        if language != "vi":
            client.cookies.set(LANGUAGE_COOKIE, language)
        if caller is not None:
            client.cookies.set(cookie_name(secure=services.secure), f"token-{caller.person}")
        yield client


def new_box() -> FakeBox:
    """A box in memory, at the fake clock's hour."""
    return FakeBox(FakeClock())


async def post(client: httpx.AsyncClient, path: str, **fields: Any) -> httpx.Response:
    """Send a page's form."""
    return await client.post(path, data=fields)
