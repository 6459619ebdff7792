"""Taking events in: rows and cursor in one transaction.

Owns the write side of `hub.db`. Invariants: the cursor row decides what is new, so a repeated batch adds
nothing and a batch that skips numbers is refused with `gap`; a document that is no event goes to
quarantine and the cursor passes it; the board changes in the same transaction as the event.
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

from gateway.core.errors import BadInput
from gateway.hub.fleet import CameraState, fold

MAX_BATCH = 2_000
MAX_BATCH_BYTES = 4 << 20
"""Decompressed: 2,000 events of 400 B are 0.8 MB; the cap stops a decompression bomb."""


class Ack(NamedTuple):
    """The hub's answer to a batch."""

    acked: int
    gap: bool


def decompress(body: bytes) -> bytes:
    """Return the gzip content of a request; BadInput if it is none or too large."""
    try:
        unpacker = zlib.decompressobj(31)
        text = unpacker.decompress(body, MAX_BATCH_BYTES)
    except zlib.error as error:
        raise BadInput("the body is not gzip") from error
    if unpacker.unconsumed_tail:
        raise BadInput(f"the batch is over {MAX_BATCH_BYTES} bytes")
    return text


def hello(connection: sqlite3.Connection, gateway: str, lanes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return our cursor of each stream the box names; an unknown one starts at its base."""
    answer = []
    for item in lanes:
        stream, lane, base = str(item["stream"]), str(item["lane"]), int(item["base"])
        connection.execute(
            "INSERT OR IGNORE INTO cursor (gateway, stream, lane, acked) VALUES (?, ?, ?, ?)",
            (gateway, stream, lane, base),
        )
        row = connection.execute(
            "SELECT acked, last_id FROM cursor WHERE gateway = ? AND stream = ?", (gateway, stream)
        ).fetchone()
        answer.append({"stream": stream, "lane": lane, "acked": row["acked"], "id": row["last_id"]})
    return answer


def ingest(connection: sqlite3.Connection, gateway: str, stream: str, documents: Sequence[Any], *, now_ms: int) -> Ack:
    """Store what is new of a batch and move the cursor; BadInput for an unknown stream or bad numbering."""
    row = connection.execute("SELECT acked FROM cursor WHERE gateway = ? AND stream = ?", (gateway, stream)).fetchone()
    if row is None:
        raise BadInput("this stream was never announced: say hello first")
    acked = int(row["acked"])
    if len(documents) > MAX_BATCH:
        raise BadInput(f"a batch holds at most {MAX_BATCH} events")
    numbers = [_number(document) for document in documents]
    if not numbers:
        return Ack(acked, gap=False)
    if numbers != list(range(numbers[0], numbers[0] + len(numbers))):
        raise BadInput("the numbers of a batch must be contiguous")
    if numbers[0] > acked + 1:
        return Ack(acked, gap=True)
    last_id = ""
    for number, document in zip(numbers, documents, strict=True):
        if number > acked:
            last_id = _store(connection, gateway, stream, number, document, now_ms)
            acked = number
    if last_id:
        connection.execute(
            "UPDATE cursor SET acked = ?, last_id = ? WHERE gateway = ? AND stream = ?",
            (acked, last_id, gateway, stream),
        )
    return Ack(acked, gap=False)


def _number(document: object) -> int:
    number = document.get("sequence") if isinstance(document, dict) else None
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise BadInput("a document has no sequence number")
    return number


def _store(
    connection: sqlite3.Connection, gateway: str, stream: str, number: int, document: dict[str, Any], now_ms: int
) -> str:
    texts = [document.get(key) for key in ("id", "type", "subject", "time")]
    data = document.get("data")
    at_ms = _time_ms(texts[3])
    if not all(isinstance(text, str) for text in texts) or not isinstance(data, dict) or at_ms is None:
        connection.execute(
            "INSERT OR IGNORE INTO quarantine (gateway, stream, seq, received_at, body) VALUES (?, ?, ?, ?, ?)",
            (gateway, stream, number, now_ms, json.dumps(document)),
        )
        return str(document.get("id") or "quarantined")
    done = connection.execute(
        "INSERT OR IGNORE INTO event (gateway, stream, seq, id, type, subject, time, received_at, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (gateway, stream, number, *texts, now_ms, json.dumps(data, ensure_ascii=False)),
    )
    if done.rowcount:
        _apply(connection, gateway, str(texts[1]), data, at_ms)
    return str(texts[0])


def _time_ms(text: object) -> int | None:
    try:
        return int(dt.datetime.fromisoformat(str(text)).timestamp() * 1000)
    except (ValueError, OverflowError):
        return None


def _apply(connection: sqlite3.Connection, gateway: str, kind: str, data: dict[str, Any], at_ms: int) -> None:
    if kind == "vn.vuon.box.summary.v1":
        connection.execute(
            "UPDATE gateway SET cameras = ?, recording = ?, viewers = ? WHERE id = ?",
            (data.get("cameras"), data.get("recording"), data.get("viewers"), gateway),
        )
    elif kind == "vn.vuon.box.started.v1":
        connection.execute("UPDATE gateway SET version = ? WHERE id = ?", (str(data.get("version", "")), gateway))
    camera = data.get("camera")
    if not isinstance(camera, str) or len(camera) != 16:
        return
    if kind == "vn.vuon.camera.removed.v1":
        connection.execute("DELETE FROM camera WHERE gateway = ? AND camera = ?", (gateway, camera))
    elif kind.startswith(("vn.vuon.camera.", "vn.vuon.recording.")):
        before = _camera(connection, gateway, camera, at_ms)
        after = fold(before, kind, data, at_ms)
        connection.execute(
            "INSERT INTO camera (gateway, camera, number, state, why, since_at, recording) VALUES (?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (gateway, camera) DO UPDATE SET state = excluded.state, why = excluded.why,"
            " since_at = excluded.since_at, recording = excluded.recording",
            (gateway, camera, after.number, after.state, after.why, after.since_ms, after.recording),
        )


def _camera(connection: sqlite3.Connection, gateway: str, camera: str, at_ms: int) -> CameraState:
    row = connection.execute("SELECT * FROM camera WHERE gateway = ? AND camera = ?", (gateway, camera)).fetchone()
    if row is not None:
        return read_camera(row)
    (last,) = connection.execute("SELECT coalesce(max(number), 0) FROM camera WHERE gateway = ?", (gateway,)).fetchone()
    return CameraState(camera, int(last) + 1, since_ms=at_ms)


def read_camera(row: sqlite3.Row) -> CameraState:
    """Return a row of `camera` as its value."""
    return CameraState(row["camera"], row["number"], row["state"], row["why"], row["since_at"], bool(row["recording"]))
