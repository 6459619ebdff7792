"""The audit for the control socket: verified, and its checkpoints to be kept elsewhere.

Owns these two calls. Invariant: both only read; no row's body goes out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.access import audit
from gateway.access.audit_chain import Checkpoint
from gateway.access.audit_verify import Verdict
from gateway.core.db import Database
from gateway.core.errors import BadInput
from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.audit_watch import AuditWatch

MOST_KEPT = 3_000
"""What fits into a call; the newest covers all rows before it, older ones only say more narrowly where."""


def told(verdict: Verdict) -> dict[str, Any]:
    """Return a verdict as the socket carries it."""
    findings = [{"problem": item.problem.value, "seq": item.seq, "to_seq": item.to_seq} for item in verdict.findings]
    return {
        "ok": verdict.problem is None,
        "rows": verdict.entries,
        "checkpoints": verdict.checkpoints,
        "erased": verdict.erased,
        "problem": verdict.problem.value if verdict.problem is not None else None,
        "findings": findings,
    }


class AuditCalls:
    """The calls."""

    def __init__(self, watch: AuditWatch, db: Database, key: Ed25519PublicKey) -> None:
        self._watch, self._db, self._key = watch, db, key

    def handlers(self) -> Mapping[str, Handler]:
        """Return the methods by name."""
        return {"audit.verify": self._verify, "audit.points": self._points}

    async def _verify(self, request: Request) -> Reply:
        kept = request.params.get("kept", [])
        if not isinstance(kept, list) or len(kept) > MOST_KEPT:
            raise BadInput(f"kept must be a list of at most {MOST_KEPT} checkpoints", key="kept")
        try:
            points = [Checkpoint.from_fields(item) for item in kept]
        except (ValueError, TypeError) as error:
            raise BadInput("a kept checkpoint is none", key="kept") from error
        if points:
            return Reply(told(await self._watch.verify(points)))
        return Reply(told((await self._watch.check()).verdict))

    async def _points(self, request: Request) -> Reply:
        sparse = request.params.get("all") is not True
        rows = await self._db.read(lambda conn: audit.checkpoints(conn, sparse=sparse))
        points = [point.fields | {"at_ms": at_ms} for point, at_ms in rows[-MOST_KEPT:]]
        return Reply({"points": points, "key": self._key.public_bytes_raw().hex()})
