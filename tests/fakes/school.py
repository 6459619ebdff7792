"""A small school as facts: two classes, two families, one of each role; Thursday 09:00, all doors open."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from gateway.access.facts import (
    SCHOOL_WEEK,
    Block,
    BlockKind,
    ClassCamera,
    Consent,
    Enrolment,
    Facts,
    Guardian,
    Person,
    Purpose,
    StaffNotice,
    Teaching,
    Window,
)
from gateway.access.noticerules import NOTICE_VERSION
from gateway.core.model import Decision, ObjectKind, ObjectRef, PublicId, Role

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def local(day: int, hour: int, minute: int = 0, *, month: int = 11, zone: ZoneInfo = ZONE) -> int:
    """UTC ms of a local time in November 2026."""
    return int(dt.datetime(2026, month, day, hour, minute, tzinfo=zone).timestamp()) * 1000


NOW = local(19, 9)
"""Thursday 2026-11-19, 09:00 in Việt Nam."""


def pid(name: str) -> PublicId:
    """A readable id of the right length: 'mai' -> 'maiaaaaaaaaaaaaa'."""
    return PublicId(name.ljust(16, "a"))


PRINCIPAL, DEPUTY, VICE, TEACHER, OBSERVER, AUTHORITY, INSTALLER = map(
    pid, ("principal", "deputy", "vice", "teacher", "observer", "authority", "installer")
)
MOTHER, OTHER = pid("mother"), pid("other")
CHILD, CHILD2, MATE = pid("child"), pid("otherchild"), pid("mate")
MAM, CHOI = pid("mam"), pid("choi")
CAM, CAM2, GATE = pid("cam"), pid("camtwo"), pid("gate")


def camera(name: PublicId = CAM) -> ObjectRef:
    return ObjectRef(ObjectKind.CAMERA, name)


def class_(name: PublicId = MAM) -> ObjectRef:
    return ObjectRef(ObjectKind.CLASS, name)


def person(name: PublicId) -> ObjectRef:
    return ObjectRef(ObjectKind.PERSON, name)


def plan(class_id: PublicId) -> tuple[Block, ...]:
    blocks = (
        (7 * 60, 11 * 60 + 30, BlockKind.LESSON, True),
        (11 * 60 + 30, 14 * 60, BlockKind.NAP, False),
        (14 * 60, 14 * 60 + 30, BlockKind.CHANGING, False),
        (14 * 60 + 30, 16 * 60, BlockKind.LESSON, True),
        (16 * 60, 16 * 60 + 15, BlockKind.OTHER, False),
        (16 * 60 + 15, 17 * 60, BlockKind.LEAVING, True),
    )
    return tuple(Block(class_id, SCHOOL_WEEK, start, end, kind, seen) for start, end, kind, seen in blocks)


def facts(**changes: Any) -> Facts:
    """The school; every field may be replaced."""
    base = Facts(
        version=1,
        zone=ZONE,
        clock_trusted=True,
        accepted=True,
        persons=(
            Person(PRINCIPAL, Role.PRINCIPAL),
            Person(DEPUTY, Role.PRINCIPAL),
            Person(VICE, Role.VICE_PRINCIPAL),
            Person(TEACHER, Role.TEACHER),
            Person(OBSERVER, Role.OBSERVER),
            Person(AUTHORITY, Role.AUTHORITY_IT),
            Person(INSTALLER, Role.INSTALLER),
            Person(MOTHER, Role.GUARDIAN),
            Person(OTHER, Role.GUARDIAN),
        ),
        cameras=frozenset({CAM, CAM2, GATE}),
        classes=frozenset({MAM, CHOI}),
        children=frozenset({CHILD, CHILD2, MATE}),
        guardians=(Guardian(person=MOTHER, child=CHILD), Guardian(person=OTHER, child=CHILD2)),
        enrolments=(
            Enrolment(child=CHILD, class_id=MAM),
            Enrolment(child=MATE, class_id=MAM),
            Enrolment(child=CHILD2, class_id=CHOI),
        ),
        teachings=(Teaching(person=TEACHER, class_id=MAM),),
        staff_notices=(StaffNotice(person=TEACHER, version=NOTICE_VERSION),),
        class_cameras=(ClassCamera(camera=CAM, class_id=MAM), ClassCamera(camera=CAM2, class_id=CHOI)),
        consents=tuple(Consent(child=child, purpose=Purpose.VIEW) for child in (CHILD, CHILD2, MATE)),
        windows=(
            Window(MAM, SCHOOL_WEEK, 8 * 60, 10 * 60),
            Window(MAM, SCHOOL_WEEK, 10 * 60 + 30, 16 * 60 + 30),
            Window(CHOI, SCHOOL_WEEK, 8 * 60, 16 * 60 + 30),
        ),
        blocks=plan(MAM) + plan(CHOI),
    )
    return dataclasses.replace(base, **changes)


def short(decision: Decision) -> tuple[bool, str, int | None, int | None]:
    return decision.allowed, str(decision.reason), decision.until_ms, decision.next_ms
