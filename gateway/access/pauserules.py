"""The rules of "Tạm ẩn hình": for how long, how often a day, and what a clock that is set does to it.

Pure. Invariants: a teacher and the sheet on the wall hide a class for 15 minutes at most at a time and five times a
local day together; the principal's pauses do not count and may be without an end; a pause that runs is as long as was
promised when it began, whatever happens to wall time meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.access.facts import Facts, Pause
from gateway.access.localtime import moment
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, Role

PAUSE_MINUTES = 15
CHOICES = (5, 10, 15)
"""What a teacher's page offers."""
MOST_MINUTES = 15
A_DAY = 5
"""How often teachers and the wall may hide one class in a local day; the next needs the principal."""
REQUEST_MS = 15 * 60_000
"""How long a wish for one more pause stands."""
TWICE_MS = 3_000
"""A second tap within this time is the same wish as the first."""
LEAST_STEP_MS = 250
"""What wall time must differ from monotonic time between two looks to have been set."""
WALL = "wall"
"""`Pause.by` of the sheet on the wall."""
_WALL_DEVICE = "wall:"


def wall_device(class_id: PublicId) -> str:
    """Return how the audit names the wall of a class."""
    return _WALL_DEVICE + class_id


def is_wall(device: str) -> bool:
    """Say whether an actor's device is a wall."""
    return device.startswith(_WALL_DEVICE)


def checked_minutes(minutes: int | None, *, free: bool) -> int | None:
    """Return a pause's length; BadInput for one that teachers may not choose (`free`: the principal, any or none)."""
    if free and (minutes is None or 0 < minutes <= 24 * 60):
        return minutes
    if minutes is None or not 0 < minutes <= MOST_MINUTES:
        raise BadInput(
            f"a pause has 1 to {MOST_MINUTES} minutes", case="pause", key="minutes", value=minutes, most=MOST_MINUTES
        )
    return minutes


def from_the_wall(facts: Facts, class_id: PublicId, at_ms: int) -> int:
    """Return how often the class was hidden from its wall on this local day."""
    today = moment(facts.zone, at_ms).date
    rows = facts.index.pauses_of_class.get(class_id, ())
    return sum(row.by == WALL and moment(facts.zone, row.since_ms).date == today for row in rows)


def used_today(facts: Facts, class_id: PublicId, at_ms: int) -> int:
    """Return how many of the day's pauses are used up, by teachers and from the wall."""
    today = moment(facts.zone, at_ms).date
    teachers = {person.id for person in facts.persons if person.role is Role.TEACHER}
    rows = facts.index.pauses_of_class.get(class_id, ())
    return from_the_wall(facts, class_id, at_ms) + sum(
        row.by in teachers and moment(facts.zone, row.since_ms).date == today for row in rows
    )


def running(facts: Facts, class_id: PublicId, at_ms: int) -> Pause | None:
    """Return the pause that hides a class the longest now (one without an end first), or None."""
    rows = [row for row in facts.index.pauses_of_class.get(class_id, ()) if row.holds(at_ms)]
    return max(rows, key=lambda row: (row.until_ms is None, row.until_ms or 0, row.since_ms), default=None)


@dataclass(slots=True)
class Standing:
    """How wall time stood against monotonic time when it was last believed; finds steps of the clock."""

    offset_ms: int | None = None

    def step_ms(self, now_ms: int, mono_ns: int, *, trusted: bool) -> int | None:
        """Return how far wall time was set since the last look: 0 = not, None = nothing to compare it with.

        A clock that is not believed is not looked at: nobody sees a class then, and it will be set once more.
        """
        if not trusted:
            return 0
        offset_ms = now_ms - mono_ns // 1_000_000
        before_ms, self.offset_ms = self.offset_ms, offset_ms
        if before_ms is None:
            return None
        step_ms = offset_ms - before_ms
        if abs(step_ms) < LEAST_STEP_MS:
            self.offset_ms = before_ms  # the clock is being slewed: small differences must not get lost
            return 0
        return step_ms
