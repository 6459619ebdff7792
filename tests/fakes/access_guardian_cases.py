"""When a guardian sees the class, and why not otherwise."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from gateway.access.facts import (
    EVERY_DAY,
    SCHOOL_WEEK,
    Block,
    BlockKind,
    CalendarDay,
    ClassCamera,
    Consent,
    Enrolment,
    Facts,
    Guardian,
    Pause,
    Person,
    Privacy,
    Purpose,
    Resolution,
    Window,
)
from gateway.core.model import Role
from tests.fakes.access_case import AFTERNOON, HALF_PAST_TEN, NAP, TEN, Case, at
from tests.fakes.school import (
    CAM,
    CAM2,
    CHILD,
    CHILD2,
    CHOI,
    DAY,
    HOUR,
    MAM,
    MATE,
    MINUTE,
    MOTHER,
    NOW,
    facts,
    local,
    pid,
)

OK = (True, "role.guardian", TEN, None)


def spans(row: Any, since_ms: int = 0, until_ms: int | None = None) -> Any:
    return dataclasses.replace(row, since_ms=since_ms, until_ms=until_ms)


def guardian_cases() -> list[Case]:
    base = facts()
    tie, enrolled = base.guardians[0], base.enrolments[0]
    own, mate = (Consent(child=child, purpose=Purpose.VIEW) for child in (CHILD, MATE))
    soon, later = NOW + 10 * MINUTE, NOW + 20 * MINUTE
    refused = (False, "consent.missing", None, None)
    closed = (False, "class.not_open", None, None)
    gone = (False, "not_found", None, None)
    return [
        at("allowed until the window ends", OK),
        at("a window ends exactly at its end", (False, "window.closed", HALF_PAST_TEN, HALF_PAST_TEN), TEN),
        at("a window begins exactly at its start", (True, "role.guardian", NAP, None), HALF_PAST_TEN),
        at("one ms before the window", (False, "window.closed", HALF_PAST_TEN, HALF_PAST_TEN), HALF_PAST_TEN - 1),
        at("nap", (False, "plan.nap", local(19, 14), AFTERNOON), local(19, 12)),
        at("changing", (False, "plan.care", AFTERNOON, AFTERNOON), local(19, 14, 10)),
        at(
            "a hidden activity",
            (False, "plan.hidden", local(19, 16, 15), local(19, 16, 15)),
            local(19, 16, 5),
        ),
        at("after the last window", (False, "window.closed", local(20, 8), local(20, 8)), local(19, 16, 30)),
        at("friday evening says monday", (False, "window.closed", local(23, 8), local(23, 8)), local(20, 18)),
        at("saturday", (False, "window.closed", local(23, 8), local(23, 8)), local(21, 9)),
        at(
            "a holiday",
            (False, "calendar.closed", local(20, 0), local(20, 8)),
            days=(CalendarDay(dt.date(2026, 11, 19), open=False),),
        ),
        at(
            "tomorrow is a holiday",
            (False, "window.closed", local(20, 0), local(23, 8)),
            local(19, 20),
            days=(CalendarDay(dt.date(2026, 11, 20), open=False),),
        ),
        at(
            "a saturday run like thursday",
            (True, "role.guardian", local(21, 10), None),
            local(21, 9),
            days=(CalendarDay(dt.date(2026, 11, 21), open=True, as_weekday=3),),
        ),
        at(
            "an open day keeps its own weekday",
            (False, "window.closed", local(23, 8), local(23, 8)),
            local(21, 9),
            days=(CalendarDay(dt.date(2026, 11, 21), open=True),),
        ),
        at("no windows", (False, "window.none", None, None), windows=()),
        at("no plan", (False, "plan.none", TEN, None), blocks=()),
        at(
            "a plan with a hole",
            (False, "plan.none", TEN, None),
            blocks=(Block(MAM, EVERY_DAY, 0, 60, BlockKind.LESSON, guardian_visible=True),),
        ),
        at(
            "a hidden block beside a visible one hides",
            (False, "plan.nap", local(19, 9, 30), local(19, 9, 30)),
            blocks=(
                Block(MAM, SCHOOL_WEEK, 0, 1440, BlockKind.LESSON, guardian_visible=True),
                Block(MAM, SCHOOL_WEEK, 540, 570, BlockKind.NAP, guardian_visible=True),
            ),
        ),
        at(
            "a plan of another weekday",
            (False, "plan.none", TEN, local(20, 8)),
            blocks=(Block(MAM, frozenset({4}), 0, 1440, BlockKind.LESSON, guardian_visible=True),),
        ),
        at(
            "windows of another weekday",
            (False, "window.closed", local(20, 8), local(20, 8)),
            windows=(Window(MAM, frozenset({4}), 480, 600),),
        ),
        at(
            "never more than two weeks ahead",
            (True, "role.guardian", NOW + 14 * DAY, None),
            windows=(Window(MAM, EVERY_DAY, 0, 1440),),
            blocks=(Block(MAM, EVERY_DAY, 0, 1440, BlockKind.LESSON, guardian_visible=True),),
        ),
        at(
            "what opens later than in two weeks is not searched for",
            (False, "calendar.closed", local(20, 0), None),
            windows=(Window(MAM, frozenset({3}), 600, 660),),
            days=tuple(CalendarDay(dt.date(2026, 11, day), open=False) for day in (19, 26)),
        ),
        # the box
        at("clock not trusted", (False, "clock.untrusted", None, None), clock_trusted=False),
        at("sharing stopped", (False, "sharing.stopped", None, None), sharing_stopped=True),
        at("box not accepted", (False, "box.not_accepted", None, None), accepted=False),
        # the tie
        at("no guardian", gone, guardians=(base.guardians[1],)),
        at("guardian of another child", gone, guardians=(Guardian(person=MOTHER, child=CHILD2),)),
        at("guardian ends later", (True, "role.guardian", soon, None), guardians=(spans(tie, 0, soon),)),
        at("guardian ended at this instant", gone, guardians=(spans(tie, 0, NOW),)),
        at("guardian since this instant", OK, guardians=(spans(tie, NOW),)),
        at("guardian not yet", gone, guardians=(spans(tie, NOW + 1),)),
        at(
            "two spans of one tie",
            (True, "role.guardian", soon, None),
            guardians=(spans(tie, 0, soon), spans(tie, later)),
        ),
        at("spans that overlap are one", OK, guardians=(spans(tie, 0, later), spans(tie, soon))),
        at("enrolment ends later", (True, "role.guardian", soon, None), enrolments=(spans(enrolled, 0, soon),)),
        at("enrolment ended", gone, enrolments=(spans(enrolled, 0, NOW),)),
        at("enrolment not yet", gone, enrolments=(spans(enrolled, soon),)),
        at("moved to another class", gone, enrolments=(Enrolment(child=CHILD, class_id=CHOI),)),
        at("a child nobody enrolled", gone, enrolments=(Enrolment(child=MATE, class_id=MAM),)),
        at("camera of another class", gone, class_cameras=(ClassCamera(camera=CAM, class_id=CHOI),)),
        at("camera of no class", gone, class_cameras=()),
        at(
            "camera moves later",
            (True, "role.guardian", soon, None),
            class_cameras=(ClassCamera(camera=CAM, class_id=MAM, until_ms=soon),),
        ),
        at("camera not adopted", gone, cameras=frozenset({CAM2})),
        at("person disabled", (False, "person.disabled", None, None), persons=(Person(MOTHER, Role.GUARDIAN, True),)),
        at("person unknown", (False, "person.unknown", None, None), persons=()),
        # consent
        at("no own consent", refused, consents=(mate,)),
        at(
            "own consent for recording only", refused, consents=(mate, dataclasses.replace(own, purpose=Purpose.RECORD))
        ),
        at("own consent withdrawn", refused, consents=(mate, spans(own, 0, NOW))),
        at("own consent later", (False, "consent.missing", soon, soon), consents=(mate, spans(own, soon))),
        at("own consent ends later", (True, "role.guardian", soon, None), consents=(mate, spans(own, 0, soon))),
        at(
            "own child resolved but not consented",
            refused,
            consents=(mate,),
            resolutions=(Resolution(child=CHILD, class_id=MAM),),
        ),
        at("a classmate did not answer", closed, consents=(own,)),
        at("a classmate withdrew", closed, consents=(own, spans(mate, 0, NOW))),
        at("a classmate withdraws later", (True, "role.guardian", soon, None), consents=(own, spans(mate, 0, soon))),
        at("a classmate joins later", (True, "role.guardian", soon, None), **_joins(base, soon)),
        at("a classmate left", OK, consents=(own,), enrolments=(enrolled, spans(base.enrolments[1], 0, NOW))),
        at("a resolution opens", OK, consents=(own,), resolutions=(Resolution(child=MATE, class_id=MAM),)),
        at(
            "a resolution ends",
            (True, "role.guardian", soon, None),
            consents=(own,),
            resolutions=(Resolution(child=MATE, class_id=MAM, until_ms=soon),),
        ),
        at(
            "a resolution of another class",
            closed,
            consents=(own,),
            resolutions=(Resolution(child=MATE, class_id=CHOI),),
        ),
        at(
            "a resolution for another child",
            closed,
            consents=(own,),
            resolutions=(Resolution(child=CHILD, class_id=MAM),),
        ),
        # the switches
        at("paused", (False, "class.paused", soon, soon), pauses=(Pause(class_id=MAM, until_ms=soon),)),
        at(
            "paused within this minute",
            (True, "role.guardian", NOW + 30_000, None),
            pauses=(Pause(class_id=MAM, since_ms=NOW + 30_000),),
        ),
        at(
            "the same minute of another day",
            (False, "window.closed", local(20, 9), local(20, 9)),
            windows=(Window(MAM, frozenset({4}), 9 * 60, 10 * 60),),
        ),
        at("paused without end", (False, "class.paused", None, None), pauses=(Pause(class_id=MAM),)),
        at("paused later", (True, "role.guardian", soon, None), pauses=(Pause(class_id=MAM, since_ms=soon),)),
        at("another class paused", OK, pauses=(Pause(class_id=CHOI),)),
        at("camera private", (False, "camera.private", soon, soon), privacies=(Privacy(camera=CAM, until_ms=soon),)),
        at(
            "camera private later", (True, "role.guardian", soon, None), privacies=(Privacy(camera=CAM, since_ms=soon),)
        ),
        at("another camera private", OK, privacies=(Privacy(camera=CAM2),)),
        # a camera of two classes
        at("a yard is open while every class is", OK, **_yard()),
        at(
            "a yard closes with any class",
            (False, "class.paused", None, None),
            pauses=(Pause(class_id=CHOI),),
            **_yard(),
        ),
    ]


def _joins(base: Facts, soon: int) -> dict[str, Any]:
    new = pid("newcomer")
    return {
        "children": base.children | {new},
        "enrolments": (*base.enrolments, Enrolment(child=new, class_id=MAM, since_ms=soon)),
    }


def _yard() -> dict[str, Any]:
    return {"class_cameras": (ClassCamera(camera=CAM, class_id=MAM), ClassCamera(camera=CAM, class_id=CHOI))}


def shifted_cases() -> list[Case]:
    """Berlin: the clock goes back on Sunday 2026-10-25 at 03:00 and on in March."""
    berlin = ZoneInfo("Europe/Berlin")
    window = (Window(MAM, EVERY_DAY, 2 * 60, 2 * 60 + 30),)
    blocks = (Block(MAM, EVERY_DAY, 0, 1440, BlockKind.LESSON, guardian_visible=True),)
    zone: dict[str, Any] = {"zone": berlin, "windows": window, "blocks": blocks}
    twice = int(dt.datetime(2026, 10, 25, 2, 0, tzinfo=berlin).timestamp()) * 1000
    spring = int(dt.datetime(2027, 3, 28, 1, 59, tzinfo=berlin).timestamp()) * 1000 + MINUTE
    return [
        at("a repeated half-hour opens", (True, "role.guardian", twice + 30 * MINUTE, None), twice, **zone),
        at(
            "and opens once more",
            (False, "window.closed", twice + HOUR, twice + HOUR),
            twice + 40 * MINUTE,
            **zone,
        ),
        at("for half an hour again", (True, "role.guardian", twice + 90 * MINUTE, None), twice + HOUR, **zone),
        at(
            "a skipped half-hour does not open",
            (False, "window.closed", spring + 23 * HOUR, spring + 23 * HOUR),
            spring,
            **zone,
        ),
    ]
