"""Tokens of players, for the control socket: made, listed, taken back.

Owns these three calls. Invariant: the token is in the answer to `player.new` and in no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.audit import CONSOLE
from gateway.access.people import People
from gateway.access.players import Players
from gateway.core.model import STAFF_ROLES
from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.lookup import only

USUAL_DAYS = 90


class PlayerCalls:
    """The calls; whoever may make them acts as the console."""

    def __init__(self, players: Players, people: People, web_url: str) -> None:
        self._players, self._people, self._web_url = players, people, web_url

    def handlers(self) -> Mapping[str, Handler]:
        """Return the methods by name."""
        return {"player.new": self._new, "player.list": self._list, "player.end": self._end}

    async def _new(self, request: Request) -> Reply:
        rows = [(row.id, row.name) for row in await self._people.rows() if row.role in STAFF_ROLES]
        person = only(request.text("person"), rows, "person")
        token, player = await self._players.create(
            CONSOLE, person, request.text("label"), days=request.number("days", USUAL_DAYS)
        )
        url = f"{self._web_url}/whep/"
        return Reply({"token": token.reveal(), "id": player.id, "until_ms": player.expires_ms, "url": url})

    async def _list(self, _request: Request) -> Reply:
        names = {row.id: row.name for row in await self._people.rows()}
        return Reply(
            {
                "players": [
                    {
                        "id": player.id,
                        "label": player.label,
                        "person": names.get(player.person, ""),
                        "role": player.role.value,
                        "created_ms": player.created_ms,
                        "until_ms": player.expires_ms,
                    }
                    for player in self._players.players()
                ]
            }
        )

    async def _end(self, request: Request) -> Reply:
        rows = [(player.id, player.label) for player in self._players.unended()]
        player = await self._players.revoke(CONSOLE, only(request.text("player"), rows, "player"))
        return Reply({"id": player.id, "label": player.label})
