"""From the rows of a list to children with their class and guardians, or to what is wrong with a row.

Owns what a row means. Pure. Invariants: a row is taken whole or named as bad with column, value and what to do;
nothing is guessed (a phone number that does not say whose it is, is asked for); two rows are never one child.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.access.kin import kind_of
from gateway.access.roster.cells import (
    MAX_NAME,
    Cell,
    Formula,
    class_key,
    code_of,
    date_of,
    is_birth,
    name_key,
    name_of,
    phone_of,
    plain,
    text_of,
)
from gateway.access.roster.columns import Field, Heading
from gateway.access.roster.tables import Sheet
from gateway.core.errors import BadInput
from gateway.core.model import GuardianKind

MAX_SHOWN = 60
_FOOTERS = ("tong so", "tong cong", "nguoi lap", "hieu truong", "danh sach nay", "ngay thang")
_PHONES = (Field.MOTHER_PHONE, Field.FATHER_PHONE, Field.GUARDIAN_PHONE, Field.CONTACT_PHONE)
_IN = frozenset(
    {"", "dang hoc", "hoc", "moi tuyen", "tuyen moi", "chuyen den", "dang hoc tap", "binh thuong", "active"}
)
_LEFT = frozenset(
    {
        "thoi hoc",
        "da thoi hoc",
        "chuyen truong",
        "chuyen di",
        "da chuyen truong",
        "nghi hoc",
        "bo hoc",
        "ra truong",
        "tot nghiep",
    }
)


@dataclass(frozen=True, slots=True)
class Kin:
    """A guardian as the list names them."""

    kind: GuardianKind
    name: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """A child as the list names it."""

    key: str
    """Sheet and row of the file, for questions and answers: "0:12"."""
    sheet: str
    row: int
    name: str
    birth: dt.date | None
    code: str | None
    class_name: str
    left: bool
    kin: tuple[Kin, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in one cell; `what` is a code with a text and a remedy in every catalogue."""

    sheet: str
    row: int
    column: str
    """Letter of the column, "" = the whole row."""
    heading: str
    value: str
    what: str
    other: int = 0
    """Another row that this one contradicts."""


class _Row:
    """One row under its heading."""

    def __init__(self, sheet: Sheet, heading: Heading, index: int) -> None:
        self.sheet, self.number = sheet, index + 1
        self._cells, self._heading = sheet.rows[index], heading
        self._columns = {field: column for column, field in heading.fields.items()}
        self.problems: list[Problem] = []

    def cell(self, field: Field) -> Cell:
        column = self._columns.get(field, -1)
        return self._cells[column] if 0 <= column < len(self._cells) else None

    def text(self, field: Field) -> str:
        return text_of(self.cell(field))

    def has(self, field: Field) -> bool:
        return field in self._columns

    def blank(self) -> bool:
        return not any(self.text(field) for field in self._columns)

    def bad(self, field: Field, what: str, other: int = 0) -> None:
        """Name a cell as bad."""
        column = self._columns.get(field, -1)
        label = self._heading.labels[column] if 0 <= column < len(self._heading.labels) else ""
        problem = Problem(
            self.sheet.name, self.number, letter(column), label, self.text(field)[:MAX_SHOWN], what, other
        )
        self.problems.append(problem)

    def named(self) -> bool:
        """Say whether a name, or half of one, stands in the row."""
        return any(self.text(field) for field in (Field.NAME, Field.FAMILY, Field.GIVEN))

    def sure(self) -> bool:
        """Say whether a row belongs to the list beyond doubt: numbered, or with more of a child than a name."""
        if self.sums():
            return False
        counted = bool(self._cells) and text_of(self._cells[0]).isdigit()
        said = (
            any(self.text(field) for field in (Field.CODE, Field.CLASS)) or date_of(self.cell(Field.BIRTH)) is not None
        )
        return counted or said or bool(self.banner()) or any(phone_of(self.cell(field)) for field in _PHONES)

    def sums(self) -> bool:
        """Say whether a row is a sum or a signature, by the words in the column of names, or by its first words."""
        named = plain(self.text(Field.NAME) or self.text(Field.GIVEN))
        first = next((plain(text_of(cell)) for cell in self._cells if text_of(cell)), "")
        return named.startswith(_FOOTERS) or (not named and first.startswith(_FOOTERS))

    def repeats_heading(self) -> bool:
        """Say whether the heading stands here once more, as at the top of each printed page."""
        texts = [text_of(cell) for cell in self._cells]
        return bool(texts) and all(text == label for text, label in zip(texts, self._heading.labels, strict=False))

    def counts_columns(self) -> bool:
        """Say whether a row only numbers the columns, as 1, 2, 3 or (1), (2), (3)."""
        texts = [plain(text_of(cell)) for cell in self._cells if text_of(cell)]
        numbers = len(texts) > 1 and all(item.isdigit() for item in texts)
        return numbers and texts[0] in ("0", "1") and len(set(texts)) > 1

    def banner(self) -> str:
        """Return the class whose list begins beneath this row ("Lớp: Mầm 2" alone in it), "" for any other row."""
        texts = [text_of(cell) for cell in self._cells if text_of(cell)]
        if self.has(Field.CLASS) or not 1 <= len(texts) <= 2:
            return ""
        said = class_of_title((self._cells,))
        alone = re.fullmatch(r"(?:nhóm[ ,/]*)?lớp\s+(\S.*)", texts[0], re.IGNORECASE) if len(texts) == 1 else None
        return said or (alone[1] if alone is not None else "")

    def formulas(self) -> None:
        """Name every formula in a column that is read."""
        for field in self._columns:
            if isinstance(self.cell(field), Formula):
                self.bad(field, "formula")


