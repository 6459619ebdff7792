"""A live daemon in the test's own process: fake feed, real sessions, real control socket."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import ticket
from gateway.core.clock import Clock, SystemClock
from gateway.core.model import Action, Grant, PublicId, Role, StreamRole, new_public_id
from gateway.core.wire import ControlServer
from gateway.live.client import LiveClient
from gateway.live.feedclient import Feeds
from gateway.live.ice import AddressRules
from gateway.live.segments import best_sender
from gateway.live.service import SERVICE, LiveService
from gateway.live.sessions import Sessions
from gateway.live.transcodes import Transcodes
from gateway.live.transport import Identity, Peer, TransportRules
from gateway.live.uplink import Uplink
from tests.fakes.feed import FakeFeed
from tests.fakes.h264 import Clip

BOTH = frozenset({StreamRole.MAIN, StreamRole.SUB})
CAMERA = PublicId("cameracameracame")


def make_grant(
    clock: Clock,
    *,
    role: Role = Role.TEACHER,
    streams: frozenset[StreamRole] = BOTH,
    lease_ms: int = 60_000,
    until_ms: int | None = None,
    camera: PublicId = CAMERA,
    action: Action = Action.LIVE,
) -> Grant:
    """Return a grant as `gateway.access.grants` would issue it."""
    return Grant(
        id=new_public_id(),
        person=new_public_id(),
        role=role,
        device="device",
        action=action,
        camera=camera,
        streams=streams,
        issued_ms=clock.now_ms(),
        until_ms=until_ms,
        lease_ms=lease_ms,
        facts_version=1,
        audit_seq=1,
    )


class LiveBox:
    """Everything `vuon-live` is, on loopback, with a key of its own."""

    def __init__(
        self,
        folder: Path,
        what: Clip | None = None,
        *,
        clock: Clock | None = None,
        max_viewers: int = 10,
        play: bool = True,
        sub: Clip | None = None,
        uplink: Uplink | None = None,
        addresses: tuple[str, ...] = ("127.0.0.1",),
        key: Ed25519PrivateKey | None = None,
        feed: FakeFeed | None = None,
        most_transcodes: int = 4,
        feed_socket: Path | None = None,
    ) -> None:
        """`feed_socket`: of a real recorder, instead of the fake feed."""
        self.clock = clock or SystemClock()
        self.key = key or Ed25519PrivateKey.generate()
        self.faults: list[tuple[str, BaseException]] = []
        sink = lambda name, error: self.faults.append((name, error))
        shared = TransportRules(addresses, AddressRules(allow_loopback=True), Identity(self.clock).certificate)
        self.feed = feed or FakeFeed(folder / "feed.sock", what, play=play, sub=sub)
        self._fed = (self.feed,) if feed_socket is None else ()
        path = feed_socket or folder / "feed.sock"
        self.transcodes = Transcodes(path, clock=self.clock, on_fault=sink, most=most_transcodes)
        self.feeds = Feeds(
            path,
            clock=self.clock,
            on_fault=sink,
            send=best_sender(),
            transcodes=self.transcodes,
            uplink=uplink,
        )
        self.sessions = Sessions(
            self.feeds, partial(Peer, shared), max_viewers=max_viewers, clock=self.clock, on_fault=sink
        )
        service = LiveService(self.sessions, self.key.public_key, self.clock)
        self.server = ControlServer(folder / "live.sock", SERVICE, service.handlers(), on_fault=sink)
        self.client = LiveClient(folder / "live.sock")
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        for part in (*self._fed, self.transcodes, self.feeds, self.sessions, self.server, self.client):
            await self._stack.enter_async_context(part)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def ticket(self, grant: Grant) -> dict[str, str]:
        """Return the grant's ticket, signed by this box's gateway."""
        return ticket.sign(grant, self.key)

    async def until(self, what: str, seconds: float = 60.0) -> None:
        """Wait until every session is in a state (`live`), or none is left (`gone`)."""
        async with asyncio.timeout(seconds):
            while True:
                states = [facts["state"] for facts in self.sessions.facts()]
                if (what == "gone" and not states) or (states and all(state == what for state in states)):
                    return
                await asyncio.sleep(0.01)
