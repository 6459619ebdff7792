"""What a person typed into a form that was refused, given back to the same form.

Owns `Typed`. Pure. Invariant: a value returns to the form it was sent with (its act and the ids in it) and to no other
form of the page; what was not typed shows what stands.
"""

from __future__ import annotations

from collections.abc import Mapping


class Typed:
    """The fields of the form that was refused; none on a page that is merely shown."""

    def __init__(self, fields: Mapping[str, str] | None = None) -> None:
        self._fields = fields or {}

    def of(self, act: str, **ids: object) -> bool:
        """Say whether this is the form that was refused."""
        return self._fields.get("act") == act and all(self._fields.get(key) == value for key, value in ids.items())

    def __call__(self, act: str, name: str, default: object = "", **ids: object) -> str:
        """Return what belongs into a field of a form."""
        return self._fields.get(name, "") if self.of(act, **ids) else str(default)
