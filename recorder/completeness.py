"""How complete the footage of a stream is in a span of time, and what the rest is due to.

Owns `completeness_of`. Pure. Invariants: recorded and missing seconds together are the seconds that were to be
recorded, which begin with the camera's adoption and end now at the latest; a second that two gaps claim is counted
once, for the earlier one; a share is 1 only if nothing is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from recorder.gaps import Gap, GapCause


@dataclass(frozen=True, slots=True)
class Completeness:
    """What of a span was to be recorded, and what is missing of it, ms by cause."""

    expected_ms: int
    missing_ms: Mapping[GapCause, int]

    @property
    def lost_ms(self) -> int:
        """All that is missing."""
        return sum(self.missing_ms.values())

    @property
    def share(self) -> float | None:
        """Recorded share, 0 to 1; None if nothing was to be recorded."""
        return 1 - self.lost_ms / self.expected_ms if self.expected_ms else None

    @property
    def percent(self) -> float | None:
        """Share in percent with one digit: 100 only of the whole, 0 only of nothing."""
        if self.share is None:
            return None
        value = round(100 * self.share, 1)
        return max(0.1, min(99.9, value)) if 0 < self.share < 1 else value

    @property
    def main_cause(self) -> GapCause | None:
        """The cause of most of what is missing; None if nothing is."""
        return max(self.missing_ms, key=lambda cause: self.missing_ms[cause], default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return it as the control socket tells it: seconds, percent."""
        return {
            "expected_s": self.expected_ms / 1000,
            "missing_s": {cause.value: lost_ms / 1000 for cause, lost_ms in self.missing_ms.items()},
            "percent": self.percent,
        }


def completeness_of(gaps: Iterable[Gap], start_ms: int, end_ms: int, *, since_ms: int, now_ms: int) -> Completeness:
    """Return how complete [start_ms, end_ms) is, with the gaps of one stream in any order.

    `since_ms`: when the camera was adopted. A gap that lasts counts up to `now_ms`.
    """
    begin_ms, stop_ms = max(start_ms, since_ms), min(end_ms, now_ms)
    missing: dict[GapCause, int] = {}
    at_ms = begin_ms
    for gap in sorted(gaps, key=lambda item: item.start_ms):
        from_ms = max(gap.start_ms, at_ms)
        to_ms = min(stop_ms if gap.end_ms is None else gap.end_ms, stop_ms)
        if to_ms > from_ms:
            missing[gap.cause] = missing.get(gap.cause, 0) + to_ms - from_ms
            at_ms = to_ms
    return Completeness(max(0, stop_ms - begin_ms), missing)
