"""Streams that are open, and the three cutters that end them.

Owns which grants media is flowing for. Invariants: a stream runs only while its grant is held here and
its lease is renewed; each of three tasks can end it alone: facts changed (at once), time (at `until_ms`,
also when the clock loses trust or is stepped), the reaper (each second decides everything again and
renews). What cannot be decided ends guardians' streams and renews staff's. A guardian (and a guest)
has one stream, the newest. Media is told first, the books are kept after; a media daemon that does not answer gets no
renewal, so its lease ends the stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

import anyio
from anyio.abc import TaskGroup
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access.facts import Facts
from gateway.access.grants import ONE_SMALL, Grants
from gateway.access.limits import RateLimit
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, refusal
from gateway.core import ticket
from gateway.core.errors import Denied, LiveFull
from gateway.core.finish import to_the_end
from gateway.core.model import STAFF_ROLES, Action, Decision, Grant, PublicId, StreamRole, WallPlace
from gateway.core.supervise import FaultSink, contained, supervise

TICK_S = 1.0
"""The reaper's beat."""
LOOK_AT_CLOCK_S = 0.25
"""How often the time cutter looks whether wall time was stepped or lost trust."""
MEDIA_TIMEOUT_S = 1.0
"""How long the live daemon may take to end streams before we go on without its answer."""
STALE_AFTER_S = 3.0
"""Facts that could not be compared with the database for so long cannot be decided from."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An accepted stream: the live daemon's session and its SDP answer; on a wall also whose line it has."""

    session: str
    answer: str
    wall: str = ""


class Pace(NamedTuple):
    """How often one device may open streams: each costs an audit row on disk and a handshake."""

    burst: int
    every_s: float


GUARDIAN_PACE, STAFF_PACE = Pace(10, 2.0), Pace(200, 0.2)
"""A guardian's page opens one stream and tries again; a staff page opens every room of the school at once."""


class MediaPort(Protocol):
    """The live daemon as this module needs it."""

    async def open(self, ticket: Mapping[str, str], offer: str, stream: StreamRole | None) -> Opened:
        """Start a stream; raises OfferRefused, LiveFull, GrantRefused, DaemonUnavailable."""

    async def take_place(
        self, ticket: Mapping[str, str], offer: str, stream: StreamRole | None, place: WallPlace
    ) -> Opened:
        """Start a stream on a line that it shares a connection with; raises as `open` does, and WallGone."""

    async def renew(self, tickets: Sequence[Mapping[str, str]]) -> Sequence[Mapping[str, Any]]:
        """Extend the leases of these grants; returns every session it has (`session`, `grant`, ...)."""

    async def close_grants(self, ids: Sequence[PublicId], reason: str) -> None:
        """Tell the viewers why, then end their media; returns after the last packet left."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One open stream, for "who is watching"."""

    grant: Grant
    session: str | None


@dataclass(slots=True, eq=False)
class _Held:
    grant: Grant
    ticket: Mapping[str, str]
    session: str | None = None
    ended: str | None = None


