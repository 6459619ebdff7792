"""Who did, saw or was refused what: an append-only chain that nobody can quietly edit.

Owns writing to the tables `audit`, `audit_body`, `audit_checkpoint`. Invariants: every row is written in the
transaction of what it tells; `hash(n)` covers the number, the row before and the salted body, so an
edit or a cut inside breaks the chain; a signed checkpoint each minute, also sent upstream, makes a cut
tail and a rewritten chain contradict what was already signed. Bodies hold ids and codes, no names: what is none of
these is refused before it is written.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access.audit_chain import GENESIS, Checkpoint, make_checkpoint, row_hash, salted
from gateway.access.audit_verify import Verdict, verify
from gateway.core.events import Event
from gateway.core.model import PublicId

__all__ = ["Checkpoint", "Verdict", "verify"]

_CODE = re.compile(r"[!-~]{0,128}")
"""ASCII without a space: names of people have spaces or marks, sentences both."""
_PHONE = re.compile(r"\+\d{8,15}|0\d{8,10}")

Emit: TypeAlias = Callable[[sqlite3.Connection, Event], None]
"""Puts an event into the outbox inside the transaction of the fact it reports."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person on a device (or login session), or the box itself."""

    person: PublicId | None
    device: str = ""


CONSOLE = Actor(None, "console")
"""Whoever holds the box's control socket: installation and the command line; written down as such."""
BY_BOX = Actor(None, "box")
"""What the box does by itself, after somebody's decision or because its time has come."""
NEEDS_NO_RIGHT = frozenset({CONSOLE, BY_BOX})
"""Actors that may everything; any other without a person may only what names it (`store.Need.by_wall`)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the audit for a page."""

    seq: int
    body: Mapping[str, Any]


def append(
    conn: sqlite3.Connection,
    body: Mapping[str, Any],
    *,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> int:
    """Write one row inside the caller's transaction; returns its number (1, 2, 3, ...).

    ValueError for a body that holds something else than ids, codes and numbers: nothing is done that may not be told.
    """
    _refuse_personal(body)
    seq, previous = _head(conn)
    text = json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    salt = random_bytes(16)
    digest = salted(salt, text)
    conn.execute(
        "INSERT INTO audit (seq, previous, body_hash, hash) VALUES (?, ?, ?, ?)",
        (seq + 1, previous, digest, row_hash(seq + 1, previous, digest)),
    )
    conn.execute("INSERT INTO audit_body (seq, salt, body) VALUES (?, ?, ?)", (seq + 1, salt, text))
    return seq + 1


def _refuse_personal(value: object) -> None:
    """Raise ValueError for text that could be a name, a phone number or somebody's words."""
    if isinstance(value, Mapping):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list | tuple):
        for item in value:
            _refuse_personal(item)
    elif isinstance(value, str) and (not _CODE.fullmatch(value) or _PHONE.fullmatch(value)):
        raise ValueError("a body of the audit holds ids, codes and numbers, no words of people")


def _head(conn: sqlite3.Connection) -> tuple[int, bytes]:
    row = conn.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return (row["seq"], row["hash"]) if row else (0, GENESIS)


def checkpoint(conn: sqlite3.Connection, key: Ed25519PrivateKey, now_ms: int) -> Checkpoint | None:
    """Sign the head inside the caller's transaction; None if nothing came since the last one."""
    seq, head = _head(conn)
    last = conn.execute("SELECT max(seq) AS seq FROM audit_checkpoint").fetchone()["seq"] or 0
    if seq <= last:
        return None
    made = make_checkpoint(key, seq, head)
    conn.execute(
        "INSERT INTO audit_checkpoint (seq, hash, signature, at_ms) VALUES (?, ?, ?, ?)",
        (made.seq, made.hash, made.signature, now_ms),
    )
    return made


def checkpoints(conn: sqlite3.Connection, *, sparse: bool = True) -> list[tuple[Checkpoint, int]]:
    """Return checkpoints with their time (UTC ms), oldest first; `sparse`: the last of each UTC day covers that day."""
    newest = "seq IN (SELECT max(seq) FROM audit_checkpoint GROUP BY at_ms / 86400000)" if sparse else "1"
    sql = f"SELECT seq, hash, signature, at_ms FROM audit_checkpoint WHERE {newest} ORDER BY seq"  # noqa: S608 - our own words
    return [(Checkpoint(row["seq"], row["hash"], row["signature"]), row["at_ms"]) for row in conn.execute(sql)]


def entries(
    conn: sqlite3.Connection,
    *,
    person: PublicId | None = None,
    object_id: PublicId | None = None,
    since_ms: int = 0,
    limit: int = 200,
) -> list[Entry]:
    """Return the newest rows first, of one person or one object if asked."""
    rows = conn.execute(
        "SELECT seq, body FROM audit_body WHERE (:person IS NULL OR person = :person) "
        "AND (:object IS NULL OR object = :object) AND at_ms >= :since ORDER BY seq DESC LIMIT :limit",
        {"person": person, "object": object_id, "since": since_ms, "limit": limit},
    )
    return [Entry(row["seq"], json.loads(row["body"])) for row in rows]


def looks(conn: sqlite3.Connection, class_id: PublicId, *, since_ms: int = 0, limit: int = 200) -> list[Entry]:
    """Return who looked at a class, newest first: granted live pictures, recordings and copies."""
    rows = conn.execute(
        "SELECT seq, body FROM audit_body b WHERE at_ms >= :since AND json_extract(body, '$.what') = 'granted' "
        "AND EXISTS (SELECT 1 FROM json_each(b.body, '$.classes') WHERE value = :class) "
        "ORDER BY seq DESC LIMIT :limit",
        {"since": since_ms, "class": class_id, "limit": limit},
    )
    return [Entry(row["seq"], json.loads(row["body"])) for row in rows]
