"""The way in of a guest: a one-use code for one visit, and a login that ends with it.

Owns `guest_code` and `guest_login`. Invariants: the code opens until its visit is over, once; a newer one of the same
visit replaces it and ends the logins that older ones became; a guest's login is over when its visit is (or, made by an
ordinary code, when no visit of theirs runs or comes); a visit that was ended ends it at once. Codes and logins
themselves are those of `codes` and `login`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from gateway.access import audit
from gateway.access.audit import Actor
from gateway.access.codes import Code, Codes
from gateway.access.facts import Person
from gateway.access.login import Logins, Session
from gateway.access.observing import MAKES, Observing
from gateway.access.reasons import Reason
from gateway.access.store import FactStore
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, Role


class GuestPasses:
    """Makes codes of visits, and says when a guest's login is over."""

    def __init__(self, store: FactStore, logins: Logins, codes: Codes, observing: Observing) -> None:
        self._store, self._logins, self._codes, self._observing = store, logins, codes, observing
        self._of_login: dict[PublicId, str] = {}
        """Read by the database's thread too, one key at a time."""
        logins.ends, codes.gate = self.over, self

    async def load(self) -> None:
        """Read which living login is for which visit."""
        sql = (
            "SELECT guest_login.* FROM guest_login JOIN login_session ON login_session.id = guest_login.session"
            " WHERE login_session.ended_ms IS NULL"
        )
        rows = await self._store.db.read(lambda conn: conn.execute(sql).fetchall())
        self._of_login = {PublicId(row["session"]): str(row["observation"]) for row in rows}

    async def create(self, actor: Actor, visit: PublicId) -> Code:
        """Make the code of a visit, shown once, and end what older ones of it opened; Denied, NotFound, BadInput."""
        store = self._store
        await store.demand(actor, MAKES)
        row = await self._observing.get(visit)

        def run(conn: sqlite3.Connection) -> Code:
            now_ms = store.clock.now_ms()
            if row.until_ms <= now_ms:
                raise BadInput("the visit is over", case="observation_past", key="session")
            conn.execute(
                "UPDATE login_code SET closed_ms = ? WHERE closed_ms IS NULL"
                " AND id IN (SELECT code FROM guest_code WHERE observation = ?)",
                (now_ms, visit),
            )
            code_id, code = self._codes.written(conn, row.person, now_ms, row.until_ms)
            conn.execute("INSERT INTO guest_code (code, observation) VALUES (?, ?)", (code_id, visit))
            audit.append(conn, store.body(actor, "observation.code", now_ms, MAKES, session=visit, who=row.person))
            return code

        code = await store.db.write(run)
        for session in [login for login, of in self._of_login.items() if of == visit]:
            if self._logins.alive(session, row.person) != Reason.SESSION_ENDED:  # one that only waits may come back
                await self._logins.end(actor, session)
            self._of_login.pop(session, None)
        return code

    def visit_of(self, login: str) -> str | None:
        """Return the visit that a login is for; None if it was made by an ordinary code."""
        return self._of_login.get(PublicId(login))

    def over(self, login: PublicId, person: Person) -> Reason | None:
        """Say whether a login ends because its visit did (any thread); None for everybody but guests.

        Nor while the clock is not trusted: an end is for good, and until then the policy shows them nothing anyway.
        """
        if person.role is not Role.OBSERVER or not self._store.clock.trusted():
            return None
        return None if self._comes(person.id, self._of_login.get(login)) else Reason.OBSERVATION_OVER

    def _comes(self, person: PublicId, visit: str | None) -> bool:
        """Say whether this visit (or any of theirs) runs or is to come."""
        now_ms = self._store.clock.now_ms()
        rows = self._store.current.index.observations_of_person.get(person, ())
        return any(
            (visit is None or row.id == visit) and row.until_ms is not None and now_ms < row.until_ms for row in rows
        )

    # what codes ask (`codes.Gate`)

    def admits(self, conn: sqlite3.Connection, code: str, person: PublicId) -> bool:
        """Say whether a guest's code lets in: while its visit runs or is to come."""
        who = self._store.current.index.persons.get(person)
        if who is None or who.role is not Role.OBSERVER:
            return True
        return self._comes(person, _visit_of_code(conn, code))

    def begun(self, conn: sqlite3.Connection, code: str, session: Session) -> Callable[[], None]:
        """Tie the login to the code's visit."""
        visit = _visit_of_code(conn, code)
        if visit is None:
            return lambda: None
        conn.execute("INSERT INTO guest_login (session, observation) VALUES (?, ?)", (session.id, visit))

        def tie() -> None:
            self._of_login[session.id] = visit

        return tie


def _visit_of_code(conn: sqlite3.Connection, code: str) -> str | None:
    row = conn.execute("SELECT observation FROM guest_code WHERE code = ?", (code,)).fetchone()
    return None if row is None else str(row["observation"])
