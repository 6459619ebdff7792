"""How long decisions take: one, and a whole school's after one fact changed.

A school of 20 classes of 25 children, 300 guardians and 20 cameras, with plans, windows, consents, a pause, and the
rules of two classes.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

from bench.harness import Options, Reading, Table, Variant, compare
from gateway.access.ask import ANYHOW, Asking
from gateway.access.facts import (
    SCHOOL_WEEK,
    Block,
    BlockKind,
    ClassCamera,
    ClassRules,
    Consent,
    Enrolment,
    Facts,
    Guardian,
    Pause,
    Person,
    Purpose,
    Span,
    StaffNotice,
    Teaching,
    Window,
)
from gateway.access.noticerules import NOTICE_VERSION
from gateway.access.policy import decide
from gateway.access.reasons import Reason
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role

CLASSES, CHILDREN, GUARDIANS = 20, 25, 300
NOW = 1_795_053_600_000
"""Thursday 2026-11-19, 09:00 in Việt Nam."""
CALLS = 2_000


def pid(kind: str, number: int) -> PublicId:
    """Return a readable id."""
    return PublicId(f"{kind}{number}".ljust(16, "a"))


def child_of(guardian: int) -> int:
    """Return the number of the child a guardian stands for."""
    return guardian * CLASSES * CHILDREN // GUARDIANS


def school() -> Facts:
    """Return the school."""
    places = [(c, n) for c in range(CLASSES) for n in range(CHILDREN)]
    plan = (
        (420, 690, BlockKind.LESSON),
        (690, 840, BlockKind.NAP),
        (840, 870, BlockKind.CHANGING),
        (870, 1020, BlockKind.LESSON),
    )
    return Facts(
        version=1,
        zone=ZoneInfo("Asia/Ho_Chi_Minh"),
        clock_trusted=True,
        accepted=True,
        persons=(
            Person(pid("boss", 0), Role.PRINCIPAL),
            *(Person(pid("teacher", n), Role.TEACHER) for n in range(CLASSES)),
            *(Person(pid("guardian", n), Role.GUARDIAN) for n in range(GUARDIANS)),
        ),
        cameras=frozenset(pid("cam", n) for n in range(CLASSES)),
        classes=frozenset(pid("class", n) for n in range(CLASSES)),
        children=frozenset(pid("child", c * CHILDREN + n) for c, n in places),
        guardians=tuple(Guardian(person=pid("guardian", n), child=pid("child", child_of(n))) for n in range(GUARDIANS)),
        enrolments=tuple(
            Enrolment(child=pid("child", c * CHILDREN + n), class_id=pid("class", c), since_ms=NOW - n * 1000)
            for c, n in places
        ),
        teachings=tuple(Teaching(person=pid("teacher", n), class_id=pid("class", n)) for n in range(CLASSES)),
        class_cameras=tuple(ClassCamera(camera=pid("cam", n), class_id=pid("class", n)) for n in range(CLASSES)),
        consents=tuple(
            Consent(child=pid("child", c * CHILDREN + n), purpose=purpose, since_ms=NOW - 86_400_000)
            for c, n in places
            for purpose in Purpose
        ),
        staff_notices=tuple(StaffNotice(person=pid("teacher", n), version=NOTICE_VERSION) for n in range(CLASSES)),
        pauses=(Pause(class_id=pid("class", 1), since_ms=NOW - 1, until_ms=NOW + 900_000),),
        rules=(ClassRules(pid("class", 2), daily_minutes=60), ClassRules(pid("class", 3), on_site_only=True)),
        windows=tuple(
            Window(pid("class", n), SCHOOL_WEEK, *hours) for n in range(CLASSES) for hours in ((480, 600), (630, 990))
        ),
        blocks=tuple(
            Block(pid("class", n), SCHOOL_WEEK, start, end, kind, kind is BlockKind.LESSON)
            for n in range(CLASSES)
            for start, end, kind in plan
        ),
    )


def camera(number: int) -> ObjectRef:
    """Return a reference to a camera."""
    return ObjectRef(ObjectKind.CAMERA, pid("cam", number))


def redecide(facts: Facts) -> int:
    """Decide about every guardian and camera; returns how many see something."""
    return sum(
        decide(facts, pid("guardian", n), Action.LIVE, camera(c), NOW).allowed
        for n in range(GUARDIANS)
        for c in range(CLASSES)
    )


def timed(work: Callable[[], object], times: int) -> Callable[[], Reading]:
    """Return a round: processor time of a call, which what else runs on the machine does not lengthen."""

    def measure() -> Reading:
        work()
        start_s = time.process_time()
        for _ in range(times):
            work()
        return Reading({"µs a call": (time.process_time() - start_s) / times * 1e6})

    return measure


def change() -> Reading:
    """Change one fact and decide about everybody anew."""
    facts = school()
    start_s = time.process_time()
    changed = dataclasses.replace(facts, version=facts.version + 1)
    indexed_s = time.process_time()
    redecide(changed)
    done_s = time.process_time()
    return Reading({"ms in all": (done_s - start_s) * 1000, "of it the snapshot": (indexed_s - start_s) * 1000})


def run(options: Options) -> list[Table]:
    """Measure one decision of each kind, and a whole school after one change."""
    facts, first, boss, teacher = school(), pid("guardian", 0), pid("boss", 0), pid("teacher", 0)
    watching = Asking(viewed=(Span(since_ms=NOW - 600_000),))
    limited = next(pid("guardian", n) for n in range(GUARDIANS) if child_of(n) // CHILDREN == 2)

    unsigned = dataclasses.replace(facts, staff_notices=())

    def ask(
        reason: Reason, who: PublicId, number: int, now_ms: int = NOW, asking: Asking = ANYHOW, of: Facts = facts
    ) -> Callable[[], object]:
        found = decide(of, who, Action.LIVE, camera(number), now_ms, asking)
        if found.reason != reason:  # a figure of another answer would be worth nothing
            raise AssertionError(f"the answer is {found.reason}, not {reason}")
        return lambda: decide(of, who, Action.LIVE, camera(number), now_ms, asking)

    asks = {
        "guardian, own class, allowed": ask(Reason.GUARDIAN, first, 0),
        "guardian, own class, at the nap": ask(Reason.PLAN_NAP, first, 0, NOW + 3 * 3_600_000),
        "guardian, minutes counted": ask(Reason.GUARDIAN, limited, 2, NOW, watching),
        "guardian, refused without an end": ask(Reason.STAFF_NOTICE, first, 0, of=unsigned),
        "guardian, another class": ask(Reason.NOT_FOUND, first, 9),
        "teacher": ask(Reason.TEACHER, teacher, 0),
        "principal": ask(Reason.PRINCIPAL, boss, 0),
    }
    one = [Variant(name, timed(work, CALLS)) for name, work in asks.items()]
    all_of_them = [Variant(f"{GUARDIANS} guardians × {CLASSES} cameras", change)]
    return [
        compare("One decision", one, options, ["processor time; the promise is 20 µs"]),
        compare("After one fact changed", all_of_them, options, ["processor time; the promise is 200 ms"]),
    ]
