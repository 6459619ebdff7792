"""What a class's own rules narrow: minutes of the day, the school's network, the first days of a child."""

from __future__ import annotations

import dataclasses
from typing import Any

from gateway.access.ask import Asking
from gateway.access.facts import ClassCamera, ClassRules, Consent, Enrolment, Guardian, Purpose, Span
from tests.fakes.access_case import AFTERNOON, TEN, Case, at
from tests.fakes.school import CAM, CHILD, CHILD2, CHOI, DAY, HOUR, MAM, MATE, MINUTE, MOTHER, NOW, facts, local

OK = (True, "role.guardian", TEN, None)
TOMORROW = local(20, 8)


def viewed(*spans: tuple[int, int | None]) -> Asking:
    """What was watched: (minutes before now, minutes or None)."""
    rows = []
    for before, length in spans:
        since_ms = NOW - before * MINUTE
        rows.append(Span(since_ms=since_ms, until_ms=None if length is None else since_ms + length * MINUTE))
    return Asking(viewed=tuple(rows))


def rules(class_id: Any = MAM, **narrow: Any) -> dict[str, Any]:
    return {"rules": (ClassRules(class_id, **narrow),)}


def narrowed_cases() -> list[Case]:
    return [*_quota_cases(), *_site_cases(), *_newcomer_cases()]


def _quota_cases() -> list[Case]:
    half_hour = rules(daily_minutes=30)
    spent = (False, "quota.spent", local(19, 10), TOMORROW)
    yard: dict[str, Any] = {
        "class_cameras": (ClassCamera(camera=CAM, class_id=MAM), ClassCamera(camera=CAM, class_id=CHOI))
    }
    both: dict[str, Any] = {"rules": (ClassRules(MAM, daily_minutes=90), ClassRules(CHOI, daily_minutes=30))}
    soon = NOW + 10 * MINUTE
    return [
        at("minutes left", OK, asking=viewed((30, 29)), **half_hour),
        at("minutes spent", spent, asking=viewed((40, 30)), **half_hour),
        at("spent in pieces", spent, asking=viewed((50, 20), (20, 10)), **half_hour),
        at("nothing watched yet", OK, **half_hour),
        at("watching now uses them up", (True, "role.guardian", soon, None), asking=viewed((20, None)), **half_hour),
        at("spent at this instant", spent, asking=viewed((30, None)), **half_hour),
        at("one millisecond before", (True, "role.guardian", NOW, None), NOW - 1, asking=viewed((30, None)), **half_hour),
        at("some earlier, some now", (True, "role.guardian", soon, None), asking=viewed((60, 15), (5, None)), **half_hour),
        at("two at once count twice", (True, "role.guardian", soon, None), asking=viewed((5, None), (5, None)), **half_hour),
        at("yesterday's are another day's", OK, asking=viewed((24 * 60, 30)), **half_hour),
        at("only what is after midnight counts", OK, local(19, 9), viewed((9 * 60 + 20, 40)), **half_hour),
        at("also while watching", (True, "role.guardian", NOW + 5 * MINUTE, None), asking=viewed((9 * 60 + 20, 40), (5, None)), **half_hour),
        at("and all of that", spent, local(19, 9), viewed((9 * 60 + 10, 40)), **half_hour),
        at("no limit", OK, asking=viewed((500, 400))),
        at("another class's limit", OK, asking=viewed((40, 30)), **rules(CHOI, daily_minutes=30)),
        at("the smallest limit of a yard", spent, asking=viewed((40, 30)), **yard, **both),
        at("no minutes at all", (False, "quota.spent", local(19, 10), None), **rules(daily_minutes=0)),
        at("the nap is told first", (False, "plan.nap", local(19, 14), TOMORROW), local(19, 12), viewed((60, 30)), **half_hour),
    ]  # fmt: skip


