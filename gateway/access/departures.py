"""Guardians who stand for no child any more: what let them in ends with their last tie, the account stays.

Owns that ending. Invariants: whoever has a tie, or one to come, keeps everything; so does who never had one (the school
is just putting them in); a clock that is not trusted ends nothing, for it cannot be undone by setting it; sessions,
keys, devices, open slips and codes end together, and one row says so. Who comes back gets a new tie and a new slip.
The picture does not wait for this: without a tie the policy denies at the very instant.
"""

from __future__ import annotations

import sqlite3

from gateway.access import audit
from gateway.access.audit import BY_BOX
from gateway.access.boundkeys import forget_keys
from gateway.access.login import Logins
from gateway.access.store import FactStore, Need
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId

LOOK_S, AGAIN_S = 5.0, 60.0
"""How soon after a change of facts it is looked again, and how often without one: ties also end by time."""
_GONE = """SELECT person FROM guardian GROUP BY person HAVING max(coalesce(until_ms, 9223372036854775807)) <= ?1"""
_LEFT_OPEN = f"""
SELECT gone.person FROM ({_GONE}) AS gone WHERE
  EXISTS (SELECT 1 FROM device WHERE device.person = gone.person AND ended_ms IS NULL)
  OR EXISTS (SELECT 1 FROM slip WHERE slip.person = gone.person AND used_ms IS NULL AND ended_ms IS NULL)
  OR EXISTS (SELECT 1 FROM login_code WHERE login_code.person = gone.person AND closed_ms IS NULL)
  OR EXISTS (SELECT 1 FROM login_session WHERE login_session.person = gone.person AND ended_ms IS NULL)
ORDER BY gone.person"""  # noqa: S608 - our own words


def has_left(conn: sqlite3.Connection, person: PublicId, now_ms: int) -> bool:
    """Say whether a guardian stood for a child and stands for none now nor later, inside the caller's transaction."""
    sql = f"SELECT 1 FROM ({_GONE}) WHERE person = ?2"  # noqa: S608 - our own words
    return conn.execute(sql, (now_ms, person)).fetchone() is not None


class Departures:
    """Ends what is left open, while `run` runs."""

    def __init__(self, store: FactStore, logins: Logins) -> None:
        self._store, self._logins = store, logins
        self._changed = True

    def changed(self) -> None:
        """Hear that facts changed; event loop only."""
        self._changed = True

    async def run(self) -> None:
        """Look for ever."""
        clock, looked_ns = self._store.clock, 0
        while True:
            if self._changed or clock.mono_ns() - looked_ns >= AGAIN_S * 1e9:
                self._changed, looked_ns = False, clock.mono_ns()
                await self.sweep()
            await clock.sleep(LOOK_S)

    async def sweep(self) -> int:
        """End what is open for guardians who left; returns for how many. Nothing while the clock is not trusted."""
        store = self._store
        if not store.clock.trusted():
            return 0
        now_ms = store.clock.now_ms()
        rows = await store.db.read(lambda conn: conn.execute(_LEFT_OPEN, (now_ms,)).fetchall())
        for row in rows:
            await self._end(PublicId(row["person"]))
        return len(rows)

    async def _end(self, person: PublicId) -> None:
        def run(conn: sqlite3.Connection) -> bool:
            now_ms = self._store.clock.now_ms()
            if not has_left(conn, person, now_ms):  # tied again meanwhile
                return False
            keys = conn.execute(
                "SELECT device_key.id FROM device_key JOIN device ON device.id = device WHERE person = ?", (person,)
            ).fetchall()
            devices = conn.execute(
                "UPDATE device SET ended_ms = ? WHERE person = ? AND ended_ms IS NULL", (now_ms, person)
            ).rowcount
            forget_keys(conn, [PublicId(row["id"]) for row in keys], now_ms)
            slips = conn.execute(
                "UPDATE slip SET ended_ms = ? WHERE person = ? AND used_ms IS NULL AND ended_ms IS NULL",
                (now_ms, person),
            ).rowcount
            codes = conn.execute(
                "UPDATE login_code SET closed_ms = ? WHERE person = ? AND closed_ms IS NULL", (now_ms, person)
            ).rowcount
            logins = conn.execute(
                "UPDATE login_session SET ended_ms = ? WHERE person = ? AND ended_ms IS NULL", (now_ms, person)
            ).rowcount
            if not (devices or slips or codes or logins):  # somebody else ended it all meanwhile
                return False
            need = Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person))
            detail = {"who": person, "devices": devices, "slips": slips, "codes": codes, "logins": logins}
            audit.append(conn, self._store.body(BY_BOX, "guardian.left", now_ms, need, **detail))
            return True

        if await self._store.db.write(run):
            await self._logins.end_person(BY_BOX, person)
