"""Who of the connected viewers is shown video now: the loop that applies `admission` and `turns`.

Owns the standing of each session. Invariants: a session sends media only while it was given a place; a page
that grows gets the large stream only by a verdict on that; the principal, then staff, then guardians by turns;
guardians outside never draw more than the uplink's budget less
what the others outside draw; what a page is given is told to it over the data channel until that
channel took it, and again when the time to wait was foretold wrongly. Used in the event loop only.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.core.clock import Clock
from gateway.core.model import Grant, PublicId, Role, StreamRole
from gateway.live.admission import UPLINK_SHARE, Place, Verdict, Why, Wish, admit, is_full
from gateway.live.loadmeter import LoadMeter
from gateway.live.rates import Rates
from gateway.live.stream import LiveStream
from gateway.live.turns import Turns
from gateway.live.uplink import Uplink

FORETOLD_WRONG_S = 5.0
"""A page counts down by itself; by so much it may be off before it is told anew."""
LOOK_S = 1.0
ADDED_EVERY_S = 1.0
"""After the box was at its limit, one viewer or large picture more a second: the next look shows what it costs."""


class Seatable(Protocol):
    """A connected session, as far as places need it."""

    @property
    def id(self) -> PublicId:
        """Its public id."""

    @property
    def grant(self) -> Grant:
        """The right it watches by."""

    @property
    def stream(self) -> LiveStream:
        """What it is sent, or will be."""

    @property
    def asked(self) -> StreamRole:
        """What the page asked for."""

    @property
    def flows(self) -> bool:
        """Whether it has a place."""

    def is_outside(self, uplink: Uplink) -> bool:
        """Say whether it is beyond the uplink."""

    def let_flow(self, limit: StreamRole) -> None:
        """Send it video, at most this stream of the camera."""

    def hold_back(self) -> None:
        """Send it no video until `let_flow`."""

    @property
    def most(self) -> StreamRole:
        """The biggest stream it may be sent now."""

    async def tell(self, words: Mapping[str, Any]) -> bool:
        """Say something to its page; False while there is no open channel."""


@dataclass(slots=True)
class Standing:
    """What one session was given, and what its page knows of it."""

    verdict: Verdict
    outside: bool = False
    told: dict[str, Any] | None = None
    told_ns: int = 0


class Places:
    """Standings of all connected sessions; `look` measures and judges, `tell` brings the news to the pages."""

    def __init__(self, uplink: Uplink | None, clock: Clock, meter: LoadMeter | None = None) -> None:
        self._uplink, self._clock, self._meter = uplink, clock, meter
        self._standings: dict[PublicId, Standing] = {}
        self._rates = Rates()
        self._added_ns: int | None = None
        self._looked_ns: int | None = None
        self._drawn: dict[PublicId, float] = {}
        self._drawn_bps = 0.0
        """What the principal and staff outside may draw."""
        self.turns = Turns()
        self.full = False
        """The box computes at its limit."""
        self._seats_bps = 0.0
        """What the seated drew when it came to its limit: so much of seats there is until it has calmed down."""

    def look(self, sessions: Sequence[Seatable], streams: Sequence[LiveStream]) -> bool:
        """Measure, and each `LOOK_S` look at everybody; to be called a few times a second.

        Says whether it looked: then the pages are to be told.
        """
        self._measure(streams)
        now_ns = self._clock.mono_ns()
        if self._looked_ns is not None and now_ns - self._looked_ns < LOOK_S * 1e9:
            return False
        self._looked_ns = now_ns
        self._take_the_load()
        for stream in streams:
            self._rates.look(stream)
        self.round(sessions)
        return True

    def _measure(self, streams: Iterable[LiveStream]) -> None:
        worst_ms = 0.0
        for stream in streams:
            worst_ms = max(worst_ms, stream.counters.late_ms)
            stream.counters.late_ms = 0.0
        if self._meter is not None:
            self._meter.look(worst_ms, self._uplink.sent_bytes if self._uplink is not None else 0)

    def _take_the_load(self) -> None:
        if self._meter is not None:
            was_full, self.full = self.full, is_full(self._meter.load(), was_full=self.full)
            if self.full and not was_full:
                self._seats_bps = self.turns.drawn_bps

    def round(self, sessions: Iterable[Seatable]) -> None:
        """Give everybody who is connected the place that is theirs now; those who are not here any more have left."""
        here = {session.id: session for session in sessions}
        now_ns = self._clock.mono_ns()
        for gone in self._standings.keys() - here.keys():
            del self._standings[gone]
            self.turns.leave(gone, now_ns)
        for session in here.values():
            standing = self._standings.setdefault(session.id, Standing(Verdict(Place.STILLS)))
            standing.outside = self._uplink is not None and session.is_outside(self._uplink)
        self._drawn = {key: self._draws(session) for key, session in here.items()}
        self._drawn_bps = sum(self._drawn.values())
        for session in sorted(here.values(), key=_rank):
            self._judge(session)
            before, now = self._drawn[session.id], self._draws(session)
            self._drawn[session.id] = now
            self._drawn_bps += now - before
        self._turn(here, now_ns)

    def _draws(self, session: Seatable) -> float:
        """Return what a viewer outside may draw; 0 for those on the LAN, in turns, or without a place."""
        if not session.flows or session.id in self.turns or not self._standings[session.id].outside:
            return 0.0
        return self._rates.at(session.stream.camera, session.most)

    def _judge(self, session: Seatable) -> None:
        standing = self._standings[session.id]
        verdict = self._verdict(session, standing)
        if verdict.place is Place.TURN:
            if session.id not in self.turns:
                self.turns.come(session.id, session.grant.person, self._rates.of(session.stream), self._clock.mono_ns())
                if session.flows:  # it was on the LAN until now
                    session.hold_back()
            standing.verdict = verdict
            return
        self.turns.leave(session.id, self._clock.mono_ns())
        if session.flows:
            self._go_on(session, standing, verdict)
            return
        standing.verdict = verdict
        if verdict.place is not Place.STILLS:
            session.let_flow(StreamRole.SUB if verdict.place is Place.SMALLER else _judged(session))

    def _go_on(self, session: Seatable, standing: Standing, verdict: Verdict) -> None:
        """Who watches goes on; the large picture, where it does not flow yet, only by a verdict on the large one."""
        if session.asked is StreamRole.MAIN and session.most is StreamRole.SUB:
            if verdict.place is Place.VIDEO:
                standing.verdict = verdict
                session.let_flow(StreamRole.MAIN)
            elif standing.verdict.place is not Place.SMALLER:  # the page grew
                standing.verdict = Verdict(Place.SMALLER, verdict.why)
            return
        standing.verdict = Verdict(Place.VIDEO)
        if _judged(session) is StreamRole.SUB:
            session.let_flow(StreamRole.SUB)

    def _verdict(self, session: Seatable, standing: Standing) -> Verdict:
        camera, streams = session.stream.camera, session.grant.streams
        smaller = session.asked is StreamRole.MAIN and StreamRole.SUB in streams
        wish = Wish(
            session.grant.role,
            standing.outside,
            self._rates.at(camera, session.asked),
            self._rates.at(camera, StreamRole.SUB) if smaller else None,
        )
        verdict = admit(wish, full=self.full, free_bps=self._free_bps(session.id))
        if session.flows:
            more = verdict.place is Place.VIDEO and standing.verdict.place is Place.SMALLER
        else:
            more = verdict.place in (Place.VIDEO, Place.SMALLER)
        if more and standing.verdict.why is Why.CPU and session.grant.role is not Role.PRINCIPAL:
            now_ns = self._clock.mono_ns()
            if self._added_ns is not None and now_ns - self._added_ns < ADDED_EVERY_S * 1e9:
                return standing.verdict
            self._added_ns = now_ns
        return verdict

    def _free_bps(self, but: PublicId | None = None) -> float | None:
        """Return the budget less what others than guardians outside draw, but for one; None without a budget."""
        if self._uplink is None:
            return None
        drawn_bps = self._drawn_bps - (self._drawn[but] if but is not None else 0.0)
        return self._uplink.bps * UPLINK_SHARE - drawn_bps

    def _turn(self, here: Mapping[PublicId, Seatable], now_ns: int) -> None:
        """Let the guardians outside take turns."""
        for key in (*self.turns.seated, *self.turns.waiting):
            self.turns.rate(key, self._rates.of(here[key].stream))
        budget_bps = max(0.0, self._free_bps() or 0.0)
        if self.full:
            budget_bps = min(budget_bps, max(self._seats_bps, self.turns.drawn_bps))
        moves = self.turns.step(budget_bps, now_ns)
        for key in moves.stood_up:
            here[key].hold_back()
        for key in moves.seated:
            here[key].let_flow(StreamRole.MAIN)

    async def tell(self, session: Seatable) -> None:
        """Bring the page what it does not know yet."""
        standing = self._standings.get(session.id)
        if standing is None:
            return
        now_ns = self._clock.mono_ns()
        news = self._news(session.id, standing, now_ns)
        if self._is_known(news, standing, now_ns):
            return
        if await session.tell({"turn": news}):
            standing.told, standing.told_ns = news, now_ns

    def _news(self, key: PublicId, standing: Standing, now_ns: int) -> dict[str, Any]:
        """Return `{place, why, next_s, left_s}` as the page gets it."""
        place, why = standing.verdict
        if place is Place.TURN:
            seated = self.turns.is_seated(key)
            place = Place.VIDEO if seated else Place.TURN if self.turns.fits(key) else Place.STILLS
            why = Why.NONE if seated else Why.CPU if self.full else Why.UPLINK
        return {
            "place": place.value,
            "why": why.value,
            "next_s": _whole(self.turns.wait_s(key, now_ns)),
            "left_s": _whole(self.turns.left_s(key, now_ns)),
        }

    def _is_known(self, news: Mapping[str, Any], standing: Standing, now_ns: int) -> bool:
        told = standing.told
        if told is None:
            return news["place"] == Place.VIDEO and news["left_s"] is None
        passed_s = (now_ns - standing.told_ns) / 1e9
        return (news["place"], news["why"]) == (told["place"], told["why"]) and all(
            (news[name] is None) == (told[name] is None)
            and (news[name] is None or abs(news[name] - max(0.0, told[name] - passed_s)) <= FORETOLD_WRONG_S)
            for name in ("next_s", "left_s")
        )

    def facts_of(self, key: PublicId) -> dict[str, Any]:
        """Return what a session's row says of its place."""
        standing = self._standings.get(key)
        if standing is None:
            return {"place": "", "why": "", "outside": False}
        news = self._news(key, standing, self._clock.mono_ns())
        return {"place": news["place"], "why": news["why"], "outside": standing.outside}

    def facts(self) -> dict[str, Any]:
        """Return the figures of the whole, for status and metrics."""
        load = self._meter.load() if self._meter is not None else None
        now_ns = self._clock.mono_ns()
        given = Counter(self._news(key, item, now_ns)["place"] for key, item in self._standings.items())
        outside = [key for key, item in self._standings.items() if item.outside]
        return {
            "cpu": round(load.cpu, 3) if load is not None else None,
            "late": round(load.late, 3) if load is not None else None,
            "full": self.full,
            "uplink_bps": self._uplink.bps if self._uplink is not None else 0,
            "uplink_drawn_bps": round(self._meter.uplink_bps()) if self._meter is not None else None,
            "uplink_dropped_frames": self._uplink.dropped_frames if self._uplink is not None else 0,
            "wanted_bps": round(self.turns.wanted_bps),
            "outside": len(outside),
            "waiting": len(self.turns.waiting),
            "turns_given": self.turns.given,
            "places": dict(given),
        }


def _rank(session: Seatable) -> int:
    """Return who is judged first: the principal, staff, guardians."""
    return {Role.PRINCIPAL: 0, Role.GUARDIAN: 2}.get(session.grant.role, 1)


def _judged(session: Seatable) -> StreamRole:
    """Return the limit for a session that gets what it asks for: growing later is another verdict's matter.

    A page that asks for the smaller stream while the larger is what it has keeps the larger until the switch has
    found the smaller one: a camera may have none.
    """
    return StreamRole.SUB if session.asked is session.stream.role is StreamRole.SUB else StreamRole.MAIN


def _whole(seconds: float | None) -> int | None:
    return None if seconds is None else math.ceil(seconds)
