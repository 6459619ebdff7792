"""Acts that another daemon carries out by right of a person here: decided and written down first.

Owns the audit rows of such acts. Invariants: an act is decided and its row is on the medium before anybody is asked
to do it, so nothing is done that is not written; that it was refused there is a row of its own; no row holds
what the person brought (a passphrase, a typed name).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.access import audit
from gateway.access.audit import CONSOLE, Actor
from gateway.access.policy import BOX
from gateway.access.roster.acts import forget_all
from gateway.access.store import FactStore, Need
from gateway.core.errors import VuonError
from gateway.core.finish import to_the_end
from gateway.core.model import Action

T = TypeVar("T")
KEEPS_THE_BOX = Need(Action.APPROVE, BOX)
"""Who may open, hand over or destroy what the box has recorded: the principal, and the console."""
ERASED_NAME = "—"
_WIPED = (
    "SELECT 1 FROM audit_body WHERE json_extract(body, '$.what') = 'box.erase'"
    " AND json_extract(body, '$.erasure') = ? LIMIT 1"
)


class Acts:
    """Decides, writes, and lets it be done."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def carry_out(
        self, actor: Actor, what: str, work: Callable[[], Awaitable[T]], need: Need = KEEPS_THE_BOX, **detail: str | int
    ) -> T:
        """Do `work` for an actor; Denied without the right, and what the work raises."""
        store = self._store
        await store.demand(actor, need)
        await self._write(actor, what, need, **detail)
        try:
            return await work()
        except VuonError as error:
            reason = str(error.fields.get("reason") or error.code)
            await to_the_end(self._write(actor, f"{what}.refused", need, reason=reason, **detail))
            raise

    async def _write(self, actor: Actor, what: str, need: Need, **detail: str | int) -> None:
        store = self._store
        body = store.body(actor, what, store.clock.now_ms(), need, **detail)
        await store.db.write(lambda conn: audit.append(conn, body))

    async def end_holds(self, erasure: str, camera: str = "") -> None:
        """End the holds of a camera whose footage an order erases ("": of every camera), and blot out their reasons.

        The recorder dropped its own with the order; here they would go on being shown as if something were kept.
        """
        store = self._store
        where = "gone = 0 AND (? = '' OR camera = ?)"
        live = f"SELECT id FROM footage_hold WHERE {where}"  # noqa: S608 - our own words
        if not await store.db.read(lambda conn: conn.execute(live, (camera, camera)).fetchall()):
            return

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            ids = [row[0] for row in conn.execute(live, (camera, camera))]
            conn.executemany(
                "UPDATE footage_hold SET gone = 1, lifted_ms = ?, lifted_by = ? WHERE id = ?",
                [(now_ms, CONSOLE.device, item) for item in ids],
            )
            _blot_holds(store, conn, ids)

        await store.change(CONSOLE, "erase.holds", KEEPS_THE_BOX, run, detail={"erasure": erasure})

    async def wipe_names(self, erasure: str) -> None:
        """Replace every person's and child's name, and every reason, by a dash; part of erasing the whole box.

        Ids stay, since the audit names them; the database is rewritten so that the sealed names are not in it. Once
        for an erasure: names that were entered after it are another school's.
        """
        store = self._store
        if await store.db.read(lambda conn: conn.execute(_WIPED, (erasure,)).fetchone()) is not None:
            return

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            forget_all(conn)  # a journal with a dash in it could not be read any more
            for table, column in sealed_columns(conn):
                name = f"{table}.{column.removesuffix('_sealed')}"
                query = f"SELECT id FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - the schema's names
                rows = [(store.seal(name, row[0], ERASED_NAME), row[0]) for row in conn.execute(query).fetchall()]
                conn.executemany(f"UPDATE {table} SET {column} = ? WHERE id = ?", rows)  # noqa: S608 - the same
            conn.execute("UPDATE device SET label = ''")
            conn.execute("UPDATE login_session SET label = ''")

        await store.change(CONSOLE, "box.erase", KEEPS_THE_BOX, run, detail={"erasure": erasure})
        await store.db.scrub()


def _blot_holds(store: FactStore, conn: sqlite3.Connection, ids: list[str]) -> None:
    """Replace what people wrote about holds by a dash."""
    for column, context in (("why_sealed", "footage_hold.why"), ("lift_why_sealed", "footage_hold.lift_why")):
        rows = [(store.seal(context, item, ERASED_NAME), item) for item in ids]
        conn.executemany(
            f"UPDATE footage_hold SET {column} = ? WHERE id = ? AND {column} IS NOT NULL",  # noqa: S608 - our own columns
            rows,
        )


def sealed_columns(conn: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return (table, column) of all sealed columns, so that no later one is forgotten."""
    tables = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [
        (table, str(column["name"]))
        for table in tables
        for column in conn.execute(f"PRAGMA table_info({table})").fetchall()
        if str(column["name"]).endswith("_sealed")
    ]
