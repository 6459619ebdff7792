"""A session's place among the viewers: whether video flows to it, up to which stream, and how it begins and stops.

Owns the acts that `places` decides on. Invariants: a session sends nothing before it was let flow and nothing after it
was held back, also when it is joining at that moment; its connection and the page's channel stay; letting it
flow begins at the cached key frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from gateway.core.clock import Clock
from gateway.core.model import Grant, PublicId, StreamRole
from gateway.live.leases import Lease
from gateway.live.sender import Viewer
from gateway.live.stream import BurstBudget, LiveStream
from gateway.live.switch import Switch
from gateway.live.uplink import Uplink


class Sitter(Protocol):
    """What a seat needs of its session."""

    id: PublicId
    lease: Lease
    switch: Switch
    viewer: Viewer | None

    @property
    def is_live(self) -> bool:
        """Whether media may flow: connected, not ended."""

    async def say(self, words: Mapping[str, Any]) -> bool:
        """Say something to the page; False while it has no open channel."""


class Seat:
    """The place of one session; implements `places.Seatable`."""

    def __init__(self, session: Sitter, clock: Clock, begin: Callable[[], None]) -> None:
        """`begin` is called when video is to begin: it lets `join` run."""
        self._session, self._clock, self._begin = session, clock, begin
        self.flows = False
        """It has a place: media flows, or will once the cached pictures were sent."""
        self._joining = False

    @property
    def id(self) -> PublicId:
        """The session's id."""
        return self._session.id

    @property
    def grant(self) -> Grant:
        """The right it watches by, as last renewed."""
        return self._session.lease.grant

    @property
    def stream(self) -> LiveStream:
        """What it is sent, or will be."""
        return self._session.switch.now

    @property
    def asked(self) -> StreamRole:
        """What the page asks for."""
        return self._session.switch.asked

    @property
    def most(self) -> StreamRole:
        """The biggest stream it may be sent now."""
        return self._session.switch.most

    def is_outside(self, uplink: Uplink) -> bool:
        """Say whether the viewer is beyond the uplink; False before there is a path."""
        return self._session.viewer is not None and uplink.is_outside(self._session.viewer)

    def let_flow(self, limit: StreamRole) -> None:
        """Send video, at most this stream of the camera; from the cached key frame on if none flowed."""
        session, viewer = self._session, self._session.viewer
        if limit is not session.switch.limit:
            session.switch.allow(limit, self._clock.mono_ns())
        if not self.flows and session.is_live and viewer is not None:
            self.flows, viewer.waits_for_key = True, True
            session.switch.link.forget(self._clock.mono_ns())
            self._begin()

    def hold_back(self) -> None:
        """Send no video until `let_flow`."""
        self.flows = False
        if self._session.viewer is not None:
            self._session.switch.hold_back(self._session.viewer)

    async def tell(self, words: Mapping[str, Any]) -> bool:
        """Say something to the page; False while it has no open channel."""
        return await self._session.say(words)

    async def join(self, budget: BurstBudget) -> None:
        """Send the cached pictures, paced, then go on with the others; one at a time."""
        session, viewer = self._session, self._session.viewer
        if viewer is None or self._joining:
            return
        self._joining = True
        try:
            while session.is_live and self.flows and viewer not in self.stream.viewers:
                await self.stream.join(viewer, budget)
                if viewer.source is not None:
                    break  # else it was held back while it joined: given a place again, it begins anew
        finally:
            self._joining = False
