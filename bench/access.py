"""How long decisions take: one, and a whole school's after one fact changed.

Usage: `python -m bench.access`. Prints Markdown. A school of 20 classes of 25 children, 300 guardians, 20 cameras, with
plans, windows, consents, a pause, rules of two classes; each number is the best and the middle of several rounds.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable
from zoneinfo import ZoneInfo

from gateway.access.ask import Asking
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
    Teaching,
    Window,
)
from gateway.access.policy import decide
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role

CLASSES, CHILDREN, GUARDIANS = 20, 25, 300
NOW = 1_795_053_600_000
"""Thursday 2026-11-19, 09:00 in Việt Nam."""
ROUNDS = 9


def pid(kind: str, number: int) -> PublicId:
    """Return a readable id."""
    return PublicId(f"{kind}{number}".ljust(16, "a"))


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
        guardians=tuple(
            Guardian(person=pid("guardian", n), child=pid("child", n * CLASSES * CHILDREN // GUARDIANS)) for n in range(GUARDIANS)
        ),
        enrolments=tuple(Enrolment(child=pid("child", c * CHILDREN + n), class_id=pid("class", c), since_ms=NOW - n * 1000) for c, n in places),
        teachings=tuple(Teaching(person=pid("teacher", n), class_id=pid("class", n)) for n in range(CLASSES)),
        class_cameras=tuple(ClassCamera(camera=pid("cam", n), class_id=pid("class", n)) for n in range(CLASSES)),
        consents=tuple(
            Consent(child=pid("child", c * CHILDREN + n), purpose=purpose, since_ms=NOW - 86_400_000)
            for c, n in places
            for purpose in Purpose
        ),
        pauses=(Pause(class_id=pid("class", 1), since_ms=NOW - 1, until_ms=NOW + 900_000),),
        rules=(ClassRules(pid("class", 2), daily_minutes=60), ClassRules(pid("class", 3), on_site_only=True)),
        windows=tuple(Window(pid("class", n), SCHOOL_WEEK, *hours) for n in range(CLASSES) for hours in ((480, 600), (630, 990))),
        blocks=tuple(
            Block(pid("class", n), SCHOOL_WEEK, start, end, kind, kind is BlockKind.LESSON)
            for n in range(CLASSES)
            for start, end, kind in plan
        ),
    )  # fmt: skip


def best(work: Callable[[], object], times: int) -> tuple[float, float]:
    """Return the least and the middle of several rounds, seconds for each call."""
    work()
    rounds = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            work()
        rounds.append((time.perf_counter() - start) / times)
    return min(rounds), statistics.median(rounds)


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


def main() -> None:
    """Measure and print."""
    facts = school()
    first = pid("guardian", 0)
    watching = Asking(viewed=(Span(since_ms=NOW - 600_000),))
    of_two = next(n for n in range(GUARDIANS) if n * CLASSES * CHILDREN // GUARDIANS // CHILDREN == 2)
    asks: dict[str, Callable[[], object]] = {
        "guardian, own class, allowed": lambda: decide(facts, first, Action.LIVE, camera(0), NOW),
        "guardian, own class, at the nap": lambda: decide(facts, first, Action.LIVE, camera(0), NOW + 3 * 3_600_000),
        "guardian, minutes counted": lambda: decide(facts, pid("guardian", of_two), Action.LIVE, camera(2), NOW, watching),
        "guardian, another class": lambda: decide(facts, first, Action.LIVE, camera(9), NOW),
        "teacher": lambda: decide(facts, pid("teacher", 0), Action.LIVE, camera(0), NOW),
        "principal": lambda: decide(facts, pid("boss", 0), Action.LIVE, camera(0), NOW),
    }  # fmt: skip
    print("| decision | best µs | middle µs |\n|---|---|---|")
    for name, work in asks.items():
        least, middle = best(work, 2000)
        print(f"| {name} | {least * 1e6:.1f} | {middle * 1e6:.1f} |")
    rounds = []
    for number in range(5):
        start = time.perf_counter()
        changed = dataclasses.replace(facts, version=facts.version + 1 + number)
        indexed = time.perf_counter()
        seen = redecide(changed)
        rounds.append((time.perf_counter() - start, indexed - start))
    whole, index = min(rounds)
    print(f"\n{GUARDIANS} guardians × {CLASSES} cameras after one change: {whole * 1000:.0f} ms, of it {index * 1000:.0f} ms"
          f" for the new snapshot; {seen} see something.")  # fmt: skip


if __name__ == "__main__":
    main()
