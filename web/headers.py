"""What every answer carries and what every request must satisfy before it reaches a route.

Owns one pure ASGI layer: response headers, the list of accepted host names, the proof that a change was
asked for by our own page, the cap on bodies and on the time they take. Invariants: nothing is cached unless a
route says so; no page runs script or style that is not a file of ours; a request for a name we do not answer
to never reaches a route (DNS rebinding); a state change from another origin is refused before any cookie is
read; only a player that brings a token instead, which no page can do for it, may ask for video without that proof.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 64 * 1024
LARGE_BODIES = {"/nhap": 6 << 20}
"""Paths that take a file, with their own cap in bytes."""
BODY_S = 20.0
"""From the first byte wanted to the last: a body that drips holds a connection and a person's place."""
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

CONTENT_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
    "connect-src 'self'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    "X-Robots-Tag": "noindex, nofollow",
}
HSTS = "max-age=31536000"
VARY = "Cookie, Authorization, Accept-Encoding"
"""What an answer depends on beside its address: a cache that keeps it against our word must not hand it to others."""
Refuse: TypeAlias = Callable[[Request, int, str], Response]
"""Makes the answer to a request that reaches no route, from its status and code."""


def add_headers(headers: MutableHeaders, *, secure: bool) -> None:
    """Add what every answer carries, unless the route said otherwise."""
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    if secure:
        headers.setdefault("Strict-Transport-Security", HSTS)
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Vary", VARY)


def bare(_request: Request, status: int, code: str) -> Response:
    """Return the code alone, for machines."""
    return JSONResponse({"error": {"code": code}}, status)


def with_headers(send: Send, *, secure: bool) -> Send:
    """Return a `send` that adds the headers to every answer."""

    async def reply(message: Message) -> None:
        if message["type"] == "http.response.start":
            add_headers(MutableHeaders(raw=message.setdefault("headers", [])), secure=secure)
        await send(message)

    return reply


class Shield:
    """ASGI layer around the whole app; websockets are refused (there are none)."""

    def __init__(
        self, app: ASGIApp, *, hosts: frozenset[str], secure: bool, body_s: float = BODY_S, refuse: Refuse = bare
    ) -> None:
        self._app, self._hosts, self._secure = app, frozenset(host.lower() for host in hosts), secure
        self._body_s, self._refuse = body_s, refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check, pass on, add headers."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served")
        reply = with_headers(send, secure=self._secure)
        refusal = self._refusal(scope)
        if refusal is not None:
            status, code = refusal
            await self._refuse(Request(scope), status, code)(scope, receive, reply)
            return
        within_s = None if scope["method"] in SAFE_METHODS else self._body_s
        await self._app(scope, _capped(receive, within_s, _most(scope)), reply)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = Headers(scope=scope)
        if not self._is_our_host(headers.get("host", ""), scope):
            return 421, "host"
        if scope["method"] not in SAFE_METHODS and not self._is_own_page(headers):
            if not _may_be_player(scope, headers):
                return 403, "origin"
            if "authorization" not in headers:  # also beside a cookie, which only our own page may use
                return 401, "sign_in"
        length = headers.get("content-length", "0")
        if not (length.isascii() and length.isdigit() and len(length) < 20) or int(length) > _most(scope):
            return 413, "too_big"
        return None

    def _is_our_host(self, host: str, scope: Scope) -> bool:
        """Accept our names, and the address the connection came in on: a literal cannot be rebound."""
        name = _host_name(host)
        server = scope.get("server")
        return name in self._hosts or (server is not None and bool(name) and name == str(server[0]).lower())

    def _is_own_page(self, headers: Headers) -> bool:
        """Want Sec-Fetch-Site where the browser sends it, else an Origin equal to the requested host."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site != "same-origin":
            return False
        if origin is None or (origin == "null" and site == "same-origin"):  # `null`: a form under no-referrer
            return site is not None
        return origin == f"{'https' if self._secure else 'http'}://{headers.get('host', '')}"


def _may_be_player(scope: Scope, headers: Headers) -> bool:
    """Say whether this is no page at all but a player, which brings a token: of a page, the browser says so.

    No page of another origin can send a token here: it would have to ask first, and is told nothing.
    """
    said = {"origin", "sec-fetch-site"} & set(headers.keys())
    return str(scope["path"]).startswith("/whep/") and not said


def _host_name(host: str) -> str:
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _most(scope: Scope) -> int:
    """Return how many bytes a request may bring."""
    return LARGE_BODIES.get(str(scope["path"]), MAX_BODY_BYTES) if scope["method"] == "POST" else MAX_BODY_BYTES


def _capped(receive: Receive, within_s: float | None, most: int = MAX_BODY_BYTES) -> Receive:
    """Count the body as it arrives (Content-Length may be absent or a lie) and bound the time it takes.

    `within_s` None: no body is expected, and what is waited for is the page going away.
    """
    seen, arriving, until_s = 0, within_s is not None, 0.0

    async def counted() -> MutableMapping[str, Any]:
        nonlocal seen, arriving, until_s
        if arriving and within_s is not None and not until_s:
            until_s = asyncio.get_running_loop().time() + within_s
        try:
            async with asyncio.timeout_at(until_s if arriving else None):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408) from error
        arriving = arriving and bool(message.get("more_body"))
        seen += len(message.get("body", b""))
        if seen > most:
            raise HTTPException(413)
        return message

    return counted