class OpenGrants:
    """Holds the open streams while entered (`async with`); methods belong to the event loop."""

    def __init__(
        self,
        store: FactStore,
        grants: Grants,
        media: MediaPort,
        key: Ed25519PrivateKey,
        *,
        on_fault: FaultSink,
    ) -> None:
        self._store = store
        self._grants = grants
        self._media = media
        self._key = key
        self._clock = store.clock
        self._on_fault = on_fault
        self._paces = tuple(
            RateLimit(self._clock.mono_ns, burst=pace.burst, every_s=pace.every_s)
            for pace in (GUARDIAN_PACE, STAFF_PACE)
        )
        self._held: dict[PublicId, _Held] = {}
        self._strays: dict[PublicId, Grant] = {}
        """Open when the gateway stopped; adopted or ended once live says what it still has."""
        self._unanswered: dict[PublicId, str] = {}
        """Ended here, but the live daemon has not said so: told again at each tick."""
        self._changed = anyio.Event()
        self._fresh_ns: int | None = None
        """When the facts were last known to be the database's; None = it could not be asked."""
        self._tasks: TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._strays = {grant.id: grant for grant in await self._grants.left_open()}
        self._fresh_ns = self._clock.mono_ns()
        self._store.listeners.append(self._facts_changed)
        self._store.circumstances.listeners.append(self.recheck)
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        for name, run in (
            ("access.change", self._cut_on_change),
            ("access.time", self._cut_on_time),
            ("access.reaper", self._reap_forever),
            ("access.facts", self._freshen_forever),
        ):
            self._tasks.start_soon(self._supervised, name, run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._store.listeners.remove(self._facts_changed)
        self._store.circumstances.listeners.remove(self.recheck)
        if self._tasks is not None:
            self._tasks.cancel_scope.cancel()
            await self._tasks.__aexit__(None, None, None)  # the body's own error passes as it is
            self._tasks = None

    async def _supervised(self, name: str, run: Callable[[], Any]) -> None:
        await supervise(name, run, clock=self._clock, on_fault=self._on_fault)

    # opening and leaving

    async def open(
        self,
        person: PublicId,
        device: str,
        camera: PublicId,
        offer: str,
        *,
        stream: StreamRole | None = None,
        action: Action = Action.LIVE,
        place: WallPlace | None = None,
    ) -> tuple[Grant, Opened]:
        """Decide, sign, and let the live daemon answer the offer.

        A guardian's older stream ends first, with `device.other` if it was another device. Raises Denied
        or NotFound by decision, LiveFull for a device that opens too often, and what the media port
        raises; the right is gone then.
        """
        who = self._store.current.index.persons.get(person)
        if not self._paces[who is not None and who.role in STAFF_ROLES].take_key(device):
            raise LiveFull("this device opens streams too often", reason="live.too_often")
        decision, grant = await self._grants.issue(person, device, action, camera)
        if grant is None:
            raise refusal(decision)
        if stream is not None and stream not in grant.streams:
            stream = None
        held = _Held(grant, ticket.sign(grant, self._key))
        older = [item for item in self._held.values() if item.grant.person == person]
        self._held[grant.id] = held  # before the first await: a cutter must find it
        if grant.role in ONE_SMALL:
            await self._replace(older, device)
        opened: Opened | None = None
        try:
            if place is None:
                opened = await self._media.open(held.ticket, offer, stream)
            else:
                opened = await self._media.take_place(held.ticket, offer, stream, place)
        finally:
            if opened is None:  # refused, failed or cancelled: the right must not outlive the try
                await self._end([held], Reason.MEDIA_FAILED)
        if held.ended is not None:
            await self._tell([grant.id], held.ended)
            raise Denied(f"ended while opening: {held.ended}", reason=held.ended)
        held.session = opened.session
        return held.grant, opened

    async def _replace(self, older: list[_Held], device: str) -> None:
        await self._end([item for item in older if item.grant.device != device], Reason.DEVICE_OTHER)
        await self._end([item for item in older if item.grant.device == device], Reason.STREAM_REPLACED)

    async def leave(self, session: str, device: str) -> bool:
        """End a stream because its viewer hung up; False if this device has no such session."""
        mine = [item for item in self._held.values() if item.session == session and item.grant.device == device]
        await self._end(mine, Reason.VIEWER_LEFT)
        return bool(mine)

    def watches(self) -> tuple[Watch, ...]:
        """Return the open streams, oldest first."""
        return tuple(Watch(item.grant, item.session) for item in self._held.values())

    def recheck(self) -> None:
        """Decide about every open stream now: for whatever changed outside the facts (logins)."""
        self._changed.set()

    # the cutters

    def _facts_changed(self, _facts: Facts) -> None:
        self._changed.set()

    async def _cut_on_change(self) -> None:
        """First cutter: a change of facts re-decides everything at once."""
        while True:
            await self._changed.wait()
            self._changed = anyio.Event()
            await self.cut(list(self._held.values()))

    async def _cut_on_time(self) -> None:
        """Second cutter: what reaches its `until_ms`, and everything when the clock loses trust."""
        trusted = self._clock.trusted()
        while True:
            now_ms = self._clock.now_ms()
            ends = [item.grant.until_ms for item in self._held.values() if item.grant.until_ms is not None]
            wait_s = min([LOOK_AT_CLOCK_S, *((end - now_ms) / 1000 for end in ends)])
            await self._clock.sleep(max(wait_s, 0.005))
            now_ms, was, trusted = self._clock.now_ms(), trusted, self._clock.trusted()
            due = [
                item
                for item in self._held.values()
                if was != trusted or (item.grant.until_ms is not None and item.grant.until_ms <= now_ms)
            ]
            await self.cut(due)

    async def _reap_forever(self) -> None:
        """Third cutter: decide everything again and renew what stays, each second."""
        while True:
            await self.reap()
            await self._clock.sleep(TICK_S)

    async def reap(self) -> None:
        """Do one beat of the reaper."""
        await self.cut(list(self._held.values()))
        for reason in set(self._unanswered.values()):
            await self._tell([grant for grant, why in self._unanswered.items() if why == reason], reason)
        running = [item for item in self._held.values() if item.session is not None]
        with anyio.move_on_after(MEDIA_TIMEOUT_S):
            async with contained("access.renew", self._on_fault):
                await self._compare(running, await self._media.renew([item.ticket for item in running]))
        async with contained("access.repeats", self._on_fault):
            await self._store.write_repeats()

    async def _freshen_forever(self) -> None:
        """Compare the snapshot with the database each second: whoever cannot must not decide."""
        while True:
            async with contained("access.freshen", self._on_fault) as outcome:
                await self._store.refresh()
                self._fresh_ns = self._clock.mono_ns()
            if outcome.failed:
                self._fresh_ns = None
                self._changed.set()
            await self._clock.sleep(TICK_S)

    async def cut(self, helds: Iterable[_Held]) -> None:
        """Decide again about these streams: end the refused, give the others their new `until_ms`."""
        refused: dict[str, list[_Held]] = {}
        for held in helds:
            answer = await self._redecide(held.grant)
            reason = verdict(held.grant, answer, self._clock.now_ms())
            if reason is not None:
                refused.setdefault(reason, []).append(held)
            elif answer is not None:
                self._renew(held, answer)
        for reason, ended in refused.items():
            await self._end(ended, reason)

    async def _redecide(self, grant: Grant) -> Decision | None:
        """Return the decision of now, or None if it cannot be made."""
        if self._fresh_ns is None or self._clock.mono_ns() - self._fresh_ns > STALE_AFTER_S * 1e9:
            return None
        answers: list[Decision] = []
        async with contained("access.decide", self._on_fault):
            answers.append(self._grants.redecide(grant))
        return answers[0] if answers else None

    def _renew(self, held: _Held, decision: Decision) -> None:
        grant = self._grants.renewed(held.grant, decision)
        if grant is not held.grant:
            held.grant, held.ticket = grant, ticket.sign(grant, self._key)

    # ending

    async def _end(self, ended: list[_Held], reason: str) -> None:
        """Take the streams out, tell media, then keep the books; safe to call twice."""
        now = [item for item in ended if self._held.pop(item.grant.id, None) is not None]
        for item in now:
            item.ended = reason
        self._remember([item.grant.id for item in now], reason)  # before the first await: no beat takes it for unknown
        if not now:
            return
        await to_the_end(self._account(now, reason))

    async def _account(self, ended: Sequence[_Held], reason: str) -> None:
        """Tell media, then write down what ended."""
        await self._tell([item.grant.id for item in ended], reason)
        async with contained("access.closed", self._on_fault):
            await self._grants.closed((item.grant for item in ended), reason)

    async def _tell(self, ids: list[PublicId], reason: str) -> None:
        """Ask the live daemon to end grants; remember those it did not confirm."""
        self._remember(ids, reason)
        with anyio.move_on_after(MEDIA_TIMEOUT_S):
            async with contained("access.close", self._on_fault) as outcome:
                await self._media.close_grants(ids, reason)
            if not outcome.failed:
                for grant_id in ids:
                    self._unanswered.pop(grant_id, None)

    def _remember(self, ids: Iterable[PublicId], reason: str) -> None:
        self._unanswered |= dict.fromkeys(ids, reason)

    async def _compare(self, running: list[_Held], sessions: Sequence[Mapping[str, Any]]) -> None:
        """Hold what the live daemon has against what ran here when it was asked."""
        reported = {PublicId(str(item["grant"])): str(item["session"]) for item in sessions}
        await self._end([item for item in running if item.grant.id not in reported], Reason.VIEWER_GONE)
        strays, self._strays = self._strays, {}
        for grant_id in reported.keys() & strays.keys():
            await self._adopt(strays[grant_id], reported[grant_id])
        lost = [stray for grant_id, stray in strays.items() if grant_id not in reported]
        await self._grants.closed(lost, Reason.VIEWER_GONE)
        known = self._held.keys() | self._unanswered.keys() | strays.keys()
        unknown = [grant_id for grant_id in reported if grant_id not in known]
        if unknown:
            await self._tell(unknown, Reason.GRANT_UNKNOWN)

    async def _adopt(self, stray: Grant, session: str) -> None:
        """Take over a stream that outlived the gateway, if it would be granted now."""
        answer = await self._redecide(stray)
        newer = any(item.grant.person == stray.person for item in self._held.values())
        if answer is None or not answer.allowed or (newer and stray.role in ONE_SMALL):
            reason = Reason.POLICY_ERROR if answer is None else Reason.DEVICE_OTHER if answer.allowed else answer.reason
            await self._tell([stray.id], reason)
            await self._grants.closed([stray], reason)
            return
        grant = self._grants.renewed(stray, answer)
        self._held[grant.id] = _Held(grant, ticket.sign(grant, self._key), session)


def verdict(grant: Grant, answer: Decision | None, now_ms: int) -> str | None:
    """Say why a stream ends, None if it goes on; `answer` None = it could not be decided.

    What cannot be decided ends for everyone but the school's staff, who must see their rooms while the
    box is in trouble; for them too at the grant's own `until_ms`.
    """
    if answer is None:
        keep = grant.role in STAFF_ROLES and (grant.until_ms is None or now_ms < grant.until_ms)
        return None if keep else Reason.POLICY_ERROR
    return None if answer.allowed else str(answer.reason)