def _site_cases() -> list[Case]:
    here, only = Asking(on_site=True), rules(on_site_only=True)
    yard: dict[str, Any] = {
        "class_cameras": (ClassCamera(camera=CAM, class_id=MAM), ClassCamera(camera=CAM, class_id=CHOI))
    }
    return [
        at("at the school", OK, asking=here, **only),
        at("from elsewhere", (False, "on_site.only", None, None), **only),
        at("another class's rule", OK, **rules(CHOI, on_site_only=True)),
        at("a yard with that class", (False, "on_site.only", None, None), **yard, **rules(CHOI, on_site_only=True)),
        at(
            "a yard of two classes with rules, one of them at the school only",
            (False, "on_site.only", None, None),
            **yard,
            rules=(ClassRules(MAM, daily_minutes=600), ClassRules(CHOI, on_site_only=True)),
        ),
        at("being at the school opens nothing else", (False, "plan.nap", local(19, 14), AFTERNOON), local(19, 12), here, **only),
        at("an ended login sees nothing", (False, "session.ended", None, None), asking=Asking(over="session.ended")),
    ]  # fmt: skip


def _newcomer_cases() -> list[Case]:
    base = facts()
    mates = base.enrolments[1:]

    def joined(since_ms: int, days: int, *more: Enrolment) -> dict[str, Any]:
        own = Enrolment(child=CHILD, class_id=MAM, since_ms=since_ms)
        return {"enrolments": (own, *mates, *more), **rules(adaptation_days=days)}

    over = (False, "adaptation.over", None, None)
    yard: dict[str, Any] = {
        "class_cameras": (ClassCamera(camera=CAM, class_id=MAM), ClassCamera(camera=CAM, class_id=CHOI))
    }
    both = (Guardian(person=MOTHER, child=CHILD), Guardian(person=MOTHER, child=MATE))
    return [
        at("the first day", OK, **joined(NOW - HOUR, 1)),
        at("the first day at midnight", OK, **joined(local(19, 0), 1)),
        at("the second of two", OK, **joined(NOW - DAY, 2)),
        at("the second of one", over, **joined(NOW - DAY, 1)),
        at("until its midnight", (True, "role.guardian", TEN, None), **joined(NOW - DAY, 3)),
        at("one minute before midnight it is that day", over, **joined(local(19, 0) - MINUTE, 1)),
        at(
            "new in another class only",
            over,
            **joined(0, 1, Enrolment(child=CHILD, class_id=CHOI, since_ms=NOW - HOUR)),
        ),
        at(
            "new once more, but gone again",
            over,
            **joined(0, 1, Enrolment(child=CHILD, class_id=MAM, since_ms=NOW - HOUR, until_ms=NOW)),
        ),
        at("long ago", over, **rules(adaptation_days=10)),
        at("another class's weeks", OK, **rules(CHOI, adaptation_days=1)),
        at("a yard with a class in its weeks", over, **yard, **rules(CHOI, adaptation_days=1)),
        at(
            "a yard of two classes in their weeks, new in one",
            over,
            **{**joined(NOW - HOUR, 1), **yard, "rules": tuple(ClassRules(k, adaptation_days=1) for k in (MAM, CHOI))},
        ),
        at(
            "a sibling who is new",
            OK,
            guardians=both,
            enrolments=(base.enrolments[0], Enrolment(child=MATE, class_id=MAM, since_ms=NOW - HOUR), mates[1]),
            **rules(adaptation_days=1),
        ),
        at(
            "but not one whose family did not agree",
            over,
            guardians=both,
            enrolments=(base.enrolments[0], Enrolment(child=MATE, class_id=MAM, since_ms=NOW - HOUR), mates[1]),
            consents=tuple(Consent(child=child, purpose=Purpose.VIEW) for child in (CHILD, CHILD2)),
            **rules(adaptation_days=1),
        ),
        at(
            "open all day, it ends at midnight",
            (True, "role.guardian", local(20, 0), None),
            **joined(NOW - HOUR, 1),
            windows=tuple(dataclasses.replace(row, start_min=0, end_min=1440) for row in base.windows[:1]),
            blocks=tuple(dataclasses.replace(row, start_min=0, end_min=1440) for row in base.blocks[:1]),
        ),
    ]
