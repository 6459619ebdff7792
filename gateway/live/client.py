"""The gateway's side of `vuon-live`: orders over its control socket.

Owns the shapes the gateway sees. Invariant: decides nothing; every error is one of `core.errors`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from gateway.core.iceservers import IceServer
from gateway.core.model import PublicId, StreamRole
from gateway.core.wire import ControlClient

Ticket = Mapping[str, Any]


class Opened(NamedTuple):
    """A session that stands: its id and the SDP answer for the viewer."""

    session: PublicId
    answer: str


@dataclass(frozen=True, slots=True)
class SessionState:
    """One open session as the daemon reports it."""

    session: PublicId
    grant: PublicId
    camera: PublicId
    stream: StreamRole
    state: str
    started_ms: int
    frames: int
    bytes: int
    lost: int
    rtt_ms: float | None


class LiveClient:
    """Calls `vuon-live`; async context manager. DaemonUnavailable when it does not answer."""

    def __init__(self, path: Path) -> None:
        self._client = ControlClient(path, "live")

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, error, trace)

    async def open(
        self, ticket: Ticket, offer: str, stream: StreamRole | None = None, servers: Sequence[IceServer] = ()
    ) -> Opened:
        """Open a session that may ask these servers for ways; raises OfferRefused, LiveFull or GrantRefused."""
        params: dict[str, Any] = {"ticket": dict(ticket), "offer": offer}
        params |= {"stream": stream.value} if stream else {}
        params |= {"servers": [item.fields() for item in servers]} if servers else {}
        result = (await self._client.call("open", params)).result
        return Opened(PublicId(result["session"]), result["answer"])

    async def open_wall(
        self,
        ticket: Ticket,
        offer: str,
        slot: int,
        stream: StreamRole | None = None,
        servers: Sequence[IceServer] = (),
    ) -> tuple[Opened, PublicId]:
        """Open a connection for many tiles; returns its first session and the wall. Raises as `open` does."""
        params: dict[str, Any] = {"ticket": dict(ticket), "offer": offer, "slot": slot}
        params |= {"stream": stream.value} if stream else {}
        params |= {"servers": [item.fields() for item in servers]} if servers else {}
        result = (await self._client.call("open_wall", params)).result
        return Opened(PublicId(result["session"]), result["answer"]), PublicId(result["wall"])

    async def join_wall(self, ticket: Ticket, wall: PublicId, slot: int, stream: StreamRole | None = None) -> PublicId:
        """Open a session on a line of a wall; raises WallGone, BadInput, LiveFull or GrantRefused."""
        params = {"ticket": dict(ticket), "wall": wall, "slot": slot} | ({"stream": stream.value} if stream else {})
        return PublicId((await self._client.call("join_wall", params)).result["session"])

    async def candidate(self, session: PublicId, candidate: str) -> None:
        """Add a trickled candidate (one line or a fragment); NotFound when the session has ended."""
        await self._client.call("candidate", {"session": session, "candidate": candidate})

    async def renew(self, tickets: Sequence[Ticket]) -> list[SessionState]:
        """Extend the leases of these grants and return every open session."""
        result = (await self._client.call("renew", {"tickets": [dict(ticket) for ticket in tickets]})).result
        return [_state(item) for item in result["sessions"]]

    async def close(self, session: PublicId, reason: str) -> None:
        """End one session; no RTP packet of it leaves after this returns. NotFound when it has ended."""
        await self._client.call("close", {"session": session, "reason": reason})

    async def close_grants(self, ids: Iterable[PublicId], reason: str) -> int:
        """End the sessions of these grants, return how many there were; media has stopped then."""
        result = (await self._client.call("close_grants", {"grants": list(ids), "reason": reason})).result
        return int(result["closed"])

    async def sessions(self) -> list[SessionState]:
        """Return every open session."""
        return [_state(item) for item in (await self._client.call("sessions")).result["sessions"]]

    async def status(self) -> dict[str, Any]:
        """Return the daemon's figures, viewers by camera and sessions ended by reason."""
        return (await self._client.call("status")).result


def _state(item: Mapping[str, Any]) -> SessionState:
    return SessionState(
        session=PublicId(item["session"]),
        grant=PublicId(item["grant"]),
        camera=PublicId(item["camera"]),
        stream=StreamRole(item["stream"]),
        state=item["state"],
        started_ms=item["started_ms"],
        frames=item["frames"],
        bytes=item["bytes"],
        lost=item["lost"],
        rtt_ms=item["rtt_ms"],
    )
