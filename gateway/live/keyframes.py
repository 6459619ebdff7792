"""When the camera of a stream is asked for a key frame: pure.

Owns the rule of one stream. A key frame is asked for when a viewer waits for one (it joins a long group of pictures,
takes up this stream after the other, or comes back from a rest), or when the group is broken (packets were lost on the
way from the camera, or viewers complain after it was sent them again). Invariants: asked for the stream, never per
viewer; not when one is about to come anyway; at most one request in `LEAST_S`, and for complaints in `COMPLAINTS_S`,
since a stranger can complain as often as it likes.
"""

from __future__ import annotations

SOON_S = 2.0
"""A key frame that is due within this is not asked for: the answer would hardly come earlier."""
LONG_GOP_S = 4.0
"""A group this old is a long one to join: it takes seconds to catch up with, and a megabyte a viewer."""
LEAST_S = 5.0
COMPLAINTS_S = 10.0
STORM = 5
"""Complaints within `STORM_S` after the group was sent again: a browser has five a second while it sees nothing."""
STORM_S = 2.0


class KeyAsk:
    """What is known of a stream's key frames, and when one was last asked for; times are monotonic."""

    def __init__(self) -> None:
        self._key_ns: int | None = None
        self._gop_ns: int | None = None
        """Length of the last whole group."""
        self._asked_ns: int | None = None
        self._broken = False
        self._complaints: list[int] = []
        self.asked = 0

    def saw(self, received_ns: int, *, is_key: bool, lost: bool) -> None:
        """Take note of a picture; `lost`: packets before it did not arrive from the camera."""
        if is_key:
            if self._key_ns is not None:
                self._gop_ns = received_ns - self._key_ns
            self._key_ns = received_ns
            self._broken = False
            self._complaints.clear()
        else:
            self._broken |= lost

    def age_s(self, now_ns: int) -> float:
        """Return how old the present group is; 0 before the first one."""
        return 0.0 if self._key_ns is None else max(0, now_ns - self._key_ns) / 1e9

    def due_in_s(self, now_ns: int) -> float:
        """Return when the next key frame comes if the groups go on as they were; negative = it is late."""
        gop_ns = 0 if self._gop_ns is None else self._gop_ns
        return gop_ns / 1e9 - self.age_s(now_ns)

    def _far(self, now_ns: int) -> bool:
        """Say whether none is about to come: it is due later, or it should have come long ago."""
        return self._key_ns is not None and abs(self.due_in_s(now_ns)) > SOON_S

    def wanted(self, now_ns: int) -> bool:
        """Say whether to ask, since a viewer waits for a key frame; it then counts as asked."""
        return self._far(now_ns) and self._ask(now_ns, LEAST_S)

    def joined(self, now_ns: int) -> bool:
        """Say whether to ask, since a viewer begins with the present group."""
        return self.age_s(now_ns) > LONG_GOP_S and self.wanted(now_ns)

    def complained(self, now_ns: int, *, sent_again: bool) -> bool:
        """Say whether to ask, since a viewer sees nothing; `sent_again`: it was sent the group a moment ago."""
        if sent_again:
            self._complaints = [at for at in self._complaints[-STORM:] if now_ns - at < STORM_S * 1e9] + [now_ns]
        broken = self._broken or len(self._complaints) > STORM
        return broken and self._far(now_ns) and self._ask(now_ns, COMPLAINTS_S)

    def _ask(self, now_ns: int, least_s: float) -> bool:
        if self._asked_ns is not None and now_ns - self._asked_ns < least_s * 1e9:
            return False
        self._asked_ns = now_ns
        self.asked += 1
        return True
