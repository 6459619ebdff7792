"""`/metrics`: the box's health for a monitoring program.

Owns the route and its guard. Invariants: default deny; asked by somebody signed in whose work is the machine, also with
the session's token as bearer, or, where the configuration says that no proxy or tunnel stands here, from this machine
itself (a forwarder that adds no header looks the same); for all others the route does not exist; the answer names
nobody and shows nothing.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from gateway.core.addresses import unmapped
from gateway.core.errors import NotFound
from gateway.core.model import LEADER_ROLES, Role, Secret
from gateway.health.exposition import CONTENT_TYPE
from web.guards import Guard
from web.session import MAX_TOKEN_CHARS, caller_of, services_of

router = APIRouter()
ROLES = frozenset({*LEADER_ROLES, Role.AUTHORITY_IT, Role.INSTALLER})
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "cf-connecting-ip")
"""Headers of a proxy or tunnel: who asks is not on this machine."""


class OnTheBoxOrTechnical(Guard):
    """A program on this machine, or a person whose work the machine is."""

    async def __call__(self, request: Request) -> None:
        """Admit; NotFound for all others."""
        if services_of(request).metrics_local and is_from_the_box(request):
            return
        token = _bearer(request)
        caller = await (
            caller_of(request) if token is None else services_of(request).logins.session(token, active=False)
        )
        if caller is None or caller.role not in ROLES:
            raise NotFound("not a route of this asker")

    def describe(self) -> str:
        """Return the declaration in words."""
        return "this machine itself where `web.metrics_local` says so, or signed in: " + ", ".join(sorted(ROLES))

    def who(self) -> tuple[str, ...]:
        """Return the roles, and the box itself."""
        return (*sorted(ROLES), "the box")


def is_from_the_box(request: Request) -> bool:
    """Say whether a program on this machine asks for itself: from loopback, for a loopback address, unforwarded."""
    if any(name in request.headers for name in FORWARDED):
        return False
    return request.client is not None and all(map(_is_loopback, (request.client.host, request.url.hostname or "")))


def _is_loopback(host: str) -> bool:
    try:
        return unmapped(ipaddress.ip_address(host)).is_loopback
    except ValueError:
        return False


def _bearer(request: Request) -> Secret | None:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    fits = scheme.lower() == "bearer" and 0 < len(token) <= MAX_TOKEN_CHARS and token.isascii()
    return Secret(token) if fits else None


GUARD = OnTheBoxOrTechnical()


@router.get("/metrics")
async def metrics(request: Request, _admitted: Annotated[None, Depends(GUARD)]) -> Response:
    """Return figures of cameras, disks and live video in Prometheus text format; no name of anybody or anything."""
    return Response(await services_of(request).metrics.text(), media_type=CONTENT_TYPE)
