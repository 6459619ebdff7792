"""Class rooms as their pages see them: `web.room_services` over access and what is watched now.

Owns the translation; decides nothing. Invariants: a teacher's list holds the classes she teaches now; guardians who
watch are named by child and kind; reasons of pauses are shown to whoever wrote them and to the principal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.access import classday, localtime, noticerules, pauserules
from gateway.access.facts import Facts
from gateway.access.pauses import PauseRow, Pauses
from gateway.access.policy import BOX
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need
from gateway.access.walls import Walls
from gateway.core.errors import NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role
from gateway.roofs.actors import actor_of
from gateway.roofs.names import Names
from gateway.roofs.observe_port import VisitList
from gateway.roofs.web_lists import PAUSED
from web.caller import Caller
from web.room_services import Hidden, Looker, PastPause, Room, WaitingWish, Wish
from web.services import OpenView


def class_hidden_by(facts: Facts, class_id: PublicId, at_ms: int) -> Reason | None:
    """Say why no guardian sees a class at an instant, None if they do: for showing, the policy decides."""
    if not facts.clock_trusted:
        return Reason.CLOCK_UNTRUSTED
    if facts.sharing_stopped:
        return Reason.SHARING_STOPPED
    if not facts.accepted:
        return Reason.NOT_ACCEPTED
    answers = (rule(facts, class_id, at_ms) for rule in classday.HIDDEN_BY)
    return next((reason for reason in answers if reason is not None), None)


class RoomPort:
    """`web.room_services.RoomDoor`."""

    def __init__(
        self,
        store: FactStore,
        pauses: Pauses,
        walls: Walls,
        names: Names,
        watching: Callable[[], Sequence[OpenView]],
        visits: VisitList,
    ) -> None:
        self._store, self._pauses, self._walls, self._names = store, pauses, walls, names
        self._watching, self._visits = watching, visits

    async def rooms(self, caller: Caller) -> Sequence[Room]:
        """Return the classes the person may hide, by name."""
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        past, wishes = await self._pauses.since(self.midnight(now_ms)), await self._pauses.wishes()
        visits, granted = await self._visits.to_come(), await self._pauses.granted_today()
        mine = [class_id for class_id in facts.classes if self._may_know(caller, class_id)]
        rooms = []
        for class_id in mine:
            reason = class_hidden_by(facts, class_id, now_ms)
            here = [row for row in past if row.class_id == class_id]
            wish = next((row for row in wishes if row.class_id == class_id), None)
            row = self._names.classes.get(class_id)
            missing = [
                self._names.person(person)
                for person in noticerules.teachers_of(facts, class_id, now_ms)
                if not noticerules.has_signed(facts, person, now_ms)
            ]
            cameras = row.cameras if row else ()
            own = [item for item in here if caller.person in {item.by, item.wished_by}]
            rooms.append(
                Room(
                    class_id,
                    row.name if row else "",
                    "open" if reason is None else "paused" if reason in PAUSED else "closed",
                    reason or "",
                    self._hidden(caller, facts, class_id, here, now_ms),
                    self._shown(caller, own[0]) if own else None,
                    pauserules.used_today(facts, class_id, now_ms),
                    pauserules.A_DAY,
                    Wish(wish.id, self.name_of(wish.by), wish.minutes, wish.at_ms) if wish else None,
                    tuple(self._lookers(facts, class_id, cameras, now_ms)),
                    cameras,
                    len(noticerules.teachers_of(facts, class_id, now_ms)),
                    tuple(missing),
                    self._walls.has_sheet(class_id),
                    tuple(visit for visit in visits if visit.class_id == class_id),
                    granted.get(class_id, 0),
                )
            )
        return sorted(rooms, key=lambda room: (room.name, room.id))

    def midnight(self, now_ms: int) -> int:
        """Return when this local day began."""
        zone = self._store.current.zone
        return localtime.midnight(zone, localtime.moment(zone, now_ms).date)

    def _may_know(self, caller: Caller, class_id: PublicId) -> bool:
        """Say whether the person may hide a class, or might if it were not for the day's limit."""
        need = Need(Action.PAUSE, ObjectRef(ObjectKind.CLASS, class_id))
        store = self._store
        answer = store.answer(store.current, actor_of(caller), need, store.clock.now_ms())
        return answer.allowed or answer.reason == Reason.PAUSE_TOO_MANY

    def _hidden(
        self, caller: Caller, facts: Facts, class_id: PublicId, rows: Sequence[PauseRow], now_ms: int
    ) -> Hidden | None:
        """Return what hides the class the longest, as the facts have it, with the words of its row."""
        runs = pauserules.running(facts, class_id, now_ms)
        if runs is None:
            return None
        row = next(
            (row for row in rows if (row.by, row.since_ms, row.until_ms) == (runs.by, runs.since_ms, runs.until_ms)),
            PauseRow(0, class_id, runs.by, "", runs.since_ms, runs.until_ms, ""),
        )
        return self._shown(caller, row)

    def _shown(self, caller: Caller, row: PauseRow) -> Hidden:
        own = caller.person in {row.by, row.wished_by}
        principal = caller.role is not Role.TEACHER
        mine = principal or own or row.by == pauserules.WALL
        reason = row.reason if own or principal else ""
        return Hidden(row.id, row.since_ms, row.until_ms, self.name_of(row.by), mine, own, reason)

    def name_of(self, by: str) -> str:
        """Return who hid a class: a name, or "wall" and "console" as such."""
        return self._names.person(PublicId(by)) or by

    def _lookers(self, facts: Facts, class_id: PublicId, cameras: Sequence[PublicId], now_ms: int) -> Sequence[Looker]:
        """Return who watches now, once each: guardians by their child in this class."""
        seen: dict[PublicId, Looker] = {}
        for view in sorted(self._watching(), key=lambda view: view.since_ms):
            if view.camera not in cameras or view.person in seen:
                continue
            if view.role is not Role.GUARDIAN:
                seen[view.person] = Looker(str(view.role), view.name, "", view.since_ms)
                continue
            ties = [row for row in facts.index.guardians_of_person.get(view.person, ()) if row.holds(now_ms)]
            here = {row.child for row in facts.index.enrolments_of_class.get(class_id, ()) if row.holds(now_ms)}
            mine = [row for row in ties if row.child in here]
            children = [self._names.children[row.child].name for row in mine if row.child in self._names.children]
            tie = str(mine[0].kind) if mine else ""
            seen[view.person] = Looker(str(view.role), ", ".join(children), tie, view.since_ms)
        return list(seen.values())

    async def hide(self, caller: Caller, class_id: PublicId, minutes: int | None) -> None:
        """Hide a class at once."""
        await self._pauses.pause(actor_of(caller), class_id, minutes=minutes)

    async def show(self, caller: Caller, class_id: PublicId) -> None:
        """Show a class again."""
        self._know(caller, class_id)
        await self._pauses.resume(actor_of(caller), class_id)

    async def explain(self, caller: Caller, class_id: PublicId, pause: int, reason: str) -> None:
        """Keep why a class was hidden."""
        self._know(caller, class_id)
        await self._pauses.explain(actor_of(caller), class_id, pause, reason)

    async def ask(self, caller: Caller, class_id: PublicId, minutes: int) -> None:
        """Ask for one more pause."""
        await self._pauses.ask(actor_of(caller), class_id, minutes=minutes)

    async def answer(self, caller: Caller, class_id: PublicId, wish: int, *, granted: bool) -> None:
        """Answer a wish."""
        await self._pauses.answer(actor_of(caller), class_id, wish, granted=granted)

    def _know(self, caller: Caller, class_id: PublicId) -> None:
        if not self._may_know(caller, class_id):
            raise NotFound("there is no such class for this person")

    async def wishes(self, caller: Caller) -> Sequence[WaitingWish]:
        """Return the wishes that wait, for whoever may stop all sharing."""
        store, need = self._store, Need(Action.STOP_ALL, BOX)
        if not store.answer(store.current, actor_of(caller), need, store.clock.now_ms()).allowed:
            return ()
        classes = self._names.classes
        return [
            WaitingWish(
                row.class_id,
                classes[row.class_id].name if row.class_id in classes else "",
                Wish(row.id, self.name_of(row.by), row.minutes, row.at_ms),
                pauserules.A_DAY,
            )
            for row in await self._pauses.wishes()
        ]

    async def today(self, caller: Caller) -> Sequence[PastPause]:
        """Return the pauses of today."""
        del caller  # the route's guard has decided
        rows = await self._pauses.since(self.midnight(self._store.clock.now_ms()))
        return [
            PastPause(
                self._names.classes[row.class_id].name if row.class_id in self._names.classes else "",
                self.name_of(row.by),
                self.name_of(row.wished_by) if row.wished_by else "",
                row.since_ms,
                row.until_ms,
                row.reason,
            )
            for row in rows
        ]
