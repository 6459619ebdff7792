"""What the hub's routes may use, and how they find it.

Owns the bundle and the name of the session cookie (`__Host-vuon-hub`, `vuon-hub` on plain loopback: never
the box's name, the two may share a browser).
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from gateway.core.clock import Clock
from gateway.hub.store import HubStore


@dataclass(frozen=True, slots=True)
class HubServices:
    """Everything `create_hub_app` needs."""

    store: HubStore
    clock: Clock
    name: str
    """The authority's name, as its pages show it."""
    zone: str
    language: str
    hosts: frozenset[str]
    secure: bool
    """TLS is on: cookies are `__Host-` and `Secure`."""


def hub_services(request: Request) -> HubServices:
    """Return the bundle the app was created with."""
    services = request.app.state.services
    assert isinstance(services, HubServices)
    return services


def cookie_name(*, secure: bool) -> str:
    """Return the name of the hub's session cookie."""
    return "__Host-vuon-hub" if secure else "vuon-hub"


def token_of(request: Request) -> str:
    """Return the session token a browser sent, empty for none; cut, because anybody may send anything."""
    return request.cookies.get(cookie_name(secure=hub_services(request).secure), "")[:128]
