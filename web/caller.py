"""Who asks, and from where.

Owns the values that every door of the box takes. Invariants: whoever holds a `Caller` has found a living session; a
token is never part of one.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.model import PublicId, Role, Secret


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a request comes from, for rate limits and the audit."""

    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Caller:
    """The person behind a session."""

    person: PublicId
    role: Role
    name: str
    device: str
    """Public id of the bound device or login session, as grants and the audit name it."""
    mark: str = ""
    """What is drawn over a guardian's picture: who, and the end of the phone number."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session; `token` goes into the cookie and is stored nowhere else."""

    token: Secret
    caller: Caller
    expires_ms: int | None = None
    """When the session ends at the latest; None = with the browser."""
