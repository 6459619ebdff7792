"""Which of a camera's two streams a viewer is sent, as its link and its picture's size allow, or none for a while.

Owns the change from one stream to the other, and the rest of a link that carries neither. Invariants: never a bigger
stream than the one asked for, nor one the grant does not name; the change happens at a key frame of the new stream,
with numbers and RTP time going on; a smaller stream that the link forces is waited for in silence (more would only
feed the queue that is full), any other while the old one goes on; a stream that is not there is not asked for again;
while media rests the page has the link for stills, and media is tried again by itself; every hold is released.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from gateway.core.errors import GrantRefused
from gateway.core.model import Grant, PublicId, StreamRole
from gateway.live.leases import choose_stream
from gateway.live.link import Link, Wish
from gateway.live.sender import Viewer
from gateway.live.stream import LiveStream

ARRIVE_WITHIN_S = 20.0
"""A stream without a key frame for so long does not come."""
DRAIN_AGAIN_S = 20.0
"""A link that was left to drain and is full again within this carries no video now."""


class Holder(Protocol):
    """`feedclient.Feeds`, as far as it is needed here."""

    def hold(self, camera: PublicId, role: StreamRole) -> LiveStream:
        """Subscribe."""

    def release(self, stream: LiveStream) -> None:
        """Give a hold back."""


class Switch:
    """The streams of one viewer: `now` is sent, `coming` is waited for."""

    def __init__(
        self, feeds: Holder, stream: LiveStream, now_ns: int, jitter: Callable[[], float] = lambda: 0.5
    ) -> None:
        self._feeds, self._most = feeds, stream.role
        self.now = stream
        self.coming: LiveStream | None = None
        self._asked_ns = 0
        self._missing = False
        self._by_size = stream.role is StreamRole.SUB
        """The smaller stream is sent because the picture is small."""
        self.link = Link(now_ns, jitter)
        self.can_rest = False
        """The page can show stills meanwhile; a foreign player would stand there with the last picture."""
        self.resting = False
        """Nothing is sent: the link is weaker than the least stream."""
        self.switched = self.rests = 0
        self.pauses = 0
        """Times a link too slow for the least stream was left to drain up to the next key frame."""
        self._drained_ns: int | None = None
        self._choked = 0

    def want(self, role: StreamRole, grant: Grant) -> bool:
        """Take the stream that the picture's size asks for; False if the grant does not allow it."""
        try:
            choose_stream(grant, role)
        except GrantRefused:
            return False
        self._most = role
        return True

    def follow(self, viewer: Viewer, grant: Grant, now_ns: int) -> None:
        """Look at the link and act; to be called a few times a second while the viewer is on a live list, or rests."""
        if self.coming is not None:
            self._arrived(viewer, grant, now_ns)
            return
        if self.resting:
            if self.link.wish(now_ns, can_more=True) is Wish.MORE:
                self._try_again(viewer, now_ns)
            return
        choked = viewer.full_socket + viewer.too_late
        if choked > self._choked:
            self._choked = choked
            self.link.choked()
        other = StreamRole.SUB if self.now.role is StreamRole.MAIN else StreamRole.MAIN
        smaller = other is StreamRole.SUB
        there = other in grant.streams and not self._missing and (smaller or self._most is StreamRole.MAIN)
        wish = self.link.wish(now_ns, can_more=there and not smaller)
        if there and smaller and (wish is Wish.LESS or self._most is StreamRole.SUB):
            self._change(viewer, other, now_ns, at_once=wish is Wish.LESS)
        elif there and not smaller and (wish is Wish.MORE or (self._by_size and wish is Wish.STAY)):
            self._change(viewer, other, now_ns, at_once=False)
        elif wish is Wish.LESS:
            self._relieve(viewer, now_ns)

    def _change(self, viewer: Viewer, role: StreamRole, now_ns: int, *, at_once: bool) -> None:
        self.coming = self._feeds.hold(self.now.camera, role)
        self._asked_ns = now_ns
        self._by_size = role is StreamRole.SUB and not at_once
        if self._by_size:
            self.link.on_trial = False  # it did not fail
        self.coming.expect(viewer, self.now)
        if at_once:
            self.now.pause(viewer)

    def _relieve(self, viewer: Viewer, now_ns: int) -> None:
        """Nothing smaller is there: the queue on the way empties up to the next key frame, or media rests."""
        self._by_size = False
        again = self._drained_ns is not None and now_ns - self._drained_ns < DRAIN_AGAIN_S * 1e9
        if self.can_rest and (again or self.link.on_trial):
            self.now.pause(viewer)
            self.resting = True
            self.rests += 1
            self._drained_ns = None
            self.link.began(now_ns, more=False)
            return
        viewer.waits_for_key = True
        self.pauses += 1
        self._drained_ns = now_ns
        self.link.forget(now_ns)

    def _try_again(self, viewer: Viewer, now_ns: int) -> None:
        self.resting = False
        self._choked = viewer.full_socket + viewer.too_late
        self.link.began(now_ns, more=True)
        self.now.resume(viewer)

    def _arrived(self, viewer: Viewer, grant: Grant, now_ns: int) -> None:
        coming = self.coming
        assert coming is not None
        late = now_ns - self._asked_ns > ARRIVE_WITHIN_S * 1e9
        if coming.role not in grant.streams or coming.ended is not None or (late and viewer not in coming.viewers):
            coming.leave_list(viewer)
            self._feeds.release(coming)
            self.coming, self._missing = None, True
            self.link.forget(now_ns)
            self.now.resume(viewer)
        elif viewer in coming.viewers:
            self._feeds.release(self.now)
            self.link.began(now_ns, more=coming.role is StreamRole.MAIN)
            self.now, self.coming = coming, None
            self.switched += 1

    def release(self) -> None:
        """Give the holds back; `leave` takes the viewer off."""
        for stream in (self.now, self.coming):
            if stream is not None:
                self._feeds.release(stream)

    def leave(self, viewer: Viewer) -> None:
        """Stop the viewer, on both streams."""
        for stream in (self.now, self.coming):
            if stream is not None:
                stream.leave(viewer)
