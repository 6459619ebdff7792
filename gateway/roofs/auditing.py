"""What the gateway does with its audit, built together: the watch, the pages' door, the control calls.

Owns the building only. Invariant: an erasure that was cut short is finished before anything else may be asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access.audit_erase import Erasures
from gateway.access.store import FactStore
from gateway.core.wire import Handler
from gateway.roofs.audit_watch import AuditWatch
from gateway.roofs.control_audit import AuditCalls
from gateway.roofs.ledger_port import LedgerPort
from gateway.roofs.names import Names


@dataclass(frozen=True, slots=True)
class Auditing:
    """The parts; run `watch.run`."""

    watch: AuditWatch
    ledger: LedgerPort
    handlers: Mapping[str, Handler]


async def auditing(store: FactStore, names: Names, key: Ed25519PrivateKey, *, kept_elsewhere: bool) -> Auditing:
    """Build them; `kept_elsewhere`: checkpoints go to an authority."""
    public, erasures = key.public_key(), Erasures(store, key)
    await erasures.finish()
    watch = AuditWatch(store.db, public, store.clock)
    ledger = LedgerPort(store, names, watch, erasures, lambda: kept_elsewhere)
    return Auditing(watch, ledger, AuditCalls(watch, store.db, public).handlers())
