"""Who may use the sheet on the wall: whoever brings its secret, from the school's own network.

Owns that declaration. Invariants: the address is that of the connection, no header has a say in it; it is judged before
the secret is looked at, so that from elsewhere nothing can be found out; both refusals are the answer of an address
that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass

from starlette.requests import Request

from gateway.core.errors import NotFound
from gateway.core.model import Secret
from web.guards import Guard
from web.session import peer_of, services_of

MOST_CHARS = 40


@dataclass(frozen=True, slots=True)
class ByTheWall(Guard):
    """The secret of a wall sheet in the path, on the school's own network."""

    async def __call__(self, request: Request) -> Secret:
        """Return the secret; NotFound."""
        wall, secret = services_of(request).rooms.wall, str(request.path_params["secret"])
        if not wall.near(peer_of(request).address) or len(secret) > MOST_CHARS:
            raise NotFound("no such route")
        return Secret(secret)

    def describe(self) -> str:
        """Return the declaration in words."""
        return "a wall sheet's secret, on the school's own network only"

    def who(self) -> tuple[str, ...]:
        """Return anybody: the sheet is not a person's."""
        return ("anybody",)


BY_THE_WALL = ByTheWall()
