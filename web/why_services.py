"""What the page "who sees what" needs, as a narrow protocol.

Owns `WhyDoor`. Invariants: asking changes nothing and decides nothing; whoever calls may read everybody's rights.
Answers are plain values: `allowed`, `reason`, `until_ms`, `next_ms` (UTC ms), with ids and names; `at_least`: nothing
was looked for after `until_ms`, and the answer may hold for longer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from gateway.core.model import PublicId


class WhyDoor(Protocol):
    """The policy's answers about other people; `at_ms` None = now. NotFound for who or what is not there."""

    def people(self) -> Sequence[tuple[PublicId, str, str]]:
        """Return everybody as (id, name, role), by name."""

    def cameras(self) -> Sequence[PublicId]:
        """Return all cameras, by place."""

    def place(self, camera: PublicId) -> str:
        """Return the name of the class a camera shows, or nothing."""

    def who(self, camera: PublicId, at_ms: int | None, *, on_site: bool) -> Sequence[Mapping[str, Any]]:
        """Return who has to do with a camera, those who see it first."""

    def what(self, person: PublicId, at_ms: int | None, *, on_site: bool) -> Sequence[Mapping[str, Any]]:
        """Return the cameras a person has to do with, those that are seen first."""

    def why(self, person: PublicId, camera: PublicId, at_ms: int | None, *, on_site: bool) -> Mapping[str, Any]:
        """Return one answer with the chain of facts it rests on (`links`)."""
