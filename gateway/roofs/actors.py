"""Whoever is behind a request of the pages, as access knows them.

Owns that one step: the adapters of the roofs take a `Caller` of the web and ask access with an `Actor`.
"""

from __future__ import annotations

from gateway.access.audit import Actor
from web.caller import Caller


def actor_of(caller: Caller) -> Actor:
    """Return the person, and the login or device they came by."""
    return Actor(caller.person, caller.device)
