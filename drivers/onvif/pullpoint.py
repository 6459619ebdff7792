"""What to do next with a camera's event subscription: a state machine without I/O.

Owns the life of one pull point. Pure but for the jitter it is given; times are monotonic nanoseconds.
Invariants: at most one subscription is held; a call follows the last one by at least a second; a
subscription left over from a crash is given back before another is made; a refusal to make one is met by
minutes of patience; nothing here ends by itself: events come back when the camera lets them.

Why so careful: slots leak until none is left and come back a day later, cameras allow one listener, some
cancel everybody's subscription at one Unsubscribe (so a good one is left to expire), some take no duration
and some no date, and some answer an empty pull at once for ever.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from gateway.core.errors import CameraBadReply, CameraError, CameraOverloaded, CameraUnreachable, CameraUnsupported

LIFE_S = 120
"""Asked for: long enough to renew in peace, short enough not to block the slot after a crash."""
LEAST_LIFE_S, MOST_LIFE_S = 10.0, 3_600.0
"""What is believed of the camera's own word."""
PULL_LEAST_S, PULL_MOST_S = 1.0, 10.0
"""Pause between pulls: after something came, and at most while nothing does."""
LOST_LEAST_S, LOST_MOST_S = 5.0, 300.0
"""Pause after a call that failed."""
REFUSED_LEAST_S, REFUSED_MOST_S = 60.0, 900.0
"""Pause after a subscription was refused: another listener has the slot, or it has to expire first."""


class Form(StrEnum):
    """How the wanted end of a subscription is written; tried in this order."""

    RELATIVE = "relative"
    """xs:duration, PT120S: what the standard prefers and most take."""
    ABSOLUTE = "absolute"
    """xs:dateTime in the camera's own time, UTC with Z."""
    NONE = "none"
    """Left out: the camera's default."""


_FORMS = tuple(Form)


@dataclass(frozen=True, slots=True)
class Subscription:
    """Where a pull point is: its address at the camera, and what has to be echoed to it."""

    url: str
    parameters: str = ""
    """wsa:ReferenceParameters' children as XML, "" on most cameras (WS-Addressing 1.0 §2.1)."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a subscription."""

    form: Form


@dataclass(frozen=True, slots=True)
class Pull:
    """Fetch what happened."""

    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Renew:
    """Ask for more time."""

    subscription: Subscription
    form: Form


@dataclass(frozen=True, slots=True)
class Drop:
    """Give back a subscription that a former life of ours left over."""

    subscription: Subscription


@dataclass(frozen=True, slots=True)
class Rest:
    """Do nothing for so long."""

    seconds: float


Step: TypeAlias = Create | Pull | Renew | Drop | Rest


class PullPoint:
    """Ask `next` what to do, do it, tell what came of it; one object per camera and life."""

    def __init__(self, left_over: Subscription | None, jitter: Callable[[], float]) -> None:
        self._left_over, self._jitter = left_over, jitter
        self._held: Subscription | None = None
        self._ends_ns = self._renew_ns = self._rest_until_ns = 0
        self._form, self._tried = 0, 0
        self._failures = self._refusals = 0
        self._pause_s = PULL_LEAST_S

    @property
    def held(self) -> Subscription | None:
        """The subscription we have now."""
        return self._held

    def next(self, now_ns: int) -> Step:
        """Return the next step."""
        if now_ns < self._rest_until_ns:
            return Rest((self._rest_until_ns - now_ns) / 1e9)
        if self._left_over is not None:
            return Drop(self._left_over)
        if self._held is not None and now_ns >= self._ends_ns:
            self._held = None  # it expired while the camera was away
        if self._held is None:
            return Create(_FORMS[self._form])
        if now_ns >= self._renew_ns:
            return Renew(self._held, _FORMS[self._form])
        return Pull(self._held)

    def dropped(self, now_ns: int) -> None:
        """Take that the left-over was given back, or that the camera would not: it is not tried again."""
        self._left_over = None
        self._rest(now_ns, PULL_LEAST_S)

    def created(self, now_ns: int, subscription: Subscription, life_s: float | None) -> None:
        """Take a new subscription; `life_s` is the camera's word, None if it gave none."""
        self._held = subscription
        self._refusals = self._failures = self._tried = 0
        self._pause_s = PULL_LEAST_S
        self._live(now_ns, LIFE_S if life_s is None else life_s)
        self._rest(now_ns, PULL_LEAST_S)

    def not_created(self, now_ns: int, error: CameraError) -> None:
        """Take that none was made: another form is tried at once, then patience."""
        if isinstance(error, CameraUnreachable):
            self._fail(now_ns)
            return
        answered = isinstance(error, CameraBadReply | CameraUnsupported) and "codes" in error.fields
        self._tried += 1
        if answered and self._tried < len(_FORMS):
            self._form = (self._form + 1) % len(_FORMS)
            self._rest(now_ns, PULL_LEAST_S)
            return
        self._form = self._tried = 0
        self._refusals += 1
        self._rest(now_ns, self._spread(REFUSED_LEAST_S, REFUSED_MOST_S, self._refusals))

    def pulled(self, now_ns: int, count: int, life_s: float | None) -> None:
        """Take an answer with `count` events; empty ones make the pause longer, up to its bound."""
        self._failures = 0
        self._pause_s = PULL_LEAST_S if count else min(PULL_MOST_S, self._pause_s * 2)
        if life_s is not None and life_s * 1e9 + now_ns > self._ends_ns:  # some extend it with every pull
            self._live(now_ns, life_s)
        self._rest(now_ns, self._pause_s)

    def not_pulled(self, now_ns: int, error: CameraError) -> None:
        """Take that a pull failed: an answer that is an error means the subscription is gone."""
        if not isinstance(error, CameraUnreachable | CameraOverloaded):
            self._held = None
        self._fail(now_ns)

    def renewed(self, now_ns: int, life_s: float | None) -> None:
        """Take more time."""
        self._live(now_ns, LIFE_S if life_s is None else life_s)
        self._rest(now_ns, PULL_LEAST_S)

    def not_renewed(self, now_ns: int, error: CameraError) -> None:
        """Take that it was not given: it is used to its end, then a new one is made."""
        if isinstance(error, CameraUnreachable | CameraOverloaded):
            self._fail(now_ns)
            return
        self._renew_ns = self._ends_ns
        self._rest(now_ns, PULL_LEAST_S)

    def _live(self, now_ns: int, life_s: float) -> None:
        life_ns = int(min(max(life_s, LEAST_LIFE_S), MOST_LIFE_S) * 1e9)
        self._ends_ns, self._renew_ns = now_ns + life_ns, now_ns + life_ns // 2

    def _fail(self, now_ns: int) -> None:
        self._failures += 1
        self._rest(now_ns, self._spread(LOST_LEAST_S, LOST_MOST_S, self._failures))

    def _spread(self, least_s: float, most_s: float, times: int) -> float:
        """Double from `least_s` up to `most_s`, and take 50-100 % of it: never less than half the least."""
        return min(most_s, least_s * 2.0 ** min(times - 1, 30)) * (0.5 + self._jitter() / 2)

    def _rest(self, now_ns: int, seconds: float) -> None:
        self._rest_until_ns = now_ns + int(seconds * 1e9)
