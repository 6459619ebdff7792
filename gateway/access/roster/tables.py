"""From the bytes of a file to rows of cells: XLSX and CSV.

Owns the reading of files, and what is refused whole: too big, too long, packed to burst, with links to other files,
with programs inside, of a kind that is not read. Runs in a process of its own (`reading.py`). Invariants: nothing is
computed and nothing outside the file is opened; a formula is kept as such, so that its row can be named.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import unicodedata
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from openpyxl import load_workbook

from gateway.access.roster.cells import Cell, Formula
from gateway.access.roster.refusals import MAX_BYTES, refused
from gateway.core.errors import BadInput

MAX_ROWS = 5_000
MAX_COLUMNS = 256
MAX_SHEETS = 60
MAX_UNPACKED_BYTES = 64 << 20
MAX_CELL_CHARS = 500
_OLD_EXCEL, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
_OTHER_KINDS = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"Rar!", b"7z\xbc\xaf", b"{\\rtf")
_EXCEL_ERRORS = frozenset({"#N/A", "#REF!", "#VALUE!", "#NAME?", "#DIV/0!", "#NULL!", "#NUM!"})
"""What stands in a cell whose formula came to nothing: not a name of a child or a class."""
_DELIMITERS = ";\t,"
_ONLY_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")
"""Byte order marks: a text file with nothing after one is empty."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table as the file has it; row n of the file is `rows[n - 1]`."""

    name: str
    rows: tuple[tuple[Cell, ...], ...]


def read(data: bytes) -> tuple[Sheet, ...]:
    """Return the tables of a file; BadInput says why it is refused."""
    if len(data) > MAX_BYTES:
        raise refused("too_big", most=MAX_BYTES >> 20)
    if not data.strip() or data in _ONLY_MARKS:
        raise refused("empty")
    if data.startswith(_OTHER_KINDS):
        raise refused("kind")
    if data.startswith(_OLD_EXCEL):
        raise refused("old_excel")
    if data.startswith(_ZIP):
        return _workbook(data)
    if data.lstrip()[:1] == b"<":  # some exporters call a web page .xls
        raise refused("web_page")
    return (_text(data),)


# XLSX


def _workbook(data: bytes) -> tuple[Sheet, ...]:
    _look_into(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=False, keep_links=False)
        shown = [name for name in book.sheetnames if book[name].sheet_state == "visible"]
        if len(shown) > MAX_SHEETS:  # none is left out unsaid: its children would seem to have gone
            raise refused("sheets", most=MAX_SHEETS)
        sheets = [_sheet(book[name]) for name in shown]
    except BadInput:
        raise
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        zipfile.BadZipFile,
        SyntaxError,
        OSError,
    ) as error:
        raise refused("broken") from error
    return tuple(sheets)


def _look_into(data: bytes) -> None:
    """Refuse what unpacks to too much, links elsewhere or carries a program, before anything is unpacked."""
    try:
        entries = zipfile.ZipFile(io.BytesIO(data)).infolist()
    except zipfile.BadZipFile as error:
        raise refused("broken") from error
    names = [entry.filename.lower() for entry in entries]
    if len(entries) > 500 or sum(entry.file_size for entry in entries) > MAX_UNPACKED_BYTES:
        raise refused("packed", most=MAX_UNPACKED_BYTES >> 20)
    if any("externallink" in name or name.endswith("connections.xml") for name in names):
        raise refused("links")
    if any(name.endswith((".bin", ".vbs", ".ole")) and "printersettings" not in name for name in names):
        raise refused("program")
    if "xl/workbook.xml" not in names:  # a document of another program, in the same kind of package
        raise refused("kind" if {"content.xml", "word/document.xml", "ppt/presentation.xml"} & set(names) else "broken")


def _sheet(sheet: Any) -> Sheet:
    sheet.reset_dimensions()  # exporters write wrong ones, and then rows would be missing
    rows: list[tuple[Cell, ...]] = []
    gap: object = None
    for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS), 1):
        if row is gap:  # rows that the file leaves out: a million of them before a row far below
            continue
        cells = _trimmed(_cell(cell) for cell in row)
        if not cells:  # also thousands of rows that were only given a border
            gap = row
            continue
        at = next((cell.row for cell in row if getattr(cell, "row", None)), number)
        if at > MAX_ROWS:
            raise refused("too_long", most=MAX_ROWS)
        rows.extend(() for _ in range(at - 1 - len(rows)))  # so that a row keeps the number that Excel shows
        rows.append(cells)
    return Sheet(sheet.title[:MAX_CELL_CHARS], tuple(rows))


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return None
    if getattr(cell, "data_type", "") in ("f", "e"):
        return Formula(str(getattr(value, "text", value))[:MAX_CELL_CHARS])
    if isinstance(value, dt.datetime):
        return value.date()
    if isinstance(value, dt.date):
        return value
    if isinstance(value, bool | dt.time | dt.timedelta):
        return str(value)
    if isinstance(value, int | float):
        return float(value)
    return str(value)[:MAX_CELL_CHARS]


def _trimmed(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    row = [None if isinstance(cell, str) and not cell.strip() else cell for cell in cells]
    while row and row[-1] is None:
        row.pop()
    return tuple(row)


# CSV


def _text(data: bytes) -> Sheet:
    text = decoded(data)
    if "\0" in text:
        raise refused("kind")
    # Strict: a quotation mark that is not closed would take the rows after it into one cell, and nobody would see it.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text), strict=True)
    rows: list[tuple[Cell, ...]] = []
    try:
        for row in reader:
            if len(rows) >= MAX_ROWS:
                raise refused("too_long", most=MAX_ROWS)
            rows.append(_trimmed(_field(item) for item in row[:MAX_COLUMNS]))
    except csv.Error as error:
        raise refused("quotes", row=len(rows) + 1) from error
    return Sheet("", tuple(rows))


def _field(text: str) -> Cell:
    bare = text.strip()
    return Formula(text[:MAX_CELL_CHARS]) if bare.startswith("=") or bare in _EXCEL_ERRORS else text[:MAX_CELL_CHARS]


def decoded(data: bytes) -> str:
    """Return the text of a CSV file: by its mark, else UTF-8, else UTF-16, else Windows-1258; composed (NFC)."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: Sequence[str] = ("utf-16",)
    elif data[:200].count(0) > len(data[:200]) // 4:
        encodings = ("utf-16-le" if data[1:2] == b"\0" else "utf-16-be",)
    else:
        encodings = ("utf-8-sig", "cp1258")
    for encoding in encodings:
        try:
            return unicodedata.normalize("NFC", data.decode(encoding))
        except UnicodeDecodeError:
            continue
    raise refused("encoding")


def delimiter_of(text: str) -> str:
    """Return what parts the columns: that which most lines have equally often, in the beginning of the file."""
    lines = [line for line in text.splitlines()[:60] if line.strip()]
    counts = {mark: [line.count(mark) for line in lines] for mark in _DELIMITERS}

    def weight(mark: str) -> tuple[int, int]:
        usual = max(set(counts[mark]) - {0}, key=counts[mark].count, default=0)
        return counts[mark].count(usual) if usual else 0, usual

    return max(_DELIMITERS, key=weight)
