"""The process that reads one file: bytes in, tables as JSON out, then it ends.

Owns the child's side of `reading.py` and the form of the tables on the pipe. Invariants: memory and processor time
are bounded by the system before a byte is read; it opens nothing; an error of ours goes back as code and fields.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import resource
import sys
from collections.abc import Mapping
from typing import Any

from gateway.access.roster.cells import Cell, Formula
from gateway.access.roster.refusals import MAX_BYTES, refused
from gateway.access.roster.tables import Sheet, read
from gateway.core.errors import BadInput

MEMORY_BYTES = 1 << 30
PROCESSOR_S = 30


def cell_json(cell: Cell) -> Any:
    """Return a cell as JSON: text and numbers as they are, a date and a formula with their sign."""
    if isinstance(cell, dt.date):
        return {"d": cell.isoformat()}
    return {"f": cell.text} if isinstance(cell, Formula) else cell


def cell_of(value: Any) -> Cell:
    """Return the cell of `cell_json`."""
    if isinstance(value, Mapping):
        return dt.date.fromisoformat(value["d"]) if "d" in value else Formula(str(value["f"]))
    return value if value is None or isinstance(value, str) else float(value)


def sheets_json(sheets: tuple[Sheet, ...]) -> dict[str, Any]:
    """Return tables as JSON."""
    rows = [{"name": item.name, "rows": [[cell_json(cell) for cell in row] for row in item.rows]} for item in sheets]
    return {"sheets": rows}


def sheets_of(answer: Mapping[str, Any]) -> tuple[Sheet, ...]:
    """Return the tables of `sheets_json`."""
    return tuple(
        Sheet(str(item["name"]), tuple(tuple(cell_of(cell) for cell in row) for row in item["rows"]))
        for item in answer["sheets"]
    )


def answer_of(data: bytes) -> dict[str, Any]:
    """Return the tables of a file, or why it is refused."""
    try:
        return sheets_json(read(data))
    except BadInput as error:
        return {"refused": error.message, "fields": error.fields}
    except MemoryError:
        burst = refused("packed", most=MEMORY_BYTES >> 20)
        return {"refused": burst.message, "fields": burst.fields}


def main() -> None:
    """Read standard input, write standard output."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_S, PROCESSOR_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold the children's names
    answer = answer_of(sys.stdin.buffer.read(MAX_BYTES + 1))
    with contextlib.suppress(BrokenPipeError):  # whoever asked has gone
        sys.stdout.write(json.dumps(answer, ensure_ascii=False))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
