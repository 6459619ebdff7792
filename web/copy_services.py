"""What the pages need for holds and copies, as narrow protocols.

Owns the values that cross and `HoldDoor`, `CopyDoor`. Invariants: whose act it is comes from the session; every
act is decided and written into the audit behind these doors; a copy's bytes come with a grant made for this
request. All times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.model import PublicId
from web.caller import Caller


@dataclass(frozen=True, slots=True)
class HeldSpan:
    """A span that is not deleted."""

    id: PublicId
    camera: PublicId
    from_ms: int
    to_ms: int
    until_ms: int
    by: str
    """Name of whoever placed it; empty: at the box's own console."""
    why: str
    placed_ms: int
    confirmed: bool
    """False while the recorder has not answered yet."""


@dataclass(frozen=True, slots=True)
class CopyOrder:
    """An order of a copy."""

    id: PublicId
    camera: PublicId
    from_ms: int
    to_ms: int
    why: str
    state: str
    """asked, queued, working, signing, ready, refused, cancelled, failed, expired."""
    requested_ms: int
    requester: str
    mine: bool
    """Asked for by the caller, who therefore cannot approve it."""
    approver: str = ""
    hold: PublicId | None = None
    done_bytes: int = 0
    total_bytes: int = 0
    seconds: float = 0.0
    """How long the box has worked on it."""
    trouble: str = ""
    """Error code: why it waits or failed."""
    ready_ms: int | None = None
    expires_ms: int | None = None
    ended_by: str = ""
    end_why: str = ""
    manifest_sha256: str = ""


@dataclass(frozen=True, slots=True)
class CopyFile:
    """A finished copy for one request."""

    name: str
    size_bytes: int
    mark: str
    """Changes if the bytes do: an entity tag."""
    read: Callable[[int, int], AsyncGenerator[bytes, None]]
    """Yields so many bytes from an offset on, under the grant of this request; Denied, NotFound once that ended."""


class HoldDoor(Protocol):
    """Holds."""

    async def place(
        self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int, why: str, days: int | None
    ) -> HeldSpan:
        """Keep a span at once; Denied, NotFound, BadInput."""

    async def all(self) -> Sequence[HeldSpan]:
        """Return what is held, newest first."""

    async def lift(self, caller: Caller, hold: PublicId, why: str) -> None:
        """Give it back to retention; NotFound, BadInput while an order needs it."""


class CopyDoor(Protocol):
    """Orders of copies."""

    async def request(self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int, why: str) -> PublicId:
        """Hold the span and ask for a copy, in one act; Denied, NotFound, BadInput."""

    async def all(self, caller: Caller) -> Sequence[CopyOrder]:
        """Return the orders, newest first."""

    async def approve(self, caller: Caller, order: PublicId) -> None:
        """Approve another person's order; Denied for one's own, NotFound."""

    async def end(self, caller: Caller, order: PublicId, why: str) -> None:
        """Refuse another's order that waits (with a reason), or cancel any; NotFound, BadInput."""

    async def open(self, caller: Caller, order: PublicId) -> CopyFile:
        """Decide, and say what a finished copy is; Denied, NotFound."""
