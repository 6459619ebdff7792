"""What a guardian is to the child: words to codes, and old rows."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
import sqlite_utils

from gateway.access.kin import kind_of
from gateway.access.migrations import MIGRATIONS
from gateway.core.errors import BadInput
from gateway.core.i18n import catalogue
from gateway.core.model import GuardianKind as Kind

WORDS = {
    "Mẹ": Kind.MOTHER,
    "me": Kind.MOTHER,
    " bố ": Kind.FATHER,
    "Ba": Kind.FATHER,
    "Bà": Kind.GRANDMOTHER,
    "ba ngoai": Kind.GRANDMOTHER,
    "Bà nội": Kind.GRANDMOTHER,
    "ÔNG NGOẠI": Kind.GRANDFATHER,
    "Người  giám hộ": Kind.LEGAL_GUARDIAN,
    "mẹ đẻ": Kind.MOTHER,
    "dì ruột": Kind.RELATIVE,
    "father": Kind.FATHER,
    "legal_guardian": Kind.LEGAL_GUARDIAN,
    "Khác": Kind.OTHER,
}


@pytest.mark.parametrize(("word", "kind"), WORDS.items())
def test_words_schools_write_are_understood(word: str, kind: Kind) -> None:
    """With and without marks, in any case, with the side of the family; a decomposed mark is the same word."""
    assert kind_of(word) is kind


@pytest.mark.parametrize("word", ["", "hàng xóm", "ba nuôi", "mother in law", "m"])
def test_what_is_no_relation_is_refused(word: str) -> None:
    """An unknown word is an error that names it, never `other`."""
    with pytest.raises(BadInput) as refused:
        kind_of(word)
    assert refused.value.fields["value"] == word


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_every_code_has_its_word_and_reads_back(lang: str) -> None:
    """What a page shows for a code is a word that the import understands as that code."""
    for kind in Kind:
        assert kind_of(catalogue(lang).text(f"kin.{kind}")) is kind


def test_an_older_database_keeps_its_people_and_gets_the_codes(tmp_path: Path) -> None:
    """Rows that refer to people still do; free words become codes; a vice-principal fits; a word does not any more."""
    db = sqlite_utils.Database(sqlite3.connect(tmp_path / "old.db", isolation_level=None))
    db.conn.execute("PRAGMA foreign_keys = ON")
    MIGRATIONS.apply(db, stop_before="vice_principals_and_kinds")
    person, child = "p" * 16, "c" * 16
    db.execute("INSERT INTO person VALUES (?, 'guardian', 0, x'00', 1)", [person])
    db.execute("INSERT INTO child VALUES (?, x'00', 1)", [child])
    words = ["mẹ", "me", "parent", "hàng xóm", "Bố"]
    for word in words:
        sql = "INSERT INTO guardian (person, child, kind, since_ms) VALUES (?, ?, ?, 1)"
        db.execute(sql, [person, child, word])
    MIGRATIONS.apply(db)
    kinds = [row[0] for row in db.execute("SELECT kind FROM guardian ORDER BY id")]
    assert kinds == ["mother", "mother", "parent", "other", "father"]
    assert db.execute("SELECT count(*) FROM person").fetchone()[0] == 1
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.execute("INSERT INTO person VALUES (?, 'vice_principal', 0, x'00', 1)", ["v" * 16])
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("INSERT INTO guardian (person, child, kind, since_ms) VALUES (?, ?, 'mẹ', 1)", [person, child])
    with pytest.raises(sqlite3.IntegrityError):
        db.execute("DELETE FROM person WHERE id = ?", [person])
    assert db.execute("SELECT name FROM sqlite_temp_master").fetchall() == []
