"""Rights built so that they hold, then one leg broken; answers compared with a second, naive judge."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Callable
from typing import Any, TypeAlias

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gateway.access.ask import Asking
from gateway.access.facts import (
    EVERY_DAY,
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
    Span,
    StaffNotice,
    Teaching,
    Window,
)
from gateway.access.instants import HORIZON_DAYS
from gateway.access.noticerules import NOTICE_VERSION
from gateway.access.policy import decide
from gateway.core.model import Action, PublicId, Role
from tests.fakes.school import (
    CAM,
    CAM2,
    CHILD,
    CHILD2,
    CHOI,
    DAY,
    MAM,
    MATE,
    MINUTE,
    MOTHER,
    NOW,
    OTHER,
    TEACHER,
    ZONE,
    camera,
    facts,
)

RULES = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
NOON = NOW + 3 * 60 * MINUTE
LOCAL = dt.datetime.fromtimestamp(NOW // 1000, dt.timezone(dt.timedelta(hours=7)))
TODAY, MINUTE_NOW = LOCAL.weekday(), LOCAL.hour * 60 + LOCAL.minute

Draw: TypeAlias = Callable[[st.SearchStrategy[Any]], Any]


def holds(span: Span, t: int) -> bool:
    """The naive reading of a span."""
    return span.since_ms <= t and not (span.until_ms is not None and t >= span.until_ms)


def judge(f: Facts, who: PublicId, cam: PublicId, t: int) -> bool:
    """A second opinion on "may this guardian see this camera live at t", written from the design's words."""
    local = dt.datetime.fromtimestamp(t // 1000, dt.timezone(dt.timedelta(hours=7)))
    day = next((d for d in f.days if d.date == local.date()), None)
    weekday = local.weekday() if day is None or day.as_weekday is None else day.as_weekday
    minute = local.hour * 60 + local.minute
    if not (f.clock_trusted and f.accepted) or f.sharing_stopped or (day is not None and not day.open):
        return False
    if cam not in f.cameras or any(p.camera == cam and holds(p, t) for p in f.privacies):
        return False
    if not any(p.id == who and p.role is Role.GUARDIAN and not p.disabled for p in f.persons):
        return False
    shown = {c.class_id for c in f.class_cameras if c.camera == cam and holds(c, t)}
    agreed = {c.child for c in f.consents if c.purpose is Purpose.VIEW and holds(c, t)}
    mine = {g.child for g in f.guardians if g.person == who and holds(g, t)}
    if not any(e.child in mine & agreed and e.class_id in shown and holds(e, t) for e in f.enrolments):
        return False
    for k in shown:
        settled = agreed | {r.child for r in f.resolutions if r.class_id == k and holds(r, t)}
        if {e.child for e in f.enrolments if e.class_id == k and holds(e, t)} - settled:
            return False
        if any(p.class_id == k and holds(p, t) for p in f.pauses):
            return False
        if not any(w.class_id == k and weekday in w.days and w.start_min <= minute < w.end_min for w in f.windows):
            return False
        now = [b for b in f.blocks if b.class_id == k and weekday in b.days and b.start_min <= minute < b.end_min]
        bad = {BlockKind.NAP, BlockKind.TOILET, BlockKind.CHANGING}
        if not now or any(b.kind in bad or not b.guardian_visible for b in now):
            return False
    return True


past = st.integers(0, 5 * DAY).map(lambda n: NOW - n)
future = st.none() | st.integers(1, 5 * DAY).map(lambda n: NOW + n)
days_with_today = st.sets(st.integers(0, 6)).map(lambda days: frozenset(days | {TODAY}))


def over(draw: Draw) -> dict[str, Any]:
    return {"since_ms": draw(past), "until_ms": draw(future)}


@st.composite
def good(draw: Draw) -> Facts:
    """A school in which the mother sees her class now, with noise that must not matter."""
    start, end = draw(st.integers(0, MINUTE_NOW)), draw(st.integers(MINUTE_NOW + 1, 1440))
    first, last = draw(st.integers(0, MINUTE_NOW)), draw(st.integers(MINUTE_NOW + 1, 1440))
    settled = draw(st.booleans())
    return facts(
        persons=(Person(MOTHER, Role.GUARDIAN), Person(OTHER, Role.GUARDIAN), Person(TEACHER, Role.TEACHER)),
        staff_notices=(StaffNotice(person=TEACHER, version=NOTICE_VERSION, since_ms=draw(past)),),
        guardians=(
            Guardian(person=MOTHER, child=CHILD, **over(draw)),
            *draw(
                st.sets(
                    st.sampled_from(
                        (Guardian(person=OTHER, child=CHILD), Guardian(person=MOTHER, child=MATE, until_ms=NOW))
                    )
                )
            ),
        ),
        enrolments=(
            Enrolment(child=CHILD, class_id=MAM, **over(draw)),
            Enrolment(child=MATE, class_id=MAM, **over(draw)),
            *draw(
                st.sets(
                    st.sampled_from(
                        (Enrolment(child=CHILD2, class_id=CHOI), Enrolment(child=CHILD2, class_id=MAM, until_ms=NOW))
                    )
                )
            ),
        ),
        class_cameras=(ClassCamera(camera=CAM, class_id=MAM, **over(draw)), ClassCamera(camera=CAM2, class_id=CHOI)),
        consents=(
            Consent(child=CHILD, purpose=Purpose.VIEW, **over(draw)),
            Consent(child=MATE, purpose=Purpose.RECORD if settled else Purpose.VIEW, **over(draw)),
        ),
        resolutions=(Resolution(child=MATE, class_id=MAM, **over(draw)),) if settled else (),
        windows=(Window(MAM, draw(days_with_today), start, end),),
        blocks=(Block(MAM, draw(days_with_today), first, last, BlockKind.MEAL, guardian_visible=True),),
        pauses=tuple(draw(st.sets(st.sampled_from((Pause(class_id=CHOI), Pause(class_id=MAM, until_ms=NOW)))))),
        privacies=tuple(draw(st.sets(st.sampled_from((Privacy(camera=CAM2), Privacy(camera=CAM, until_ms=NOW)))))),
    )


def replace_all(field: str, **change: Any) -> Callable[[Facts], Facts]:
    def run(f: Facts) -> Facts:
        rows: Any = tuple(dataclasses.replace(row, **change) for row in getattr(f, field))
        fields: dict[str, Any] = {field: rows}
        return dataclasses.replace(f, **fields)

    return run


def set_to(**change: Any) -> Callable[[Facts], Facts]:
    return lambda f: dataclasses.replace(f, **change)


BREAKS: dict[str, Callable[[Facts], Facts]] = {
    "person disabled": set_to(persons=(Person(MOTHER, Role.GUARDIAN, True),)),
    "another role": set_to(persons=(Person(MOTHER, Role.OBSERVER),)),
    "no person": set_to(persons=()),
    "no tie": set_to(guardians=()),
    "tie ended": replace_all("guardians", until_ms=NOW),
    "tie not yet": replace_all("guardians", since_ms=NOW + 1),
    "tie of another": replace_all("guardians", person=OTHER),
    "child left": replace_all("enrolments", until_ms=NOW),
    "child moved": replace_all("enrolments", class_id=CHOI),
    "child not yet": replace_all("enrolments", since_ms=NOW + 1),
    "consent withdrawn": replace_all("consents", until_ms=NOW),
    "consent not yet": replace_all("consents", since_ms=NOW + 1),
    "consent for recording": replace_all("consents", purpose=Purpose.RECORD),
    "a new child without answer": lambda f: dataclasses.replace(
        f, enrolments=(*f.enrolments, Enrolment(child=CHILD2, class_id=MAM, since_ms=NOW))
    ),
    "camera moved": replace_all("class_cameras", class_id=CHOI),
    "camera unassigned": replace_all("class_cameras", until_ms=NOW),
    "camera removed": set_to(cameras=frozenset({CAM2})),
    "a second class shares the camera": lambda f: dataclasses.replace(
        f, class_cameras=(*f.class_cameras, ClassCamera(camera=CAM, class_id=CHOI))
    ),
    "paused": set_to(pauses=(Pause(class_id=MAM, since_ms=NOW, until_ms=NOW + 1),)),
    "private": set_to(privacies=(Privacy(camera=CAM, since_ms=NOW, until_ms=NOW + 1),)),
    "stopped": set_to(sharing_stopped=True),
    "not accepted": set_to(accepted=False),
    "clock": set_to(clock_trusted=False),
    "holiday": set_to(days=(CalendarDay(LOCAL.date(), open=False),)),
    "wrong day": replace_all("windows", days=EVERY_DAY - {TODAY}),
    "runs like another day": lambda f: dataclasses.replace(
        f,
        days=(CalendarDay(LOCAL.date(), open=True, as_weekday=(TODAY + 1) % 7),),
        windows=tuple(dataclasses.replace(row, days=frozenset({TODAY})) for row in f.windows),
    ),
    "too late": replace_all("windows", start_min=0, end_min=MINUTE_NOW),
    "too early": replace_all("windows", start_min=MINUTE_NOW + 1, end_min=1440),
    "no window": set_to(windows=()),
    "no plan": set_to(blocks=()),
    "plan later": replace_all("blocks", start_min=MINUTE_NOW + 1, end_min=1440),
    "plan of another day": replace_all("blocks", days=EVERY_DAY - {TODAY}),
    "hidden block": replace_all("blocks", guardian_visible=False),
    "nap": replace_all("blocks", kind=BlockKind.NAP),
    "toilet": replace_all("blocks", kind=BlockKind.TOILET),
    "changing": replace_all("blocks", kind=BlockKind.CHANGING),
    "a nap beside what may be seen": lambda f: dataclasses.replace(
        f, blocks=(*f.blocks, Block(MAM, EVERY_DAY, 0, 1440, BlockKind.NAP, guardian_visible=True))
    ),
    "the other guardian said no": lambda f: dataclasses.replace(
        f, consents=(*f.consents, Consent(child=CHILD, purpose=Purpose.VIEW, given=False))
    ),
    "a mate's family said no": lambda f: dataclasses.replace(
        f, consents=(*f.consents, Consent(child=MATE, purpose=Purpose.VIEW, given=False)), resolutions=()
    ),
    "no notice": set_to(staff_notices=()),
    "notice not yet": replace_all("staff_notices", since_ms=NOW + 1),
    "another notice": replace_all("staff_notices", version="0"),
    "a second teacher": lambda f: dataclasses.replace(
        f,
        persons=(*f.persons, Person(CHILD2, Role.TEACHER)),
        teachings=(*f.teachings, Teaching(person=CHILD2, class_id=MAM, since_ms=NOW)),
    ),
    "at the school only": set_to(rules=(ClassRules(MAM, on_site_only=True),)),
    "no minutes": set_to(rules=(ClassRules(MAM, daily_minutes=0),)),
    "first days over": lambda f: dataclasses.replace(
        replace_all("enrolments", since_ms=NOW - 9 * DAY)(f), rules=(ClassRules(MAM, adaptation_days=9),)
    ),
}


def ask(f: Facts, t: int = NOW, who: PublicId = MOTHER, cam: PublicId = CAM) -> Any:
    return decide(f, who, Action.LIVE, camera(cam), t)


@RULES
@given(good(), st.sampled_from(sorted(BREAKS)))
def test_one_broken_leg_refuses(f: Facts, leg: str) -> None:
    """What is allowed by construction is refused as soon as any single leg is missing."""
    assert ask(f).allowed
    assert not ask(BREAKS[leg](f)).allowed, leg


@RULES
@given(good())
def test_an_ended_login_refuses(f: Facts) -> None:
    """Whatever the facts allow, a login or device that is over gets nothing, without any time."""
    answer = decide(f, MOTHER, Action.LIVE, camera(), NOW, Asking(over="session.ended"))
    assert (answer.allowed, answer.reason, answer.until_ms, answer.next_ms) == (False, "session.ended", None, None)


@RULES
@given(good())
def test_until_is_safe_and_tight(f: Facts) -> None:
    """The right holds all the way to `until_ms` and not at it, unless that is the search's horizon."""
    decision = ask(f)
    assert decision.until_ms > NOW
    for step in range(20):
        assert judge(f, MOTHER, CAM, NOW + (decision.until_ms - NOW) * step // 20)
    assert judge(f, MOTHER, CAM, decision.until_ms - 1)
    if decision.until_ms != NOW + HORIZON_DAYS * DAY:
        assert not judge(f, MOTHER, CAM, decision.until_ms)
        assert not ask(f, decision.until_ms).allowed


@RULES
@given(good())
def test_never_another_person_or_class(f: Facts) -> None:
    """A stranger sees nothing of the class, the mother nothing of another class."""
    f = dataclasses.replace(f, guardians=tuple(row for row in f.guardians if row.person == MOTHER))
    assert ask(f, who=OTHER).reason == "not_found"
    assert ask(f, cam=CAM2).reason == "not_found"


@RULES
@given(good(), st.sampled_from([action for action in Action if action not in {Action.LIVE, Action.SNAPSHOT}]))
def test_guardians_get_live_pictures_only(f: Facts, action: Action) -> None:
    """Nothing but live and stills of a camera is ever allowed to a guardian."""
    assert not decide(f, MOTHER, action, camera(), NOW).allowed


people = st.sampled_from((MOTHER, OTHER))
children = st.sampled_from((CHILD, CHILD2, MATE))
classes = st.sampled_from((MAM, CHOI))
cameras = st.sampled_from((CAM, CAM2))
weekdays = st.frozensets(st.integers(0, 6), min_size=1)
hours = (
    st.tuples(st.integers(0, 23), st.integers(1, 24))
    .filter(lambda p: p[0] < p[1])
    .map(lambda p: (p[0] * 60, p[1] * 60))
)
instant = st.integers(-6, 30).map(lambda n: NOW + n * 12 * 60 * MINUTE + (n % 5) * 7 * MINUTE)


@st.composite
def soup(draw: Draw) -> Facts:
    """Any facts at all, mostly meaningless."""

    def some(make: Callable[[], Any], most: int = 3) -> tuple[Any, ...]:
        return tuple(make() for _ in range(draw(st.integers(0, most))))

    def span() -> dict[str, Any]:
        return {"since_ms": draw(st.just(0) | instant), "until_ms": draw(st.none() | instant)}

    usual = draw(st.booleans())
    everyone = tuple(Consent(child=child, purpose=Purpose.VIEW) for child in (CHILD, CHILD2, MATE)) if usual else ()
    return facts(
        persons=(Person(MOTHER, Role.GUARDIAN), Person(OTHER, Role.GUARDIAN, draw(st.booleans()))),
        guardians=(
            Guardian(person=MOTHER, child=CHILD),
            *some(lambda: Guardian(person=draw(people), child=draw(children), **span())),
        ),
        enrolments=(
            Enrolment(child=CHILD, class_id=MAM),
            *some(lambda: Enrolment(child=draw(children), class_id=draw(classes), **span())),
        ),
        class_cameras=(
            ClassCamera(camera=CAM, class_id=MAM),
            *some(lambda: ClassCamera(camera=draw(cameras), class_id=draw(classes), **span()), 2),
        ),
        consents=(
            *everyone,
            *some(lambda: Consent(child=draw(children), purpose=draw(st.sampled_from(Purpose)), **span()), 5),
        ),
        resolutions=some(lambda: Resolution(child=draw(children), class_id=draw(classes), **span())),
        pauses=some(lambda: Pause(class_id=draw(classes), **span()), 1),
        privacies=some(lambda: Privacy(camera=draw(cameras), **span()), 1),
        days=tuple(
            {
                d.date: d
                for d in some(
                    lambda: CalendarDay(
                        LOCAL.date() + dt.timedelta(days=draw(st.integers(0, 6))),
                        draw(st.booleans()),
                        draw(st.none() | st.integers(0, 6)),
                    )
                )
            }.values()
        ),
        windows=tuple(Window(draw(classes), draw(weekdays), *draw(hours)) for _ in range(draw(st.integers(1, 4)))),
        blocks=(
            *(Block(k, EVERY_DAY, 0, 1440, BlockKind.LESSON, guardian_visible=True) for k in (MAM, CHOI) if usual),
            *some(
                lambda: Block(
                    draw(classes),
                    draw(weekdays),
                    start_min=(span_of_day := draw(hours))[0],
                    end_min=span_of_day[1],
                    kind=draw(st.sampled_from(BlockKind)),
                    guardian_visible=draw(st.booleans()),
                )
            ),
        ),
    )


@RULES
@given(soup(), instant, people, cameras)
def test_soup_is_judged_alike(f: Facts, t: int, who: PublicId, cam: PublicId) -> None:
    """For any facts at any instant, the policy and the naive judge agree."""
    assert ask(f, t, who, cam).allowed == judge(f, who, cam, t)


@RULES
@given(soup(), instant)
def test_next_is_the_first_time_it_opens(f: Facts, t: int) -> None:
    """A refusal's `next_ms` is when the judge first says yes: never earlier, and not missed within two weeks."""
    decision = ask(f, t)
    assume(not decision.allowed and decision.reason not in {"not_found", "person.disabled"})
    end = decision.next_ms or t + HORIZON_DAYS * DAY
    for at in range(t, end, 17 * MINUTE):
        assert not judge(f, MOTHER, CAM, at)
    if decision.next_ms is not None:
        assert judge(f, MOTHER, CAM, decision.next_ms)
        assert not judge(f, MOTHER, CAM, decision.next_ms - 1)


def test_the_judge_and_the_policy_use_one_zone() -> None:
    """The judge's fixed +07:00 is what the site's zone means in 2026."""
    assert dt.datetime.fromtimestamp(NOON // 1000, ZONE).utcoffset() == dt.timedelta(hours=7)
