"""The live daemon as access wants it: `MediaPort` over `LiveClient`.

Owns the translation and the news: whoever's session ends by our order is told on the bus, so that the page
can show why even when its data channel is gone. Invariant: decides nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gateway.access.opengrants import Opened
from gateway.access.reasons import told
from gateway.core.bus import Bus
from gateway.core.iceservers import IceServer
from gateway.core.model import PublicId, StreamRole, WallPlace
from gateway.live.client import LiveClient
from gateway.roofs.web_ports import ENDED_TOPIC


class MediaDoor:
    """Passes orders on and remembers whose session a grant is."""

    def __init__(self, client: LiveClient, bus: Bus, servers: Callable[[], Sequence[IceServer]] = tuple) -> None:
        self._client, self._bus, self._servers = client, bus, servers
        self._devices: dict[PublicId, tuple[str, str]] = {}
        """Grant to its device and live session."""
        self._states: dict[PublicId, Mapping[str, Any]] = {}

    async def open(self, ticket: Mapping[str, str], offer: str, stream: StreamRole | None) -> Opened:
        """Start a stream."""
        opened = await self._client.open(ticket, offer, stream, self._servers())
        return self._noted(ticket, Opened(str(opened.session), opened.answer))

    async def take_place(
        self, ticket: Mapping[str, str], offer: str, stream: StreamRole | None, place: WallPlace
    ) -> Opened:
        """Start a stream on a wall: the first opens it with an offer, others take a line."""
        if place.wall is not None:
            session = await self._client.join_wall(ticket, place.wall, place.slot, stream)
            return self._noted(ticket, Opened(str(session), "", str(place.wall)))
        opened, wall = await self._client.open_wall(ticket, offer, place.slot, stream, self._servers())
        return self._noted(ticket, Opened(str(opened.session), opened.answer, str(wall)))

    def _noted(self, ticket: Mapping[str, str], opened: Opened) -> Opened:
        grant, device = _whose(ticket)
        self._devices[grant] = (device, opened.session)
        return opened

    async def renew(self, tickets: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, Any]]:
        """Extend leases; returns every session the daemon has.

        Also learns whose sessions these are that an earlier gateway opened. What was opened while the
        daemon answered is not in its answer and is kept.
        """
        asked = set(self._devices)
        sessions = [asdict(state) for state in await self._client.renew(tickets)]
        self._states = {item["grant"]: item for item in sessions}
        alive = {item["grant"]: str(item["session"]) for item in sessions}
        for grant in asked - alive.keys():
            self._devices.pop(grant, None)
        for ticket in tickets:
            grant, device = _whose(ticket)
            if grant in alive and grant not in asked:
                self._devices[grant] = (device, alive[grant])
        return sessions

    def state(self, grant: PublicId) -> Mapping[str, Any]:
        """Return how a grant's session was at the last renewal; empty if it was not there."""
        return self._states.get(grant, {})

    async def close_grants(self, ids: Sequence[PublicId], reason: str) -> None:
        """Tell the pages why, then end the sessions of these grants; a dead live daemon delays no page.

        The reason is the one that may be told: the audit has the true one.
        """
        said = told(reason)
        for grant_id in ids:
            known = self._devices.pop(grant_id, None)
            if known is not None:
                self._bus.publish(ENDED_TOPIC, (*known, said))
        await self._client.close_grants(ids, said)


def _whose(ticket: Mapping[str, str]) -> tuple[PublicId, str]:
    """Return grant and device of a ticket that we signed."""
    grant = json.loads(base64.urlsafe_b64decode(ticket["grant"]))
    return PublicId(grant["id"]), str(grant["device"])
