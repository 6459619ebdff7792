"""The fast suite of the decision: a table of answers, and every leg broken alone.

`check(decide)` is run on the real policy and on every mutant of it; it raises AssertionError at the first
wrong answer.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple
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
    ExportOrder,
    Facts,
    Guardian,
    Pause,
    Person,
    Privacy,
    Purpose,
    Resolution,
    Teaching,
    Window,
)
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, PublicId, Role
from tests.fakes.school import (
    AUTHORITY,
    CAM,
    CAM2,
    CHILD,
    CHILD2,
    CHOI,
    DAY,
    DEPUTY,
    GATE,
    HOUR,
    INSTALLER,
    MAM,
    MATE,
    MINUTE,
    MOTHER,
    NOW,
    OBSERVER,
    OTHER,
    PRINCIPAL,
    TEACHER,
    camera,
    class_,
    facts,
    local,
    person,
    pid,
    short,
)

Decide = Callable[[Facts, PublicId, Action, ObjectRef, int], Decision]
LIVE = Action.LIVE
BOX = ObjectRef(ObjectKind.BOX, PublicId("box"))
ORDER = pid("order")
EXPORT = ObjectRef(ObjectKind.EXPORT, ORDER)
TEN, HALF_PAST_TEN, NAP, AFTERNOON = local(19, 10), local(19, 10, 30), local(19, 11, 30), local(19, 14, 30)


def at(case: str, expected: tuple[bool, str, int | None, int | None], now_ms: int = NOW, **changes: Any) -> Case:
    """A case of the mother asking for her class's camera."""
    return Case(case, facts(**changes), MOTHER, LIVE, camera(), now_ms, expected)


class Case(NamedTuple):
    """One line of the table."""

    name: str
    facts: Facts
    person: PublicId
    action: Action
    obj: ObjectRef
    now_ms: int
    expected: tuple[bool, str, int | None, int | None]


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


def case(
    name: str,
    who: PublicId,
    action: Action,
    obj: ObjectRef,
    reason: str,
    *,
    until_ms: int | None = None,
    next_ms: int | None = None,
    now_ms: int = NOW,
    **changes: Any,
) -> Case:
    allowed = reason in {
        "role.principal",
        "role.teacher",
        "role.guardian",
        "role.health",
        "role.installer",
        "self",
        "own_child",
    }
    return Case(name, facts(**changes), who, action, obj, now_ms, (allowed, reason, until_ms, next_ms))


def pauses(count: int, by: PublicId = TEACHER, at_ms: int = NOW) -> tuple[Pause, ...]:
    return tuple(
        Pause(class_id=MAM, by=by, since_ms=at_ms - n * MINUTE, until_ms=at_ms - n * MINUTE + 1)
        for n in range(1, count + 1)
    )


