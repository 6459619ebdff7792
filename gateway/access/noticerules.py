"""The leg of the policy that the staff has: every teacher of a class has read the notice before guardians look in.

Owns the rule and the reading of its rows. Invariants: who is disabled, or does not teach the class any more, holds
nothing up; a class without a teacher in the box is held up by nobody (the page of the principal says so); a signature
is for one version of the text.
"""

from __future__ import annotations

import sqlite3

from gateway.access.facts import Facts, StaffNotice
from gateway.access.reasons import Reason
from gateway.core.model import PublicId, Role

NOTICE_VERSION = "1"
"""Version of the text in force: `notice.*` of the pages' catalogues. A change of substance needs a new one."""


def load_notices(conn: sqlite3.Connection) -> tuple[StaffNotice, ...]:
    """Return who signed which version, inside the caller's transaction."""
    sql = "SELECT person, version, min(signed_ms) AS signed_ms FROM staff_notice GROUP BY person, version"
    return tuple(
        StaffNotice(person=PublicId(row["person"]), version=row["version"], since_ms=row["signed_ms"])
        for row in conn.execute(sql)
    )


def has_signed(facts: Facts, person: PublicId, at_ms: int) -> bool:
    """Say whether somebody has signed the text in force."""
    rows = facts.index.notices_of_person.get(person, ())
    return any(row.version == NOTICE_VERSION and row.holds(at_ms) for row in rows)


def teachers_of(facts: Facts, class_id: PublicId, at_ms: int) -> list[PublicId]:
    """Return who teaches a class now and may work here."""
    found = []
    for row in facts.index.teachings_of_class.get(class_id, ()):
        person = facts.index.persons.get(row.person)
        if row.holds(at_ms) and person is not None and person.role is Role.TEACHER and not person.disabled:
            found.append(row.person)
    return found


def unsigned(facts: Facts, class_id: PublicId, at_ms: int) -> Reason | None:
    """Hide the class while one of its teachers has not signed."""
    teachers = teachers_of(facts, class_id, at_ms)
    return None if all(has_signed(facts, person, at_ms) for person in teachers) else Reason.STAFF_NOTICE
