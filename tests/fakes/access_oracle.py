"""A second opinion on "may this person see this camera live now", written from the design's words alone.

Owns `sees` and how any facts at all are made up from a source of chance. It shares no code with the policy: spans,
hours and days are read naively, one row after the other. Slow and plain on purpose.
"""

from __future__ import annotations

import datetime as dt
import random
from typing import Any

from gateway.access.ask import Asking
from gateway.access.facts import (
    Block,
    BlockKind,
    CalendarDay,
    ClassCamera,
    ClassRules,
    Consent,
    Enrolment,
    Facts,
    Guardian,
    Observation,
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
from gateway.access.noticerules import NOTICE_VERSION
from gateway.core.model import PublicId, Role
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
    OTHER,
    TEACHER,
    facts,
)

HANOI = dt.timezone(dt.timedelta(hours=7))
SEES_ALL = (Role.PRINCIPAL, Role.VICE_PRINCIPAL)
SLEEP_AND_CARE = ("nap", "toilet", "changing")


def on(row: Span, t: int) -> bool:
    """Whether something dated is so at t."""
    if t < row.since_ms:
        return False
    return row.until_ms is None or t < row.until_ms


def clock_of(t: int) -> tuple[dt.date, int]:
    """The date and the minute on the classroom's wall."""
    wall = dt.datetime.fromtimestamp(t // 1000, HANOI)
    return wall.date(), 60 * wall.hour + wall.minute


def sees(f: Facts, who: PublicId, cam: PublicId, t: int, how: Asking) -> bool:
    """Whether the person may see the camera live at t."""
    if how.over is not None:
        return False
    persons = [p for p in f.persons if p.id == who]
    if not persons or persons[0].disabled or cam not in f.cameras:
        return False
    if any(p.camera == cam and on(p, t) for p in f.privacies):
        return False
    shown = {c.class_id for c in f.class_cameras if c.camera == cam and on(c, t)}
    role = persons[0].role
    if role in SEES_ALL:
        return True
    if role is Role.TEACHER:
        return any(row.person == who and row.class_id in shown and on(row, t) for row in f.teachings)
    if role not in {Role.GUARDIAN, Role.OBSERVER} or not shown:
        return False
    if not f.clock_trusted or f.sharing_stopped or not f.accepted:
        return False
    if role is Role.OBSERVER:
        return all(observed(f, who, k, t) for k in shown)
    return guarded(f, who, shown, t, how)


def told(f: Facts, k: PublicId, t: int) -> bool:
    """Whether every teacher of the class who works here has signed today's text of the notice."""
    for row in f.teachings:
        if row.class_id == k and on(row, t):
            works = any(p.id == row.person and p.role is Role.TEACHER and not p.disabled for p in f.persons)
            signed = any(n.person == row.person and n.version == NOTICE_VERSION and on(n, t) for n in f.staff_notices)
            if works and not signed:
                return False
    return True


def asleep(f: Facts, k: PublicId, t: int) -> bool:
    """Whether the class sleeps or is cared for."""
    return any(str(b.kind) in SLEEP_AND_CARE for b in running(f.blocks, f, k, t))


def running(rows: Any, f: Facts, k: PublicId, t: int) -> list[Any]:
    """The windows or blocks of a class that run at t; none on a closed day."""
    date, minute = clock_of(t)
    weekday = date.weekday()
    for special in f.days:
        if special.date == date:
            if not special.open:
                return []
            weekday = weekday if special.as_weekday is None else special.as_weekday
    return [r for r in rows if r.class_id == k and weekday in r.days and r.start_min <= minute < r.end_min]


def observed(f: Facts, who: PublicId, k: PublicId, t: int) -> bool:
    """Whether a guest may see the class."""
    if not any(o.person == who and o.class_id == k and o.assented and on(o, t) for o in f.observations):
        return False
    return not asleep(f, k, t) and answered(f, k, t, Purpose.OBSERVE)


def answered(f: Facts, k: PublicId, t: int, purpose: Purpose) -> bool:
    """Whether every child of the class has a yes for the purpose, or (not for guests) the principal settled it."""
    for e in f.enrolments:
        if e.class_id == k and on(e, t) and not agreed(f, e.child, t, purpose):
            settled = any(r.child == e.child and r.class_id == k and on(r, t) for r in f.resolutions)
            if purpose is Purpose.OBSERVE or not settled:
                return False
    return True


def agreed(f: Facts, child: PublicId, t: int, purpose: Purpose) -> bool:
    """Whether somebody of the family said yes and nobody no."""
    said = {c.given for c in f.consents if c.child == child and c.purpose is purpose and on(c, t)}
    return said == {True}


def guarded(f: Facts, who: PublicId, shown: set[PublicId], t: int, how: Asking) -> bool:
    """Whether a guardian may see the classes of a camera."""
    mine = {g.child for g in f.guardians if g.person == who and on(g, t)}
    known = {child for child in mine if agreed(f, child, t, Purpose.VIEW)}
    here = [e for e in f.enrolments if e.child in known and e.class_id in shown and on(e, t)]
    return bool(here) and all(class_open(f, k, here, t, how) for k in shown)


def class_open(f: Facts, k: PublicId, here: list[Enrolment], t: int, how: Asking) -> bool:
    """Whether a class is open to a guardian whose children's places are `here`."""
    if any(p.class_id == k and on(p, t) for p in f.pauses) or not answered(f, k, t, Purpose.VIEW):
        return False
    if not told(f, k, t):
        return False
    plan = running(f.blocks, f, k, t)
    if not running(f.windows, f, k, t) or not plan or asleep(f, k, t) or not all(b.guardian_visible for b in plan):
        return False
    for rule in f.rules:
        if rule.class_id != k:
            continue
        if rule.on_site_only and not how.on_site:
            return False
        if rule.daily_minutes is not None and watched(how.viewed, t) >= rule.daily_minutes * MINUTE:
            return False
        if rule.adaptation_days is not None:
            today = clock_of(t)[0]
            joined = [clock_of(e.since_ms)[0] for e in here if e.class_id == k]
            if not any((today - day).days < rule.adaptation_days for day in joined):
                return False
    return True


def watched(viewed: tuple[Span, ...], t: int) -> int:
    """The milliseconds watched on the day of t, up to t."""
    midnight = (t + 7 * HOUR) // DAY * DAY - 7 * HOUR
    return sum(max(0, min(t, t if v.until_ms is None else v.until_ms) - max(v.since_ms, midnight)) for v in viewed)


# any school at all

PEOPLE = (MOTHER, OTHER)
CHILDREN, CLASSES, CAMERAS = (CHILD, CHILD2, MATE), (MAM, CHOI), (CAM, CAM2)


class Chance:
    """Makes up facts that hold often enough to be worth asking about."""

    def __init__(self, source: random.Random) -> None:
        self.r = source

    def often(self, share: float) -> bool:
        return self.r.random() < share

    def instant(self) -> int:
        return NOW + self.r.choice((-2, -1, 1, 2)) * self.r.choice((1, MINUTE, HOUR, DAY)) * self.r.randint(0, 9)

    def span(self) -> dict[str, Any]:
        """Mostly a span that holds now."""
        since_ms = self.instant() if self.often(0.3) else NOW - self.r.randint(0, 9) * DAY
        until_ms = self.instant() if self.often(0.25) else None
        return {"since_ms": since_ms, "until_ms": until_ms}

    def some(self, make: Any, most: int) -> tuple[Any, ...]:
        return tuple(make() for _ in range(self.r.randint(0, most)))

    def days(self) -> frozenset[int]:
        return frozenset(range(7)) if self.often(0.7) else frozenset({self.r.randrange(7)})

    def minutes(self) -> tuple[int, int]:
        if self.often(0.5):
            return 0, 1440
        start = self.r.randrange(0, 1440, 30)
        return start, self.r.randrange(start + 30, 1441, 30)

    def block(self, k: PublicId) -> Block:
        kind = BlockKind.LESSON if self.often(0.85) else self.r.choice(list(BlockKind))
        return Block(k, self.days(), *self.minutes(), kind, guardian_visible=self.often(0.9))

    def facts(self, role: Role) -> Facts:
        r, often = self.r, self.often
        return facts(
            clock_trusted=often(0.95),
            accepted=often(0.95),
            sharing_stopped=often(0.05),
            cameras=frozenset(CAMERAS if often(0.95) else (CAM2,)),
            persons=(
                Person(MOTHER, role, often(0.03)),
                Person(OTHER, Role.GUARDIAN),
                Person(TEACHER, Role.TEACHER, often(0.1)),
            ),
            guardians=(
                *((Guardian(person=MOTHER, child=CHILD, **self.span()),) if often(0.9) else ()),
                *self.some(lambda: Guardian(person=r.choice(PEOPLE), child=r.choice(CHILDREN), **self.span()), 2),
            ),
            enrolments=(
                Enrolment(child=CHILD, class_id=MAM, **self.span()),
                *self.some(lambda: Enrolment(child=r.choice(CHILDREN), class_id=r.choice(CLASSES), **self.span()), 3),
            ),
            class_cameras=(
                ClassCamera(camera=CAM, class_id=MAM, **self.span()),
                *self.some(lambda: ClassCamera(camera=r.choice(CAMERAS), class_id=r.choice(CLASSES), **self.span()), 1),
            ),
            consents=tuple(
                Consent(child=child, purpose=purpose, given=often(0.9), **self.span())
                for child in CHILDREN
                for purpose in Purpose
                if often(0.9)
            ),
            resolutions=self.some(
                lambda: Resolution(child=r.choice(CHILDREN), class_id=r.choice(CLASSES), **self.span()), 2
            ),
            teachings=(
                *self.some(lambda: Teaching(person=MOTHER, class_id=r.choice(CLASSES), **self.span()), 2),
                *self.some(lambda: Teaching(person=TEACHER, class_id=r.choice(CLASSES), **self.span()), 1),
            ),
            staff_notices=(
                *((StaffNotice(person=MOTHER, version=NOTICE_VERSION),) if often(0.9) else ()),
                *((self.notice(),) if often(0.9) else ()),
            ),
            pauses=self.some(lambda: Pause(class_id=r.choice(CLASSES), **self.span()), 1) if often(0.2) else (),
            privacies=self.some(lambda: Privacy(camera=r.choice(CAMERAS), **self.span()), 1) if often(0.2) else (),
            observations=self.some(
                lambda: Observation(person=MOTHER, class_id=r.choice(CLASSES), assented=often(0.8), **self.span()), 3
            ),
            rules=tuple(self.rule(k) for k in CLASSES if often(0.3)),
            days=(CalendarDay(clock_of(NOW)[0], often(0.7), r.choice((None, r.randrange(7)))),) if often(0.2) else (),
            windows=tuple(Window(k, self.days(), *self.minutes()) for k in CLASSES for _ in range(r.choice((1, 1, 2)))),
            blocks=tuple(self.block(k) for k in CLASSES for _ in range(r.choice((1, 1, 2)))),
        )

    def notice(self) -> StaffNotice:
        version = NOTICE_VERSION if self.often(0.95) else "0"
        return StaffNotice(person=TEACHER, version=version, since_ms=self.instant() if self.often(0.3) else 0)

    def rule(self, k: PublicId) -> ClassRules:
        r = self.r
        return ClassRules(k, self.often(0.3), r.choice((None, 0, 30, 600)), r.choice((None, 1, 3, 300)))

    def asking(self) -> Asking:
        def viewed() -> Span:
            since_ms = NOW - self.r.randint(0, 30 * 60) * MINUTE
            return Span(since_ms=since_ms, until_ms=min(NOW, since_ms + self.r.randint(0, 60) * MINUTE))

        over = "session.ended" if self.often(0.03) else None
        return Asking(self.often(0.5), over, self.some(viewed, 3))
