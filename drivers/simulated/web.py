"""What the HTTP side of a simulated camera is made of: requests, answers, the Digest at its door.

Owns these values. Pure. Invariant: a refused login is counted by the book of whoever asks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drivers.simulated.logins import DigestGate, LoginBook, Verdict

ALGORITHMS = ("MD5",)


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request with its body."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One answer."""

    status: int
    kind: str = "text/html"
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


def digest_refusal(digest: DigestGate, book: LoginBook, request: HttpRequest) -> HttpReply | None:
    """Return the refusal of a request without a good Digest; None when it may go on."""
    header = request.headers.get("authorization", "")
    verdict = book.judge(digest.check(header, request.method, ALGORITHMS))
    if verdict is Verdict.GOOD:
        return None
    lines = digest.challenges(ALGORITHMS, stale=verdict is Verdict.STALE)
    return HttpReply(401, body=b"Unauthorized", headers=tuple(("WWW-Authenticate", line) for line in lines))
