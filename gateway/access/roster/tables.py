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
from gateway.core.errors import BadInput

MAX_BYTES = 5 << 20
MAX_ROWS = 5_000
MAX_COLUMNS = 100
MAX_SHEETS = 60
MAX_UNPACKED_BYTES = 64 << 20
MAX_CELL_CHARS = 500
_OLD_EXCEL, _ZIP = b"\xd0\xcf\x11\xe0", b"PK\x03\x04"
_DELIMITERS = ";\t,"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One table as the file has it; row n of the file is `rows[n - 1]`."""

    name: str
    rows: tuple[tuple[Cell, ...], ...]


def refused(case: str, **fields: str | int) -> BadInput:
    """Return the error of a file that is refused whole."""
    return BadInput(f"the file is refused: {case}", case=f"import_{case}", key="file", **fields)


def read(data: bytes) -> tuple[Sheet, ...]:
    """Return the tables of a file; BadInput says why it is refused."""
    if len(data) > MAX_BYTES:
        raise refused("too_big", most=MAX_BYTES >> 20)
    if not data.strip():
        raise refused("empty")
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
        sheets = [_sheet(book[name]) for name in book.sheetnames[:MAX_SHEETS] if book[name].sheet_state == "visible"]
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
    if "xl/workbook.xml" not in names:
        raise refused("broken")


def _sheet(sheet: Any) -> Sheet:
    sheet.reset_dimensions()  # exporters write wrong ones, and then rows would be missing
    rows: list[tuple[Cell, ...]] = []
    for row in sheet.iter_rows(max_col=MAX_COLUMNS):
        if len(rows) >= MAX_ROWS:
            raise refused("too_long", most=MAX_ROWS)
        at = next((cell.row for cell in row if getattr(cell, "row", None)), len(rows) + 1)
        if at > MAX_ROWS:
            raise refused("too_long", most=MAX_ROWS)
        rows.extend(() for _ in range(at - 1 - len(rows)))  # rows without a cell are left out of the file
        rows.append(_trimmed(_cell(cell) for cell in row))
    while rows and not rows[-1]:
        rows.pop()
    return Sheet(sheet.title[:MAX_CELL_CHARS], tuple(rows))


def _cell(cell: Any) -> Cell:
    value = cell.value
    if value is None:
        return None
    if getattr(cell, "data_type", "") == "f":
        return Formula(str(value)[:MAX_CELL_CHARS])
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
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter_of(text))
    rows: list[tuple[Cell, ...]] = []
    try:
        for row in reader:
            if len(rows) >= MAX_ROWS:
                raise refused("too_long", most=MAX_ROWS)
            rows.append(_trimmed(_field(item) for item in row[:MAX_COLUMNS]))
    except csv.Error as error:
        raise refused("broken") from error
    return Sheet("", tuple(rows))


def _field(text: str) -> Cell:
    return Formula(text[:MAX_CELL_CHARS]) if text.lstrip().startswith("=") else text[:MAX_CELL_CHARS]


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
