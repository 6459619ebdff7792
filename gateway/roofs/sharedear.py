"""One subscription to the events of a recorder, for all its channels.

Owns who of the channels that are listened to holds the subscription, and whose each event is. Event loop only.
Invariants: a device has one subscription for each login, whatever the number of its channels, since recorders have
few pull points; an event goes to the channels whose picture it names and to nobody else, one that names no picture
is nobody's; if the channel that holds the subscription leaves, another one takes its place; a failure is everybody's,
and the device is not asked again before that failure's pause is over; what nobody fetches is bounded and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from drivers.base import CameraEvent
from drivers.onvif.profiles import Picture
from gateway.core.clock import Clock
from gateway.core.errors import CameraError
from recorder.cameraevents import pause_s

MOST_WAITING = 64
EARLY = 0.9
"""Share of a pause after which the device may be asked again: those who waited all of it are not turned away."""

Heard: TypeAlias = "CameraEvent | dict[str, Picture]"
"""First the pictures by profile token, then events."""
Subscribe: TypeAlias = Callable[[], AsyncGenerator[Heard, None]]


@dataclass(slots=True, eq=False)
class _Seat:
    token: str
    """Of a profile of the channel."""
    waiting: deque[CameraEvent] = field(default_factory=deque)
    called: asyncio.Event = field(default_factory=asyncio.Event)


class SharedEar:
    """Hands the events of one device to the channels that listen."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seats: list[_Seat] = []
        self._holder: _Seat | None = None
        self._failure: tuple[CameraError, int] | None = None
        """The last one, and until when it counts, monotonic ns."""
        self.dropped = 0
        """Events that a channel did not fetch in time."""
        self.nobodys = 0
        """Events that named no channel that listens."""

    @property
    def idle(self) -> bool:
        """Say whether nobody listens and no failure has to be remembered."""
        return not self._seats and self._failed() is None

    async def listen(self, token: str, subscribe: Subscribe) -> AsyncGenerator[CameraEvent, None]:
        """Deliver the events of the channel that has the profile `token`, for ever.

        Fetch without pause: while the channel that holds the subscription does something else, nobody hears.
        Raises `CameraError` as the device gives cause.
        """
        seat = _Seat(token)
        self._seats.append(seat)
        try:
            while True:
                if seat.waiting:
                    yield seat.waiting.popleft()
                elif (failure := self._failed()) is not None:
                    raise failure
                elif self._holder is None:
                    async with contextlib.aclosing(self._hold(seat, subscribe)) as own:
                        async for event in own:
                            yield event
                else:
                    seat.called.clear()
                    await seat.called.wait()
        finally:
            self._seats.remove(seat)

    async def _hold(self, seat: _Seat, subscribe: Subscribe) -> AsyncGenerator[CameraEvent, None]:
        """Hold the subscription in the name of a seat; deliver what is that seat's own."""
        self._holder, pictures = seat, dict[str, Picture]()
        try:
            async with contextlib.aclosing(subscribe()) as heard:
                async for item in heard:
                    if isinstance(item, dict):
                        pictures = item
                        continue
                    self._hand_out(item, pictures)
                    while seat.waiting:
                        yield seat.waiting.popleft()
        except CameraError as error:
            self._failure = error, self._clock.mono_ns() + int(EARLY * pause_s(error) * 1e9)
            raise
        finally:
            self._holder = None
            for other in self._seats:
                other.called.set()

    def _hand_out(self, event: CameraEvent, pictures: dict[str, Picture]) -> None:
        seats = [seat for seat in self._seats if seat.token in pictures and pictures[seat.token].is_of(event)]
        self.nobodys += not seats
        for seat in seats:
            if len(seat.waiting) == MOST_WAITING:
                self.dropped += 1
                continue
            seat.waiting.append(event)
            seat.called.set()

    def _failed(self) -> CameraError | None:
        if self._failure is None or self._clock.mono_ns() >= self._failure[1]:
            return None
        return self._failure[0]
