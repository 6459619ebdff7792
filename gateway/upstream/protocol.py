"""What a box and a hub say to each other, as values (`docs/design/upstream.md` has the procedure).

Owns the reading of the hub's answers. Invariants: whatever a proxy, a captive portal or a broken hub
answers, the caller gets one of these values or UpstreamError, never a KeyError; numbers fit SQLite.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.core.errors import UpstreamError
from gateway.core.model import PublicId, is_public_id

_LARGEST = 2**63 - 1
MAX_ID_CHARS = 64


class Announced(NamedTuple):
    """One lane as the box announces it at hello."""

    lane: str
    stream: str
    base: int
    last: int


class Cursor(NamedTuple):
    """How far the hub has one stream: the last number, and the event id there (empty = not known)."""

    stream: str
    acked: int
    id: str


class Ack(NamedTuple):
    """The hub's answer to a batch; `gap` = it does not fit onto what the hub has: say hello again."""

    acked: int
    gap: bool


def read_gateway(answer: Mapping[str, Any]) -> PublicId:
    """Return the gateway id of an enrolment's answer."""
    gateway = answer.get("gateway")
    if not isinstance(gateway, str) or not is_public_id(gateway):
        raise UpstreamError("the hub's enrolment answer has no gateway id")
    return PublicId(gateway)


def read_cursors(answer: Mapping[str, Any]) -> dict[str, Cursor]:
    """Return the cursors of a hello's answer by stream."""
    rows = answer.get("cursors")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise UpstreamError("the hub's hello answer has no cursors")
    found = [Cursor(str(row.get("stream")), _number(row.get("acked")), _id(row.get("id"))) for row in rows]
    return {cursor.stream: cursor for cursor in found}


def read_ack(answer: Mapping[str, Any]) -> Ack:
    """Return the answer to a batch."""
    return Ack(_number(answer.get("acked")), answer.get("gap") is True)


def _number(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _LARGEST:
        raise UpstreamError("the hub's answer has no number where one belongs")
    return value


def _id(value: object) -> str:
    return value[:MAX_ID_CHARS] if isinstance(value, str) else ""
