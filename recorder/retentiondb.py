"""The part of `cameras.db` that belongs to retention: pins, classes, holds found on disks, the calm after a jump.

Owns the migrations; the tables' rows belong to `pins`, `groups`, `holds` and `agegate`.
"""

from __future__ import annotations

from importlib.resources import files

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import apply_schema

MIGRATIONS = Migrations("retention")


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """Create the tables; `camera` and `hold` exist by then."""
    apply_schema(db, files("recorder") / "schema_retention.sql")
