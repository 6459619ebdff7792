"""What stands in one cell of a school's list: words, names, dates, phone numbers, codes.

Owns how a cell is read. Pure. Invariants: what cannot be read for certain is None, never a guess (a date is day,
month, year; a number that Excel stripped of its leading zero is known by its length alone); text is composed
Unicode (NFC) with single spaces.
"""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from dataclasses import dataclass
from typing import TypeAlias

MAX_NAME = 80
EXCEL_DAY_ZERO = dt.date(1899, 12, 30)
"""Serial 1 is 1900-01-01; Excel counts a 29 February 1900, so from March 1900 on this is day 0."""
SERIALS = range(36_526, 73_051)
"""2000-01-01 to 2099-12-31: nobody older is a child of a preschool."""
OLDEST_YEARS = 10
"""Preschool ends at six; older is a slip of the pen."""


@dataclass(frozen=True, slots=True)
class Formula:
    """A cell whose value a program would have to work out: nothing here does."""

    text: str


_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad"))
"""Characters without a width, as web pages leave them between letters: two names would differ and look alike."""
_TONES = frozenset("\u0300\u0301\u0303\u0309\u0323")

Cell: TypeAlias = str | float | dt.date | Formula | None


def text_of(cell: Cell) -> str:
    """Return what a person reads in the cell; whole numbers without a fraction."""
    if cell is None:
        return ""
    if isinstance(cell, Formula):
        return cell.text
    if isinstance(cell, dt.date):
        return f"{cell:%d/%m/%Y}"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else str(cell)
    return " ".join(unicodedata.normalize("NFC", cell.translate(_UNSEEN)).split())


def plain(text: str) -> str:
    """Return words as they are compared: no accents, lower case, only letters and digits, single spaces."""
    letters = unicodedata.normalize("NFD", text.lower().replace("đ", "d").replace("Đ", "d"))
    kept = "".join(item for item in letters if not unicodedata.combining(item))
    return " ".join(re.sub(r"[^a-z0-9]+", " ", kept).split())


def name_of(cell: Cell) -> str | None:
    """Return a name: 1 to 80 printable characters without digits."""
    name = text_of(cell)
    fits = 1 <= len(name) <= MAX_NAME and name.isprintable() and not any(item.isdigit() for item in name)
    return name if fits and any(item.isalpha() for item in name) else None


def date_of(cell: Cell) -> dt.date | None:
    """Return a date: a date cell, Excel's serial number, d/m/yyyy (also with - or .), or yyyy-mm-dd."""
    if isinstance(cell, dt.date):
        return cell
    text = re.sub(r" ?([/.-]) ?", r"\1", text_of(cell).removeprefix("'"))
    if text.isascii() and text.isdigit() and int(text) in SERIALS:
        return EXCEL_DAY_ZERO + dt.timedelta(days=int(text))
    ours = re.fullmatch(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4})(?: 0?0:00(?::00)?)?", text, re.ASCII)
    iso = re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})(?:[T ]00:00(?::00)?)?", text, re.ASCII)
    if ours is not None:
        year, month, day = int(ours[4]), int(ours[3]), int(ours[1])
    elif iso is not None:
        year, month, day = int(iso[1]), int(iso[2]), int(iso[3])
    else:
        return None
    try:
        return dt.date(year, month, day)
    except ValueError:
        return None


def is_birth(day: dt.date, today: dt.date) -> bool:
    """Say whether a child of a preschool may be born then."""
    return today.year - OLDEST_YEARS <= day.year and day <= today


def phone_of(cell: Cell) -> str | None:
    """Return a phone number of Việt Nam as 0 and its digits; what Excel took the 0 from is put right."""
    text = re.sub(r"[ .()\-\u00a0]", "", text_of(cell).removeprefix("'"))
    if text.startswith("+"):
        text = text[1:] if text.startswith("+84") else "x"
    if not (text.isascii() and text.isdigit()):
        return None
    if text.startswith("0084"):
        text = text[2:]
    if text.startswith("84") and len(text) in (11, 12):
        text = "0" + text[2:].removeprefix("0")
    elif len(text) == 9 and text[0] in "35789":
        text = "0" + text
    mobile = len(text) == 10 and text[:2] in ("03", "05", "07", "08", "09")
    landline = len(text) == 11 and text.startswith("02")
    return text if mobile or landline else None


def code_of(cell: Cell) -> str | None:
    """Return a child's number in the sector database: 6 to 20 letters and digits."""
    text = re.sub(r"[ \-.]", "", text_of(cell).removeprefix("'")).upper()
    return text if re.fullmatch(r"[A-Z0-9]{6,20}", text, re.ASCII) else None


def _one_spelling(text: str) -> str:
    """Return words in lower case with the tone of each at its end: a syllable has one, wherever it is written."""
    words = []
    for word in unicodedata.normalize("NFD", text.casefold()).split():
        tones = "".join(item for item in word if item in _TONES)
        bare = "".join(item for item in word if item not in _TONES)
        words.append(unicodedata.normalize("NFC", bare) + tones)
    return " ".join(words)


_CLASS_WORD = _one_spelling("lớp") + " "


def class_key(name: str) -> str:
    """Return a class's name as it is compared: "Lớp Mầm 1", "mầm 1" and "MẦM-1" are one class, "Mâm 1" is another."""
    apart = re.sub(r"[-_.]+", " ", unicodedata.normalize("NFC", name))
    apart = re.sub(r"(?<=[^\W\d])(?=\d)|(?<=\d)(?=[^\W\d])", " ", apart)
    tidy = _one_spelling(apart)
    return tidy.removeprefix(_CLASS_WORD).strip() or tidy


def name_key(name: str) -> str:
    """Return a name as it is compared: no case, and "Hoà" is "Hòa": programs put the tone over either vowel."""
    return _one_spelling(name)
