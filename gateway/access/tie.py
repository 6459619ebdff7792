"""What ties a guardian to an object between two ends of spans: some own child in a class that it shows.

Owns `Tie`. Invariant: it holds from `since_ms` until before `until_ms`, in which no span it was made of begins or ends.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.access.factrows import ClassRules
from gateway.core.model import PublicId


@dataclass(frozen=True, slots=True)
class Tie:
    """Remembered with the facts it was made of: a guardian is asked about again and again."""

    since_ms: float
    until_ms: float
    """UTC ms, or infinity: no end is known."""
    classes: frozenset[PublicId]
    agreed: frozenset[PublicId]
    """Those of the own children there whose family agrees to viewing."""
    rules: tuple[ClassRules, ...]
    """What narrows the viewing of these classes."""
    most_ms: int | None
    """How long they let one guardian watch on a day; None = without a limit."""
