"""What may leave the school: an allow-list of event types and fields, and the document sent.

Owns the only decision of that kind. Invariants: a type that is not listed stays here; a field that is
not listed is cut; no name, picture or free text is ever listed (a test holds the list against the
registry and against planted names).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from gateway.core.events import Event

ALLOWED: Mapping[str, frozenset[str]] = {
    f"{name}.v1": frozenset(fields.split())
    for name, fields in {
        "camera.adopted": "camera driver streams",
        "camera.removed": "camera",
        "camera.state": "camera state why",
        "camera.address": "camera",
        "recording.started": "camera stream run",
        "recording.stopped": "camera stream why",
        "recording.gap": "camera stream why seconds",
        "volume.state": "volume state free_pct",
        "clock.step": "step_ms",
        "box.started": "version boot",
        "box.summary": "cameras recording viewers",
        "access.login": "role outcome",
        "access.granted": "role action",
        "access.denied": "role action reason",
        "access.revoked": "reason sessions",
        "sharing.stopped": "state",
        "audit.checkpoint": "seq head signature",
        "condition.raised": "condition about",
        "condition.cleared": "condition about",
    }.items()
}

_SUBJECT_PREFIXES = ("camera.", "recording.")
"""Only cameras are named upstream: classes and persons stay in the school."""


def document(event: Event, seq: int) -> dict[str, Any] | None:
    """Return the CloudEvents 1.0 document of an event, or None if its type stays in the school."""
    fields = ALLOWED.get(event.type)
    if fields is None:
        return None
    return {
        "specversion": "1.0",
        "id": event.id,
        "source": "urn:vuon:box",
        "type": f"vn.vuon.{event.type}",
        "subject": event.subject if event.type.startswith(_SUBJECT_PREFIXES) else "",
        "time": dt.datetime.fromtimestamp(event.at_ms / 1000, dt.UTC).isoformat(timespec="milliseconds"),
        "sequence": seq,
        "timetrusted": event.time_trusted,
        "monoms": event.mono_ms,
        "data": {key: value for key, value in event.data.items() if key in fields},
    }
