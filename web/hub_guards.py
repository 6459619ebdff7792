"""Who may call a route of the hub: declared beside the route, enforced before its body runs.

Owns the three kinds of declaration of the hub and `docs/ref/hub-routes.md` made from them. Invariants:
every route has exactly one (a test walks the app); a box is believed by its signature, a person by the
session; what neither has shows nothing of any school.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.routing import BaseRoute

from gateway.core.errors import BadInput
from gateway.core.model import PublicId
from web.guards import Guard, SignInNeededError, guards_of
from web.hub_services import hub_services, token_of

MAX_PACKED_BYTES = 1 << 20
"""Gzipped: 2,000 events of 44 B are 90 kB."""


class SignedBox(NamedTuple):
    """A box that proved who it is, and what it sent, still packed."""

    gateway: PublicId
    body: bytes


async def packed_body(request: Request) -> bytes:
    """Return the compressed body; BadInput if it is over the cap."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_PACKED_BYTES:
            raise BadInput(f"a request holds at most {MAX_PACKED_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


@dataclass(frozen=True, slots=True)
class Box(Guard):
    """An enrolled box that signed exactly this request, now."""

    async def __call__(self, request: Request) -> SignedBox:
        """Return the box and its body; HubRefused for anybody else."""
        body = await packed_body(request)
        store = hub_services(request).store
        return SignedBox(await store.authenticate(request.headers, request.method, request.url.path, body), body)

    def describe(self) -> str:
        """Return the declaration in words."""
        return "an enrolled box, by its signature"

    def who(self) -> tuple[str, ...]:
        """Return whom it lets in."""
        return ("box",)


@dataclass(frozen=True, slots=True)
class Claimant(Guard):
    """A box with a one-use claim: the route itself spends it, together with the check of its signature."""

    async def __call__(self, request: Request) -> bytes:
        """Return the packed body, bounded."""
        return await packed_body(request)

    def describe(self) -> str:
        """Return the declaration in words."""
        return "a box with a one-use claim, by its signature"

    def who(self) -> tuple[str, ...]:
        """Return whom it lets in."""
        return ("claimant",)


@dataclass(frozen=True, slots=True)
class Officer(Guard):
    """A person of the authority with a session."""

    async def __call__(self, request: Request) -> None:
        """Admit; SignInNeededError for anybody else."""
        token = token_of(request)
        if not token or not await hub_services(request).store.staff.signed_in(token):
            raise SignInNeededError

    def describe(self) -> str:
        """Return the declaration in words."""
        return "the authority's staff, signed in"

    def who(self) -> tuple[str, ...]:
        """Return whom it lets in."""
        return ("officer",)


@dataclass(frozen=True, slots=True)
class Anybody(Guard):
    """Anybody: the route shows nothing of any school."""

    async def __call__(self) -> None:
        """Admit."""

    def describe(self) -> str:
        """Return the declaration in words."""
        return "public"

    def who(self) -> tuple[str, ...]:
        """Return whom it lets in."""
        return ("anybody",)


BOX, CLAIMANT, OFFICER, ANYBODY = Box(), Claimant(), Officer(), Anybody()

HEAD = """# Routes of the hub

Who may call what. Every route declares its guard beside its code; the guard runs before the body. No
answer of the hub is a picture, and none names a child, a person or a class: the hub has neither.
`public` routes show nothing of any school. Changes by people (POST of a page) must come from a page of the
same origin; what boxes send is signed, whatever its origin (`docs/design/upstream.md`).

| method | path | who | what |
|---|---|---|---|
"""


def hub_routes_markdown(routes: Iterable[BaseRoute]) -> str:
    """Return the reference; routes in the order of their paths."""
    rows: list[tuple[str, str]] = []
    for route in routes:
        if isinstance(route, APIRoute):
            who = "; ".join(guard.describe() for guard in guards_of(route))
            what = (route.endpoint.__doc__ or "").strip().splitlines()[0]
            rows.extend((route.path, f"| {name} | `{route.path}` | {who} | {what} |\n") for name in route.methods or ())
    return HEAD + "".join(row for _, row in sorted(rows))
