"""The lists pages show: cameras for staff, classes for guardians.

Owns how facts and names become `KnownCamera` and `ClassDay`. Invariants: lists are built from what the
policy lets the person know, not filtered afterwards; a guardian's list holds own children's classes only.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from gateway.access import localtime
from gateway.access.facts import Block, Window
from gateway.access.store import FactStore
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, PublicId, Role
from gateway.roofs.names import Names
from gateway.roofs.web_ports import RightsPort
from web.services import Caller, ClassDay, DayBlock, KnownCamera

PAUSED = frozenset({"class.paused", "class.not_open", "sharing.stopped", "camera.private", "box.not_accepted"})


class ListedRights(RightsPort):
    """`web.services.Rights`, whole."""

    def __init__(self, base: RightsPort, store: FactStore, names: Names) -> None:
        super().__init__(store, base._grants)
        self._names = names

    def cameras(self, caller: Caller) -> Sequence[KnownCamera]:
        """Return the cameras a person may know of: by class name, common areas last."""
        known = [self._camera(camera) for camera in self._store.current.cameras if self._visible(caller, camera)]
        return sorted(known, key=lambda item: (item.class_id is None, item.place, item.id))

    def _visible(self, caller: Caller, camera: PublicId) -> bool:
        return self.knows(caller, ObjectRef(ObjectKind.CAMERA, camera))

    def _camera(self, camera: PublicId) -> KnownCamera:
        row = self._names.class_of_camera(camera)
        if row is None:
            return KnownCamera(camera)
        group = row.name.rpartition(" ")[0] if row.name[-1:].isdigit() else row.name
        return KnownCamera(camera, row.name, row.id, group, self._sharing(row.id))

    def _sharing(self, class_id: PublicId) -> str:
        """Say whether the class's guardians see it now, from any guardian's decision."""
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        if facts.sharing_stopped:
            return "paused"
        if any(row.holds(now_ms) for row in facts.index.pauses_of_class.get(class_id, ())):
            return "paused"
        weekday, minute = self._local(now_ms)
        windows = facts.index.windows_of_class.get(class_id, ())
        return "open" if any(_runs(row, weekday, minute) for row in windows) else "closed"

    def _local(self, at_ms: int) -> tuple[int, int]:
        moment = localtime.moment(self._store.current.zone, at_ms)
        return moment.date.weekday(), moment.minute

    def classes(self, caller: Caller) -> Sequence[ClassDay]:
        """Return the classes of a guardian's children."""
        if caller.role is not Role.GUARDIAN:
            return []
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        found: dict[PublicId, ClassDay] = {}
        for tie in facts.index.guardians_of_person.get(caller.person, ()):
            for enrolment in facts.index.enrolments_of_child.get(tie.child, ()):
                if tie.holds(now_ms) and enrolment.holds(now_ms) and enrolment.class_id not in found:
                    found[enrolment.class_id] = self._day(caller, enrolment.class_id, tie.child, now_ms)
        return list(found.values())

    def _day(self, caller: Caller, class_id: PublicId, child: PublicId, now_ms: int) -> ClassDay:
        facts = self._store.current
        row = self._names.classes.get(class_id)
        cameras = tuple(
            link.camera
            for link in facts.class_cameras
            if link.class_id == class_id and link.holds(now_ms) and self._visible(caller, link.camera)
        )
        decisions = [self.decide(caller, Action.LIVE, ObjectRef(ObjectKind.CAMERA, camera)) for camera in cameras]
        child_row = self._names.children.get(child)
        date = localtime.moment(facts.zone, now_ms).date
        return ClassDay(
            class_id,
            row.name if row else "",
            child_row.name if child_row else "",
            cameras,
            decisions[0] if decisions else Decision(False, "window.none"),
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


def _runs(row: Window, weekday: int, minute: int) -> bool:
    return weekday in row.days and row.start_min <= minute < row.end_min
