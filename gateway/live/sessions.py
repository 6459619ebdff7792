"""All WHEP sessions of the daemon: opening, renewing, ending, counting.

Owns the table of sessions and the two loops over it (leases, sender reports). Invariants: one session a
grant (a second offer replaces the first); never more than `max_viewers`, the last place kept for the
principal; a session is in the table exactly while it may send; a failing close of one session
holds up no other; left = every connection closed.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from gateway.core.clock import Clock
from gateway.core.errors import BadInput, LiveFull, NotFound, WallGone
from gateway.core.iceservers import IceServer
from gateway.core.model import Grant, PublicId, StreamRole, new_public_id
from gateway.core.supervise import FaultSink, contained
from gateway.live.carrier import Carrier, MakeConnection, RandomBits
from gateway.live.ends import REPLACED, End
from gateway.live.feedclient import Feeds
from gateway.live.leases import Lease, choose_stream, has_room, only_staff
from gateway.live.loadmeter import LoadMeter
from gateway.live.offers import WALL, Offer, parse_offer
from gateway.live.places import Places
from gateway.live.seat import Seat
from gateway.live.session import Calls, Session
from gateway.live.stream import BurstBudget
from gateway.live.switch import Switch
from gateway.live.totals import Totals

TICK_S = 0.2
"""How late an expired lease may be noticed."""
FOLLOWED_EACH = 5
"""Of how many looks one follows a session's link and reports, unless it is in a hurry."""
WATCHED_WITHIN_S = 10.0
"""Leases that nobody looked at for so long are not held: the daemon should be started anew."""


