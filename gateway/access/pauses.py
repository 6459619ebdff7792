"""Hiding one class from its guardians: the pauses, wishes for one more, and their length when the clock is set.

Owns `pause` and `pause_request`. Invariants: hiding acts at one call and at once and touches guardians only, recording
goes on; the reason is asked afterwards and may stay empty; whoever hides a class ends only what was hidden by that
person (or at that person's wish), the principal everything; nobody's longer pause is cut short by another's shorter
one; a pause lasts as long as was promised, over a restart and over a clock that is set.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.access import pauserules
from gateway.access.audit import CONSOLE, Actor
from gateway.access.localtime import midnight, moment
from gateway.access.pauserules import PAUSE_MINUTES, REQUEST_MS, TWICE_MS, WALL, Standing
from gateway.access.policy import BOX
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need, clean_name, require
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role

LOOK_S = 1.0
_OWN = "(by = :by OR id IN (SELECT pause FROM pause_request WHERE by = :by AND pause IS NOT NULL))"


@dataclass(frozen=True, slots=True)
class PauseRow:
    """A pause as pages show it; `reason` only for whoever may read it."""

    id: int
    class_id: PublicId
    by: str
    wished_by: str
    """Who asked for it; empty if nobody had to."""
    since_ms: int
    until_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class WishRow:
    """A wish for one more pause that waits for the principal."""

    id: int
    class_id: PublicId
    by: str
    minutes: int
    at_ms: int


def doer(actor: Actor) -> str:
    """Return how a pause names whoever began it."""
    return actor.person or (WALL if pauserules.is_wall(actor.device) else "console")


class Pauses:
    """Hides and shows classes; `keep` holds running pauses to their length."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def pause(self, actor: Actor, class_id: PublicId, *, minutes: int | None = PAUSE_MINUTES) -> int:
        """Hide a class for some minutes (None = until shown again, the principal only); returns the pause's number.

        Denied `pause.too_many` for the sixth of a day by teachers and wall, BadInput for another length, NotFound.
        """
        by, limited = doer(actor), self._limited(actor)
        pauserules.checked_minutes(minutes, free=not limited)

        def run(conn: sqlite3.Connection, now_ms: int) -> int:
            require(conn, "class", class_id)
            twice = conn.execute(
                "SELECT id FROM pause WHERE class = ? AND by = ? AND since_ms > ? AND since_ms <= ? AND until_ms > ?",
                (class_id, by, now_ms - TWICE_MS, now_ms, now_ms),
            ).fetchone()
            if twice is not None and limited:
                return int(twice["id"])
            facts = self._store.snapshot(conn)
            if by == WALL and pauserules.used_today(facts, class_id, now_ms) >= pauserules.A_DAY:
                raise Denied("the sixth pause of a day needs the principal", reason=str(Reason.PAUSE_TOO_MANY))
            _end(conn, class_id, now_ms, by)
            return _begin(conn, class_id, by, now_ms, minutes)

        return await self._store.change(actor, "class.pause", _pause(class_id), run, detail={"minutes": minutes or 0})

    async def resume(self, actor: Actor, class_id: PublicId) -> None:
        """Show a class again: teachers and the wall end their own pauses only, the principal all."""
        store, own = self._store, self._own(actor)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "class", class_id)
            _end(conn, class_id, now_ms, doer(actor) if self._limited(actor) else None)
            teaching = store.snapshot(conn).index.teachings_of_person.get(actor.person or BOX.id, ())
            if own is not None and any(row.class_id == class_id and row.holds(now_ms) for row in teaching):
                _end(conn, class_id, now_ms, WALL)  # the wall of her own room is hers too

        await store.change(actor, "class.resume", own or _pause(class_id), run, detail={"class": class_id})

    async def explain(self, actor: Actor, class_id: PublicId, pause: int, reason: str) -> None:
        """Keep why a class was hidden, in the words of whoever hid it (sealed); NotFound for others' pauses."""
        text = clean_name(reason)

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            sealed = self._store.seal("pause.reason", str(pause), text)
            done = conn.execute(
                f"UPDATE pause SET reason_sealed = :sealed WHERE id = :id AND class = :class AND {_OWN}",  # noqa: S608 - our own words
                {"sealed": sealed, "id": pause, "class": class_id, "by": doer(actor)},
            )
            if done.rowcount == 0:
                raise NotFound("there is no such pause")

        need = _myself(actor)
        await self._store.change(actor, "pause.explain", need, run, detail={"class": class_id, "pause": pause})

    # one more than five

    async def ask(self, actor: Actor, class_id: PublicId, *, minutes: int = PAUSE_MINUTES) -> int:
        """Ask the principal for one more pause today; returns the wish's number (that of one which still waits).

        BadInput while pauses are left, Denied or NotFound for whoever may not hide this class at all.
        """
        pauserules.checked_minutes(minutes, free=False)
        store, by = self._store, doer(actor)
        if by != WALL:
            decision = store.answer(store.current, actor, _pause(class_id), store.clock.now_ms())
            if not decision.allowed and decision.reason != Reason.PAUSE_TOO_MANY:
                await store.demand(actor, _pause(class_id))

        def run(conn: sqlite3.Connection, now_ms: int) -> int:
            require(conn, "class", class_id)
            if pauserules.used_today(store.snapshot(conn), class_id, now_ms) < pauserules.A_DAY:
                raise BadInput("there are pauses left today", case="pauses_left", key="class")
            waits = conn.execute(
                "SELECT id FROM pause_request WHERE class = ? AND answered_ms IS NULL AND at_ms > ?",
                (class_id, now_ms - REQUEST_MS),
            ).fetchone()
            if waits is not None:
                return int(waits["id"])
            sql = "INSERT INTO pause_request (class, by, minutes, at_ms) VALUES (?, ?, ?, ?)"
            return int(conn.execute(sql, (class_id, by, minutes, now_ms)).lastrowid or 0)

        need = _pause(class_id) if by == WALL else _myself(actor)
        return await store.change(actor, "pause.ask", need, run, detail={"class": class_id})

    async def answer(self, actor: Actor, class_id: PublicId, wish: int, *, granted: bool) -> None:
        """Hide the class at once as was asked, or refuse; NotFound for a wish that does not wait any more."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            row = conn.execute(
                "SELECT * FROM pause_request WHERE id = ? AND class = ? AND answered_ms IS NULL AND at_ms > ?",
                (wish, class_id, now_ms - REQUEST_MS),
            ).fetchone()
            if row is None:
                raise NotFound("there is no such wish")
            by = actor.person or "console"
            pause = _begin(conn, class_id, by, now_ms, row["minutes"]) if granted else None
            conn.execute(
                "UPDATE pause_request SET answered_ms = ?, answered_by = ?, pause = ? WHERE id = ?",
                (now_ms, by, pause, wish),
            )

        # Who may stop all sharing may decide about one class's sixth pause; a teacher may neither.
        await self._store.change(
            actor, "pause.answer", Need(Action.STOP_ALL, BOX), run, detail={"class": class_id, "granted": granted}
        )

    # what pages show; the caller has decided

    async def since(self, from_ms: int) -> tuple[PauseRow, ...]:
        """Return the pauses that began at or after an instant, or still run, newest first, with their reasons."""
        rows = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT pause.*, pause_request.by AS wished FROM pause LEFT JOIN pause_request ON pause = pause.id "
                "WHERE since_ms >= ? OR until_ms IS NULL OR until_ms > ? ORDER BY since_ms DESC, pause.id DESC",
                (from_ms, self._store.clock.now_ms()),
            ).fetchall()
        )
        return tuple(
            PauseRow(
                row["id"],
                PublicId(row["class"]),
                row["by"],
                row["wished"] or "",
                row["since_ms"],
                row["until_ms"],
                self._store.unseal("pause.reason", str(row["id"]), row["reason_sealed"])
                if row["reason_sealed"]
                else "",
            )
            for row in rows
        )

    async def wishes(self) -> tuple[WishRow, ...]:
        """Return the wishes that wait, oldest first."""
        after_ms = self._store.clock.now_ms() - REQUEST_MS
        rows = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT * FROM pause_request WHERE answered_ms IS NULL AND at_ms > ? ORDER BY at_ms, id", (after_ms,)
            ).fetchall()
        )
        return tuple(
            WishRow(row["id"], PublicId(row["class"]), row["by"], row["minutes"], row["at_ms"]) for row in rows
        )

    async def granted_today(self) -> Mapping[PublicId, int]:
        """Return how many pauses of this local day were granted beyond the day's five, by class."""
        zone = self._store.current.zone
        today_ms = midnight(zone, moment(zone, self._store.clock.now_ms()).date)
        rows = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT pause.class, count(*) AS n FROM pause_request JOIN pause ON pause.id = pause_request.pause "
                "WHERE pause.since_ms >= ? GROUP BY pause.class",
                (today_ms,),
            ).fetchall()
        )
        return {PublicId(row["class"]): row["n"] for row in rows}

    # the clock

    async def keep(self) -> None:
        """Hold running pauses to the length that was promised, for ever."""
        standing = Standing()
        while True:
            clock = self._store.clock
            step_ms = standing.step_ms(clock.now_ms(), clock.mono_ns(), trusted=clock.trusted())
            if step_ms is None:
                await self._after_a_start()
            elif step_ms:
                await self._moved(step_ms)
            await clock.sleep(LOOK_S)

    async def _moved(self, step_ms: int) -> None:
        """Move what runs with the clock: it began and will end that much earlier or later by wall time."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            for table in ("pause", "privacy"):
                conn.execute(
                    f"UPDATE {table} SET since_ms = since_ms + :step, until_ms = until_ms + :step "  # noqa: S608 - our own tables
                    "WHERE since_ms <= :was AND (until_ms IS NULL OR until_ms > :was)",
                    {"step": step_ms, "was": now_ms - step_ms},
                )

        await self._store.change(CONSOLE, "clock.step", Need(Action.CONFIGURE, BOX), run, detail={"step_ms": step_ms})

    async def _after_a_start(self) -> None:
        """Let what would begin later (the clock was set back while the box was off) begin now, as long as it was."""
        late = "SELECT id FROM {} WHERE since_ms > ? AND (until_ms IS NULL OR until_ms > since_ms)"
        store, tables = self._store, ("pause", "privacy")
        now_ms = store.clock.now_ms()
        if not await store.db.read(
            lambda conn: [row for table in tables for row in conn.execute(late.format(table), (now_ms,))]
        ):
            return

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            for table in tables:
                conn.execute(
                    f"UPDATE {table} SET until_ms = until_ms - (since_ms - :now), since_ms = :now "  # noqa: S608 - our own tables
                    "WHERE since_ms > :now AND (until_ms IS NULL OR until_ms > since_ms)",
                    {"now": now_ms},
                )

        await store.change(CONSOLE, "clock.step", Need(Action.CONFIGURE, BOX), run)

    # inside

    def _limited(self, actor: Actor) -> bool:
        """Say whether the day's limit is for this actor: teachers and the wall."""
        return self._own(actor) is not None or pauserules.is_wall(actor.device)

    def _own(self, actor: Actor) -> Need | None:
        """Return the right to one's own doings for a teacher, None for everybody else."""
        person = self._store.current.index.persons.get(actor.person) if actor.person else None
        return _myself(actor) if person is not None and person.role is Role.TEACHER else None


def _myself(actor: Actor) -> Need:
    return Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, actor.person or BOX.id))


def _pause(class_id: PublicId) -> Need:
    return Need(Action.PAUSE, ObjectRef(ObjectKind.CLASS, class_id), by_wall=True)


def _begin(conn: sqlite3.Connection, class_id: PublicId, by: str, now_ms: int, minutes: int | None) -> int:
    until_ms = None if minutes is None else now_ms + minutes * 60_000
    sql = "INSERT INTO pause (class, by, since_ms, until_ms) VALUES (?, ?, ?, ?)"
    return int(conn.execute(sql, (class_id, by, now_ms, until_ms)).lastrowid or 0)


def _end(conn: sqlite3.Connection, class_id: PublicId, now_ms: int, by: str | None) -> None:
    """End what runs: of one person or the wall, or (None) of everybody."""
    conn.execute(
        "UPDATE pause SET until_ms = :now WHERE class = :class AND (until_ms IS NULL OR until_ms > :now) "  # noqa: S608 - our own words
        f"AND (:by IS NULL OR {_OWN})",
        {"now": now_ms, "class": class_id, "by": by},
    )
