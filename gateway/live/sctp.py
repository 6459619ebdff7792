"""Looking at a viewer's SCTP packets before a parser does (RFC 9260 §3, RFC 8831, RFC 8832).

Owns one pure question: is this something a page's data channel needs? The page opens one channel and says a word on
it now and then, so what it sends is the handshake, whole short messages, acknowledgements, heartbeats and the end.
Invariant: what passes costs a parser little: bounded chunks, bounded lists, no parameter of length 0 (a parser that
steps by it never ends), no span of numbers to be walked (a SACK of one packet can name twenty million), and no message
to be put together from pieces.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_COMMON_BYTES, _HEAD = 12, struct.Struct("!BBH")
_MOST_CHUNKS = 8
_DATA = 0
_INIT, _INIT_ACK, _SACK, _COOKIE_ECHO, _FORWARD_TSN = 1, 2, 3, 10, 192
_MOST_BYTES = {
    _DATA: 16 + 128, _INIT: 512, _INIT_ACK: 1200, _SACK: 16 + 4 * 16, 4: 256, 5: 256, 6: 128, 7: 8, 8: 4, 9: 128,
    _COOKIE_ECHO: 512, 11: 4, 14: 4, 130: 64, _FORWARD_TSN: 8 + 4 * 4,
}  # fmt: skip
"""Longest chunk of each type we know, header included; all others are refused."""
_LEAST_BYTES = {_DATA: 17, _INIT: 20, _INIT_ACK: 20, _SACK: 16, _COOKIE_ECHO: 5, _FORWARD_TSN: 8, 130: 8}
_DCEP, _TEXT = 50, 51
"""Payload protocols of channel openings (RFC 8832 §8.1) and of text (RFC 8831 §8)."""
_WHOLE = 0x03
"""First and last fragment in one."""
_WIDEST_GAP = 256
_SACK_HEAD = struct.Struct("!IIHH")
_PARAMETERS_AT = {_INIT: 16, _INIT_ACK: 16, 4: 0, 5: 0, 6: 0, 9: 0, 130: 0}
"""Where in a chunk's value a list of parameters or causes begins (RFC 9260 §3.2.1)."""


def messages(packet: bytes) -> tuple[int, int]:
    """Return how many messages of a harmless packet open a channel, and how many are text."""
    kinds = [int.from_bytes(body[8:12], "big") for kind, body in _chunks(packet) if kind == _DATA]
    return kinds.count(_DCEP), kinds.count(_TEXT)


def _chunks(packet: bytes) -> Iterator[tuple[int, bytes]]:
    at = _COMMON_BYTES
    while at + _HEAD.size <= len(packet):
        kind, _flags, size = _HEAD.unpack_from(packet, at)
        yield kind, packet[at + _HEAD.size : at + size]
        at += max(size, _HEAD.size) + (-size % 4)


def is_harmless(packet: bytes) -> bool:
    """Say whether a decrypted SCTP packet is one that a page which only listens sends."""
    at, chunks = _COMMON_BYTES, 0
    while at + _HEAD.size <= len(packet):
        kind, flags, size = _HEAD.unpack_from(packet, at)
        chunks += 1
        if chunks > _MOST_CHUNKS or at + size > len(packet):
            return False
        if not _LEAST_BYTES.get(kind, _HEAD.size) <= size <= _MOST_BYTES.get(kind, 0):
            return False
        if kind == _DATA and flags & _WHOLE != _WHOLE:
            return False
        if not _fits(kind, packet[at + _HEAD.size : at + size]):
            return False
        at += size + (-size % 4)
        if kind in (_INIT, _INIT_ACK) and (chunks > 1 or at < len(packet)):
            return False  # RFC 9260 §3: never bundled
    return chunks > 0


def _fits(kind: int, body: bytes) -> bool:
    if kind == _FORWARD_TSN:
        return len(body) % 4 == 0
    if kind == _DATA:
        return int.from_bytes(body[8:12], "big") in (_DCEP, _TEXT)
    if kind == _SACK:
        _ack, _room, gaps, doubles = _SACK_HEAD.unpack_from(body)
        if len(body) != _SACK_HEAD.size + 4 * (gaps + doubles):
            return False
        spans = struct.iter_unpack("!HH", body[_SACK_HEAD.size : _SACK_HEAD.size + 4 * gaps])
        return all(first <= last < first + _WIDEST_GAP for first, last in spans)
    return kind not in _PARAMETERS_AT or _are_parameters(body[_PARAMETERS_AT[kind] :])


def _are_parameters(body: bytes) -> bool:
    at = 0
    while at + 4 <= len(body):
        size = int.from_bytes(body[at + 2 : at + 4], "big")
        if size < 4 or at + size > len(body):
            return False
        at += size + (-size % 4)
    return at >= len(body)
