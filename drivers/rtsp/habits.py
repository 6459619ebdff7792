"""What one stream taught us about its camera, so that a retry need not learn it again.

Owns `Habit` and `HabitBook`. Invariants: at most `MOST_HABITS` streams are remembered; nothing here outlives the
process or says anything about a login.
"""

from __future__ import annotations

from dataclasses import dataclass

from drivers.rtsp.source import RtspSource

MOST_HABITS = 1_024


@dataclass(slots=True)
class Habit:
    """How to speak to one stream; its session writes here what it learned."""

    udp: bool = False
    """It refused TCP (461) and took UDP: begin with UDP."""
    deadly: str = ""
    """The keep-alive after which it hung up: take the other one."""


class HabitBook:
    """Habits by stream; found by the event loop, written to by the network thread."""

    def __init__(self) -> None:
        self._habits: dict[RtspSource, Habit] = {}

    def of(self, source: RtspSource) -> Habit:
        """Return the habit of a stream, a new one if it is not known."""
        habit = self._habits.pop(source, None) or Habit()
        self._habits[source] = habit  # the newest last
        if len(self._habits) > MOST_HABITS:
            del self._habits[next(iter(self._habits))]
        return habit
