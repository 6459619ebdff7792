"""From media time to the wall time footage is stored with.

Owns the rule that ties a camera's RTP clock to ours. Invariants: within a run stored time never jumps
because of network jitter: the camera's own pace is kept and only pulled, at most `SLEW_PPM`, towards the
least delayed arrivals of each minute; only what is stamped far ahead of its own arrival (a camera begins with
old pictures in a burst) is pulled faster, by `HURRY_PPM` of the media that passes; a clock that lies (pace
wrong by more than `LIE_PPM` over a minute, or jumps again and again) is no longer believed and pictures are
stamped as they arrive. Pure; called in the network thread.
"""

from __future__ import annotations

from gateway.core.media import TICKS_PER_S, AccessUnit
from recorder.runs import Anchor

WINDOW_90K = 60 * TICKS_PER_S
SLEW_PPM = 500
HURRY_PPM = 100_000
"""A tenth: 1.5 s of old pictures at the beginning are made good in 15 s, and each picture still has a length."""
EARLY_90K = TICKS_PER_S // 4
"""Stamped further ahead of its arrival, a picture is certainly stamped wrong: none comes before it was taken."""
LIE_PPM = 2_000
JUMP_90K = 5 * TICKS_PER_S
"""Media time may lead or trail arrival by that much (bursts, stalls); beyond it, it jumped or stood still."""
MOST_JUMPS = 3


class Timeline:
    """Stamps the pictures of one run."""

    def __init__(self, anchor: Anchor, first: AccessUnit, *, lies: bool = False) -> None:
        """Begin at `first`; `lies`: this camera's clock was found out in the run before."""
        self._anchor = anchor
        self._start_90k = anchor.wall_ms * 90
        self._pts_zero = first.pts_90k
        self._slewed_90k = 0
        self._target_90k = 0
        self._slewed_at_90k = 0
        self._hurries = False
        self._media_90k = 0
        self._window_ends_90k = WINDOW_90K
        self._least_90k: int | None = None
        self._last_least_90k: int | None = None
        self._last_90k = self._start_90k - 1
        self.jumps = 0
        self.lies = lies
        """True once the camera's clock is no longer believed; for the rest of the run."""

    def late_ns(self, unit: AccessUnit) -> int:
        """Return how much later than its stored time a picture came, ns: a run that follows begins where this ends."""
        if self.lies:
            return 0
        arrived_90k = (unit.received_mono_ns - self._anchor.mono_ns) * 9 // 100_000
        late_90k = arrived_90k - (unit.pts_90k - self._pts_zero) - self._slewed_90k
        return late_90k * 100_000 // 9 if abs(late_90k) <= JUMP_90K else 0

    def stamp(self, unit: AccessUnit) -> int:
        """Return the picture's wall time, 90 kHz ticks since 1970 by the run's own clock."""
        arrived_90k = (unit.received_mono_ns - self._anchor.mono_ns) * 9 // 100_000
        if not self.lies:
            late_90k = arrived_90k - (unit.pts_90k - self._pts_zero)
            if abs(late_90k - self._slewed_90k) > JUMP_90K:
                self._jump(unit, arrived_90k)
                late_90k = self._slewed_90k
            self._watch(arrived_90k, late_90k)
        if self.lies:
            wall_90k = max(self._start_90k + arrived_90k, self._last_90k + 1)
        else:
            self._slew(arrived_90k, unit.pts_90k - self._pts_zero)
            wall_90k = self._start_90k + (unit.pts_90k - self._pts_zero) + self._slewed_90k
        self._last_90k = max(self._last_90k, wall_90k)
        return wall_90k

    def _jump(self, unit: AccessUnit, arrived_90k: int) -> None:
        """Continue at the arrival of this picture, as if the camera's clock had not jumped."""
        self.jumps += 1
        self.lies = self.jumps > MOST_JUMPS
        self._pts_zero = unit.pts_90k - arrived_90k + self._slewed_90k
        self._least_90k = self._last_least_90k = None

    def _watch(self, arrived_90k: int, late_90k: int) -> None:
        """Take the least lateness of each minute as the target, and its change as the camera's pace."""
        if arrived_90k < self._window_ends_90k:
            self._least_90k = late_90k if self._least_90k is None else min(self._least_90k, late_90k)
            return
        if self._least_90k is not None:
            if self._last_least_90k is not None:
                drift_90k = abs(self._least_90k - self._last_least_90k)
                self.lies |= drift_90k * 1_000_000 > LIE_PPM * WINDOW_90K
            self._last_least_90k, self._target_90k = self._least_90k, self._least_90k
        self._least_90k = late_90k
        self._window_ends_90k = arrived_90k + WINDOW_90K

    def _slew(self, arrived_90k: int, media_90k: int) -> None:
        """Pull the stamps towards the target; `media_90k` is the picture's own time."""
        late_90k = arrived_90k - media_90k
        if late_90k < self._slewed_90k - EARLY_90K and late_90k < self._target_90k:
            self._target_90k, self._hurries = late_90k, True
        passed_90k = max(0, media_90k - self._media_90k)
        self._media_90k += passed_90k
        if self._hurries:
            most = passed_90k * HURRY_PPM // 1_000_000
            self._hurries = self._slewed_90k > self._target_90k
        else:
            most = (arrived_90k - self._slewed_at_90k) * SLEW_PPM // 1_000_000
        pull_90k = max(-most, min(most, self._target_90k - self._slewed_90k)) if most > 0 else 0
        self._slewed_90k += pull_90k
        if self._hurries or abs(pull_90k) < most:
            self._slewed_at_90k = arrived_90k
        else:  # only what was used up: at 15 pictures a second the rest of the division would be a third of it
            self._slewed_at_90k += most * 1_000_000 // SLEW_PPM
