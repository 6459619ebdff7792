"""The lists pages show: cameras for staff, classes for guardians.

Owns how facts and names become `KnownCamera` and `ClassDay`. Invariants: lists are built from what the
policy lets the person know, not filtered afterwards; a guardian's list holds own children's classes only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from gateway.access import classday, localtime
from gateway.access.facts import Block, Facts, Window
from gateway.access.grants import Grants
from gateway.access.reasons import Reason
from gateway.access.store import FactStore
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, PublicId, Role
from gateway.roofs.names import Names
from gateway.roofs.web_ports import FACELESS, RightsPort
from web.caller import Caller
from web.services import ClassDay, DayBlock, KnownCamera

PAUSED = frozenset(
    {
        Reason.CLASS_PAUSED,
        Reason.CLASS_NOT_OPEN,
        Reason.STAFF_NOTICE,
        Reason.SHARING_STOPPED,
        Reason.CAMERA_PRIVATE,
        Reason.NOT_ACCEPTED,
        Reason.CLOCK_UNTRUSTED,
    }
)
"""What hides a class by somebody's doing or lack of it; everything else is the hour."""


class ListedRights(RightsPort):
    """`web.services.Rights`, whole."""

    def __init__(self, store: FactStore, grants: Grants, names: Names) -> None:
        super().__init__(store, grants)
        self._names = names

    def cameras(self, caller: Caller) -> Sequence[KnownCamera]:
        """Return the cameras whose picture a person may ask for: by class name, common areas last."""
        known = [self._camera(camera) for camera in self._store.current.cameras if self._visible(caller, camera)]
        return sorted(known, key=lambda item: (item.class_id is None, item.place, item.id))

    def _visible(self, caller: Caller, camera: PublicId) -> bool:
        """Say whether somebody may ask for its picture at all: names and classes are not for those who mend it."""
        return self.decide(caller, Action.LIVE, ObjectRef(ObjectKind.CAMERA, camera)).reason not in FACELESS

    def _camera(self, camera: PublicId) -> KnownCamera:
        row = self._names.class_of_camera(camera)
        if row is None:
            return KnownCamera(camera)
        group = row.name.rpartition(" ")[0] if row.name[-1:].isdigit() else row.name
        return KnownCamera(camera, row.name, row.id, group, self._sharing(camera))

    def _sharing(self, camera: PublicId) -> str:
        """Say whether guardians of the camera's classes see it now, for staff: open, closed or paused."""
        reason = hidden_by(self._store.current, camera, self._store.clock.now_ms())
        if reason is None:
            return "open"
        return "paused" if reason in PAUSED else "closed"

    def classes(self, caller: Caller) -> Sequence[ClassDay]:
        """Return the classes of a guardian's own children; siblings in one class are one entry."""
        if caller.role is not Role.GUARDIAN:
            return []
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        children: dict[PublicId, list[PublicId]] = {}
        for tie in facts.index.guardians_of_person.get(caller.person, ()):
            for enrolment in facts.index.enrolments_of_child.get(tie.child, ()):
                if tie.holds(now_ms) and enrolment.holds(now_ms):
                    here = children.setdefault(enrolment.class_id, [])
                    here.extend([tie.child] if tie.child not in here else [])
        return [self._day(caller, class_id, here, now_ms) for class_id, here in children.items()]

    def _day(self, caller: Caller, class_id: PublicId, children: Sequence[PublicId], now_ms: int) -> ClassDay:
        facts = self._store.current
        row = self._names.classes.get(class_id)
        cameras = tuple(
            link.camera
            for link in facts.class_cameras
            if link.class_id == class_id and link.holds(now_ms) and self._visible(caller, link.camera)
        )
        decisions = [self.decide(caller, Action.LIVE, ObjectRef(ObjectKind.CAMERA, camera)) for camera in cameras]
        nothing = Decision(False, Reason.WINDOW_NONE)
        named = (self._names.children.get(child) for child in children)
        date = localtime.moment(facts.zone, now_ms).date
        return ClassDay(
            class_id,
            row.name if row else "",
            ", ".join(child.name for child in named if child is not None),
            cameras,
            # One camera that is hidden must not hide the other ones of the class.
            next((item for item in decisions if item.allowed), decisions[0] if decisions else nothing),
            tuple(self._span(item, date) for item in self._today(facts.index.windows_of_class.get(class_id, ()), date)),
            tuple(
                DayBlock(*self._span(item, date), str(item.kind), item.guardian_visible)
                for item in self._today(facts.index.blocks_of_class.get(class_id, ()), date)
                if isinstance(item, Block)
            ),
        )

    def _today(self, rows: Sequence[Window | Block], date: dt.date) -> list[Window | Block]:
        day = self._store.current.index.days.get(date)
        if day is not None and not day.open:
            return []
        weekday = day.as_weekday if day is not None and day.as_weekday is not None else date.weekday()
        return sorted((row for row in rows if weekday in row.days), key=lambda row: row.start_min)

    def _span(self, row: Window | Block, date: dt.date) -> tuple[int, int]:
        midnight = localtime.midnight(self._store.current.zone, date)
        return midnight + row.start_min * 60_000, midnight + row.end_min * 60_000


def hidden_by(facts: Facts, camera: PublicId, at_ms: int) -> Reason | None:
    """Say why no guardian sees a camera at an instant, None if those of its classes do.

    For showing only: the policy decides, person by person, from the same rules.
    """
    if any(row.holds(at_ms) for row in facts.index.privacies_of_camera.get(camera, ())):
        return Reason.CAMERA_PRIVATE
    if not facts.clock_trusted:
        return Reason.CLOCK_UNTRUSTED
    if facts.sharing_stopped:
        return Reason.SHARING_STOPPED
    if not facts.accepted:
        return Reason.NOT_ACCEPTED
    classes = [row.class_id for row in facts.index.classes_of_camera.get(camera, ()) if row.holds(at_ms)]
    answers = (rule(facts, class_id, at_ms) for rule in classday.HIDDEN_BY for class_id in classes)
    return next((reason for reason in answers if reason is not None), None)
