"""What a list of children foretells of consent is what the answers say, before it is applied and after."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
import sqlite_utils
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.consent_rows import said, standing
from gateway.access.consent_rules import agreed
from gateway.access.facts import Purpose
from gateway.access.migrations import MIGRATIONS
from gateway.access.roster.known import KnownChild
from gateway.core.model import PublicId
from tests.fakes.school import CHILD, MAM, MATE, MOTHER, NOW, OTHER

RULES = settings(max_examples=300, deadline=None, derandomize=True)
PEOPLE = (MOTHER, OTHER)
tied = st.frozensets(st.sampled_from(PEOPLE))
answers = st.lists(
    st.tuples(st.sampled_from((None, *PEOPLE)), st.booleans(), st.sampled_from((-2, -1, 1, None))), max_size=5
)


@pytest.fixture(scope="module")
def db() -> Iterator[sqlite3.Connection]:
    """The tables of access in memory, without the rows that ties and answers would point to."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    MIGRATIONS.apply(sqlite_utils.Database(connection))
    yield connection
    connection.close()


def fill(
    db: sqlite3.Connection, ties: frozenset[PublicId], ended: frozenset[PublicId],
    told: list[tuple[PublicId | None, bool, int | None]],
) -> None:  # fmt: skip
    """Write who stands for the child, who stood for it once, and what they said; an answer ended (or ends) at its end."""
    db.execute("DELETE FROM guardian")
    db.execute("DELETE FROM consent")
    rows = [(person, CHILD, NOW - 9, None) for person in ties] + [(person, CHILD, NOW - 9, NOW - 1) for person in ended]
    db.executemany("INSERT INTO guardian (person, child, since_ms, until_ms) VALUES (?, ?, ?, ?)", rows)
    db.executemany(
        "INSERT INTO consent (child, purpose, text_version, since_ms, until_ms, given, person, entered_by)"
        " VALUES (?, 'view', '1', ?, ?, ?, ?, 'x')",
        [(CHILD, NOW - 5, None if end is None else NOW + end, yes, person) for person, yes, end in told],
    )
    db.execute(
        "INSERT INTO consent (child, purpose, text_version, since_ms, given, entered_by) VALUES (?, 'view', '1', 0, 1, 'x')",
        (MATE,),
    )


def read(db: sqlite3.Connection) -> KnownChild:
    return KnownChild(CHILD, "An", None, None, None, answers=said(db, Purpose.VIEW, NOW).get(CHILD, frozenset()))


@RULES
@given(tied, tied, tied, answers)
def test_what_is_foretold_is_what_the_answers_say(
    db: sqlite3.Connection, before: frozenset[PublicId], once: frozenset[PublicId], after: frozenset[PublicId],
    told: list[tuple[PublicId | None, bool, int | None]],
) -> None:  # fmt: skip
    """With the guardians of now and with those of the list: a class waits exactly where its rows then are no consent."""
    once -= before
    told = [item for item in told if item[0] is None or item[0] in before | once]  # nobody else can have answered
    fill(db, before, once, told)
    child = read(db)
    assert child.waits(before, MAM) is not agreed(standing(db, CHILD, Purpose.VIEW, NOW))
    foretold = child.waits(after, MAM)
    for person in before - after:
        db.execute("UPDATE guardian SET until_ms = ? WHERE person = ? AND until_ms IS NULL", (NOW, person))
    for person in after - before:
        db.execute("INSERT INTO guardian (person, child, since_ms) VALUES (?, ?, ?)", (person, CHILD, NOW))
    assert foretold is not agreed(standing(db, CHILD, Purpose.VIEW, NOW))