def staff_cases() -> list[Case]:
    order = ExportOrder(ORDER, CAM, 0, HOUR, PRINCIPAL)
    soon, child = NOW + 10 * MINUTE, ObjectRef(ObjectKind.CHILD, CHILD)
    approved, selfmade = (dataclasses.replace(order, approver=who) for who in (DEPUTY, PRINCIPAL))
    night = local(19, 23)
    return [
        case(
            "a principal sees every camera at any hour", PRINCIPAL, LIVE, camera(GATE), "role.principal", now_ms=night
        ),
        case(
            "whatever guardians may not",
            PRINCIPAL,
            LIVE,
            camera(),
            "role.principal",
            sharing_stopped=True,
            clock_trusted=False,
            accepted=False,
        ),
        case("but no unknown camera", PRINCIPAL, LIVE, camera(pid("nothere")), "not_found"),
        case("nor a private one", PRINCIPAL, LIVE, camera(), "camera.private", privacies=(Privacy(camera=CAM),)),
        case("nor its still", PRINCIPAL, Action.SNAPSHOT, camera(), "camera.private", privacies=(Privacy(camera=CAM),)),
        case(
            "recordings stay",
            PRINCIPAL,
            Action.PLAYBACK,
            camera(),
            "role.principal",
            until_ms=None,
            privacies=(Privacy(camera=CAM),),
        ),
        case(
            "privacy that begins",
            PRINCIPAL,
            LIVE,
            camera(),
            "role.principal",
            until_ms=soon,
            privacies=(Privacy(camera=CAM, since_ms=soon),),
        ),
        case("no sound for anyone", PRINCIPAL, Action.LIVE_AUDIO, camera(), "sound.off"),
        case("one person exports nothing", PRINCIPAL, Action.EXPORT, camera(), "export.two_people"),
        case("an order alone neither", PRINCIPAL, Action.EXPORT, EXPORT, "export.two_people", exports=(order,)),
        case(
            "an order approved by oneself neither",
            PRINCIPAL,
            Action.EXPORT,
            EXPORT,
            "export.two_people",
            exports=(selfmade,),
        ),
        case("an approved order", PRINCIPAL, Action.EXPORT, EXPORT, "role.principal", exports=(approved,)),
        case("approving one's own order", PRINCIPAL, Action.APPROVE, EXPORT, "export.same_person", exports=(order,)),
        case("approving another's order", DEPUTY, Action.APPROVE, EXPORT, "role.principal", exports=(order,)),
        case("an order that is not there", PRINCIPAL, Action.EXPORT, EXPORT, "not_found"),
        case("incidents do not exist yet", PRINCIPAL, Action.AUDIT, ObjectRef(ObjectKind.INCIDENT, MAM), "role.action"),
        case("a principal runs the school", PRINCIPAL, Action.STOP_ALL, BOX, "role.principal"),
        case(
            "a disabled principal nothing",
            PRINCIPAL,
            LIVE,
            camera(),
            "person.disabled",
            persons=(Person(PRINCIPAL, Role.PRINCIPAL, True),),
        ),
        # teacher
        case("a teacher sees her class", TEACHER, LIVE, camera(), "role.teacher", now_ms=night),
        case("no other class", TEACHER, LIVE, camera(CAM2), "not_found"),
        case("no camera without class", TEACHER, LIVE, camera(GATE), "not_found"),
        case(
            "not after she left",
            TEACHER,
            LIVE,
            camera(),
            "not_found",
            teachings=(Teaching(person=TEACHER, class_id=MAM, until_ms=NOW),),
        ),
        case(
            "until she leaves",
            TEACHER,
            LIVE,
            camera(),
            "role.teacher",
            until_ms=soon,
            teachings=(Teaching(person=TEACHER, class_id=MAM, until_ms=soon),),
        ),
        case("no recordings", TEACHER, Action.PLAYBACK, camera(), "role.action"),
        case("no export", TEACHER, Action.EXPORT, camera(), "role.action"),
        case("no configuration", TEACHER, Action.CONFIGURE, BOX, "role.action"),
        case(
            "a fifth pause", TEACHER, Action.PAUSE, class_(), "role.teacher", until_ms=NOW + 14 * DAY, pauses=pauses(4)
        ),
        case(
            "no sixth pause before midnight",
            TEACHER,
            Action.PAUSE,
            class_(),
            "pause.too_many",
            until_ms=local(20, 0),
            next_ms=local(20, 0),
            pauses=pauses(5),
        ),
        case(
            "the principal's pauses do not count",
            TEACHER,
            Action.PAUSE,
            class_(),
            "role.teacher",
            until_ms=NOW + 14 * DAY,
            pauses=pauses(5, PRINCIPAL),
        ),
        case(
            "yesterday's pauses do not count",
            TEACHER,
            Action.PAUSE,
            class_(),
            "role.teacher",
            until_ms=NOW + 14 * DAY,
            pauses=pauses(5, at_ms=NOW - DAY),
        ),
        case(
            "the principal has a sixth",
            PRINCIPAL,
            Action.PAUSE,
            class_(),
            "role.principal",
            until_ms=NOW + 14 * DAY,
            pauses=pauses(5),
        ),
        case("no pause of another class", TEACHER, Action.PAUSE, class_(CHOI), "not_found"),
        # the others
        case("authority sees health", AUTHORITY, Action.HEALTH, BOX, "role.health"),
        case("of a camera too", AUTHORITY, Action.HEALTH, camera(), "role.health"),
        case("never a picture", AUTHORITY, LIVE, camera(), "role.action"),
        case("nor a still", AUTHORITY, Action.SNAPSHOT, camera(), "role.action"),
        case("nor a recording", AUTHORITY, Action.PLAYBACK, camera(), "role.action"),
        case("an observer nothing yet", OBSERVER, LIVE, camera(), "role.action"),
        case("an installer aims before acceptance", INSTALLER, Action.AIM, camera(), "role.installer", accepted=False),
        case("not after", INSTALLER, Action.AIM, camera(), "box.accepted"),
        case("configures before acceptance", INSTALLER, Action.CONFIGURE, BOX, "role.installer", accepted=False),
        case("not afterwards", INSTALLER, Action.CONFIGURE, BOX, "box.accepted"),
        case("still sees health", INSTALLER, Action.HEALTH, BOX, "role.health"),
        case("never live", INSTALLER, LIVE, camera(), "role.action", accepted=False),
        case(
            "never a hidden camera",
            INSTALLER,
            Action.AIM,
            camera(),
            "camera.private",
            accepted=False,
            privacies=(Privacy(camera=CAM),),
        ),
        # guardians, other actions
        case("stills like live", MOTHER, Action.SNAPSHOT, camera(), "role.guardian", until_ms=TEN),
        case("the class like its camera", MOTHER, LIVE, class_(), "role.guardian", until_ms=TEN),
        case("no other class", MOTHER, LIVE, class_(CHOI), "not_found"),
        case("no recordings", MOTHER, Action.PLAYBACK, camera(), "role.action"),
        case("no export", MOTHER, Action.EXPORT, camera(), "role.action"),
        case("no sound", MOTHER, Action.LIVE_AUDIO, camera(), "sound.off"),
        case("no health", MOTHER, Action.HEALTH, BOX, "role.action"),
        case("no pause", MOTHER, Action.PAUSE, class_(), "role.action"),
        case("who saw my class", MOTHER, Action.AUDIT, class_(), "role.guardian", sharing_stopped=True),
        case("not who saw another", MOTHER, Action.AUDIT, class_(CHOI), "not_found"),
        case("my child's consent", MOTHER, Action.PEOPLE, child, "own_child"),
        case("not another child's", MOTHER, Action.PEOPLE, ObjectRef(ObjectKind.CHILD, CHILD2), "not_found"),
        case("my own devices", MOTHER, Action.PEOPLE, person(MOTHER), "self"),
        case("not another's", MOTHER, Action.PEOPLE, person(OTHER), "not_found"),
        case("everyone's own devices", OBSERVER, Action.PEOPLE, person(OBSERVER), "self"),
        case("a teacher's own", TEACHER, Action.PEOPLE, person(TEACHER), "self"),
        case("an authority's own", AUTHORITY, Action.PEOPLE, person(AUTHORITY), "self"),
        case("an authority not another's", AUTHORITY, Action.PEOPLE, person(MOTHER), "not_found"),
        case("an installer not another's", INSTALLER, Action.PEOPLE, person(MOTHER), "not_found"),
        case("a principal everyone's", PRINCIPAL, Action.PEOPLE, person(MOTHER), "role.principal"),
        case("the other family's class", OTHER, LIVE, camera(), "not_found"),
        case("its own", OTHER, LIVE, camera(CAM2), "role.guardian", until_ms=NAP),
    ]


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


def all_cases() -> list[Case]:
    return [*guardian_cases(), *staff_cases(), *shifted_cases()]


CASES = all_cases()


def check(decide: Decide) -> None:
    """Raise AssertionError at the first case answered otherwise."""
    for item in CASES:
        got = short(decide(item.facts, item.person, item.action, item.obj, item.now_ms))
        assert got == item.expected, f"{item.name}: {got} instead of {item.expected}"
