"""Files that are not what they say, or were made to hurt whoever opens them."""

from __future__ import annotations

import io
import struct
import unicodedata
import zipfile
from collections.abc import Callable, Mapping

from openpyxl import Workbook

from tests.fakes.school_lists import pupils, saved, smas

SHEET = "xl/worksheets/sheet1.xml"
_XMLNS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_TONES = "\u0300\u0301\u0303\u0309\u0323"


def windows_1258(text: str) -> bytes:
    """Text as old Vietnamese Windows wrote it: the tone is a letter of its own after its vowel."""
    out = b""
    for letter in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", letter)
        tone = next((item for item in parts if item in _TONES), "")
        out += (unicodedata.normalize("NFC", parts.replace(tone, "", 1)) + tone).encode("cp1258")
    return out


def repacked(data: bytes, changed: Mapping[str, bytes]) -> bytes:
    """A package with entries replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            if entry.filename not in changed:
                new.writestr(entry, old.read(entry))
        for name, content in changed.items():
            new.writestr(name, content)
    return out.getvalue()


def package(*names: str) -> bytes:
    """A package with these entries, as another program's documents are."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as new:
        for name in names:
            new.writestr(name, "<x/>")
    return out.getvalue()


def sheet_xml(cell: str, doctype: str = "", rows: str = "") -> bytes:
    """A sheet with one cell and whatever stands before it."""
    row = f'<row r="1"><c r="A1" t="inlineStr"><is><t>{cell}</t></is></c></row>{rows}'
    return (
        f'<?xml version="1.0"?>{doctype}<worksheet xmlns="{_XMLNS}"><sheetData>{row}</sheetData></worksheet>'.encode()
    )


def entity_bomb() -> bytes:
    """Nine nested entities: a thousand million letters out of some hundred."""
    names = "abcdefghi"
    nested = "".join(
        f'<!ENTITY {name} "{f"&{names[at - 1]};" * 10 if at else "ha" * 5}">' for at, name in enumerate(names)
    )
    return repacked(smas(pupils(2)), {SHEET: sheet_xml("&i;", f"<!DOCTYPE z [{nested}]>")})


def other_file() -> bytes:
    """A sheet that asks for a file of the box."""
    return repacked(
        smas(pupils(2)), {SHEET: sheet_xml("&a;", '<!DOCTYPE z [<!ENTITY a SYSTEM "file:///etc/hostname">]>')}
    )


def lying_size() -> bytes:
    """A sheet that unpacks to eight megabytes and says it is ten bytes long."""
    data = bytearray(repacked(smas(pupils(2)), {SHEET: sheet_xml("a" * (8 << 20))}))
    said, size = struct.pack("<L", 10), struct.pack("<L", len(sheet_xml("a" * (8 << 20))))
    while (at := data.find(size)) >= 0:
        data[at : at + 4] = said
    return bytes(data)


def many_rows(count: int = 100_000) -> bytes:
    """A workbook with so many rows."""
    book = Workbook(write_only=True)
    sheet = book.create_sheet("DS")
    for row in range(count):
        sheet.append([row])
    return saved(book)


def many_sheets(count: int = 61) -> bytes:
    """A workbook with so many sheets."""
    book = Workbook()
    for _ in range(count - 1):
        book.create_sheet()
    return saved(book)


SPOILED: Mapping[str, tuple[Callable[[], bytes], str]] = {
    "nothing": (lambda: b"", "empty"),
    "only a byte order mark": (lambda: b"\xef\xbb\xbf", "empty"),
    "blank lines": (lambda: b" \r\n\r\n", "empty"),
    "old excel or a password": (lambda: b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(512), "old_excel"),
    "a web page called xls": (lambda: b"<html><table><tr><td>STT</td></tr></table></html>", "web_page"),
    "xml of excel 2003": (lambda: b'<?xml version="1.0"?><Workbook/>', "web_page"),
    "pdf": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj", "kind"),
    "photo": (lambda: b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)), "kind"),
    "png": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(64), "kind"),
    "opendocument": (lambda: package("mimetype", "content.xml"), "kind"),
    "word": (lambda: package("[Content_Types].xml", "word/document.xml"), "kind"),
    "a package of something": (lambda: package("readme.txt"), "broken"),
    "half a file": (lambda: smas(pupils(9))[:4000], "broken"),
    "not a package": (lambda: b"PK\x03\x04 and then words", "broken"),
    "macros": (lambda: repacked(smas(pupils(2)), {"xl/vbaProject.bin": b"x"}), "program"),
    "a program inside": (lambda: repacked(smas(pupils(2)), {"xl/embeddings/oleObject1.bin": b"x"}), "program"),
    "links to a file": (lambda: repacked(smas(pupils(2)), {"xl/externalLinks/externalLink1.xml": b"<x/>"}), "links"),
    "a database behind it": (lambda: repacked(smas(pupils(2)), {"xl/connections.xml": b"<x/>"}), "links"),
    "a bomb": (lambda: repacked(smas(pupils(2)), {"xl/media/a.xml": bytes(70 << 20)}), "packed"),
    "hundreds of entries": (
        lambda: repacked(smas(pupils(2)), {f"xl/media/{n}": b"" for n in range(600)}),
        "packed",
    ),
    "a size that lies": (lying_size, "broken"),
    "entities in entities": (entity_bomb, "broken"),
    "another file's text": (other_file, "broken"),
    "100,000 rows": (many_rows, "too_long"),
    "one row far below": (
        lambda: repacked(
            smas(pupils(2)),
            {SHEET: sheet_xml("x", "", '<row r="1048576"><c r="A1048576" t="inlineStr"><is><t>x</t></is></c></row>')},
        ),
        "too_long",
    ),
    "100,000 lines": (lambda: b"a,b\n" * 100_000, "too_long"),
    "61 sheets": (many_sheets, "sheets"),
    "50 megabytes": (lambda: b"a" * (50 << 20), "too_big"),
    "a quotation mark left open": (
        'Họ tên,Lớp,Địa chỉ\nLê A,Mầm 1,"Số 5\nLê B,Mầm 1,x\n'.encode,
        "quotes",
    ),
    "two of them": ('Họ tên,Lớp,Địa chỉ\nLê A,Mầm 1,"Số 5\nLê B,Mầm 1,"Số 7\n'.encode, "quotes"),
}
"""What a file is, and the case of its refusal."""
