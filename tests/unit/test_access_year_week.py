"""Who sees a class at some minute of a week, told for the new year: what the policy itself answers over a whole week."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from gateway.access.ask import Asking
from gateway.access.facts import (
    SCHOOL_WEEK,
    Block,
    BlockKind,
    CalendarDay,
    ClassCamera,
    ClassRules,
    Consent,
    Enrolment,
    Facts,
    Guardian,
    Pause,
    Person,
    Privacy,
    Purpose,
    Resolution,
    StaffNotice,
    Teaching,
    Window,
)
from gateway.access.localtime import moment
from gateway.access.noticerules import NOTICE_VERSION
from gateway.access.policy import decide
from gateway.access.roster.yearclosing import Hindrance, Week, closing, week
from gateway.core.model import Action, PublicId, Role
from tests.fakes.school import CAM, CAM2, CHILD, CHOI, DAY, HOUR, MAM, MATE, MOTHER, NOW, ZONE, camera, facts, pid, plan

MONDAY = NOW - 3 * DAY - 9 * HOUR
"""Local midnight; every span of a generated school holds for the week from here, or for no instant of it."""
HOURS = range(7, 17)
SCHOOLS, SAMPLED_EVERY = 100, 50
CLASSES, CAMERAS = [pid(f"class{at}") for at in "xyz"], [pid(f"cam{at}") for at in "xyz"]
KINDS = (BlockKind.LESSON, BlockKind.LESSON, BlockKind.OUTDOORS, BlockKind.NAP)


def rooms(rng: random.Random, class_id: PublicId, faults: float) -> dict[str, list[Any]]:
    """A class's day, teacher and rules."""

    def odd() -> bool:
        return rng.random() < faults

    teacher = pid(f"t{class_id[:8]}")
    days = rng.choice([SCHOOL_WEEK, frozenset({1, 5})])
    first = rng.choice(HOURS)
    windows = [] if odd() else [Window(class_id, days, first * 60, min(first + rng.randint(1, 5), 17) * 60)]
    blocks = [
        Block(class_id, rng.choice([SCHOOL_WEEK, frozenset({2})]), at * 60, (at + 3) * 60, rng.choice(KINDS), not odd())
        for at in HOURS
        if rng.random() < 0.25
    ]
    narrowings: list[dict[str, Any]] = [
        {"on_site_only": True},
        {"daily_minutes": rng.choice([0, 30])},
        {"adaptation_days": 14},
    ]
    narrow = rng.choice(narrowings)
    return {
        "windows": windows,
        "blocks": [] if odd() else blocks,
        "persons": [Person(teacher, Role.TEACHER)],
        "teachings": [Teaching(person=teacher, class_id=class_id)],
        "staff_notices": [] if odd() else [StaffNotice(person=teacher, version=NOTICE_VERSION)],
        "rules": [ClassRules(class_id, **narrow)] if rng.random() < 0.4 else [],
        "class_cameras": [] if odd() else [ClassCamera(camera=rng.choice(CAMERAS), class_id=class_id)],
    }


def generated(seed: int) -> Facts:
    """Three classes, three cameras, six children with one guardian or two; something is amiss here and there."""
    rng = random.Random(seed)
    rows: dict[str, list[Any]] = {"persons": [], "guardians": [], "enrolments": [], "consents": [], "resolutions": []}
    faults = rng.choice([0.0, 0.1, 0.25])
    for class_id in CLASSES:
        for name, found in rooms(rng, class_id, faults).items():
            rows.setdefault(name, []).extend(found)
    adults = [pid(f"adult{at}") for at in "abcde"]
    rows["persons"] += [Person(adult, Role.GUARDIAN, rng.random() < faults) for adult in adults]
    children = [pid(f"kid{at}") for at in "abcdef"]
    for child in children:
        class_id, since = rng.choice(CLASSES), rng.choice([MONDAY, MONDAY - 60 * DAY])
        rows["enrolments"].append(Enrolment(child=child, class_id=class_id, since_ms=since))
        rows["guardians"] += [Guardian(person=who, child=child) for who in rng.sample(adults, rng.randint(0, 2))]
        if rng.random() >= faults:
            rows["consents"].append(Consent(child=child, purpose=Purpose.VIEW, given=rng.random() >= faults / 2))
        if rng.random() < faults * 3:
            rows["resolutions"].append(Resolution(child=child, class_id=class_id))
    gone = frozenset(CAMERAS[:1]) if rng.random() < faults else frozenset()
    fields: dict[str, Any] = {name: tuple(found) for name, found in rows.items()}
    return Facts(
        version=1,
        zone=ZONE,
        clock_trusted=True,
        accepted=True,
        cameras=frozenset(CAMERAS) - gone,
        classes=frozenset(CLASSES),
        children=frozenset(children),
        **fields,
    )


def when_first(school: Facts, who: PublicId, shown: PublicId) -> bool:
    """Let the policy search: is there an instant of the week."""
    first_ms = decide(school, who, Action.LIVE, camera(shown), MONDAY, Asking(on_site=True)).next_ms
    return first_ms is not None and first_ms < MONDAY + 7 * DAY


