"""One byte range of a request: RFC 9110 §14, strictly.

Owns the parser of `Range: bytes=…`. Invariants: at most one range is served; what is no range at all is refused, not
guessed at; a range never reaches beyond the length it is resolved against; digits are ASCII and bounded,
so no header makes a number that costs anything. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.core.errors import BadInput

MAX_DIGITS = 18
_RANGE = re.compile(
    rf"bytes=(?:([0-9]{{1,{MAX_DIGITS}}})-([0-9]{{1,{MAX_DIGITS}}})?|-([0-9]{{1,{MAX_DIGITS}}}))", re.ASCII
)
_UNIT = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=", re.ASCII)


class Unsatisfiable(Exception):
    """The range names no byte of the representation, or more than one range."""


class ByteRange(NamedTuple):
    """Bytes [start, start + size) of a representation."""

    start: int
    size: int

    def content_range(self, length: int | None) -> str:
        """Return the header of a 206; `length` None: it still grows."""
        return f"bytes {self.start}-{self.start + self.size - 1}/{'*' if length is None else length}"


def parse_range(header: str | None, length: int) -> ByteRange | None:
    """Resolve a `Range` header against a representation of `length` bytes; None: the whole of it.

    A unit other than bytes is ignored (§14.2). Raises Unsatisfiable for a range beyond the end, one that runs
    backwards and several at once; BadInput for what is no range.
    """
    if header is None:
        return None
    unit = _UNIT.match(header)
    if unit is None:
        raise BadInput("the range has no unit", key="Range")
    if unit[1].lower() != "bytes":
        return None
    text = "bytes=" + header[unit.end() :].strip(" \t")
    if "," in text:
        raise Unsatisfiable("one range at a time")
    match = _RANGE.fullmatch(text)
    if match is None:
        raise BadInput("the range is none", key="Range")
    first, last, suffix = match.groups()
    if suffix is not None:
        size = min(int(suffix), length)
        start = length - size
    else:
        start = int(first)
        end = length - 1 if last is None else min(int(last), length - 1)
        size = end - start + 1
    if size <= 0:
        raise Unsatisfiable("the range names no byte")
    return ByteRange(start, size)
