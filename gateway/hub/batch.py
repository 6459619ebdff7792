"""Reading what a box sends: unpacking, and deciding whether a document is an event.

Owns the limits on bytes and shapes. Invariants: pure, no database and no clock; nothing a box sends can
raise more than BadInput here, nor a database error later: text is encodable, numbers fit, JSON is strict.
"""

from __future__ import annotations

import datetime as dt
import json
import math
import zlib
from typing import Any, NamedTuple

from gateway.core.errors import BadInput

MAX_BATCH = 2_000
MAX_BATCH_BYTES = 4 << 20
"""Decompressed: 2,000 events of 400 B are 0.8 MB; the cap stops a decompression bomb."""
MAX_CLAIM_BYTES = 4 << 10
"""Decompressed body of an enrolment, which is unpacked before anybody is known."""
MAX_DATA_CHARS = 8 << 10
_LARGEST = 2**63 - 1
_LENGTHS = {"id": 64, "type": 100, "time": 40}


class HubEvent(NamedTuple):
    """One document that is an event."""

    id: str
    type: str
    subject: str
    time: str
    at_ms: int
    """The box's time; means nothing unless `time_trusted`."""
    time_trusted: bool
    mono_ms: int
    data: dict[str, Any]
    data_json: str


class Bad(NamedTuple):
    """One document that is none: a code why, and what it was, cut."""

    why: str
    id: str
    body: str


def unpack(body: bytes, most: int = MAX_BATCH_BYTES) -> dict[str, Any]:
    """Return the JSON object of a gzipped request; BadInput if it is none, truncated, or over `most` bytes."""
    try:
        unpacker = zlib.decompressobj(31)
        text = unpacker.decompress(body, most + 1)
    except zlib.error as error:
        raise BadInput("the body is not gzip") from error
    if len(text) > most:
        raise BadInput(f"the body unpacks to more than {most} bytes")
    if not unpacker.eof or unpacker.unused_data:
        raise BadInput("the body is no single whole gzip member")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is no JSON") from error
    if not isinstance(value, dict):
        raise BadInput("the body is no JSON object")
    return value


def number_of(value: object, most: int = _LARGEST) -> int | None:
    """Return a whole number of 0 … `most`, None for anything else (a bool is no number)."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most else None


def read_document(document: object, expected: int) -> HubEvent | Bad:
    """Return the event in a document whose number must be `expected`, or why it is none."""
    if not isinstance(document, dict):
        return _bad("not_an_object", document, "")
    texts = {key: _text(document.get(key), most) for key, most in _LENGTHS.items()}
    own = texts["id"] or ""
    if document.get("sequence") != expected or isinstance(document.get("sequence"), bool):
        return _bad("sequence", document, own)
    subject = _text(document.get("subject", ""), 64)
    if subject is None or any(not text for text in texts.values()):
        return _bad("attribute", document, own)
    data = document.get("data")
    if not isinstance(data, dict) or not all(_is_plain(key) and _is_plain(value) for key, value in data.items()):
        return _bad("data", document, own)
    data_json = json.dumps(data, separators=(",", ":"))
    if len(data_json) > MAX_DATA_CHARS:
        return _bad("too_long", document, own)
    at_ms = _time_ms(texts["time"] or "")
    if at_ms is None:
        return _bad("time", document, own)
    return HubEvent(
        own,
        texts["type"] or "",
        subject,
        texts["time"] or "",
        at_ms,
        document.get("timetrusted") is True,
        _mono_ms(document.get("monoms")),
        data,
        data_json,
    )


def _bad(why: str, document: object, own: str) -> Bad:
    try:
        body = json.dumps(document)
    except (ValueError, RecursionError):
        body = ""
    return Bad(why, own, body[:MAX_DATA_CHARS])


def _text(value: object, most: int) -> str | None:
    """Return a string that a database can hold, else None."""
    if not isinstance(value, str) or len(value) > most:
        return None
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate
        return None
    return value


def _is_plain(value: object) -> bool:
    if isinstance(value, str):
        return _text(value, MAX_DATA_CHARS) is not None
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, int):
        return abs(value) <= _LARGEST
    return value is None


def _time_ms(text: str) -> int | None:
    """Return the UTC ms of an RFC 3339 time with a zone."""
    try:
        moment = dt.datetime.fromisoformat(text)
        return int(moment.timestamp() * 1000) if moment.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def _mono_ms(value: object) -> int:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 18 else 0
