"""The methods of `<run>/live.sock`: tickets in, sessions out.

Owns the translation between control calls and `Sessions`. Invariants: nothing opens or goes on without a
ticket whose signature this daemon verified itself; a malformed call is the caller's BadInput.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.core.clock import Clock
from gateway.core.config_ice import MOST_SERVERS
from gateway.core.errors import BadInput, GrantRefused
from gateway.core.iceservers import IceServer, server_of
from gateway.core.model import Grant, PublicId, StreamRole, is_public_id
from gateway.core.ticket import open_ticket
from gateway.core.wire import Handler, Reply, Request
from gateway.live.sessions import Sessions

SERVICE = "live"
MOST_TICKETS = 4096
_REASON_CHARACTERS = 64


class LiveService:
    """Handlers for `ControlServer`; `daemon` returns what `status` shows of the process.

    `key` returns the gateway's public key, or raises ConfigError while the gateway has not made it yet.
    """

    def __init__(
        self,
        sessions: Sessions,
        key: Callable[[], Ed25519PublicKey],
        clock: Clock,
        daemon: Callable[[], dict[str, Any]] = dict,
    ) -> None:
        self._sessions, self._key, self._clock, self._daemon = sessions, key, clock, daemon

    def handlers(self) -> dict[str, Handler]:
        """Return the methods by name."""
        return {
            "open": self.open,
            "open_wall": self.open_wall,
            "join_wall": self.join_wall,
            "candidate": self.candidate,
            "renew": self.renew,
            "close": self.close,
            "close_grants": self.close_grants,
            "sessions": self.list,
            "status": self.status,
        }

    async def open(self, request: Request) -> Reply:
        """`{ticket, offer, stream?, servers?}` -> `{session, answer}`."""
        grant, stream = self._wanted(request)
        session, answer = await self._sessions.open(grant, stream, request.text("offer"), self._servers(request))
        return Reply({"session": session, "answer": answer})

    async def open_wall(self, request: Request) -> Reply:
        """`{ticket, offer, slot, stream?, servers?}` -> `{session, answer, wall}`; the session has that line of it."""
        grant, stream = self._wanted(request)
        session, answer = await self._sessions.open_wall(
            grant, stream, request.text("offer"), self._slot(request), self._servers(request)
        )
        return Reply({"session": session.id, "answer": answer, "wall": session.carrier.id})

    async def join_wall(self, request: Request) -> Reply:
        """`{ticket, wall, slot, stream?}` -> `{session}`."""
        grant, stream = self._wanted(request)
        wall, slot = request.text("wall"), self._slot(request)
        if not is_public_id(wall):
            raise BadInput("join_wall: wall is no id", key="wall")
        return Reply({"session": await self._sessions.join_wall(grant, stream, PublicId(wall), slot)})

    @staticmethod
    def _slot(request: Request) -> int:
        slot = request.params.get("slot")
        if type(slot) is not int:
            raise BadInput(f"{request.method}: slot is a number", key="slot")
        return slot

    def _wanted(self, request: Request) -> tuple[Grant, StreamRole | None]:
        """Return the verified grant and the stream asked for."""
        grant = self._grant(request.params.get("ticket"))
        asked = request.params.get("stream")
        if asked is not None and asked not in {item.value for item in StreamRole}:
            raise BadInput(f"{request.method}: stream is main or sub", key="stream")
        return grant, StreamRole(asked) if asked is not None else None

    async def candidate(self, request: Request) -> Reply:
        """`{session, candidate}` -> `{}`; the candidate is one line or a trickle fragment."""
        await self._sessions.add_candidates(self._session(request), request.text("candidate"))
        return Reply({})

    async def renew(self, request: Request) -> Reply:
        """`{tickets}` -> `{sessions}`: every open session, so that the caller sees what it did not renew.

        A ticket that does not verify renews nothing and stops no other; a session without renewal ends.
        """
        tickets = request.params.get("tickets")
        if not isinstance(tickets, list) or len(tickets) > MOST_TICKETS:
            raise BadInput("renew: tickets must be a list", key="tickets")
        refused = 0
        for ticket in tickets:
            try:
                self._sessions.renew(self._grant(ticket))
            except GrantRefused:
                refused += 1
        return Reply({"sessions": self._sessions.facts(), "refused": refused})

    async def close(self, request: Request) -> Reply:
        """`{session, reason}` -> `{}`; media has stopped."""
        await self._sessions.close(self._session(request), self._reason(request))
        return Reply({})

    async def close_grants(self, request: Request) -> Reply:
        """`{grants, reason}` -> `{closed}`; media has stopped."""
        grants = request.params.get("grants")
        if not isinstance(grants, list) or len(grants) > MOST_TICKETS or not all(isinstance(x, str) for x in grants):
            raise BadInput("close_grants: grants must be a list of ids", key="grants")
        closed = await self._sessions.close_grants(map(PublicId, grants), self._reason(request))
        return Reply({"closed": closed})

    async def list(self, _request: Request) -> Reply:
        """`{}` -> `{sessions}`."""
        return Reply({"sessions": self._sessions.facts()})

    async def status(self, _request: Request) -> Reply:
        """`{}` -> `{daemon, viewers, sessions, ended, dropped, transcodes}`."""
        return Reply(
            {
                "daemon": self._daemon(),
                "viewers": self._sessions.viewers(),
                "sessions": len(self._sessions),
                "ended": dict(self._sessions.ended),
                "dropped": dict(self._sessions.dropped()),
                "transcodes": self._sessions.transcodes(),
            }
        )

    def _grant(self, ticket: object) -> Grant:
        if not isinstance(ticket, Mapping):
            raise BadInput("a ticket is an object", key="ticket")
        return open_ticket(ticket, self._key(), now_ms=self._clock.now_ms())

    @staticmethod
    def _servers(request: Request) -> tuple[IceServer, ...]:
        listed = request.params.get("servers", [])
        if not isinstance(listed, list) or len(listed) > 2 * MOST_SERVERS:
            raise BadInput("open: servers must be a short list", key="servers")
        try:
            return tuple(server_of(item) for item in listed)
        except ValueError as error:  # without its text: a password may be in it
            raise BadInput("open: a server is malformed", key="servers") from error

    @staticmethod
    def _session(request: Request) -> PublicId:
        text = request.text("session")
        if not is_public_id(text):
            raise BadInput(f"{request.method}: session is no id", key="session")
        return PublicId(text)

    @staticmethod
    def _reason(request: Request) -> str:
        reason = request.text("reason")
        if not reason.isascii() or len(reason) > _REASON_CHARACTERS:
            raise BadInput(f"{request.method}: reason is a short code", key="reason")
        return reason
