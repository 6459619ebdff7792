"""What may leave the school: an allow-list of event types and fields, and the document sent.

Owns the only decision of that kind. Invariants: a type that is not listed stays here; a field that is not
listed is cut, and so is a value that has not the shape of its field (a code, an id, a number): free text,
a name or an address cannot travel even if a part of the box puts it into a listed field by mistake.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from gateway.core.events import Event
from gateway.core.model import is_public_id

ALLOWED: Mapping[str, frozenset[str]] = {
    f"{name}.v1": frozenset(fields.split())
    for name, fields in {
        "camera.adopted": "camera driver streams",
        "camera.removed": "camera",
        "camera.state": "camera state why",
        "camera.address": "camera",
        "camera.settings": "camera action applied failed",
        "recording.started": "camera stream run",
        "recording.stopped": "camera stream why",
        "recording.gap": "camera stream why seconds",
        "recording.completeness": "camera day percent expected missing why",
        "volume.state": "volume state free_pct",
        "volume.reindexed": "volume segments",
        "footage.key": "what",
        "footage.erased": "camera keys files",
        "clock.step": "step_ms",
        "box.started": "version boot",
        "box.summary": "cameras recording viewers",
        "access.login": "role outcome",
        "access.granted": "role action",
        "access.denied": "role action reason",
        "access.revoked": "reason sessions",
        "export.requested": "camera order",
        "export.approved": "camera order",
        "export.done": "camera order",
        "sharing.stopped": "state",
        "audit.checkpoint": "seq head signature",
        "upstream.dropped": "lane documents",
        "condition.raised": "condition about",
        "condition.cleared": "condition about",
    }.items()
}

AT_SCHOOL = ("consent.",)
"""Conditions that are between a school and its families: nobody outside learns that there is a case at all."""

_SUBJECT_PREFIXES = ("camera.", "recording.")
"""Only cameras are named upstream: classes and persons stay in the school."""


def _matches(pattern: str) -> Callable[[object], bool]:
    compiled = re.compile(pattern)
    return lambda value: isinstance(value, str) and compiled.fullmatch(value) is not None


def _is_number(value: object) -> bool:
    """Say whether it is a finite number that fits 64 bits."""
    return isinstance(value, int | float) and math.isfinite(value) and abs(value) < 2**63


def _is_id(value: object) -> bool:
    return isinstance(value, str) and is_public_id(value)


_CODE = _matches(r"(?:[a-z][a-z0-9_.]{0,47})?")
"""Codes of our own catalogues; empty = none."""
_CODES = ("driver", "state", "why", "stream", "role", "outcome", "action", "reason", "lane", "condition", "what")
_NUMBERS = (
    *("streams", "run", "seconds", "free_pct", "step_ms", "cameras"),
    *("recording", "viewers", "sessions", "seq", "documents", "applied", "failed", "keys", "files"),
    *("percent", "expected", "missing", "segments"),
)
_SHAPES: Mapping[str, Callable[[object], bool]] = {
    **dict.fromkeys(_CODES, _CODE),
    **dict.fromkeys(_NUMBERS, _is_number),
    "camera": _is_id,
    "order": _is_id,
    "about": lambda value: value == "box" or _is_id(value),
    "day": _matches(r"[0-9]{4}-[0-9]{2}-[0-9]{2}"),
    "volume": _matches(r"[0-9]{1,3}"),
    "version": _matches(r"[0-9]+\.[0-9]+\.[0-9]+([a-z+-][0-9a-z.+-]{0,30})?"),
    "boot": _matches(r"[0-9a-f-]{36}"),
    "head": _matches(r"[0-9a-f]{64}"),
    "signature": _matches(r"[A-Za-z0-9+/]{86}=="),
}
_LAST_TIME_MS = 253_402_300_799_999
"""End of the year 9999: a clock beyond has no RFC 3339 form."""


def document(event: Event) -> dict[str, Any] | None:
    """Return the CloudEvents 1.0 document of an event without its `sequence`, None if its type stays here."""
    fields = ALLOWED.get(event.type)
    if fields is None or str(event.data.get("condition", "")).startswith(AT_SCHOOL):
        return None
    at_s = min(max(event.at_ms, 0), _LAST_TIME_MS) / 1000
    found: dict[str, Any] = {
        "specversion": "1.0",
        "id": event.id,
        "source": "urn:vuon:box",
        "type": f"vn.vuon.{event.type}",
        "time": dt.datetime.fromtimestamp(at_s, dt.UTC).isoformat(timespec="milliseconds"),
        "timetrusted": event.time_trusted,
        # Text, because CloudEvents integers have 32 bits: 25 days of milliseconds.
        "monoms": str(event.mono_ms),
        "data": {key: value for key, value in event.data.items() if key in fields and _SHAPES[key](value)},
    }
    if event.type.startswith(_SUBJECT_PREFIXES) and is_public_id(event.subject):
        found["subject"] = event.subject
    return found
