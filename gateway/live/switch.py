"""Which of a camera's two streams a viewer is sent, as its link allows.

Owns the change from one stream to the other. Invariants: never a bigger stream than the one asked for, nor one the
grant does not name; the change happens at a key frame of the new stream, with numbers and RTP time
going on; a smaller stream is waited for in silence (more would only feed the queue that is full), a bigger
one while the smaller goes on; a stream that is not there is not asked for again; every hold is released.
"""

from __future__ import annotations

from typing import Protocol

from gateway.core.model import Grant, PublicId, StreamRole
from gateway.live.link import Link, Wish
from gateway.live.sender import Viewer
from gateway.live.stream import LiveStream

ARRIVE_WITHIN_S = 20.0
"""A stream without a key frame for so long does not come."""


class Holder(Protocol):
    """`feedclient.Feeds`, as far as it is needed here."""

    def hold(self, camera: PublicId, role: StreamRole) -> LiveStream:
        """Subscribe."""

    def release(self, stream: LiveStream) -> None:
        """Give a hold back."""


class Switch:
    """The streams of one viewer: `now` is sent, `coming` is waited for."""

    def __init__(self, feeds: Holder, stream: LiveStream, now_ns: int) -> None:
        self._feeds, self._most = feeds, stream.role
        self.now = stream
        self.coming: LiveStream | None = None
        self.limit = StreamRole.MAIN
        """What the box has room for; `places` sets it."""
        self._asked_ns = 0
        self._missing = False
        self.link = Link(now_ns)
        self.switched = 0
        self.pauses = 0
        """Times a link too slow for the least stream was left to drain up to the next key frame."""
        self._choked = 0

    def follow(self, viewer: Viewer, grant: Grant, now_ns: int) -> None:
        """Look at the link and act; to be called a few times a second while the viewer is on a live list."""
        if self.coming is not None:
            self._arrived(viewer, grant, now_ns)
            return
        choked = viewer.full_socket + viewer.too_late
        if choked > self._choked:
            self._choked = choked
            self.link.choked()
        other = StreamRole.SUB if self.now.role is StreamRole.MAIN else StreamRole.MAIN
        there = self.most is StreamRole.MAIN and other in grant.streams and not self._missing
        wish = self.link.wish(now_ns, can_more=there and other is StreamRole.MAIN)
        if there and wish is (Wish.LESS if other is StreamRole.SUB else Wish.MORE):
            self.coming = self._feeds.hold(self.now.camera, other)
            self._asked_ns = now_ns
            self.coming.expect(viewer, self.now)
            if wish is Wish.LESS:
                self.now.pause(viewer)
        elif wish is Wish.LESS:
            # Nothing smaller is there: the queue on the way empties until the next key frame.
            viewer.waits_for_key = True
            self.pauses += 1
            self.link.forget(now_ns)

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

    @property
    def asked(self) -> StreamRole:
        """What the page asks for."""
        return self._most

    @property
    def most(self) -> StreamRole:
        """The biggest stream that may be sent: what is asked for, within the limit."""
        return StreamRole.SUB if self.limit is StreamRole.SUB else self._most

    def rest(self, viewer: Viewer) -> None:
        """Send nothing until the viewer joins `now` again; what was waited for is given up."""
        self.now.leave_list(viewer)
        viewer.source = None  # also of one that is joining just now
        if self.coming is not None:
            self.coming.leave_list(viewer)
            self._feeds.release(self.coming)
            self.coming = None

    def allow(self, limit: StreamRole, now_ns: int) -> None:
        """Set the limit; a smaller one before the viewer joins, a bigger one at any time."""
        self.limit, self._missing = limit, False
        self.link.forget(now_ns)
        if limit is StreamRole.SUB and self.now.role is StreamRole.MAIN:
            smaller = self._feeds.hold(self.now.camera, limit)
            self._feeds.release(self.now)
            self.now = smaller

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
