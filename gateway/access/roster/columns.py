"""Which column of a list holds what, by the words above it.

Owns the fields of an import and the recognition of headers as SMAS, vnEdu and the sector database write them. Pure.
Invariants: a heading that is not known is no field (its column is not read); the citizen's number is never read;
a person's correction wins over what was recognised; two columns never hold one field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.access.roster.cells import Cell, plain, text_of

HEADER_ROWS = 30
"""Letterheads above a list are not longer."""


class Field(StrEnum):
    """What a column may hold."""

    CODE = "code"
    NAME = "name"
    FAMILY = "family"
    GIVEN = "given"
    BIRTH = "birth"
    CLASS = "class"
    STATUS = "status"
    MOTHER_NAME = "mother_name"
    MOTHER_PHONE = "mother_phone"
    FATHER_NAME = "father_name"
    FATHER_PHONE = "father_phone"
    GUARDIAN_NAME = "guardian_name"
    GUARDIAN_PHONE = "guardian_phone"
    GUARDIAN_KIND = "guardian_kind"
    CONTACT_PHONE = "contact_phone"


_NOT_READ = (
    "nam sinh", "nghe", "cccd", "cmnd", "email", "mail", "dia chi", "noi sinh", "noi cap", "noi o", "dan toc",
    "can cuoc", "que quan", "ngay cap", "ton giao", "huyen", "tinh thanh", "xa phuong", "anh", "facebook",
    "zalo", "ca nhan", "tuoi", "hoc van", "ho khau", "co quan", "noi lam viec", "gioi tinh", "quoc tich",
    "ten khac", "ten goi khac",
)  # fmt: skip
_CHILD_NAMES = frozenset(
    {
        f"{head}{tail}"
        for head in ("ho ten", "ho va ten", "ten")
        for tail in (" tre", " tre em", " hoc sinh", " hs", " be", " chau", " hoc sinh tre")
    }
    | {"ho ten", "ho va ten", "ho ten day du", "full name", "name", "child", "tre", "be"}
)
_EXACT: Mapping[str, Field] = {
    **dict.fromkeys(_CHILD_NAMES, Field.NAME),
    **dict.fromkeys(("ho dem", "ho va dem", "ho va ten dem", "ho ten dem", "ho lot", "ho"), Field.FAMILY),
    "ten": Field.GIVEN,
    **dict.fromkeys(
        ("ngay sinh", "ngay thang nam sinh", "ngay thang sinh", "sinh ngay", "date of birth", "birthday", "birth date"),
        Field.BIRTH,
    ),
    **dict.fromkeys(("lop", "ten lop", "lop hoc", "nhom lop", "ten nhom lop", "ten lop hoc", "class"), Field.CLASS),
    **dict.fromkeys(("trang thai", "trang thai hoc", "tinh trang", "tinh trang hoc", "status"), Field.STATUS),
    **dict.fromkeys(("quan he", "moi quan he", "quan he voi tre", "moi quan he voi tre"), Field.GUARDIAN_KIND),
}
_CODES = ("ma dinh danh", "ma hoc sinh", "ma tre", "ma hs", "ma so hoc sinh", "ma so tre", "student code")
_PHONE_WORDS = ("dien thoai", "sdt", "so dt", "di dong", "dtdd", "dt", "phone", "so may")
_NAME_WORDS = ("ho ten", "ho va ten", "ten", "name")
_OTHERS = ("giam ho", "phu huynh", "nguoi lien he", "dai dien", "nuoi duong", "do dau", "cham soc")


def field_of(heading: str) -> Field | None:
    """Return what a heading stands for, None for one that is not read."""
    words = plain(heading)
    if words in _EXACT:
        return _EXACT[words]
    if any(words.startswith(code) for code in _CODES) and "ca nhan" not in words:
        return Field.CODE
    tokens = words.split()
    if _has(words, _NOT_READ):
        return None
    phone, named = _has(words, _PHONE_WORDS), _has(words, _NAME_WORDS)
    if "me" in tokens:
        return Field.MOTHER_PHONE if phone else Field.MOTHER_NAME if named or words == "me" else None
    if "cha" in tokens or "bo" in tokens:
        return Field.FATHER_PHONE if phone else Field.FATHER_NAME if named or words in ("cha", "bo") else None
    if _has(words, _OTHERS):
        return Field.GUARDIAN_PHONE if phone else Field.GUARDIAN_NAME
    return Field.CONTACT_PHONE if phone else None


def _has(words: str, wanted: Sequence[str] | frozenset[str]) -> bool:
    """Say whether one of the words (or groups of them) stands in a heading as a whole."""
    padded = f" {words} "
    return any(f" {item} " in padded for item in wanted)


@dataclass(frozen=True, slots=True)
class Heading:
    """Where the list begins and what its columns are called; columns count from 0."""

    row: int
    """Index of the first row after the heading."""
    labels: tuple[str, ...]
    fields: Mapping[int, Field]

    @property
    def signature(self) -> str:
        """Name the shape of a list: the same headings give the same one, in any file."""
        return hashlib.sha256("\0".join(map(plain, self.labels)).encode()).hexdigest()[:32]


def heading_of(rows: Sequence[Sequence[Cell]]) -> Heading | None:
    """Find the heading: the row (or two rows, where groups of columns are merged) with the most known words."""
    best: Heading | None = None
    for index, row in enumerate(rows[:HEADER_ROWS]):
        single = tuple(text_of(cell) for cell in row)
        found = [(index + 1, single)]
        if index + 1 < len(rows) and _is_second_row(row, rows[index + 1]):
            found.append((index + 2, _joined(single, [text_of(cell) for cell in rows[index + 1]])))
        for after, labels in found:
            fields = _first_of_each(labels)
            if _is_list(fields) and (best is None or len(fields) > len(best.fields)):
                best = Heading(after, labels, fields)
    return best


def _first_of_each(labels: Sequence[str]) -> dict[int, Field]:
    fields: dict[int, Field] = {}
    for column, label in enumerate(labels):
        field = field_of(label)
        if field is not None and field not in fields.values():
            fields[column] = field
    if Field.NAME in fields.values():  # "Họ tên" beside a "Tên" for sorting
        fields = {column: field for column, field in fields.items() if field not in (Field.FAMILY, Field.GIVEN)}
    return fields


def _is_list(fields: Mapping[int, Field]) -> bool:
    found = set(fields.values())
    named = Field.NAME in found or {Field.FAMILY, Field.GIVEN} <= found
    return named and len(found) >= 2


def _is_second_row(above: Sequence[Cell], below: Sequence[Cell]) -> bool:
    """Say whether `below` names parts of merged headings: it has words where `above` is blank, and no digit."""
    texts = [text_of(cell) for cell in below]
    under_merged = [
        text for column, text in enumerate(texts) if text and (column >= len(above) or not text_of(above[column]))
    ]
    return bool(under_merged) and not any(item.isdigit() for text in texts for item in text)


def _joined(above: Sequence[str], below: Sequence[str]) -> tuple[str, ...]:
    """Return the headings of two rows: a merged heading goes before each of its parts."""
    labels, group = [], ""
    for column in range(max(len(above), len(below))):
        top = above[column] if column < len(above) else ""
        sub = below[column] if column < len(below) else ""
        group = top or (group if sub else "")
        labels.append(f"{group} {sub}".strip() if sub else top)
    return tuple(labels)


def corrected(heading: Heading, by_hand: Mapping[int, Field | None]) -> Heading:
    """Return the heading as a person set it: what a hand gave to one column is taken from any other."""
    fields = {column: field for column, field in heading.fields.items() if column not in by_hand}
    taken = {field for field in by_hand.values() if field is not None}
    fields = {column: field for column, field in fields.items() if field not in taken}
    fields |= {column: field for column, field in by_hand.items() if field is not None}
    return Heading(heading.row, heading.labels, dict(sorted(fields.items())))
