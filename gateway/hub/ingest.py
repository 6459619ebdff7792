"""Taking events in: rows, board and cursor in one transaction.

Owns the write side of `hub.db` for what boxes send. Invariants: the cursor row decides what is new, so a
repeated batch adds nothing and one that does not fit onto the cursor is answered `gap`, which makes the
box say hello; a document that is no event goes to quarantine and the cursor passes it, so that one bad
document cannot stop a school; an event that came before under another stream (the box was restored) is
kept once, by its id.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.core.errors import BadInput
from gateway.core.model import is_public_id
from gateway.hub.batch import MAX_BATCH, Bad, HubEvent, number_of, read_document
from gateway.hub.fleet import CameraState, fold

LANES = ("alarm", "report", "routine")
MAX_STREAMS = 300
"""A box gets new streams only when something was restored; three hundred are a box gone mad."""
MAX_CAMERAS = 500
BOX = "box"
_LARGEST_FIGURE = 1_000_000


class Ack(NamedTuple):
    """The hub's answer to a batch."""

    acked: int
    gap: bool


def hello(connection: sqlite3.Connection, gateway: str, lanes: Sequence[Any]) -> list[dict[str, Any]]:
    """Return our cursor of each stream the box names; one never seen starts at its base. BadInput if malformed."""
    answer = []
    for item in lanes:
        lane, stream, base = _announced(item)
        row = _cursor(connection, gateway, stream)
        if row is None:
            _open_cursor(connection, gateway, stream, lane, base)
            answer.append({"stream": stream, "lane": lane, "acked": base, "id": ""})
        else:
            answer.append({"stream": stream, "lane": row["lane"], "acked": row["acked"], "id": row["last_id"]})
    return answer


def _announced(item: object) -> tuple[str, str, int]:
    lane, stream, base = (
        (item.get(key) for key in ("lane", "stream", "base")) if isinstance(item, dict) else (None,) * 3
    )
    number = number_of(base)
    if lane not in LANES or not isinstance(stream, str) or len(stream) != 36 or not stream.isascii() or number is None:
        raise BadInput("a lane of hello is malformed")
    return str(lane), stream, number


def _cursor(connection: sqlite3.Connection, gateway: str, stream: str) -> sqlite3.Row | None:
    found: sqlite3.Row | None = connection.execute(
        "SELECT * FROM cursor WHERE gateway = ? AND stream = ?", (gateway, stream)
    ).fetchone()
    return found


def _open_cursor(connection: sqlite3.Connection, gateway: str, stream: str, lane: str, base: int) -> None:
    (number,) = connection.execute(
        "SELECT coalesce(max(number), 0) + 1 FROM cursor WHERE gateway = ?", (gateway,)
    ).fetchone()
    if number > MAX_STREAMS:
        raise BadInput(f"a box has at most {MAX_STREAMS} streams")
    connection.execute(
        "INSERT INTO cursor (gateway, stream, lane, number, acked) VALUES (?, ?, ?, ?, ?)",
        (gateway, stream, lane, number, base),
    )


def ingest(
    connection: sqlite3.Connection, gateway: str, stream: str, first: int, documents: Sequence[Any], *, now_ms: int
) -> Ack:
    """Store what is new of a batch and move the cursor.

    `first` is the number of the first document. A stream never announced is a gap: after a restore of the
    hub the box has to say hello. A document at the cursor with another id than we have there is a gap, too:
    the box counts again from an old image.
    """
    if len(documents) > MAX_BATCH:
        raise BadInput(f"a batch holds at most {MAX_BATCH} events")
    row = _cursor(connection, gateway, stream)
    if row is None:
        return Ack(0, gap=True)
    acked, last_id = int(row["acked"]), str(row["last_id"])
    if first > acked + 1 or _contradicts(documents, acked - first, last_id):
        return Ack(acked, gap=True)
    fresh = documents[acked + 1 - first :]
    for number, document in enumerate(fresh, start=acked + 1):
        last_id = _store(connection, gateway, stream, number, read_document(document, number), now_ms)
    if fresh:
        acked += len(fresh)
        connection.execute(
            "UPDATE cursor SET acked = ?, last_id = ? WHERE gateway = ? AND stream = ?",
            (acked, last_id, gateway, stream),
        )
    return Ack(acked, gap=False)


def _contradicts(documents: Sequence[Any], place: int, last_id: str) -> bool:
    if not last_id or not 0 <= place < len(documents):
        return False
    known = documents[place]
    return isinstance(known, dict) and isinstance(known.get("id"), str) and known["id"] != last_id


