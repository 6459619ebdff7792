"""The hub as an authority's browser sees it, without a browser."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx


class HubDoor:
    """A signed-in session at the hub."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def board(self) -> dict[str, Any]:
        """Return `/api/board`."""
        reply = self._client.get("/api/board")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    def page(self) -> str:
        """Return the board's page."""
        return self._client.get("/").text


@contextlib.contextmanager
def sign_in_hub(url: str, code: str) -> Iterator[HubDoor]:
    """Spend a one-use code; signed in while the block runs."""
    headers = {"origin": url, "sec-fetch-site": "same-origin"}
    with httpx.Client(base_url=url, headers=headers, timeout=20) as client:
        reply = client.post("/vao", data={"code": code})
        assert reply.status_code == 303, reply.text
        yield HubDoor(client)
