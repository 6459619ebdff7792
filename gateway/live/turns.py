"""Turns at an uplink too small for everybody: who is shown video now, who waits, and for how long.

Owns the rule, pure; time comes with the calls. `Turns` is a row of seats (as many as the budget carries) and a line
before it. Invariants: the seated never draw more than the budget of the last `step` together; whoever waited
longest is next, and nobody overtakes whoever fits the budget at all; a seat is given up only where somebody waits
for it, after `TURN_S` at the earliest, or where the budget has shrunk; who leaves frees the seat at once; who
comes back within `AWAY_S` finds the old place in the line; the same calls give the same answers.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from gateway.core.model import PublicId

TURN_S = 120.0
"""Video that everybody gets before somebody else's turn comes."""
REST_S = 60.0
"""Whoever has just had a turn takes a free seat at once, but makes nobody stand up for so long."""
AWAY_S = 60.0
"""A phone's screen goes dark, a network changes: the place in the line is kept."""
MOST_AWAY = 1000

Key: TypeAlias = PublicId


@dataclass(slots=True)
class _Seated:
    who: Key
    bps: float
    since_ns: int


@dataclass(slots=True)
class _Waiting:
    who: Key
    bps: float
    number: int
    """Place in the line: the smallest is next."""
    rests_until_ns: int


class _Away(NamedTuple):
    number: int
    rests_until_ns: int
    left_ns: int


class Moves(NamedTuple):
    """What changed in one step, in order."""

    seated: tuple[Key, ...]
    stood_up: tuple[Key, ...]


class Turns:
    """The seats and the line; `key` is a session, `who` the person that finds the old place again."""

    def __init__(self, turn_s: float = TURN_S, rest_s: float = REST_S) -> None:
        self._turn_ns, self._rest_ns = int(turn_s * 1e9), int(rest_s * 1e9)
        self._seats: dict[Key, _Seated] = {}
        self._line: dict[Key, _Waiting] = {}
        self._away: dict[Key, _Away] = {}
        self._numbers = itertools.count()
        self._budget_bps = 0.0
        self._order: dict[Key, int] | None = None
        """The line in order, with places; None = to be sorted anew."""
        self._ends_ns: list[int] | None = None
        """When the turns of the seated are over, soonest first; None = to be sorted anew."""
        self.given = 0
        """Seats given since the start."""

    def __contains__(self, key: Key) -> bool:
        return key in self._seats or key in self._line

    def is_seated(self, key: Key) -> bool:
        """Say whether a key is shown video."""
        return key in self._seats

    @property
    def seated(self) -> tuple[Key, ...]:
        """Who is shown video, longest first."""
        return tuple(sorted(self._seats, key=lambda key: self._seats[key].since_ns))

    @property
    def waiting(self) -> tuple[Key, ...]:
        """The line, next first."""
        return tuple(self._in_order())

    @property
    def drawn_bps(self) -> float:
        """What the seated draw together."""
        return sum(seat.bps for seat in self._seats.values())

    @property
    def wanted_bps(self) -> float:
        """What everybody here would draw together."""
        return self.drawn_bps + sum(place.bps for place in self._line.values())

    def come(self, key: Key, who: Key, bps: float, now_ns: int) -> None:
        """Stand in the line, at its end or at the place left a moment ago; the next `step` may give a seat."""
        self._forget_away(now_ns)
        away = self._away.pop(who, None)
        number, rests = (next(self._numbers), 0) if away is None else (away.number, away.rests_until_ns)
        self._line[key] = _Waiting(who, bps, number, rests)
        self._changed()

    def leave(self, key: Key, now_ns: int) -> None:
        """Free the seat, or keep the place in the line for `AWAY_S`; unknown keys are no error."""
        self._seats.pop(key, None)
        place = self._line.pop(key, None)
        if place is not None and len(self._away) < MOST_AWAY:
            self._away[place.who] = _Away(place.number, place.rests_until_ns, now_ns)
        self._changed()

    def rate(self, key: Key, bps: float) -> None:
        """Say what a key's stream draws now; counts from the next `step`."""
        place = self._seats.get(key) or self._line.get(key)
        if place is not None:
            place.bps = bps

    def step(self, budget_bps: float, now_ns: int) -> Moves:
        """Give seats as the budget and the time allow; to be called at every change and a few times a second."""
        self._forget_away(now_ns)
        self._budget_bps = budget_bps
        before = set(self._seats)
        for key in self.seated:
            if self.drawn_bps <= budget_bps:
                break
            self._stand_up(key, now_ns)
        for key in self.waiting:
            place = self._line[key]
            if place.bps > budget_bps:
                continue  # does not fit even alone: others need not wait for that
            if not self._make_room(place, budget_bps, now_ns):
                break
            self._seats[key] = _Seated(place.who, place.bps, now_ns)
            del self._line[key]
            self._changed()
            self.given += 1
        now = set(self._seats)
        return Moves(
            tuple(key for key in self.seated if key not in before),
            tuple(key for key in self.waiting if key in before - now),
        )

    def fits(self, key: Key) -> bool:
        """Say whether a waiting key's turn can come at all within the last budget."""
        place = self._line.get(key)
        return place is None or place.bps <= self._budget_bps

    def wait_s(self, key: Key, now_ns: int) -> float | None:
        """Return the seconds until a waiting key's turn comes at the latest, if all streams draw alike.

        None for who does not wait, and while nobody is seated whose turn could end.
        """
        if key not in self._line or not self._seats or not self.fits(key):
            return None
        if self._ends_ns is None:
            self._ends_ns = sorted(seat.since_ns + self._turn_ns for seat in self._seats.values())
        round_of, place = divmod(self._in_order()[key], len(self._ends_ns))
        at_ns = max(max(now_ns, self._ends_ns[place]) + round_of * self._turn_ns, self._line[key].rests_until_ns)
        return (at_ns - now_ns) / 1e9

    def left_s(self, key: Key, now_ns: int) -> float | None:
        """Return the seconds of video that a seated key still has for certain; None where nobody waits for it."""
        seat = self._seats.get(key)
        if seat is None or not self._line:
            return None
        return max(0.0, (seat.since_ns + self._turn_ns - now_ns) / 1e9)

    def _make_room(self, place: _Waiting, budget_bps: float, now_ns: int) -> bool:
        """Say whether a waiting one fits now, after the longest seated whose turn is over stood up for it."""
        free_bps = budget_bps - self.drawn_bps
        over: list[Key] = []
        if place.rests_until_ns <= now_ns:
            for key in self.seated:
                if free_bps >= place.bps or now_ns - self._seats[key].since_ns < self._turn_ns:
                    break
                over.append(key)
                free_bps += self._seats[key].bps
        if free_bps < place.bps:
            return False  # nobody stands up in vain
        for key in over:
            self._stand_up(key, now_ns)
        return True

    def _stand_up(self, key: Key, now_ns: int) -> None:
        seat = self._seats.pop(key)
        self._line[key] = _Waiting(seat.who, seat.bps, next(self._numbers), now_ns + self._rest_ns)
        self._changed()

    def _in_order(self) -> dict[Key, int]:
        if self._order is None:
            line = sorted(self._line, key=lambda key: self._line[key].number)
            self._order = {key: place for place, key in enumerate(line)}
        return self._order

    def _changed(self) -> None:
        self._order = self._ends_ns = None

    def _forget_away(self, now_ns: int) -> None:
        self._away = {who: away for who, away in self._away.items() if now_ns - away.left_ns < AWAY_S * 1e9}
