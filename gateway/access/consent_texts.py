"""What families are asked to agree to: the texts, their versions, and how they looked when shown.

Owns the shipped texts (`texts/<purpose>.<language>.txt`), `consent_edition` and `consent_shown`. Invariants: both
languages belong to one version and one hash; a text that was shown is kept as it was shown; a version never
changes; `scope` grows only when a text asks for more, and only then are families asked anew.
"""

from __future__ import annotations

import hashlib
import sqlite3
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from gateway.access.acts import KEEPS_THE_BOX as BINDS
from gateway.access.audit import Actor
from gateway.access.facts import Purpose
from gateway.access.store import FactStore
from gateway.core.errors import BadInput

SHIPPED_VERSION = "1"
MAX_CHARS = 6000
LANGUAGES = ("vi", "en")


@dataclass(frozen=True, slots=True)
class SchoolFacts:
    """What is filled into the texts."""

    name: str
    days: int
    """How long recordings are kept."""


@dataclass(frozen=True, slots=True)
class Text:
    """A version of a purpose's text, as shown if the facts are filled in."""

    purpose: Purpose
    version: str
    scope: int
    vi: str
    en: str

    @property
    def sha256(self) -> str:
        """The hash over purpose, version and both languages."""
        parts = (self.purpose, self.version, str(self.scope), self.vi, self.en)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()

    def lines(self, language: str) -> tuple[str, tuple[str, ...]]:
        """Return title and points in a language."""
        title, *points = (line.strip() for line in (self.vi if language == "vi" else self.en).splitlines())
        return title, tuple(point.removeprefix("- ") for point in points if point)

    def filled(self, school: SchoolFacts) -> Text:
        """Return the text with the school's facts in place of {school} and {days}."""
        vi, en = (
            text.replace("{school}", school.name).replace("{days}", str(school.days)) for text in (self.vi, self.en)
        )
        return Text(self.purpose, self.version, self.scope, vi, en)


@lru_cache(maxsize=3)
def shipped(purpose: Purpose) -> Text:
    """Return the text the program brings."""
    folder = files("gateway.access") / "texts"
    vi, en = ((folder / f"{purpose}.{language}.txt").read_text(encoding="utf-8").strip() for language in LANGUAGES)
    return Text(purpose, SHIPPED_VERSION, 1, vi, en)


def newest(conn: sqlite3.Connection, purpose: Purpose) -> Text:
    """Return the text in force: the school's newest, or the shipped one."""
    sql = "SELECT * FROM consent_edition WHERE purpose = ? ORDER BY id DESC LIMIT 1"
    row = conn.execute(sql, (purpose,)).fetchone()
    return shipped(purpose) if row is None else _text(row)


def keep_shown(conn: sqlite3.Connection, text: Text, now_ms: int) -> None:
    """Keep a filled text for ever; once is enough."""
    conn.execute(
        "INSERT OR IGNORE INTO consent_shown (sha256, purpose, version, scope, vi, en, first_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (text.sha256, text.purpose, text.version, text.scope, text.vi, text.en, now_ms),
    )


def shown(conn: sqlite3.Connection, sha256: str) -> Text | None:
    """Return a text as it was shown."""
    row = conn.execute("SELECT * FROM consent_shown WHERE sha256 = ?", (sha256,)).fetchone()
    return _text(row) if row is not None else None


def _text(row: sqlite3.Row) -> Text:
    return Text(Purpose(row["purpose"]), row["version"], row["scope"], row["vi"], row["en"])


class Texts:
    """The texts of this school."""

    def __init__(self, store: FactStore, school: SchoolFacts) -> None:
        self._store, self.school = store, school

    def current(self, conn: sqlite3.Connection, purpose: Purpose) -> Text:
        """Return the text in force with the school's facts filled in."""
        return newest(conn, purpose).filled(self.school)

    async def all(self) -> dict[Purpose, Text]:
        """Return the texts in force, filled in."""
        return await self._store.db.read(lambda conn: {item: self.current(conn, item) for item in Purpose})

    async def templates(self) -> dict[Purpose, Text]:
        """Return the texts in force as they are written, to be edited."""
        return await self._store.db.read(lambda conn: {item: newest(conn, item) for item in Purpose})

    async def publish(self, actor: Actor, purpose: Purpose, vi: str, en: str, *, widens: bool) -> Text:
        """Publish the school's own text; with `widens` every family is asked anew. BadInput, Denied."""
        vi, en = clean_lines(vi, "vi"), clean_lines(en, "en")

        def run(conn: sqlite3.Connection, now_ms: int) -> Text:
            last = newest(conn, purpose)
            if (last.vi, last.en) == (vi, en):
                raise BadInput("the text is the same as before", case="same_text", key="text")
            text = Text(purpose, str(int(last.version) + 1), last.scope + widens, vi, en)
            conn.execute(
                "INSERT INTO consent_edition (purpose, version, scope, vi, en, published_ms, published_by)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (purpose, text.version, text.scope, vi, en, now_ms, actor.person or "console"),
            )
            return text

        detail: dict[str, str | int | bool] = {"purpose": purpose, "widens": widens}
        return await self._store.change(actor, "consent.text", BINDS, run, detail=detail)


def clean_lines(text: str, language: str) -> str:
    """Return a text without blank lines and stray spaces; BadInput unless it has a title and a point."""
    lines = [" ".join(line.split()) for line in text.splitlines()]
    cleaned = "\n".join(line for line in lines if line)
    if len(cleaned) > MAX_CHARS or cleaned.count("\n") < 1 or not cleaned.replace("\n", "").isprintable():
        raise BadInput(
            f"a text has a title, points below it, and at most {MAX_CHARS} characters",
            case="text", key="text", language=language, most=MAX_CHARS,
        )  # fmt: skip
    return cleaned
