"""One person's or child's data erased, in a way that the audit proves lawful.

Owns the table `erasure` and the blanking of bodies. Invariants: a principal decides, and types the name of whom it is
about; in one transaction every right of theirs ends, every sealed value of theirs is replaced, and the bodies of rows
about them are blanked and their salts destroyed; the row that says so lists these rows, is signed, and stays. What the
law or other families need stays under an id that no longer has a name: who looked, who was refused, who consented, what
was copied or held. Footage is not touched here (retention and `vuon xoa` are for that); words that others wrote are not
searched.
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from enum import StrEnum

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access.acts import ERASED_NAME, KEEPS_THE_BOX, sealed_columns
from gateway.access.audit import Actor
from gateway.access.audit_chain import ERASE, NO_SALT, erased_body, ranges_of, sign_erasure
from gateway.access.players import end_with_person
from gateway.access.roster.acts import forget_all
from gateway.access.store import FactStore, Fresh, require
from gateway.core.errors import BadInput, Denied
from gateway.core.model import PublicId, Role
from gateway.core.typed import tidy

KINDS = ("person", "child")
STAYS = ("granted", "ended", "denied", "consent.", "export.", "hold.", "audit.", "box.")
"""Acts whose rows stay, under the id alone: others have a right to them, or the school must be able to prove them."""
_LINKS = ("person", "child")


class Why(StrEnum):
    """Why data is erased; a code, because a reason in words would be personal again."""

    WITHDRAWN = "withdrawn"
    LEFT = "left"
    MISTAKE = "mistake"
    ORDER = "order"


class Asked(StrEnum):
    """Who asked for it."""

    GUARDIAN = "guardian"
    SELF = "self"
    SCHOOL = "school"
    AUTHORITY = "authority"


@dataclass(frozen=True, slots=True)
class Plan:
    """What erasing would do."""

    subject: PublicId
    kind: str
    name: str
    blanked: int
    """Rows of the audit whose body goes."""
    stays: int
    """Rows that stay under the nameless id."""
    erased_ms: int | None
    """When it was done already."""


class Erasures:
    """Plans and carries out; methods belong to the event loop."""

    def __init__(self, store: FactStore, key: Ed25519PrivateKey, *, fresh: Fresh | None = None) -> None:
        self._store, self._key, self._fresh = store, key, fresh

    async def plan(self, actor: Actor, kind: str, subject: PublicId) -> Plan:
        """Say what would go and what would stay; Denied, NotFound."""
        await self._store.demand(actor, KEEPS_THE_BOX)
        return await self._store.db.read(lambda conn: self._plan(conn, kind, subject))

    def _plan(self, conn: sqlite3.Connection, kind: str, subject: PublicId) -> Plan:
        if kind not in KINDS:
            raise BadInput("a person or a child", key="kind")
        require(conn, kind, subject)
        rows = _rows_about(conn, subject)
        done = conn.execute("SELECT at_ms FROM erasure WHERE subject = ?", (subject,)).fetchone()
        sealed = conn.execute(f"SELECT name_sealed FROM {kind} WHERE id = ?", (subject,)).fetchone()  # noqa: S608 - one of ours
        name = self._store.unseal(f"{kind}.name", subject, sealed["name_sealed"])
        going = sum(rows.values())
        return Plan(subject, kind, name, going, len(rows) - going, done["at_ms"] if done else None)

    async def erase(
        self, actor: Actor, kind: str, subject: PublicId, *, typed: str, why: Why, asked: Asked
    ) -> tuple[int, int]:
        """Erase; returns the number of the row that says so and how many bodies it blanked.

        Denied unless a principal (not the console) with a login that is fresh enough; NotFound; BadInput for oneself,
        for the last principal, for who is erased already, and unless the name was typed as it is kept.
        """
        store = self._store
        await store.demand(actor, KEEPS_THE_BOX)
        if actor.person is None:
            raise Denied("a principal decides this, by name", reason="role.action")
        if actor.person == subject:
            raise BadInput("nobody erases themselves", case="erase_self", key="subject")
        if (stale := (self._fresh or self._store.stale)(actor)) is not None:
            raise Denied("erasing needs a fresh login", reason=stale)

        def run(conn: sqlite3.Connection, now_ms: int) -> list[int]:
            plan = self._plan(conn, kind, subject)
            if plan.erased_ms is not None:
                raise BadInput("this was erased already", case="erase_again", key="subject")
            if tidy(typed) != tidy(plan.name):
                raise BadInput("the name was typed differently", case="erase_name", key="typed")
            self._refuse_last(conn, kind, subject)
            going = [seq for seq, goes in _rows_about(conn, subject).items() if goes]
            _end_rights(conn, kind, subject, now_ms)
            self._blot(conn, kind, subject)
            forget_all(conn)  # what imports can put back holds names as they were
            conn.execute("DELETE FROM guardian_phone WHERE id = ?", (subject,))
            return going

        def tell(going: list[int]) -> dict[str, object]:
            rows = ranges_of(going)
            about = {"subject": subject, "of": kind, "why": why.value, "asked": asked.value}
            return about | {"rows": rows, "signature": sign_erasure(self._key, subject, rows)}

        def blank(conn: sqlite3.Connection, seq: int, going: list[int]) -> None:
            conn.executemany(
                "UPDATE audit_body SET salt = ?, body = ? WHERE seq = ?",
                [(NO_SALT, erased_body(seq), row) for row in going],
            )
            conn.execute(
                "INSERT INTO erasure (subject, kind, why, at_ms, audit_seq) VALUES (?, ?, ?, ?, ?)",
                (subject, kind, why.value, store.clock.now_ms(), seq),
            )
            numbers.append(seq)

        numbers: list[int] = []
        going = await store.change(actor, ERASE, KEEPS_THE_BOX, run, detail=tell, after=blank)
        await self.finish()
        return numbers[0], len(going)

    async def finish(self) -> bool:
        """Write the file anew if it may hold bytes of what was erased; call it at start too, after a power cut."""
        db = self._store.db
        if await db.read(lambda conn: conn.execute("SELECT 1 FROM erasure WHERE clean = 0").fetchone()) is None:
            return False
        await db.scrub()
        await db.write(lambda conn: conn.execute("UPDATE erasure SET clean = 1 WHERE clean = 0").rowcount)
        return True

    @staticmethod
    def _refuse_last(conn: sqlite3.Connection, kind: str, subject: PublicId) -> None:
        others = "SELECT count(*) FROM person WHERE role = ? AND disabled = 0 AND id <> ?"
        if kind == "person" and conn.execute(others, (Role.PRINCIPAL, subject)).fetchone()[0] == 0:
            raise BadInput("the last principal stays", case="erase_last", key="subject")

    def _blot(self, conn: sqlite3.Connection, kind: str, subject: PublicId) -> None:
        """Replace every sealed value of theirs, in whatever table; what may be empty becomes empty."""
        for table, column in sealed_columns(conn):
            about = {str(row["name"]): row for row in conn.execute(f"PRAGMA table_info({table})")}
            links = ["id"] if table == kind else [link for link in _LINKS if link in about]
            for link in links:
                mark = "id" if "id" in about else link
                where = f"{link} = ? AND {column} IS NOT NULL"
                rows = conn.execute(f"SELECT {mark} FROM {table} WHERE {where}", (subject,)).fetchall()  # noqa: S608 - the schema's names
                for (row,) in rows:
                    context = f"{table}.{column.removesuffix('_sealed')}"
                    value = self._store.seal(context, str(row), ERASED_NAME) if about[column]["notnull"] else None
                    conn.execute(f"UPDATE {table} SET {column} = ? WHERE {mark} = ?", (value, row))  # noqa: S608 - the same
        for table in ("device", "login_session"):
            conn.execute(f"UPDATE {table} SET label = '' WHERE person = ?", (subject,))  # noqa: S608 - ours


def erased_subjects(conn: sqlite3.Connection) -> frozenset[PublicId]:
    """Return whose data was erased."""
    return frozenset(PublicId(row[0]) for row in conn.execute("SELECT subject FROM erasure"))


def _rows_about(conn: sqlite3.Connection, subject: PublicId) -> dict[int, bool]:
    """Return the numbers of rows that name somebody, each with whether its body goes."""
    found: dict[int, bool] = {}
    for seq, body in conn.execute("SELECT seq, body FROM audit_body WHERE instr(body, ?) > 0", (subject,)):
        found[seq] = not str(json.loads(body).get("what", "")).startswith(STAYS)
    return found


def _end_rights(conn: sqlite3.Connection, kind: str, subject: PublicId, now_ms: int) -> None:
    """End whatever the person may, or whatever others may because of the child."""
    spans = ("guardian", "teaching") if kind == "person" else ("guardian", "enrolment", "consent", "resolution")
    for table in spans:
        sql = f"UPDATE {table} SET until_ms = ? WHERE {kind} = ? AND (until_ms IS NULL OR until_ms > ?)"  # noqa: S608 - ours
        conn.execute(sql, (now_ms, subject, now_ms))
    if kind == "person":
        conn.execute("UPDATE person SET disabled = 1 WHERE id = ?", (subject,))
        for table, column in (("device", "ended_ms"), ("slip", "ended_ms"), ("login_code", "closed_ms")):
            sql = f"UPDATE {table} SET {column} = ? WHERE person = ? AND {column} IS NULL"  # noqa: S608 - ours
            conn.execute(sql, (now_ms, subject))
        for table, column in (("recovery_code", "person"), ("browser_mark", "person"), ("account", "id")):
            conn.execute(f"DELETE FROM {table} WHERE {column} = ?", (subject,))  # noqa: S608 - ours
        end_with_person(conn, subject, now_ms)
        conn.execute("DELETE FROM device_key WHERE device IN (SELECT id FROM device WHERE person = ?)", (subject,))
