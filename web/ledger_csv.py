"""The audit as a file for a spreadsheet.

Owns the form: UTF-8 with a byte order mark (Excel reads it as UTF-8 by that alone), RFC 4180, every field quoted,
headers in the reader's language. Pure. Invariant: no field begins as a formula in any program (CWE-1236): what begins
with one of `= + - @`, a tab or a line end, plain or full-width, also after blanks, gets an apostrophe before it.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from gateway.core.model import PublicId
from web.i18n import Words
from web.ledger_services import LedgerLine
from web.ledger_words import about_of, act_of, note_of, who_of

BOM = "\ufeff"
COLUMNS = ("row", "day", "time", "who", "role", "act", "about", "note", "device")
_FORMULA = frozenset("=+-@\t\r\n|%")
_MINUS = frozenset("\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0d")
"""Dashes that some programs take for a minus."""


def neutral(text: str) -> str:
    """Return a field that no spreadsheet takes for a formula; control characters become blanks."""
    plain = "".join(" " if unicodedata.category(char) in {"Cc", "Cf", "Zl", "Zp"} else char for char in text)
    first = unicodedata.normalize("NFKC", plain).lstrip()[:1]
    starts = text[:1] in _FORMULA or first in _FORMULA or plain.lstrip()[:1] in _MINUS
    return "'" + plain if starts and text else plain


def table(lines: Iterable[LedgerLine], words: Words, cameras: Mapping[PublicId, str]) -> Iterable[Sequence[str]]:
    """Return the rows of the file, headers first."""
    yield [str(words.text(f"ledger.col.{name}")) for name in COLUMNS]
    for line in lines:
        when = words.local(line.at_ms) if line.at_ms is not None else None
        who, role = who_of(line, words)
        yield [
            str(line.seq),
            when.strftime("%d/%m/%Y") if when else "",
            when.strftime("%H:%M:%S") if when else "",
            who,
            role,
            act_of(line, words),
            about_of(line, cameras),
            note_of(line, words, causes=True),
            line.device,
        ]


def csv_of(lines: Iterable[LedgerLine], words: Words, cameras: Mapping[PublicId, str], *, cut: bool = False) -> bytes:
    """Return the file; `cut`: there is more than it holds, which its last line says."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for row in table(lines, words, cameras):
        writer.writerow([neutral(field) for field in row])
    if cut:
        writer.writerow([neutral(str(words.text("ledger.csv_cut")))])
    return (BOM + out.getvalue()).encode("utf-8")
