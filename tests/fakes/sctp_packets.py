"""SCTP as a page's data channel speaks it, and as somebody writes it who means harm (RFC 9260)."""

from __future__ import annotations

import struct

from google_crc32c import value as crc32c

DCEP, TEXT = 50, 51
OPEN = b"\x03\x00\x00\x00" + bytes(4) + b"\x00\x04\x00\x00vuon"


def chunk(kind: int, value: bytes = b"", *, size: int | None = None, flags: int | None = None) -> bytes:
    """Return a chunk, padded; its length may lie."""
    length = 4 + len(value) if size is None else size
    whole = 0x03 if kind == 0 else 0
    return struct.pack("!BBH", kind, whole if flags is None else flags, length) + value + bytes(-len(value) % 4)


def packet(*chunks: bytes, tag: int = 0, port: int = 5000) -> bytes:
    """Return chunks with a common header and a right checksum."""
    body = b"".join(chunks)
    head = struct.pack("!HHI", port, port, tag)
    return head + struct.pack("<I", crc32c(head + bytes(4) + body)) + body


def data(payload: bytes, *, kind: int = DCEP, tsn: int = 1, stream: int = 0) -> bytes:
    """Return a DATA chunk that holds a whole message."""
    return chunk(0, struct.pack("!IHHI", tsn, stream, 0, kind) + payload)


def init(parameters: bytes = b"") -> bytes:
    """Return an INIT chunk."""
    return chunk(1, struct.pack("!IIHHI", 7, 1 << 20, 65535, 65535, 1) + parameters)


def sack(*spans: tuple[int, int]) -> bytes:
    """Return a SACK chunk with these gap blocks."""
    blocks = b"".join(struct.pack("!HH", *span) for span in spans)
    return chunk(3, struct.pack("!IIHH", 0, 1 << 20, len(spans), 0) + blocks)


def bombs() -> dict[str, bytes]:
    """Return packets each of which must not reach a parser, by what they would do to it."""
    return {
        "a parameter of length 0": packet(init(b"\x80\x08\x00\x00")),
        "a heartbeat of length 0": packet(chunk(4, b"\x00\x01\x00\x00")),
        "an abort of length 0": packet(chunk(6, b"\x00\x01\x00\x03")),
        "an error of length 0": packet(chunk(9, b"\x00\x01\x00\x00" * 8)),
        "a reset of length 0": packet(chunk(130, b"\x00\x0d\x00\x00")),
        "twenty million acknowledgements": packet(sack(*[(0, 65535)] * 290)),
        "one wide acknowledgement": packet(sack((1, 65535))),
        "more gaps than bytes": packet(chunk(3, struct.pack("!IIHH", 0, 0, 65535, 65535))),
        "two beginnings": packet(init(), init()),
        "a beginning and more": packet(init(), data(OPEN)),
        "a long message": packet(data(b"x" * 500, kind=TEXT)),
        "binary data": packet(data(b"x" * 100, kind=53)),
        "half a message": packet(chunk(0, struct.pack("!IHHI", 1, 0, 0, TEXT) + b"x", flags=0x02)),
        "a huge opening": packet(data(OPEN + bytes(1000))),
        "an empty message": packet(data(b"")),
        "a chunk of length 0": packet(chunk(11, size=0)),
        "a chunk longer than its packet": packet(chunk(4, bytes(8), size=400)),
        "a thousand streams skipped": packet(chunk(192, bytes(4 + 4 * 280))),
        "half a skipped stream": packet(chunk(192, bytes(6))),
        "a hundred chunks": packet(*[chunk(11)] * 100),
        "an unknown chunk": packet(chunk(64, bytes(16))),
        "no chunk": packet(),
        "nothing": b"",
    }
