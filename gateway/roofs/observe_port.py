"""Guests and their visits as the pages see them: `web.observe_services` over access.

Owns the translation; decides nothing. Invariants: the guest's side holds no name of a child, a family or a teacher;
names of the school's people go to its leaders and to the teacher of the class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.access import noticerules
from gateway.access.acts import ERASED_NAME
from gateway.access.guestpasses import GuestPasses
from gateway.access.observing import ObservationRow, Observing
from gateway.access.observing import Visit as NewVisit
from gateway.access.reasons import Reason
from gateway.access.rules_observer import unwilling
from gateway.access.store import FactStore, Need
from gateway.core.errors import NotFound
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, PublicId, Role
from gateway.roofs.actors import actor_of
from gateway.roofs.names import Names
from web.caller import Caller
from web.observe_services import NO, WAITS, YES, MyVisit, Named, Visit, Wanted, WayIn

GUEST_PATH = "/vao"


class VisitList:
    """Visits with their names."""

    def __init__(self, store: FactStore, observing: Observing, names: Names) -> None:
        self._store, self._observing, self._names = store, observing, names

    async def to_come(self) -> Sequence[Visit]:
        """Return the visits that run or come, the next first."""
        return [self.told(row) for row in await self._observing.open_rows()]

    async def all(self) -> Sequence[Visit]:
        """Return the newest visits first."""
        return [self.told(row) for row in await self._observing.rows()]

    def told(self, row: ObservationRow) -> Visit:
        """Return a visit in names."""
        facts, now_ms, names = self._store.current, self._store.clock.now_ms(), self._names
        guest = facts.index.persons.get(row.person)
        phase = phase_of(row, now_ms, disabled=guest is None or guest.disabled)
        at_ms = max(now_ms, row.since_ms)
        open_still = phase in {"coming", "running"}
        return Visit(
            row.id,
            names.person(row.person),
            row.class_id,
            names.classes[row.class_id].name if row.class_id in names.classes else "",
            row.since_ms,
            row.until_ms if row.ended_ms is None else row.ended_ms,
            phase,
            said_of(row),
            self._by(row.answered_by),
            self._by(row.made_by),
            row.reason,
            row.invited,
            row.came,
            unwilling(facts, row.class_id, at_ms) if open_still else 0,
            len(noticerules.teachers_of(facts, row.class_id, at_ms)),
        )

    def _by(self, who: str) -> str:
        """Return who did something: a name, or "console" as such."""
        return self._names.person(PublicId(who)) or (who if who == "console" else "")


def phase_of(row: ObservationRow, now_ms: int, *, disabled: bool) -> str:
    """Say how far a visit is: coming, running, past or ended; one whose guest may not come any more has ended."""
    if row.ended_ms is not None or (disabled and now_ms < row.until_ms):
        return "ended"
    return "past" if now_ms >= row.until_ms else "running" if now_ms >= row.since_ms else "coming"


def said_of(row: ObservationRow) -> str:
    """Return the teacher's word: waits, yes or no."""
    return YES if row.assented else NO if row.refused else WAITS


class ObservePort:
    """`web.observe_services.ObserveDoor`."""

    def __init__(
        self, store: FactStore, observing: Observing, passes: GuestPasses, names: Names, url: Callable[[], str]
    ) -> None:
        self._store, self._observing, self._passes, self._names = store, observing, passes, names
        self._list, self._url = VisitList(store, observing, names), url

    # the leaders

    async def visits(self, caller: Caller) -> Sequence[Visit]:
        """Return the visits of the school."""
        del caller  # the route's guard has decided
        return await self._list.all()

    def classes(self, caller: Caller) -> Sequence[Named]:
        """Return the classes by name."""
        del caller
        living = self._store.current.classes
        rows = [row for row in self._names.classes.values() if row.id in living]
        return [Named(row.id, row.name) for row in sorted(rows, key=lambda row: (row.name, row.id))]

    def guests(self, caller: Caller) -> Sequence[Named]:
        """Return the guests who may come again, by name."""
        del caller
        rows = [
            row
            for row in self._names.persons.values()
            if row.role is Role.OBSERVER and not row.disabled and row.name != ERASED_NAME
        ]
        return [Named(row.id, row.name) for row in sorted(rows, key=lambda row: (row.name, row.id))]

    async def make(self, caller: Caller, wanted: Wanted) -> PublicId:
        """Make a visit."""
        visit = NewVisit(
            wanted.class_id,
            wanted.since_ms,
            wanted.until_ms,
            wanted.guest,
            wanted.name,
            wanted.reason,
            wanted.invited,
        )
        return await self._observing.make(actor_of(caller), visit)

    async def way_in(self, caller: Caller, visit: PublicId) -> WayIn:
        """Make a visit's code."""
        code = await self._passes.create(actor_of(caller), visit)
        if code.person not in self._names.persons:
            await self._names.load()  # a guest who was added a moment ago
        return WayIn(self._list.told(await self._observing.get(visit)), code.text, self._url() + GUEST_PATH)

    async def end(self, caller: Caller, visit: PublicId) -> None:
        """End a visit."""
        await self._observing.end(actor_of(caller), visit)

    # the teacher

    async def answer(self, caller: Caller, class_id: PublicId, visit: PublicId, *, given: bool) -> None:
        """Say the teacher's word."""
        if (await self._observing.get(visit)).class_id != class_id:
            raise NotFound("there is no such visit of this class")
        await self._observing.assent(actor_of(caller), visit, given=given)

    # the guest

    async def mine(self, caller: Caller) -> MyVisit | None:
        """Return the guest's own visit."""
        bound, now_ms = self._passes.visit_of(caller.device), self._store.clock.now_ms()
        rows = self._store.current.index.observations_of_person.get(caller.person, ())
        coming = [row for row in rows if row.until_ms is not None and now_ms < row.until_ms]
        mine = [row for row in coming if bound is None or row.id == bound]
        if not mine:
            return None
        row = await self._observing.get(PublicId(min(mine, key=lambda item: (item.since_ms or 0, item.id)).id))
        named = self._names.classes.get(row.class_id)
        links = self._store.current.class_cameras
        cameras = tuple(item.camera for item in links if item.class_id == row.class_id and item.holds(now_ms))
        decisions = [self._decide(caller, camera) for camera in cameras]
        known = tuple(
            camera
            for camera, item in zip(cameras, decisions, strict=True)
            if item.reason not in {Reason.NOT_FOUND, Reason.ROLE}
        )
        nothing = Decision(False, Reason.NOT_FOUND)
        first = next((item for item in decisions if item.allowed), decisions[0] if decisions else nothing)
        return MyVisit(row.id, named.name if named else "", known, row.since_ms, row.until_ms, said_of(row), first)

    def _decide(self, caller: Caller, camera: PublicId) -> Decision:
        store = self._store
        need = Need(Action.LIVE, ObjectRef(ObjectKind.CAMERA, camera))
        return store.answer(store.current, actor_of(caller), need, store.clock.now_ms())
