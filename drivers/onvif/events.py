"""A camera's events as they come: the loop around the pull point's rules.

Owns nothing but the running of it. Invariants: the camera's line of calls is used, so events never speed
up what a camera is asked; what only concerns the subscription is answered by patience and never leaves
here; what concerns the login, or a camera without events, ends the iteration: the caller decides when to
come back. A subscription is left to expire at the end (one Unsubscribe ends everybody's on some cameras);
the caller's memory gives it back at the next start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from functools import partial
from typing import Protocol

from drivers.base import CameraEvent
from drivers.onvif.eventcalls import EventCalls
from drivers.onvif.pace import Line
from drivers.onvif.pullpoint import Create, Drop, Pull, PullPoint, Renew, Rest, Subscription
from gateway.core.clock import Clock
from gateway.core.errors import CameraError, CameraLocked, CameraLoginRefused, CameraUnsupported


class PullMemory(Protocol):
    """Remembers a camera's pull point over a crash."""

    def recall(self) -> Subscription | None:
        """Return what was remembered last; None for nothing."""

    def remember(self, subscription: Subscription) -> None:
        """Keep this one instead."""


class Forgetful:
    """Remembers nothing: for a camera that is only looked at."""

    def recall(self) -> Subscription | None:
        """Return nothing."""
        return None

    def remember(self, subscription: Subscription) -> None:
        """Keep nothing."""


class Reports:
    """The events of one camera; `stream` them. For the event loop."""

    def __init__(
        self, calls: EventCalls, line: Line, clock: Clock, memory: PullMemory, jitter: Callable[[], float]
    ) -> None:
        self._calls, self._line, self._clock, self._memory = calls, line, clock, memory
        self._rules = PullPoint(memory.recall(), jitter)

    async def stream(self) -> AsyncIterator[CameraEvent]:
        """Deliver what the camera reports, for ever.

        Raises:
            CameraLoginRefused: as the gate says.
            CameraLocked: as the gate says.
            CameraOverloaded: a login that worked is refused now (field `doubted`): trying on would cost the video.
            CameraUnsupported: there is no event service.

        """
        while True:
            step = self._rules.next(self._clock.mono_ns())
            if isinstance(step, Rest):
                await self._clock.sleep(step.seconds)
                continue
            for event in await self._line.call(partial(self._done, step)):
                yield event

    def _done(self, step: Create | Renew | Drop | Pull) -> tuple[CameraEvent, ...]:
        """Make one call and tell the rules what came of it; in a thread of the pool."""
        rules, now_ns = self._rules, self._clock.mono_ns
        match step:
            case Create(form):
                try:
                    made, life_s = self._calls.create(form)
                except CameraError as error:
                    _keep_to_us(error)
                    rules.not_created(now_ns(), error)
                else:
                    self._memory.remember(made)
                    rules.created(now_ns(), made, life_s)
            case Renew(subscription, form):
                try:
                    life_s = self._calls.renew(subscription, form)
                except CameraError as error:
                    _keep_to_us(error)
                    rules.not_renewed(now_ns(), error)
                else:
                    rules.renewed(now_ns(), life_s)
            case Drop(subscription):
                self._drop(subscription)
                rules.dropped(now_ns())
            case Pull(subscription):
                return self._pull(subscription)
        return ()

    def _pull(self, subscription: Subscription) -> tuple[CameraEvent, ...]:
        try:
            pulled = self._calls.pull(subscription)
        except CameraError as error:
            _keep_to_us(error)
            self._rules.not_pulled(self._clock.mono_ns(), error)
            return ()
        self._rules.pulled(self._clock.mono_ns(), len(pulled.events), pulled.life_s)
        return pulled.events

    def _drop(self, subscription: Subscription) -> None:
        try:
            self._calls.unsubscribe(subscription)
        except CameraError as error:  # it expired, or the camera was restarted: gone either way
            _keep_to_us(error)


def _keep_to_us(error: CameraError) -> None:
    """Let out what concerns more than the subscription; return for what the rules answer."""
    if isinstance(error, CameraLoginRefused | CameraLocked) or error.fields.get("doubted"):
        raise error
    if isinstance(error, CameraUnsupported) and error.fields.get("service") == "events":
        raise error
