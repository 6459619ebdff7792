"""What all sessions together sent and missed since the daemon started.

Owns the sums of the sessions that have ended; those that are open are added when asked. Invariant: a figure never
falls, also when a session ends; no session, person or grant is remembered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

SUMMED = ("frames", "packets", "bytes", "skipped_frames", "full_socket", "too_late", "nacks", "resent", "switched")
"""Keys of a session's facts that are counters of its own."""


class Totals:
    """Sums over ended sessions; `of` adds the open ones."""

    def __init__(self) -> None:
        self._ended: Counter[str] = Counter()
        self._paths: Counter[str] = Counter()

    def end(self, facts: Mapping[str, Any]) -> None:
        """Add a session that is over."""
        self._ended.update({key: int(facts[key]) for key in SUMMED})
        self._paths[facts["path"] or "none"] += 1

    def of(self, open_sessions: Iterable[Mapping[str, Any]]) -> dict[str, int]:
        """Return the sums since the start, sessions that are open included."""
        found = self._ended.copy()
        for facts in open_sessions:
            found.update({key: int(facts[key]) for key in SUMMED})
        return {key: found[key] for key in SUMMED}

    def paths(self) -> dict[str, int]:
        """Return how many sessions that are over went which way: host, srflx, relay, or none."""
        return dict(self._paths)