def at_any_hour(school: Facts, who: PublicId, shown: PublicId) -> bool:
    """Ask the policy in the middle of every hour of the week."""
    instants = (MONDAY + day * DAY + hour * HOUR + HOUR // 2 for day in range(7) for hour in HOURS)
    return any(decide(school, who, Action.LIVE, camera(shown), at, Asking(on_site=True)).allowed for at in instants)


def seen_in_a_week(
    school: Facts, sees: Callable[[Facts, PublicId, PublicId], bool]
) -> tuple[set[PublicId], frozenset[PublicId]]:
    """Ask the policy, at the school, for every guardian and every camera of the child's class: classes, children."""
    classes, children = set[PublicId](), set[PublicId]()
    places = {row.child: row.class_id for row in school.enrolments}
    for tie in school.guardians:
        for shown in {row.camera for row in school.class_cameras if row.class_id == places[tie.child]}:
            if sees(school, tie.person, shown):
                classes.add(places[tie.child])
                children.add(tie.child)
    return classes, frozenset(children)


def opened(found: Week) -> set[PublicId]:
    return {row for row, why in found.hindrances.items() if why is None}


def test_who_sees_a_class_is_what_the_policy_answers_over_a_week() -> None:
    """In every generated school the same classes and children; all reasons occurred, and so did seeing."""
    assert moment(ZONE, MONDAY).date.weekday() == moment(ZONE, MONDAY).minute == 0
    met = set[Hindrance | None]()
    for seed in range(SCHOOLS):
        school = generated(seed)
        found = week(school, MONDAY)
        for sees in (when_first, at_any_hour) if seed % SAMPLED_EVERY == 0 else (when_first,):
            assert (opened(found), found.children) == seen_in_a_week(school, sees), f"school {seed}"
        met |= set(found.hindrances.values())
    assert met == {None, *Hindrance}


@pytest.mark.parametrize(
    ("why", "changes"),
    [
        (Hindrance.NOBODY, {"guardians": ()}),
        (Hindrance.NOBODY, {"persons": (Person(MOTHER, Role.GUARDIAN, disabled=True),)}),
        (Hindrance.CAMERA, {"class_cameras": ()}),
        (Hindrance.CAMERA, {"cameras": frozenset()}),
        (Hindrance.HOURS, {"windows": ()}),
        (Hindrance.PLAN, {"blocks": plan(CHOI)}),
        (Hindrance.PLAN, {"windows": (Window(MAM, SCHOOL_WEEK, 12 * 60, 14 * 60),)}),
        (Hindrance.PLAN, {"windows": (Window(MAM, frozenset({6}), 8 * 60, 10 * 60),)}),
        (Hindrance.ANSWERS, {"consents": ()}),
        (Hindrance.ANSWERS, {"consents": (Consent(child=MATE, purpose=Purpose.VIEW),), "resolutions": "own"}),
        (Hindrance.NOTICE, {"staff_notices": ()}),
        (Hindrance.NEWCOMERS, {"rules": (ClassRules(MAM, adaptation_days=14),)}),
        (Hindrance.MINUTES, {"rules": (ClassRules(MAM, daily_minutes=0),)}),
        (None, {"rules": (ClassRules(MAM, daily_minutes=1, on_site_only=True),)}),
        (None, {"pauses": (Pause(class_id=MAM),), "privacies": (Privacy(camera=CAM),)}),
        (None, {"days": (CalendarDay(moment(ZONE, NOW).date, open=False),)}),
        (None, {"sharing_stopped": True, "accepted": False, "clock_trusted": False}),
    ],
    ids=str,
)
def test_each_reason_is_named(why: Hindrance | None, changes: dict[str, Any]) -> None:
    """What lasts shuts a class; what is of the day, or of the whole box, does not."""
    if changes.get("resolutions") == "own":  # settled without this family's consent: open, but not to them
        changes = changes | {"resolutions": (Resolution(child=CHILD, class_id=MAM),)}
    school = facts(**changes)
    found = week(school, NOW)
    assert found.hindrances[MAM] is why
    assert (CHILD in found.children) is (why is None)
    told = closing(facts(), school, NOW)
    assert [row for row in told.classes if row[0] == MAM] == ([] if why is None else [(MAM, why)])


def test_a_camera_of_two_classes_needs_one_minute_at_which_both_are_open() -> None:
    """Each alone is open daily, but never together: neither is seen."""
    both = (ClassCamera(camera=CAM, class_id=MAM), ClassCamera(camera=CAM, class_id=CHOI))
    early, late = Window(MAM, SCHOOL_WEEK, 8 * 60, 10 * 60), Window(CHOI, SCHOOL_WEEK, 10 * 60, 11 * 60)
    apart = facts(class_cameras=both, windows=(early, late))
    assert dict(week(apart, NOW).hindrances) == {MAM: Hindrance.PLAN, CHOI: Hindrance.PLAN}
    own = facts(class_cameras=(*both, ClassCamera(camera=CAM2, class_id=CHOI)), windows=(early, late))
    assert dict(week(own, NOW).hindrances) == {MAM: Hindrance.PLAN, CHOI: None}
    met = facts(class_cameras=both, windows=(early, Window(CHOI, SCHOOL_WEEK, 9 * 60, 11 * 60)))
    assert set(week(met, NOW).hindrances.values()) == {None}
