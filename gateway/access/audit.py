"""Who did, saw or was refused what: an append-only chain that nobody can quietly edit.

Owns the tables `audit`, `audit_body`, `audit_checkpoint`. Invariants: every row is written in the
transaction of what it tells; `hash(n)` covers the number, the row before and the salted body, so an
edit or a cut inside breaks the chain; a signed checkpoint each minute, also sent upstream, makes a cut
tail and a rewritten chain contradict what was already signed. Bodies hold ids and codes, no names.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core.events import Event
from gateway.core.model import PublicId

CONTEXT = b"vuon-audit-1\0"
"""Keeps an audit hash or signature from standing for anything else of the gateway's key."""
GENESIS = bytes(32)

Emit: TypeAlias = Callable[[sqlite3.Connection, Event], None]
"""Puts an event into the outbox inside the transaction of the fact it reports."""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts: a person on a device (or login session), or the box itself."""

    person: PublicId | None
    device: str = ""


CONSOLE = Actor(None, "console")
"""Whoever holds the box's control socket: installation and the command line; written down as such."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head of the chain."""

    seq: int
    hash: bytes
    signature: bytes

    @property
    def head(self) -> str:
        """The hash as the event `audit.checkpoint` carries it: hex."""
        return self.hash.hex()

    @property
    def signed(self) -> str:
        """The signature as the event carries it: base64."""
        return base64.b64encode(self.signature).decode("ascii")

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Checkpoint:
        """Re-make a checkpoint from an event's fields; ValueError if malformed."""
        try:
            return cls(int(fields["seq"]), bytes.fromhex(fields["head"]), base64.b64decode(fields["signature"]))
        except (KeyError, TypeError, binascii.Error) as error:
            raise ValueError("not an audit checkpoint") from error


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of the audit for a page."""

    seq: int
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `verify` found; `problem` is None for an unbroken chain."""

    entries: int
    checkpoints: int
    problem: str | None = None
    at_seq: int | None = None


def _hash(seq: int, previous: bytes, body_hash: bytes) -> bytes:
    return hashlib.sha256(CONTEXT + seq.to_bytes(8, "big") + previous + body_hash).digest()


def _body_hash(salt: bytes, body: str) -> bytes:
    return hashlib.sha256(salt + body.encode()).digest()


def _signed(seq: int, head: bytes) -> bytes:
    return CONTEXT + b"checkpoint\0" + seq.to_bytes(8, "big") + head


def append(
    conn: sqlite3.Connection,
    body: Mapping[str, Any],
    *,
    random_bytes: Callable[[int], bytes] = os.urandom,
) -> int:
    """Write one row inside the caller's transaction; returns its number (1, 2, 3, ...)."""
    seq, previous = _head(conn)
    text = json.dumps(body, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    salt = random_bytes(16)
    digest = _body_hash(salt, text)
    conn.execute(
        "INSERT INTO audit (seq, previous, body_hash, hash) VALUES (?, ?, ?, ?)",
        (seq + 1, previous, digest, _hash(seq + 1, previous, digest)),
    )
    conn.execute("INSERT INTO audit_body (seq, salt, body) VALUES (?, ?, ?)", (seq + 1, salt, text))
    return seq + 1


def _head(conn: sqlite3.Connection) -> tuple[int, bytes]:
    row = conn.execute("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1").fetchone()
    return (row["seq"], row["hash"]) if row else (0, GENESIS)


def checkpoint(conn: sqlite3.Connection, key: Ed25519PrivateKey, now_ms: int) -> Checkpoint | None:
    """Sign the head inside the caller's transaction; None if nothing came since the last one."""
    seq, head = _head(conn)
    last = conn.execute("SELECT max(seq) AS seq FROM audit_checkpoint").fetchone()["seq"] or 0
    if seq <= last:
        return None
    made = Checkpoint(seq, head, key.sign(_signed(seq, head)))
    conn.execute(
        "INSERT INTO audit_checkpoint (seq, hash, signature, at_ms) VALUES (?, ?, ?, ?)",
        (made.seq, made.hash, made.signature, now_ms),
    )
    return made


def verify(conn: sqlite3.Connection, key: Ed25519PublicKey, upstream: Iterable[Checkpoint] = ()) -> Verdict:
    """Walk the chain from the first row and hold every checkpoint against it.

    `upstream` are checkpoints somebody else kept: with them even whoever owns the box and its key
    cannot cut or rewrite what they cover. A body is compared with the hash its row committed to.
    """
    hashes: list[bytes] = [GENESIS]
    sql = (
        "SELECT a.seq, a.previous, a.body_hash, a.hash, b.salt, b.body "
        "FROM audit a LEFT JOIN audit_body b USING (seq) ORDER BY a.seq"
    )
    for row in conn.execute(sql):
        seq = len(hashes)
        if row["seq"] != seq:
            return Verdict(seq - 1, 0, "a row is missing", seq)
        if row["previous"] != hashes[-1] or row["hash"] != _hash(seq, hashes[-1], row["body_hash"]):
            return Verdict(seq - 1, 0, "the chain is broken", seq)
        if row["body"] is None or _body_hash(row["salt"], row["body"]) != row["body_hash"]:
            return Verdict(seq - 1, 0, "a row was edited", seq)
        hashes.append(row["hash"])
    return _check(hashes, key, [*_checkpoints(conn), *upstream])


def _checkpoints(conn: sqlite3.Connection) -> list[Checkpoint]:
    rows = conn.execute("SELECT seq, hash, signature FROM audit_checkpoint ORDER BY seq")
    return [Checkpoint(row["seq"], row["hash"], row["signature"]) for row in rows]


def _check(hashes: list[bytes], key: Ed25519PublicKey, checkpoints: list[Checkpoint]) -> Verdict:
    entries = len(hashes) - 1
    for number, item in enumerate(checkpoints):
        try:
            key.verify(item.signature, _signed(item.seq, item.hash))
        except InvalidSignature:
            return Verdict(entries, number, "a checkpoint is not signed by this box", item.seq)
        if item.seq > entries:
            return Verdict(entries, number, "the end was cut off", entries + 1)
        if hashes[item.seq] != item.hash:
            return Verdict(entries, number, "the history was rewritten", item.seq)
    return Verdict(entries, len(checkpoints))


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
