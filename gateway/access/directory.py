"""Setting up a school in a few calls: for the command line, the demo and tests.

Owns nothing; it strings the changes of people, classes and children together. Invariants: every step is
decided and audited as its own change, so an interrupted set-up is continued, not repaired.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.classes import Hours, PlanItem, at, usual_plan
from gateway.access.facts import EVERY_DAY, BlockKind
from gateway.access.service import Access
from gateway.core.model import PublicId, Role


@dataclass(frozen=True, slots=True)
class Family:
    """A child and one guardian of it."""

    child: PublicId
    guardian: PublicId


def all_day() -> tuple[tuple[Hours, ...], tuple[PlanItem, ...]]:
    """Return windows and a plan that never close: for a demo at any hour, not for a school."""
    hours = Hours(at("00:00"), at("24:00"), EVERY_DAY)
    return (hours,), (PlanItem(hours, BlockKind.LESSON),)


def school_hours() -> tuple[tuple[Hours, ...], tuple[PlanItem, ...]]:
    """Return the viewing windows and the day plan that a school starts from."""
    return (Hours(at("07:30"), at("16:30")),), usual_plan()


async def add_class(
    access: Access,
    actor: Actor,
    name: str,
    cameras: Sequence[PublicId],
    hours: tuple[tuple[Hours, ...], tuple[PlanItem, ...]] | None = None,
) -> PublicId:
    """Make a class with its cameras (adopted ones), windows and day plan; BadInput, NotFound, Denied."""
    windows, plan = hours or school_hours()
    class_id = await access.classes.add(actor, name)
    for camera in cameras:
        await access.classes.assign(actor, camera, class_id)
    await access.classes.set_windows(actor, class_id, windows)
    await access.classes.set_plan(actor, class_id, plan)
    return class_id


async def add_family(
    access: Access, actor: Actor, class_id: PublicId, child: str, guardian: str, *, consent: bool = True
) -> Family:
    """Enrol a child with one guardian; `consent` says that the signed paper is there."""
    child_id = await access.children.add(actor, child, class_id)
    guardian_id = await access.people.add(actor, Role.GUARDIAN, guardian)
    await access.children.add_guardian(actor, guardian_id, child_id)
    if consent:
        await access.children.consent(actor, child_id)
    return Family(child_id, guardian_id)
