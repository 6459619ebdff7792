"""How access's part of gateway.db came to be: its schema, step by step.

Owns the order and the names of the steps. Invariants: a step that ever ran in a school is never edited, renamed or
moved (its name stands in the database as done); a new one is appended.
"""

from __future__ import annotations

from importlib.resources import files

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import apply_schema

MIGRATIONS = Migrations("access")


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """Create the schema of version 1."""
    apply_schema(db, files("gateway.access") / "schema.sql")


@MIGRATIONS()
def holds_and_copies(db: UtilsDatabase) -> None:
    """Add the wishes for holds, and what became of orders of copies."""
    apply_schema(db, files("gateway.access") / "copies.sql")


@MIGRATIONS()
def player_tokens(db: UtilsDatabase) -> None:
    """Add tokens of players that cannot sign in."""
    apply_schema(db, files("gateway.access") / "players.sql")


@MIGRATIONS()
def vice_principals_and_kinds(db: UtilsDatabase) -> None:
    """Add the role of the vice-principal, and codes for what a guardian is to the child."""
    apply_schema(db, files("gateway.access") / "roles.sql")


@MIGRATIONS()
def audit_by_hour_and_erasures(db: UtilsDatabase) -> None:
    """Add the index of a day's rows, the list of erasures, and the one exception to append-only."""
    apply_schema(db, files("gateway.access") / "audit.sql")


@MIGRATIONS()
def consent_answers(db: UtilsDatabase) -> None:
    """Add whose answer it is and to which text, paper sheets, and cases."""
    apply_schema(db, files("gateway.access") / "consent.sql")


@MIGRATIONS()
def slips_and_device_keys(db: UtilsDatabase) -> None:
    """Add what slips ask, the keys of bound browsers, and the school's approval of them."""
    apply_schema(db, files("gateway.access") / "slips.sql")


@MIGRATIONS()
def accounts_of_staff(db: UtilsDatabase) -> None:
    """Add passwords, second factors, known browsers, and where a login came from."""
    apply_schema(db, files("gateway.access") / "signin.sql")


@MIGRATIONS()
def policy_facts(db: UtilsDatabase) -> None:
    """Add observers' sessions, rules of classes and the minutes guardians watched."""
    apply_schema(db, files("gateway.access") / "policy.sql")


@MIGRATIONS()
def people_and_lists(db: UtilsDatabase) -> None:
    """Add what lists of a school hold beyond names, imports that can be undone, and the responsible persons."""
    for table, column, kind in (
        ("child", "birth_sealed", "BLOB"),
        ("child", "code_sealed", "BLOB"),
        ("class", "ended_ms", "INTEGER"),
    ):
        db.conn.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")
    apply_schema(db, files("gateway.access") / "people.sql")


@MIGRATIONS()
def class_rooms(db: UtilsDatabase) -> None:
    """Add wishes for one more pause, wall sheets, and the notice that staff sign."""
    apply_schema(db, files("gateway.access") / "classroom.sql")


@MIGRATIONS()
def resets_of_passwords(db: UtilsDatabase) -> None:
    """Count how often a password was reset."""
    apply_schema(db, files("gateway.access") / "locks.sql")


@MIGRATIONS()
def guests_visits(db: UtilsDatabase) -> None:
    """Add why guests come, the teacher's no, and codes and logins that end with a visit."""
    apply_schema(db, files("gateway.access") / "observation.sql")


@MIGRATIONS()
def causes_of_sheet_lines(db: UtilsDatabase) -> None:
    """Keep why a line of a countersigned sheet did not count."""
    apply_schema(db, files("gateway.access") / "sheetcauses.sql")
