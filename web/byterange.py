"""One byte range of a download (RFC 9110 §14), strictly.

Owns the parser. Invariant: exactly one range of the form `bytes=a-b`, `bytes=a-` or `bytes=-n`; anything
else is refused, never guessed. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from gateway.core.errors import BadInput

_ONE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")


class ByteRange(NamedTuple):
    """Part of a file: offset and length in bytes."""

    offset: int
    length: int


def parse_range(header: str, size_bytes: int) -> ByteRange | None:
    """Return what a Range header asks of a file, None if it lies outside (416); BadInput if it is not one range."""
    match = _ONE.fullmatch(header)
    if match is None or match[0] == "bytes=-":
        raise BadInput("one range of bytes, or none", key="range")
    first, last = match[1], match[2]
    if not first:
        length = min(int(last), size_bytes)
        return _inside(size_bytes - length, size_bytes - 1, size_bytes)
    if last and int(last) < int(first):
        raise BadInput("the range runs backwards", key="range")
    return _inside(int(first), min(int(last), size_bytes - 1) if last else size_bytes - 1, size_bytes)


def _inside(first: int, last: int, size_bytes: int) -> ByteRange | None:
    return ByteRange(first, last - first + 1) if first < size_bytes and last >= first else None
