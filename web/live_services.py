"""What the pages need of live video, as narrow protocols.

Owns the values that cross and `LiveDoor`. Invariants: the door decides and writes the audit row before anything is
opened; a session answers to whoever opened it and to nobody else. All times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.iceservers import IceServer
from gateway.core.model import PublicId, Role, StreamRole, WallPlace
from web.caller import Caller


@dataclass(frozen=True, slots=True)
class OpenedLive:
    """A live session that waits for its connection."""

    session: str
    answer: str
    """SDP; empty for a tile that joins a wall."""
    wall: str = ""
    servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers this viewer may use, with passwords for this session; named with an answer only."""


@dataclass(frozen=True, slots=True)
class OpenView:
    """Somebody watching live now."""

    camera: PublicId
    person: PublicId
    name: str
    role: Role
    since_ms: int
    way: str = ""
    """outside or relay; empty on the school's network, or where that is not known."""
    quality: str = ""
    """turn, stills, weak, smaller; empty for plain video."""


class LiveDoor(Protocol):
    """Live sessions by grant; the only way from a request to video."""

    async def open(self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole) -> OpenedLive:
        """Decide, write the audit row, open; Denied, NotFound, OfferRefused, LiveFull, DaemonUnavailable."""

    async def open_tile(
        self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole, place: WallPlace
    ) -> OpenedLive:
        """As `open`, on a connection that the tiles of one page share; also WallGone."""

    async def candidate(self, caller: Caller, camera: PublicId, session: str, fragment: str) -> None:
        """Pass trickled candidates; NotFound if the session is not the caller's, or of another camera."""

    async def close(self, caller: Caller, camera: PublicId, session: str) -> None:
        """End a session; NotFound if it is not the caller's, or of another camera."""

    def watching(self) -> Sequence[OpenView]:
        """Return who watches what now."""
