"""A viewer's connection without a network: remembers in which order things were asked of it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from gateway.core.errors import OfferRefused
from gateway.core.iceservers import IceServer
from gateway.live.offers import Offer, RemoteCandidate
from gateway.live.sender import Outlet
from gateway.live.srtp import Key
from gateway.live.transport import Negotiated
from tests.fakes.wire import FakeSocket


class FakeConnection:
    """Fits `gateway.live.carrier.Connection`; `connect()` and `feedback()` play the viewer."""

    def __init__(self, on_state: Callable[[str], None], on_rtcp: Callable[[bytes], None], log: list[str]) -> None:
        self._on_state, self.feedback = on_state, on_rtcp
        self.log, self.sink = log, FakeSocket()
        self.reports: list[bytes] = []
        self.candidates: list[RemoteCandidate] = []
        self.servers: tuple[IceServer, ...] = ()
        self.refuses = self.slow_to_say = self.breaks = False
        self.deaf: asyncio.Event | None = None
        """Set: `say` waits for it."""
        self.sent_when_told = -1
        self.way = "host"
        """The kind of the nominated path; empty once ICE has none."""

    def connect(self) -> None:
        """ICE and DTLS have succeeded."""
        self._on_state("connected")

    def vanish(self) -> None:
        """Consent was lost: the library forgets the path before it says so."""
        self.way = ""
        self._on_state("failed")

    async def accept(self, offer: Offer, servers: Sequence[IceServer] = ()) -> tuple[str, Negotiated]:
        self.servers = tuple(servers)
        if self.refuses:
            raise OfferRefused("no")
        self.log.append("accept")
        first, *more = (
            Negotiated(
                ssrc=7 + 10 * line, payload_type=99, rtx_ssrc=8 + 10 * line, rtx_payload_type=100, abs_send_time_id=0
            )
            for line in range(offer.videos)
        )
        return "answer", replace(first, more=tuple(more))

    async def add_candidate(self, candidate: RemoteCandidate) -> None:
        self.candidates.append(candidate)

    def protect(self, packet: bytes) -> bytes:
        return packet

    def key(self) -> Key | None:
        return None

    def outlet(self) -> Outlet | None:
        return self.sink.outlet()

    def hurry(self) -> None:
        """Read nothing sooner: what comes is handed in by the test."""

    def send_rtcp(self, packet: bytes) -> None:
        self.reports.append(packet)

    def listen(self, on_text: Callable[[object], None]) -> None:
        self.hear = on_text

    async def say(self, text: str, *, later: bool = False) -> bool:
        self.sent_when_told = len(self.sink.sent)
        self.log.append(f"say {text}")
        if self.breaks:
            raise RuntimeError("the channel's library fails")
        if self.deaf is not None:
            await self.deaf.wait()
        if self.slow_to_say:
            await asyncio.sleep(0)
        return True

    async def heard(self) -> None:
        self.log.append("heard")

    async def shut(self) -> None:
        self.log.append("shut")

    def path(self) -> str:
        return self.way

    def dropped(self) -> Counter[str]:
        return Counter(stranger=1)


class Connections:
    """Makes connections and keeps them, newest last."""

    def __init__(self) -> None:
        self.made: list[FakeConnection] = []
        self.log: list[str] = []
        self.refuse_next = False

    def __call__(self, on_state: Callable[[str], None], on_rtcp: Callable[[bytes], None]) -> FakeConnection:
        connection = FakeConnection(on_state, on_rtcp, self.log)
        connection.refuses, self.refuse_next = self.refuse_next, False
        self.made.append(connection)
        return connection
