"""What gives way when a disk is full of held footage: small streams first, and not for ever.

Owns which disks are tight and which streams are not stored. Invariants: a disk becomes tight when besides the
newest hour only held footage is left, and eases when it could free a quarter more than its reserve, so that
nothing flaps; streams leave a tight disk for one that is not; only while every disk is tight are sub streams not
stored, each with a gap of cause `disk`, and main streams always are; live pictures go on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Protocol

from gateway.core.model import StreamId
from recorder.slot import Slot

EASE = 1.25


class Router(Protocol):
    """What chooses a disk for each stream (`recorder.store`)."""

    def home(self, stream: StreamId) -> Slot | None:
        """Return the disk a stream is written to."""

    def avoid(self, slots: frozenset[Slot]) -> None:
        """Give streams to these disks only if there is no other."""

    def rest(self, streams: frozenset[StreamId]) -> None:
        """Store nothing of these streams; all others are stored again from their next run on."""


Streams = Callable[[], Collection[StreamId]]
Cut = Callable[[Collection[StreamId]], Awaitable[None]]
"""Begins a new run of these streams at their next key frame."""


class Relief:
    """Applies what each pass of retention found."""

    def __init__(self, router: Router, mains: Streams, subs: Streams, cut: Cut) -> None:
        self._router, self._mains, self._subs, self._cut = router, mains, subs, cut
        self.tight: frozenset[Slot] = frozenset()
        self._all_tight = False
        self.resting: frozenset[StreamId] = frozenset()
        """Sub streams that are not stored."""

    async def apply(self, tight: frozenset[Slot], usable: Sequence[Slot]) -> None:
        """Take in which disks are tight, of those in use; moves, rests or wakes streams."""
        all_tight = bool(usable) and all(slot in tight for slot in usable)
        a_way_out = not all_tight and (self._all_tight or bool(tight - self.tight))
        self.tight, self._all_tight = tight, all_tight
        self._router.avoid(tight)
        resting = frozenset(self._subs()) if all_tight else frozenset()
        woken, self.resting = self.resting - resting, resting
        self._router.rest(resting)
        moving = set(woken)
        if a_way_out:
            moving |= {stream for stream in (*self._mains(), *self._subs()) if self._router.home(stream) in tight}
        if moving:
            await self._cut(moving)