def _store(
    connection: sqlite3.Connection, gateway: str, stream: str, number: int, found: HubEvent | Bad, now_ms: int
) -> str:
    """Write one document; returns its id, empty if it has none."""
    if isinstance(found, Bad):
        connection.execute(
            "INSERT INTO quarantine (gateway, stream, seq, received_at, why, body) VALUES (?, ?, ?, ?, ?, ?)",
            (gateway, stream, number, now_ms, found.why, found.body),
        )
        return found.id
    done = connection.execute(
        "INSERT INTO event (gateway, stream, seq, id, type, subject, time, time_trusted, mono_ms, received_at, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (gateway, id) DO NOTHING",
        (
            gateway,
            stream,
            number,
            found.id,
            found.type,
            found.subject,
            found.time,
            found.time_trusted,
            found.mono_ms,
            now_ms,
            found.data_json,
        ),
    )
    if done.rowcount:
        # A clock that is wrong must not date a trouble into the future or to 1970.
        at_ms = min(found.at_ms, now_ms) if found.time_trusted and found.at_ms > 0 else now_ms
        _apply(connection, gateway, found.type, found.data, at_ms)
    return found.id


def _apply(connection: sqlite3.Connection, gateway: str, kind: str, data: Mapping[str, Any], at_ms: int) -> None:
    """Change the board by one event."""
    match kind:
        case "vn.vuon.box.summary.v1":
            figures = (number_of(data.get(key), _LARGEST_FIGURE) for key in ("cameras", "recording", "viewers"))
            connection.execute(
                "UPDATE gateway SET cameras = coalesce(?, cameras), recording = coalesce(?, recording),"
                " viewers = coalesce(?, viewers) WHERE id = ?",
                (*figures, gateway),
            )
        case "vn.vuon.box.started.v1":
            version = str(data.get("version", ""))[:40]
            connection.execute("UPDATE gateway SET version = ? WHERE id = ?", (version, gateway))
        case "vn.vuon.condition.raised.v1" if data.get("about") == BOX or is_public_id(str(data.get("about"))):
            connection.execute(
                "INSERT INTO condition (gateway, code, about, since_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (gateway, code, about) DO NOTHING",
                (gateway, str(data.get("condition", ""))[:64], str(data["about"]), at_ms),
            )
        case "vn.vuon.condition.cleared.v1":
            connection.execute(
                "DELETE FROM condition WHERE gateway = ? AND code = ? AND about = ?",
                (gateway, str(data.get("condition", "")), str(data.get("about", ""))),
            )
        case _:
            _apply_to_camera(connection, gateway, kind, data, at_ms)


def _apply_to_camera(
    connection: sqlite3.Connection, gateway: str, kind: str, data: Mapping[str, Any], at_ms: int
) -> None:
    camera = data.get("camera")
    if not isinstance(camera, str) or not is_public_id(camera):
        return
    if kind == "vn.vuon.camera.removed.v1":
        connection.execute("UPDATE camera SET removed = 1 WHERE gateway = ? AND camera = ?", (gateway, camera))
        connection.execute("DELETE FROM condition WHERE gateway = ? AND about = ?", (gateway, camera))
    elif kind == "vn.vuon.camera.adopted.v1":
        fresh = _camera(connection, gateway, camera, at_ms)
        _write_camera(connection, gateway, fresh)
        connection.execute("UPDATE camera SET removed = 0 WHERE gateway = ? AND camera = ?", (gateway, camera))
    elif kind.startswith(("vn.vuon.camera.", "vn.vuon.recording.")):
        _write_camera(connection, gateway, fold(_camera(connection, gateway, camera, at_ms), kind, data, at_ms))


def _write_camera(connection: sqlite3.Connection, gateway: str, camera: CameraState) -> None:
    if camera.number > MAX_CAMERAS:
        return
    connection.execute(
        "INSERT INTO camera (gateway, camera, number, state, why, since_at, recording) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (gateway, camera) DO UPDATE SET state = excluded.state, why = excluded.why,"
        " since_at = excluded.since_at, recording = excluded.recording",
        (gateway, camera.camera, camera.number, camera.state, camera.why, camera.since_ms, camera.recording),
    )


def _camera(connection: sqlite3.Connection, gateway: str, camera: str, at_ms: int) -> CameraState:
    row = connection.execute("SELECT * FROM camera WHERE gateway = ? AND camera = ?", (gateway, camera)).fetchone()
    if row is not None:
        return read_camera(row)
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM camera WHERE gateway = ?", (gateway,)).fetchone()
    return CameraState(camera, int(last) + 1, since_ms=at_ms)


def read_camera(row: sqlite3.Row) -> CameraState:
    """Return a row of `camera` as its value."""
    return CameraState(
        row["camera"],
        row["number"],
        row["state"],
        row["why"],
        row["since_at"],
        bool(row["recording"]),
    )
