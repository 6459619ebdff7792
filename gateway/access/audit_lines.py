"""A row of the audit as the pages read it.

Owns what can be asked of one row. Pure. Invariants: a line holds ids and codes; a blanked body is still a line.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.core.model import PublicId


@dataclass(frozen=True, slots=True)
class Line:
    """One row."""

    seq: int
    body: Mapping[str, Any]
    seconds: int | None = None
    """How long a look lasted, if it ended."""
    ended: str = ""
    """Reason code of its end."""

    @property
    def what(self) -> str:
        """Code of the act: `granted.live`, `class.pause`, ...; `erased` for a blanked body."""
        if "erased" in self.body:
            return "erased"
        what = str(self.body.get("what", ""))
        return f"{what}.{self.body.get('action')}" if what in {"granted", "ended"} else what

    @property
    def at_ms(self) -> int | None:
        """When it was, UTC ms; None for a blanked body."""
        found = self.body.get("at_ms")
        return found if isinstance(found, int) else None

    def text(self, key: str) -> str:
        """Return a field as text, empty if it is not there."""
        value = self.body.get(key)
        return "" if value is None else str(value)

    @property
    def classes(self) -> tuple[PublicId, ...]:
        """The classes it concerns."""
        listed = self.body.get("classes")
        found = [PublicId(str(item)) for item in listed] if isinstance(listed, list) else []
        one = self.text("class") or (self.text("object") if self.text("kind") == "class" else "")
        return tuple(dict.fromkeys([*found, *([PublicId(one)] if one else [])]))

    @property
    def camera(self) -> PublicId | None:
        """The camera it concerns."""
        found = self.text("camera") or (self.text("object") if self.text("kind") == "camera" else "")
        return PublicId(found) if found else None

    @property
    def people(self) -> tuple[PublicId, ...]:
        """The persons and children it is about, beside who acted."""
        kind = self.text("kind")
        named = [self.text("object")] if kind in {"person", "child"} else []
        named += [self.text(key) for key in ("who", "child", "subject")]
        return tuple(dict.fromkeys(PublicId(item) for item in named if item))
