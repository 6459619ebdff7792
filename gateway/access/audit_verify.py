"""Has anybody edited the audit: walks the chain and names every place that does not fit.

Owns the walk, the findings and their words' codes. Reads only, also in a copy of gateway.db with nothing but the box's
public key. Invariants: a row is compared with what it committed to and with the row before; every checkpoint, the
box's own and those that somebody else kept, is held against its row; a blanked body is lawful only if a later, signed
row lists it; a walk goes on after a finding, and may be taken in slices while rows are being added (each slice
is one read transaction), so the work at a time is bounded.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.access.audit_chain import ERASE, GENESIS, Checkpoint, erased_by, erasure_of, row_hash, salted

MOST_FINDINGS = 100
"""A chain of another box fits nowhere: the first hundred places are enough."""
SLICE = 5_000
"""Rows of one step: about 30 ms of one core."""
BEYOND = 1 << 62


class Problem(StrEnum):
    """What is wrong; each has words in both catalogues (`audit.problem.<code>`)."""

    ROW_EDITED = "row_edited"
    ROW_MISSING = "row_missing"
    BODY_MISSING = "body_missing"
    TAIL_CUT = "tail_cut"
    REWRITTEN = "rewritten"
    CHECKPOINT_MISSING = "checkpoint_missing"
    CHECKPOINT_FORGED = "checkpoint_forged"
    ERASURE_FALSE = "erasure_false"


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that does not fit: rows `seq` to `to_seq`, both included."""

    problem: Problem
    seq: int
    to_seq: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk found; nothing in `findings` is an unbroken chain."""

    entries: int
    checkpoints: int
    """Checkpoints that fit, kept ones included."""
    erased: int = 0
    """Bodies that were blanked lawfully."""
    findings: tuple[Finding, ...] = ()

    @property
    def problem(self) -> Problem | None:
        """The first thing that is wrong."""
        return self.findings[0].problem if self.findings else None

    @property
    def at_seq(self) -> int | None:
        """Where that begins."""
        return self.findings[0].seq if self.findings else None


class Walk:
    """One walk from the first row to the last; call `step` until it says that the end is reached."""

    def __init__(self, key: Ed25519PublicKey, kept: Iterable[Checkpoint] = ()) -> None:
        """`kept` are checkpoints that stood elsewhere: with them even the box's owner cannot cut or rewrite."""
        self._key = key
        self._kept = sorted(set(kept), key=lambda item: (item.seq, item.hash))
        self._seqs = [item.seq for item in self._kept]
        self._last = 0
        self._head: bytes | None = GENESIS
        """Hash of the last row; None after rows that are not there."""
        self._fitting = 0
        """Last row that a checkpoint confirmed."""
        self._astray = False
        self._good = self._erased = 0
        self._blank: dict[int, int] = {}
        """Blanked bodies, and the row each names: lawful once that row is reached."""
        self._findings: list[Finding] = []

    def step(self, conn: sqlite3.Connection, most: int = SLICE) -> bool:
        """Walk at most so many rows; says whether the end was reached."""
        sql = (
            "SELECT a.seq, a.previous, a.body_hash, a.hash, b.salt, b.body FROM audit a "
            "LEFT JOIN audit_body b USING (seq) WHERE a.seq > ? ORDER BY a.seq LIMIT ?"
        )
        with _snapshot(conn):
            rows = conn.execute(sql, (self._last, most)).fetchall()
            ended = len(rows) < most
            points = self._points(conn, self._last, BEYOND if ended else rows[-1]["seq"])
        for row in rows:
            self._row(row)
            for point in points.pop(row["seq"], ()):
                self._point(point, row["hash"])
        if ended:
            self._end([point for group in points.values() for point, _ in group if point.seq > self._last])
        return ended

    def verdict(self) -> Verdict:
        """Return what was found so far."""
        found = sorted(self._findings, key=lambda item: (item.seq, item.problem))
        return Verdict(self._last, self._good, self._erased, tuple(_joined(found)[:MOST_FINDINGS]))

    def _row(self, row: sqlite3.Row) -> None:
        seq, previous, body_hash = row["seq"], row["previous"], row["body_hash"]
        if seq != self._last + 1:
            self._find(Problem.ROW_MISSING, self._last + 1, seq - 1)
            self._head = None
        linked = self._head is None or previous == self._head
        if row["hash"] != row_hash(seq, previous, body_hash):
            self._find(Problem.ROW_EDITED, seq)
        elif not linked:  # it fits itself, and commits to another row before it than is there
            self._find(Problem.ROW_EDITED, max(1, seq - 1))
        if row["body"] is None:
            self._find(Problem.BODY_MISSING, seq)
        elif salted(row["salt"], row["body"]) != body_hash:
            erasure = erased_by(row["salt"], row["body"])
            if erasure is None or erasure <= seq:
                self._find(Problem.ROW_EDITED, seq)
            else:
                self._blank[seq] = erasure
        elif ERASE in row["body"]:
            self._erasing(seq, row["body"])
        self._last, self._head = seq, row["hash"]

    def _erasing(self, seq: int, body: str) -> None:
        """Settle the blanked bodies that name this row."""
        rows = erasure_of(body, self._key) or ()
        firsts = [first for first, _ in rows]
        for blank in [blank for blank, erasure in self._blank.items() if erasure == seq]:
            del self._blank[blank]
            place = bisect_right(firsts, blank) - 1
            if place >= 0 and blank <= rows[place][1]:
                self._erased += 1
            else:
                self._find(Problem.ERASURE_FALSE, blank)

    def _points(self, conn: sqlite3.Connection, after: int, upto: int) -> dict[int, list[tuple[Checkpoint, bool]]]:
        """Return the checkpoints of some rows, each with whether the box itself still has it."""
        sql = "SELECT seq, hash, signature FROM audit_checkpoint WHERE seq > ? AND seq <= ? ORDER BY seq"
        own = [Checkpoint(*row) for row in conn.execute(sql, (after, upto))]
        known = set(own)
        kept = self._kept[bisect_right(self._seqs, after) : bisect_right(self._seqs, upto)]
        found: dict[int, list[tuple[Checkpoint, bool]]] = {}
        for point in [*own, *kept]:
            found.setdefault(point.seq, []).append((point, point in known))
        return found

    def _point(self, held: tuple[Checkpoint, bool], row: bytes) -> None:
        point, has = held
        if not point.is_signed_by(self._key):
            self._find(Problem.CHECKPOINT_FORGED, point.seq)
            return
        if point.hash != row:
            named = {Problem.ROW_EDITED, Problem.ROW_MISSING}
            told = any(item.problem in named and item.to_seq > self._fitting for item in self._findings)
            if not told and not self._astray:
                self._find(Problem.REWRITTEN, self._fitting + 1, point.seq)
            self._astray = True
            return
        self._fitting, self._astray = point.seq, False
        self._good += 1
        if not has:
            self._find(Problem.CHECKPOINT_MISSING, point.seq)

    def _end(self, beyond: Iterable[Checkpoint]) -> None:
        """Look at what is left when there are no more rows."""
        for blank in self._blank:
            self._find(Problem.ERASURE_FALSE, blank)
        self._blank.clear()
        signed = []
        for point in beyond:
            if point.is_signed_by(self._key):
                signed.append(point.seq)
            else:
                self._find(Problem.CHECKPOINT_FORGED, point.seq)
        if signed:
            self._find(Problem.TAIL_CUT, self._last + 1, max(signed))

    def _find(self, problem: Problem, seq: int, to_seq: int | None = None) -> None:
        if len(self._findings) < 10 * MOST_FINDINGS:
            self._findings.append(Finding(problem, seq, seq if to_seq is None else to_seq))


def verify(conn: sqlite3.Connection, key: Ed25519PublicKey, kept: Iterable[Checkpoint] = ()) -> Verdict:
    """Walk the whole chain at once."""
    walk = Walk(key, kept)
    while not walk.step(conn):
        pass
    return walk.verdict()


@contextmanager
def _snapshot(conn: sqlite3.Connection) -> Iterator[None]:
    """Read all of a step from one state: a checkpoint that came meanwhile has its rows then, too."""
    if conn.in_transaction:
        yield
        return
    conn.execute("BEGIN")
    try:
        yield
    finally:
        conn.execute("COMMIT")


def _joined(findings: Iterable[Finding]) -> list[Finding]:
    """Put neighbours with one problem together, and leave out what is told twice."""
    found: list[Finding] = []
    for problem, group in groupby(sorted(findings, key=lambda item: item.problem), key=lambda item: item.problem):
        joined: list[Finding] = []
        for item in sorted(group, key=lambda item: item.seq):
            if joined and item.seq <= joined[-1].to_seq + 1:
                joined[-1] = Finding(problem, joined[-1].seq, max(joined[-1].to_seq, item.to_seq))
            else:
                joined.append(item)
        found += joined
    return sorted(found, key=lambda item: (item.seq, item.problem))
