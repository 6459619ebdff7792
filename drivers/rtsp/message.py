"""RTSP messages as bytes (RFC 2326 §4, §15): read one from a buffer, write one.

Owns the text form. Pure. Invariants: a header block is at most 16 KiB and 128 lines, a body at most
64 KiB, so a camera cannot make us hold more; a message is read wholly or not at all; header values
contain no line breaks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.errors import CameraBadReply

MOST_HEADER_BYTES = 16 * 1024
MOST_HEADER_LINES = 128
MOST_BODY_BYTES = 64 * 1024

_STATUS = re.compile(r"RTSP/\d\.\d +(\d{3})(?: +(.*))?")
_REQUEST = re.compile(r"([A-Z_]{1,32}) +\S+ +RTSP/\d\.\d")
_NUMBER = re.compile(r"\d{1,9}")


@dataclass(frozen=True, slots=True)
class Message:
    """A reply (`status` > 0) or a request of the camera (`method`); header names are lower case."""

    status: int
    method: str
    headers: Mapping[str, tuple[str, ...]]
    body: bytes

    def header(self, name: str) -> str:
        """Return the first value of a header (lower-case name), or an empty text."""
        return self.headers.get(name, ("",))[0]

    @property
    def cseq(self) -> int | None:
        """The sequence number it answers; None if missing or no number."""
        return int(text) if _NUMBER.fullmatch(text := self.header("cseq")) else None


def _header_end(data: bytes, at: int) -> tuple[int, int]:
    """Return where the header block ends and where the body begins; (-1, -1) while incomplete."""
    most = at + MOST_HEADER_BYTES
    end, width = data.find(b"\r\n\r\n", at, most), 4
    bare = data.find(b"\n\n", at, most if end < 0 else end)
    if bare >= 0:
        end, width = bare, 2
    if end < 0:
        if len(data) - at >= MOST_HEADER_BYTES:
            raise CameraBadReply("the camera's reply has an endless header", limit_bytes=MOST_HEADER_BYTES)
        return -1, -1
    return end, end + width


def _headers(lines: list[str]) -> dict[str, tuple[str, ...]]:
    if len(lines) > MOST_HEADER_LINES:
        raise CameraBadReply("the camera's reply has too many header lines", limit=MOST_HEADER_LINES)
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if colon:
            key = name.strip().lower()
            headers[key] = (*headers.get(key, ()), value.strip())
    return headers


def _body_length(headers: Mapping[str, tuple[str, ...]]) -> int:
    values = set(headers.get("content-length", ("0",)))
    text = values.pop()
    if values or not _NUMBER.fullmatch(text):
        raise CameraBadReply("the camera's reply has no clear length")
    length = int(text)
    if length > MOST_BODY_BYTES:
        raise CameraBadReply("the camera's reply is too long", bytes=length, limit_bytes=MOST_BODY_BYTES)
    return length


def read_message(data: bytes, at: int) -> tuple[Message | None, int]:
    """Read the message that begins at `at`; return it and the offset behind it.

    (None, at) while it is incomplete. CameraBadReply if it is no RTSP message or breaks a limit.
    """
    end, body_at = _header_end(data, at)
    if end < 0:
        return None, at
    first, *rest = data[at:end].decode("latin-1").replace("\r\n", "\n").split("\n")
    status, request = _STATUS.fullmatch(first.strip()), _REQUEST.fullmatch(first.strip())
    if status is None and request is None:
        raise CameraBadReply("the camera does not speak RTSP")
    headers = _headers(rest)
    stop = body_at + _body_length(headers)
    if stop > len(data):
        return None, at
    method = request[1] if request is not None else ""
    return Message(int(status[1]) if status is not None else 0, method, headers, data[body_at:stop]), stop


def write_request(method: str, url: str, cseq: int, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of a request; `headers` values are Latin-1 without line breaks."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {cseq}", "User-Agent: vuon"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


def write_not_implemented(cseq: int | None) -> bytes:
    """Return our answer to anything a camera asks of us (RFC 2326 §11.4.1)."""
    return f"RTSP/1.0 501 Not Implemented\r\nCSeq: {cseq or 0}\r\n\r\n".encode("latin-1")