class Sessions:
    """The sessions; async context manager inside the `Feeds` it is given."""

    def __init__(
        self,
        feeds: Feeds,
        connect: MakeConnection,
        *,
        max_viewers: int,
        clock: Clock,
        on_fault: FaultSink,
        random_bits: RandomBits = secrets.randbits,
        meter: LoadMeter | None = None,
        on_idle: Callable[[], object] = lambda: None,
    ) -> None:
        """Begin; `on_idle` is called whenever the last connection has been closed: nobody is there to be delayed."""
        self._feeds, self._connect, self._max_viewers, self._on_idle = feeds, connect, max_viewers, on_idle
        self._clock, self._on_fault, self._random = clock, on_fault, random_bits
        self._ts_offset = random_bits(32)
        self._by_id: dict[PublicId, Session] = {}
        self._by_grant: dict[PublicId, PublicId] = {}
        self._carriers: dict[PublicId, Carrier] = {}
        """Connections, from the offer until they are closed."""
        self._budget = BurstBudget()
        self.places = Places(feeds.uplink, clock, meter)
        self.totals = Totals()
        self._tasks: TaskGroup | None = None
        self._telling = False
        self._swept_ns = clock.mono_ns()
        self._rounds = 0
        self.ended: Counter[str] = Counter()
        """Sessions that ended, by reason."""
        self._dropped: Counter[str] = Counter()

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        self._tasks.start_soon(self._watch)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        assert self._tasks is not None
        with anyio.CancelScope(shield=True):
            async with anyio.create_task_group() as closing:
                for session in list(self._by_id.values()):
                    self._forget(session, End.STOPPING)
                    closing.start_soon(self._end_and_bury, session, End.STOPPING)
            async with anyio.create_task_group() as closing:
                # Of sessions that ended this very moment: a task that has not begun would be cancelled below unseen.
                for carrier in list(self._carriers.values()):
                    closing.start_soon(self._close_left, carrier)
        self._tasks.cancel_scope.cancel()
        return await self._tasks.__aexit__(kind, error, trace)

    async def open(
        self, grant: Grant, stream: StreamRole | None, offer_text: str, servers: Sequence[IceServer] = ()
    ) -> tuple[PublicId, str]:
        """Open a session and return its id and the SDP answer; OfferRefused, GrantRefused or LiveFull."""
        session, answer = await self._open(grant, stream, parse_offer(offer_text), servers=servers)
        return session.id, answer

    async def open_wall(
        self, grant: Grant, stream: StreamRole | None, offer_text: str, slot: int, servers: Sequence[IceServer] = ()
    ) -> tuple[Session, str]:
        """Open a connection for many tiles with the first of them; staff only. The wall's id is its carrier's."""
        only_staff(grant)
        offer = parse_offer(offer_text, WALL)
        if not 0 <= slot < offer.videos:
            raise BadInput("the offer has no such line", slot=slot)
        return await self._open(grant, stream, offer, slot, servers)

    async def join_wall(self, grant: Grant, stream: StreamRole | None, wall: PublicId, slot: int) -> PublicId:
        """Open a session on a line of an open wall; who used the line before is ended. WallGone if there is none."""
        only_staff(grant)
        role = choose_stream(grant, stream)
        self._on_wall(grant, wall, slot)
        carrier = self._carriers[wall]
        try:
            with carrier.held():  # who is ended may be its only user
                await self._admit(grant)
                while (before := self._on_wall(grant, wall, slot)) is not None:
                    await self._end(before, REPLACED)
                    await before.left.wait()  # it may be ending already
                self._require_place(grant, role)
                session = self._begin(grant, role, carrier)
                session.board(slot)
        finally:
            await self._close_unused(carrier)
        return session.id

    def _on_wall(self, grant: Grant, wall: PublicId, slot: int) -> Session | None:
        """Return who uses a line of the grant's own wall."""
        carrier = self._carriers.get(wall)
        if carrier is None or carrier.over or carrier.owner != (grant.person, grant.device):
            raise WallGone("no such wall", wall=wall)
        if not 0 <= slot < len(carrier.lines):
            raise BadInput("the wall has no such line", slot=slot)
        rider = carrier.rider(slot)
        return rider if isinstance(rider, Session) else None

    async def _admit(self, grant: Grant) -> None:
        # Ending takes a moment in which another offer may come: what holds is looked at again after it.
        while (before := self._of_grant(grant.id)) is not None:
            await self._end(before, REPLACED)

    def _require_place(self, grant: Grant, role: StreamRole) -> None:
        if not has_room(grant.role, len(self._by_id), self._max_viewers):
            raise LiveFull("no place for another viewer", reason="live.full")
        if self._feeds.transcodes is not None:
            self._feeds.transcodes.require(grant.camera, role)

    async def _open(
        self,
        grant: Grant,
        stream: StreamRole | None,
        offer: Offer,
        slot: int = 0,
        servers: Sequence[IceServer] = (),
    ) -> tuple[Session, str]:
        role = choose_stream(grant, stream)
        await self._admit(grant)
        self._require_place(grant, role)
        owner = (grant.person, grant.device)
        carrier = Carrier(
            new_public_id(),
            owner,
            self._connect,
            clock=self._clock,
            random_bits=self._random,
            ts_offset=self._ts_offset,
        )
        self._carriers[carrier.id] = carrier
        session = self._begin(grant, role, carrier)
        answered = False
        try:
            answer = await session.accept(offer, slot, servers)
            answered = True
        finally:
            if not answered:
                session.cut()
                self._forget(session, End.REFUSED)
                self._closed(carrier)
                await carrier.drop()
        return session, answer

    def _jitter(self) -> float:
        return self._random(53) / (1 << 53)

    def _begin(self, grant: Grant, role: StreamRole, carrier: Carrier) -> Session:
        """Put a new session into the table."""
        session = Session(
            new_public_id(),
            Lease(grant, mono_ns=self._clock.mono_ns()),
            Switch(self._feeds, self._feeds.hold(grant.camera, role), self._clock.mono_ns(), self._jitter),
            carrier,
            clock=self._clock,
            calls=Calls(self._arrived, self._gone, self._flow),
        )
        self._by_id[session.id], self._by_grant[grant.id] = session, session.id
        return session

    async def add_candidates(self, session_id: PublicId, text: str) -> None:
        """Add trickled candidates; NotFound if the session has ended."""
        await self._session(session_id).carrier.add_candidates(text)

    def renew(self, grant: Grant) -> bool:
        """Extend the lease of the grant's session; False if it has none (any more)."""
        session = self._of_grant(grant.id)
        if session is None:
            return False
        session.renew(grant)
        return True

    async def close(self, session_id: PublicId, reason: str) -> None:
        """End one session; media has stopped when this returns. NotFound if it is not there."""
        await self._end(self._session(session_id), reason)

    async def close_grants(self, ids: Iterable[PublicId], reason: str) -> int:
        """End the sessions of these grants and return how many there were; media has stopped then."""
        found = [self._by_id[self._by_grant[item]] for item in set(ids) if item in self._by_grant]
        for session in found:
            await self._end(session, reason)
        return len(found)

    def facts(self) -> list[dict[str, Any]]:
        """Return the facts of every open session."""
        return [self._facts(session) for session in self._by_id.values()]

    def transcodes(self) -> dict[str, Any]:
        """Return the figures of the small pictures; empty where there are none."""
        return {} if self._feeds.transcodes is None else self._feeds.transcodes.facts()

    def viewers(self) -> dict[str, int]:
        """Return how many sessions each camera has."""
        return dict(Counter(str(session.stream.camera) for session in self._by_id.values()))

    def dropped(self) -> Counter[str]:
        """Return what the transports' filters dropped since the start, by kind."""
        return sum((carrier.peer.dropped() for carrier in self._carriers.values()), self._dropped.copy())

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def watched(self) -> bool:
        """Say whether the watching loop goes round: nothing else ends what is not renewed."""
        return self._clock.mono_ns() - self._swept_ns < WATCHED_WITHIN_S * 1e9

    async def sweep(self) -> None:
        """End what is over, send the reports that are due: one round of the watching loop."""
        self._rounds += 1
        mono_ns, now_ms = self._clock.mono_ns(), self._clock.now_ms()
        for place, session in enumerate(list(self._by_id.values())):
            reason = session.over(mono_ns=mono_ns, now_ms=now_ms)
            if reason is not None:
                await self._end(session, reason)
            elif session.in_hurry or (place + self._rounds) % FOLLOWED_EACH == 0:
                session.follow()
                session.report()
                if session.has_news:
                    assert self._tasks is not None
                    self._tasks.start_soon(self._tell, session)
        async with contained("live.places", self._on_fault):
            if self.places.look(self._seats, self._feeds.streams):
                self._spread_news()
        self._swept_ns = self._clock.mono_ns()

    @property
    def _seats(self) -> list[Seat]:
        """The places of those who are connected."""
        return [item.seat for item in self._by_id.values() if item.is_live]

    async def _tell_places(self) -> None:
        """Bring the pages the news of their places; beside the loop, which must not wait for anybody's page."""
        try:
            for seat in self._seats:
                async with contained("live.places", self._on_fault):
                    await self.places.tell(seat)
        finally:
            self._telling = False

    async def _seat(self) -> None:
        async with contained("live.places", self._on_fault):
            self.places.round(self._seats)
            self._spread_news()

    def _spread_news(self) -> None:
        assert self._tasks is not None
        if not self._telling:
            self._telling = True
            self._tasks.start_soon(self._tell_places)

    def _facts(self, session: Session) -> dict[str, Any]:
        return session.facts() | self.places.facts_of(session.id)

    async def _tell(self, session: Session) -> None:
        async with contained("live.tell", self._on_fault):
            await session.tell()

    async def _watch(self) -> None:
        while True:
            async with contained("live.sweep", self._on_fault):
                await self.sweep()
            await self._clock.sleep(TICK_S)

    def _of_grant(self, grant_id: PublicId) -> Session | None:
        return self._by_id.get(self._by_grant.get(grant_id, PublicId("")))

    def _session(self, session_id: PublicId) -> Session:
        try:
            return self._by_id[session_id]
        except KeyError as error:
            raise NotFound("no such session", session=session_id) from error

    def _arrived(self, _session: Session) -> None:
        assert self._tasks is not None
        self._tasks.start_soon(self._seat)

    def _flow(self, session: Session) -> None:
        assert self._tasks is not None
        self._tasks.start_soon(self._join, session)

    async def _join(self, session: Session) -> None:
        async with contained("live.join", self._on_fault):
            await session.seat.join(self._budget)

    def _gone(self, session: Session) -> None:
        """Close what the viewer left, or what ICE consent was lost for."""
        assert self._tasks is not None
        if self._forget(session, End.GONE):
            self._tasks.start_soon(self._bury, session)

    async def _end(self, session: Session, reason: str) -> None:
        assert self._tasks is not None
        if self._forget(session, reason):
            self._tasks.start_soon(self._bury, session)
            async with contained("live.close", self._on_fault):  # others end by the same order
                await session.end(reason)

    async def _end_and_bury(self, session: Session, reason: str) -> None:
        async with contained("live.close", self._on_fault):
            await session.end(reason)
        await self._bury(session)

    async def _bury(self, session: Session) -> None:
        async with contained("live.close", self._on_fault):
            await session.end(session.reason)
            await session.left.wait()  # somebody else may be ending it: until then its connection is in use
            await self._seat()
            await self._close_unused(session.carrier)

    async def _close_left(self, carrier: Carrier) -> None:
        async with contained("live.close", self._on_fault):
            await self._close_unused(carrier)

    async def _close_unused(self, carrier: Carrier) -> None:
        if await carrier.bury():
            self._closed(carrier)

    def _closed(self, carrier: Carrier) -> None:
        del self._carriers[carrier.id]
        self._dropped += carrier.peer.dropped()
        if not self._carriers:
            self._on_idle()

    def _forget(self, session: Session, reason: str) -> bool:
        """Take a session out of the table; False if it was out already."""
        if self._by_id.pop(session.id, None) is None:
            return False
        if self._by_grant.get(session.lease.grant.id) == session.id:
            del self._by_grant[session.lease.grant.id]
        session.switch.release()
        self.ended[reason] += 1
        self.totals.end(session.facts())
        return True
