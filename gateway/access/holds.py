"""Holds: footage that must not be deleted, wished by one person, at once.

Owns `footage_hold`. Invariants: a wish is on the medium with its audit row before the recorder is asked, and is
asked again until it answers, so no wish is forgotten; the same wish is told under the same id, so asking twice
holds once; the reason is sealed and stays here; a hold that an order needs cannot be lifted.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.localtime import MS_PER_DAY
from gateway.access.store import FactStore, Need, require
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, new_public_id

DAYS = 30
"""How long a hold lasts unless somebody says otherwise."""
MOST_DAYS = 366
MAX_LIVE = 500
MAX_WHY = 200


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A hold as people see it; times UTC ms."""

    id: PublicId
    camera: PublicId
    from_ms: int
    to_ms: int
    until_ms: int
    by: str
    why: str
    placed_ms: int
    told_ms: int | None
    lifted_ms: int | None

    @property
    def confirmed(self) -> bool:
        """Say whether the recorder holds it, until this end."""
        return self.told_ms == self.until_ms


def clean_why(text: str) -> str:
    """Return a reason as it is kept: one line, 1 to 200 characters; BadInput."""
    why = " ".join(text.split())
    if not 1 <= len(why) <= MAX_WHY or not why.isprintable():
        raise BadInput(f"a reason has 1 to {MAX_WHY} printable characters", key="why", case="why", limit=MAX_WHY)
    return why


def until(now_ms: int, days: int) -> int:
    """Return when a hold of so many days ends; BadInput outside 1 to 366."""
    if not 1 <= days <= MOST_DAYS:
        raise BadInput(f"a hold lasts 1 to {MOST_DAYS} days", key="days", case="hold_days", limit=MOST_DAYS)
    return now_ms + days * MS_PER_DAY


def insert_hold(  # noqa: PLR0913, PLR0917 - one value for each column
    store: FactStore,
    conn: sqlite3.Connection,
    actor: Actor,
    hold: PublicId,
    camera: PublicId,
    span: tuple[int, int],
    why: str,
    now_ms: int,
    days: int,
) -> None:
    """Write a wish inside the caller's transaction; BadInput if there are too many."""
    if conn.execute("SELECT count(*) FROM footage_hold WHERE gone = 0").fetchone()[0] >= MAX_LIVE:
        raise BadInput("there are too many holds; lift one first", key="hold", case="holds_full", limit=MAX_LIVE)
    conn.execute(
        "INSERT INTO footage_hold (id, camera, from_ms, to_ms, until_ms, placed_by, why_sealed, placed_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            hold,
            camera,
            *span,
            until(now_ms, days),
            actor.person or actor.device,
            store.seal("footage_hold.why", hold, why),
            now_ms,
        ),
    )


class Holds:
    """Wishes and what the recorder confirmed; methods belong to the event loop."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def place(
        self, actor: Actor, camera: PublicId, from_ms: int, to_ms: int, why: str, *, days: int = DAYS
    ) -> PublicId:
        """Wish that [from_ms, to_ms) of a camera is kept; BadInput, NotFound, Denied."""
        store, hold, text = self._store, new_public_id(), clean_why(why)
        if from_ms >= to_ms:
            raise BadInput("a hold needs a span that runs forward", key="to_ms", from_ms=from_ms, to_ms=to_ms)
        until(0, days)

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            require(conn, "access_camera", camera)
            insert_hold(store, conn, actor, hold, camera, (from_ms, to_ms), text, now_ms, days)
            return hold

        detail: dict[str, str | int | bool] = {"hold": hold, "from_ms": from_ms, "to_ms": to_ms, "days": days}
        return await store.change(actor, "hold.place", _need(camera), run, detail=detail)

    async def renew(self, actor: Actor, hold: PublicId, *, days: int = DAYS) -> None:
        """Let a hold last so many days from now, if that is longer; NotFound."""
        camera = (await self.get(hold)).camera
        until(0, days)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            conn.execute(
                "UPDATE footage_hold SET until_ms = max(until_ms, ?) WHERE id = ? AND lifted_ms IS NULL",
                (until(now_ms, days), hold),
            )

        await self._store.change(actor, "hold.renew", _need(camera), run, detail={"hold": hold, "days": days})

    async def lift(self, actor: Actor, hold: PublicId, why: str) -> None:
        """Give the footage back to retention; BadInput while an order needs it, NotFound."""
        store, camera, text = self._store, (await self.get(hold)).camera, clean_why(why)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            sql = "SELECT 1 FROM export_order WHERE hold = ? AND ended_ms IS NULL"
            if conn.execute(sql, (hold,)).fetchone():
                raise BadInput("an order needs this hold; cancel it first", key="hold", case="hold_used")
            conn.execute(
                "UPDATE footage_hold SET lifted_ms = ?, lifted_by = ?, lift_why_sealed = ?"
                " WHERE id = ? AND lifted_ms IS NULL",
                (now_ms, actor.person or actor.device, store.seal("footage_hold.lift_why", hold, text), hold),
            )

        await store.change(actor, "hold.lift", _need(camera), run, detail={"hold": hold})

    # what pages show

    async def rows(self) -> list[HoldRow]:
        """Return the holds that are wished, newest first; those whose end is over are left out."""
        now_ms = self._store.clock.now_ms()
        return await self._read("lifted_ms IS NULL AND gone = 0 AND until_ms > ?", now_ms)

    async def get(self, hold: PublicId) -> HoldRow:
        """Return one that is wished; NotFound."""
        for row in await self._read("lifted_ms IS NULL AND gone = 0 AND id = ?", hold):
            return row
        raise NotFound("there is no such hold")

    async def _read(self, where: str, *values: object) -> list[HoldRow]:
        sql = f"SELECT * FROM footage_hold WHERE {where} ORDER BY placed_ms DESC, id"  # noqa: S608 - our own words
        rows = await self._store.db.read(lambda conn: conn.execute(sql, values).fetchall())
        return [self._row(row) for row in rows]

    def _row(self, row: sqlite3.Row) -> HoldRow:
        return HoldRow(
            PublicId(row["id"]),
            PublicId(row["camera"]),
            row["from_ms"],
            row["to_ms"],
            row["until_ms"],
            row["placed_by"],
            self._store.unseal("footage_hold.why", row["id"], row["why_sealed"]),
            row["placed_ms"],
            row["told_ms"],
            row["lifted_ms"],
        )

    # what the recorder has to be told

    async def due(self) -> list[HoldRow]:
        """Return what the recorder did not confirm yet, and what it has to forget."""
        now_ms = self._store.clock.now_ms()
        where = "gone = 0 AND (lifted_ms IS NOT NULL OR (told_ms IS NOT until_ms AND until_ms > ?))"
        return await self._read(where, now_ms)

    async def told(self, hold: PublicId, until_ms: int | None) -> None:
        """Note the end that the recorder confirmed; None: it has lost the hold and has to be told again."""
        await self._note("told_ms = ?", until_ms, hold)

    async def gone(self, hold: PublicId) -> None:
        """Note that the recorder holds it no more."""
        await self._note("gone = ?", 1, hold)

    async def _note(self, change: str, value: int | None, hold: PublicId) -> None:
        sql = f"UPDATE footage_hold SET {change} WHERE id = ?"  # noqa: S608 - our own words
        await self._store.db.write(lambda conn: conn.execute(sql, (value, hold)).rowcount)


def _need(camera: PublicId) -> Need:
    return Need(Action.HOLD, ObjectRef(ObjectKind.CAMERA, camera))
