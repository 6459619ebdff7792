"""Holds: orders not to delete a span of a camera's footage.

Owns the reading of the table `hold` for retention. Invariant: a hold of a camera covers all its streams,
also after the camera was removed.
"""

from __future__ import annotations

import sqlite3

from gateway.core.model import StreamId
from recorder.retention import Hold


def read_holds(connection: sqlite3.Connection) -> list[Hold]:
    """Return every hold, once per stream it covers."""
    rows = connection.execute(
        "SELECT stream.id, start_ms, end_ms, until_ms FROM hold JOIN stream USING (camera_id) ORDER BY stream.id"
    )
    return [Hold(StreamId(row[0]), row[1], row[2], row[3]) for row in rows]