def letter(column: int) -> str:
    """Return a column as Excel names it: A, B, …, AA; "" for none."""
    text = ""
    while column >= 0:
        text = chr(ord("A") + column % 26) + text
        column = column // 26 - 1
    return text


def entries_of(
    number: int, sheet: Sheet, heading: Heading, today: dt.date
) -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    """Return the children of one sheet (its `number` counts from 0) and what is wrong with its rows."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    titled = class_of_title(sheet.rows[: heading.row])
    for row in _rows(sheet, heading):
        if banner := row.banner():  # lists of several classes, one below the other
            titled = banner
            continue
        row.formulas()
        entry = None if row.problems else _entry(number, row, titled, today)
        problems += row.problems
        if entry is not None and not row.problems:
            entries.append(entry)
    return tuple(entries), tuple(problems)


def _rows(sheet: Sheet, heading: Heading) -> Iterator[_Row]:
    """Return the rows that may be children or the title of a class, without sums, page heads and signatures."""
    found = [_Row(sheet, heading, index) for index in range(heading.row, len(sheet.rows))]
    sure = next((at for at in range(len(found), 0, -1) if found[at - 1].sure()), 0)
    signed = next((at for at in range(sure, len(found)) if found[at].sums()), len(found))
    named = next((at for at in range(signed, sure, -1) if found[at - 1].named()), sure)
    for row in found[:named]:  # beneath them: date, place, and the names of who signs
        idle = row.blank() or row.sums() or row.repeats_heading() or (row is found[0] and row.counts_columns())
        if row.banner() or not idle:
            yield row


def class_of_title(rows: Sequence[Sequence[Cell]]) -> str:
    """Return the class that stands above the list ("Lớp: Mầm 1"), "" if none does."""
    for row in rows:
        texts = [text_of(cell) for cell in row if text_of(cell)]
        for at, text in enumerate(texts):
            head, colon, tail = text.partition(":")
            if plain(head) in ("lop", "nhom lop", "ten lop", "class") and colon:
                return tail.strip() or (texts[at + 1] if at + 1 < len(texts) else "")
    return ""


def _entry(number: int, row: _Row, titled: str, today: dt.date) -> Entry | None:
    name = _child_name(row)
    birth = date_of(row.cell(Field.BIRTH))
    if row.text(Field.BIRTH) and birth is None:
        row.bad(Field.BIRTH, "birth")
    elif birth is not None and not is_birth(birth, today):
        row.bad(Field.BIRTH, "age")
    code = code_of(row.cell(Field.CODE))
    if row.text(Field.CODE) and code is None:
        row.bad(Field.CODE, "code")
    class_name = row.text(Field.CLASS) if row.has(Field.CLASS) else titled
    if not class_name:
        row.bad(Field.CLASS, "class" if row.has(Field.CLASS) else "class_column")
    elif len(class_name) > MAX_NAME or not class_key(class_name):
        row.bad(Field.CLASS, "class")
    status = plain(row.text(Field.STATUS))
    if status not in _IN | _LEFT:
        row.bad(Field.STATUS, "status")
    kin = _kin(row)
    if row.problems or name is None:
        return None
    key = f"{number}:{row.number}"
    return Entry(key, row.sheet.name, row.number, name, birth, code, class_name, status in _LEFT, kin)


def _child_name(row: _Row) -> str | None:
    if row.has(Field.NAME):
        field, text = Field.NAME, row.text(Field.NAME)
    else:
        field, text = Field.GIVEN, f"{row.text(Field.FAMILY)} {row.text(Field.GIVEN)}".strip()
    name = name_of(text)
    if name is None:
        row.bad(field, "name")
    return name


def _kin(row: _Row) -> tuple[Kin, ...]:
    """Return the guardians of a row, mother, father, then the other one."""
    sources = (
        (GuardianKind.MOTHER, Field.MOTHER_NAME, Field.MOTHER_PHONE),
        (GuardianKind.FATHER, Field.FATHER_NAME, Field.FATHER_PHONE),
        (_kind(row), Field.GUARDIAN_NAME, Field.GUARDIAN_PHONE),
    )
    found: list[Kin] = []
    for who, name_field, phone_field in sources:
        name, phone = name_of(row.cell(name_field)), _phone(row, phone_field)
        if row.text(name_field) and name is None:
            row.bad(name_field, "kin_name")
        elif phone is not None and name is None:
            row.bad(phone_field, "phone_alone")
        elif name is not None and not _again(found, name, phone):
            found.append(Kin(who, name, phone))
    return _with_contact(row, found)


def _kind(row: _Row) -> GuardianKind:
    """Return what the other guardian is to the child: a parent unless the list says more."""
    text = row.text(Field.GUARDIAN_KIND)
    try:
        return kind_of(text) if text else GuardianKind.PARENT
    except BadInput:
        row.bad(Field.GUARDIAN_KIND, "kind")
        return GuardianKind.OTHER


def _again(found: list[Kin], name: str, phone: str | None) -> bool:
    """Say whether the other guardian is the mother or the father once more, as many lists have it."""
    return any(name_key(item.name) == name_key(name) and phone in (None, item.phone) for item in found)


def _phone(row: _Row, field: Field) -> str | None:
    phone = phone_of(row.cell(field))
    if row.text(field) and phone is None:
        row.bad(field, "phone")
    return phone


def _with_contact(row: _Row, found: list[Kin]) -> tuple[Kin, ...]:
    """Give a number that does not say whose it is to the only guardian without one; else it is asked for."""
    phone = _phone(row, Field.CONTACT_PHONE)
    if phone is None or any(item.phone == phone for item in found):
        return tuple(found)
    without = [item for item in found if item.phone is None]
    if len(without) == 1 and len(found) == 1:
        return (Kin(without[0].kind, without[0].name, phone),)
    if without or not found:
        row.bad(Field.CONTACT_PHONE, "phone_whose")
    return tuple(found)


def doubles(entries: Sequence[Entry]) -> tuple[Problem, ...]:
    """Name the rows that are one child with an earlier row: the same code, or the same name, birth and class."""
    seen: dict[tuple[str, ...], Entry] = {}
    found: list[Problem] = []
    for entry in entries:
        keys: list[tuple[str, ...]] = []
        if entry.code is not None:
            keys.append(("code", entry.code))
        keys.append(("name", name_key(entry.name), str(entry.birth), class_key(entry.class_name)))
        for key in keys:
            earlier = seen.get(key)
            apart = (
                earlier is not None and key[0] == "name" and entry.code and earlier.code and entry.code != earlier.code
            )
            if earlier is not None and not apart:
                found.append(Problem(entry.sheet, entry.row, "", "", entry.name, "double", earlier.row))
                break
        for key in keys:
            seen.setdefault(key, entry)
    return tuple(found)
