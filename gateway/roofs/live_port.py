"""The live daemon as access wants it: `MediaPort` over `LiveClient`.

Owns the translation and the news: whoever's session ends by our order is told on the bus, so that the page
can show why even when its data channel is gone. Invariant: decides nothing.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from gateway.access.sessions import Opened
from gateway.core.bus import Bus
from gateway.core.model import PublicId, StreamRole
from gateway.live.client import LiveClient
from gateway.roofs.web_ports import ENDED_TOPIC


class MediaDoor:
    """Passes orders on and remembers whose session a grant is."""

    def __init__(self, client: LiveClient, bus: Bus) -> None:
        self._client, self._bus = client, bus
        self._devices: dict[PublicId, tuple[str, str]] = {}

    async def open(self, ticket: Mapping[str, str], offer: str, stream: StreamRole | None) -> Opened:
        """Start a stream."""
        opened = await self._client.open(ticket, offer, stream)
        grant = json.loads(base64.urlsafe_b64decode(ticket["grant"]))
        self._devices[PublicId(grant["id"])] = (str(grant["device"]), str(opened.session))
        return Opened(str(opened.session), opened.answer)

    async def renew(self, tickets: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, Any]]:
        """Extend leases; returns every session the daemon has."""
        sessions = [asdict(state) for state in await self._client.renew(tickets)]
        alive = {item["grant"] for item in sessions}
        self._devices = {grant: known for grant, known in self._devices.items() if grant in alive}
        return sessions

    async def close_grants(self, ids: Sequence[PublicId], reason: str) -> None:
        """End the sessions of these grants."""
        await self._client.close_grants(ids, reason)
        for grant_id in ids:
            known = self._devices.pop(grant_id, None)
            if known is not None:
                self._bus.publish(ENDED_TOPIC, (*known, reason))
