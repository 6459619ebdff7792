"""The walk over the audit: any tampering is found where it is, in slices too, and an honest chain never is."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gateway.access import audit
from gateway.access.audit_chain import Checkpoint, erased_by, make_checkpoint, ranges_of
from gateway.access.audit_verify import Finding, Problem, Verdict, Walk, verify
from gateway.access.migrations import MIGRATIONS
from gateway.core.db import Database
from tests.fakes import audit_tampering as tampering
from tests.fakes.access_world import KEY
from tests.fakes.audit_tampering import EVERY, ROWS
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import NOW, pid

PUBLIC = KEY.public_key()


class Kept:
    """An untouched chain in memory: its bytes, and the checkpoints the hub has."""

    def __init__(self, image: bytes, points: list[Checkpoint]) -> None:
        self.image, self.points = image, points


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Kept:
    """Made once: the tests load its bytes into databases of their own."""
    path = tmp_path_factory.mktemp("audit") / "gateway.db"
    points = tampering.filled(path)
    with tampering.opened(path) as conn:
        conn.commit()
        conn.execute("PRAGMA journal_mode = DELETE")
        return Kept(conn.serialize(), points)


def loaded(kept: Kept) -> sqlite3.Connection:
    conn = sqlite3.connect(":memory:", isolation_level=None)
    conn.deserialize(kept.image)
    conn.row_factory = sqlite3.Row
    return conn


def walked(conn: sqlite3.Connection, points: list[Checkpoint], slice_rows: int) -> Verdict:
    walk = Walk(PUBLIC, points)
    while not walk.step(conn, slice_rows):
        pass
    return walk.verdict()


def named(verdict: Verdict) -> list[tuple[str, int, int]]:
    return [(item.problem.value, item.seq, item.to_seq) for item in verdict.findings]


@given(st.integers(1, ROWS + 2))
def test_slices_give_what_one_walk_gives(kept: Kept, slice_rows: int) -> None:
    """An honest chain is whole in slices of every size, with the hub's checkpoints and without."""
    with loaded(kept) as conn:
        assert walked(conn, [], slice_rows) == verify(conn, PUBLIC) == Verdict(ROWS, ROWS // EVERY)
        assert walked(conn, kept.points, slice_rows) == Verdict(ROWS, 2 * ROWS // EVERY)


@settings(max_examples=60)
@given(st.sampled_from(sorted(tampering.ATTACKS)), st.integers(1, ROWS), st.integers(1, ROWS + 2))
def test_an_attack_on_any_row_is_named_where_it_is(kept: Kept, attack: str, seq: int, slice_rows: int) -> None:
    """Edited and removed rows by their number, a cut end from its first row, a rewritten history by its span."""
    if attack == "row_missing" and seq == ROWS:
        attack = "tail_cut"  # the last row removed is the end cut off
    with loaded(kept) as conn:
        tampering.ATTACKS[attack](conn, seq)
        verdict = walked(conn, kept.points, slice_rows)
        assert verdict == walked(conn, kept.points, ROWS * 2)
    first = verdict.findings[0]
    assert first.problem == attack
    if attack == "tail_cut":
        assert (first.seq, first.to_seq) == (seq, ROWS)
    elif attack == "rewritten":
        assert first.seq <= seq <= first.to_seq
        assert first.to_seq - first.seq < EVERY
    else:
        assert (first.seq, first.to_seq) == (seq, seq)


VALUES = (
    ("audit", "previous"),
    ("audit", "body_hash"),
    ("audit", "hash"),
    ("audit_body", "salt"),
    ("audit_body", "body"),
    ("audit_checkpoint", "hash"),
    ("audit_checkpoint", "signature"),
)


@settings(max_examples=60)
@given(st.sampled_from(VALUES), st.integers(0, ROWS), st.integers(0, 500), st.integers(1, 127))
def test_any_other_byte_is_found(kept: Kept, value: tuple[str, str], place: int, at: int, change: int) -> None:
    """Whatever single byte of a row, a body or a checkpoint is another, the chain is not whole."""
    table, column = value
    with loaded(kept) as conn:
        rows = conn.execute(f"SELECT seq, {column} AS v FROM {table} ORDER BY seq").fetchall()
        seq, old = rows[place % len(rows)]
        raw = bytearray(old.encode() if isinstance(old, str) else old)
        raw[at % len(raw)] ^= change
        new: object = raw.decode("ascii") if isinstance(old, str) else bytes(raw)
        assume(not isinstance(new, str) or _is_json(new))  # SQLite itself takes nothing else
        conn.execute(f"UPDATE {table} SET {column} = ? WHERE seq = ?", (new, seq))
        assert verify(conn, PUBLIC).problem is not None


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_findings_go_on_after_the_first(kept: Kept) -> None:
    """Two edited neighbours are one line, a removed row another, and what was cut a third."""
    with loaded(kept) as conn:
        for seq in (4, 5):
            tampering.edit_row(conn, seq)
        tampering.remove_row(conn, 12)
        tampering.cut_tail(conn, 28)
        assert named(walked(conn, kept.points, 7)) == [
            ("row_edited", 4, 5),
            ("row_missing", 12, 12),
            ("tail_cut", 28, 30),
        ]


def test_a_row_made_anew_is_named_though_only_the_next_one_tells(kept: Kept) -> None:
    """Row 7 re-hashed alone fits itself: row 8 commits to another one, so it is row 7 that was edited."""
    with loaded(kept) as conn:
        tampering.edit_row(conn, 7)
        tampering.rehash(conn, 7, 7)
        assert named(verify(conn, PUBLIC, kept.points)) == [("row_edited", 7, 7)]


def test_a_checkpoint_that_is_kept_and_gone_from_the_box_is_named(kept: Kept) -> None:
    """The chain fits; that the box forgot what it signed is a finding of its own."""
    with loaded(kept) as conn:
        conn.execute("DELETE FROM audit_checkpoint WHERE seq = 20")
        assert named(verify(conn, PUBLIC)) == []
        assert named(verify(conn, PUBLIC, kept.points)) == [("checkpoint_missing", 20, 20)]


def test_a_checkpoint_of_another_key_is_named_and_proves_nothing(kept: Kept) -> None:
    """Within the chain and beyond its end."""
    stranger = Ed25519PrivateKey.generate()
    forged = [make_checkpoint(stranger, seq, bytes(32)) for seq in (5, ROWS + 9)]
    with loaded(kept) as conn:
        assert named(verify(conn, PUBLIC, forged)) == [
            ("checkpoint_forged", 5, 5),
            ("checkpoint_forged", ROWS + 9, ROWS + 9),
        ]


def test_a_body_blanked_without_a_decision_is_named(kept: Kept) -> None:
    """In the form of an erasure, naming a row that erases nothing, a row of the past, or none."""
    for erasure, found in ((20, "erasure_false"), (ROWS + 5, "erasure_false"), (3, "row_edited"), (6, "row_edited")):
        with loaded(kept) as conn:
            blank = f'{{"erased":{erasure}}}'
            conn.execute("UPDATE audit_body SET salt = zeroblob(16), body = ? WHERE seq = 6", (blank,))
            assert named(verify(conn, PUBLIC, kept.points)) == [(found, 6, 6)]


def test_a_wholly_foreign_chain_ends_in_bounded_findings(tmp_path: Path) -> None:
    """A thousand rows in the wrong places are not a thousand lines."""
    path = tmp_path / "gateway.db"
    tampering.filled(path, 1_000)
    with tampering.opened(path) as conn:
        conn.execute("UPDATE audit SET hash = zeroblob(32) WHERE seq % 3 = 0")
    with tampering.opened(path) as conn:
        assert len(verify(conn, PUBLIC).findings) == 100


@contextmanager
def database(folder: Path) -> Iterator[Database]:
    """A database of the gateway with a filled chain."""
    path = in_memory(folder) / "gateway.db"
    tampering.filled(path)
    db = Database(path, [MIGRATIONS])
    db.open()
    try:
        yield db
    finally:
        db.close()


def test_rows_that_come_while_it_walks_are_no_finding(tmp_path: Path) -> None:
    """Each slice reads one state: a checkpoint made between two slices has its rows."""
    with database(tmp_path) as db:
        walk, ended = Walk(PUBLIC), False
        while not ended:
            ended = db.read_sync(lambda conn: walk.step(conn, 4))
            if walk.verdict().entries < 3 * ROWS:
                db.write_sync(lambda conn: audit.append(conn, {"at_ms": NOW, "what": "x", "person": pid("p")}))
                db.write_sync(lambda conn: audit.checkpoint(conn, KEY, NOW))
        assert walk.verdict().findings == ()
        assert walk.verdict().entries > ROWS


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_exactly_their_rows(seqs: set[int]) -> None:
    """Ascending, apart from each other, and nothing but what was given."""
    ranges = ranges_of(seqs)
    assert {seq for first, last in ranges for seq in range(first, last + 1)} == seqs
    assert all(a[1] + 1 < b[0] for a, b in itertools.pairwise(ranges))


def test_a_blanked_body_has_one_form() -> None:
    """Another salt, a leading zero or a second field is an edit, not an erasure."""
    assert erased_by(bytes(16), '{"erased":7}') == 7
    others = ['{"erased":07}', '{"erased":0}', '{"erased": 7}', '{"erased":7,"x":1}', "{}", '{"erased":-7}']
    assert [body for body in others if erased_by(bytes(16), body) is not None] == []
    assert erased_by(b"x" * 16, '{"erased":7}') is None


def test_every_problem_has_words() -> None:
    """In both catalogues, with the places that the CLI and the page fill in."""
    from gateway.cli.audit import finding
    from gateway.core.i18n import catalogue

    for language in ("vi", "en"):
        for problem in Problem:
            text = finding(catalogue(language), problem, 7, 9)
            assert "9" in text
            assert not text.startswith(problem.value)
    assert finding(catalogue("en"), "row_edited", 7, 7) == "Row 7 was edited."


def test_a_verdict_says_its_first_finding() -> None:
    """`problem` and `at_seq` are what a script looks at."""
    found = Verdict(5, 1, findings=(Finding(Problem.ROW_EDITED, 3, 4),))
    assert (found.problem, found.at_seq) == ("row_edited", 3)
    assert (Verdict(5, 1).problem, Verdict(5, 1).at_seq) == (None, None)
