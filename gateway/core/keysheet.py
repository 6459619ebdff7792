"""A recovery key as people write it: seven lines of Crockford base32, each with its own check.

Owns the text form of a recovery holder's private key. Invariants: reading forgives case, spaces, hyphens and the
letters that look like digits (O, I, L); a line that was mistyped is named by its number; the whole has a check of
its own, so that lines of two sheets are not mixed unnoticed. Pure.

35 bytes: format (1), place of the holder (1 or 2), 32 bytes X25519 private key, 1 byte of SHA-256 over these. Five
bytes a line: 8 characters, and 2 of SHA-256(line number, the five bytes).
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from gateway.core.errors import BadInput

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LINES, _LINE_BYTES, _LINE_CHARS, _CHECK_CHARS = 7, 5, 8, 2
FORMAT = 1
PRIVATE_BYTES = 32
QR_PREFIX = "VUON-KHOA-1:"
_FORGIVEN = str.maketrans({"O": "0", "I": "1", "L": "1", " ": "", "-": "", "\n": "", "\r": "", "\t": "", ".": ""})


class RecoveryKey(NamedTuple):
    """What a sheet holds; its `repr` shows no key."""

    place: int
    private: bytes

    def __repr__(self) -> str:
        return f"RecoveryKey({self.place}, ***)"


def _encode(data: bytes, characters: int) -> str:
    number = int.from_bytes(data, "big") >> (len(data) * 8 - characters * 5)
    return "".join(ALPHABET[number >> 5 * (characters - 1 - at) & 31] for at in range(characters))


def _check(number: int, data: bytes) -> str:
    return _encode(hashlib.sha256(b"vuon sheet line" + bytes([number]) + data).digest(), _CHECK_CHARS)


def _seal(data: bytes) -> bytes:
    return hashlib.sha256(b"vuon sheet v1" + data).digest()[:1]


def encode_sheet(key: RecoveryKey) -> list[str]:
    """Return the seven lines: two groups of four characters, and the check."""
    body = bytes([FORMAT, key.place]) + key.private
    body += _seal(body)
    lines = []
    for number in range(LINES):
        part = body[number * _LINE_BYTES : (number + 1) * _LINE_BYTES]
        text = _encode(part, _LINE_CHARS)
        lines.append(f"{text[:4]} {text[4:]} {_check(number + 1, part)}")
    return lines


def qr_text(lines: list[str]) -> str:
    """Return the lines as the QR code holds them."""
    return QR_PREFIX + "".join(lines).replace(" ", "")


def decode_sheet(text: str) -> RecoveryKey:
    """Read a typed or scanned sheet; BadInput names the line that is wrong, never what it says."""
    plain = text.strip().upper().removeprefix(QR_PREFIX).translate(_FORGIVEN)
    whole = _LINE_CHARS + _CHECK_CHARS
    body = b"".join(_part(number + 1, plain[number * whole : (number + 1) * whole]) for number in range(LINES))
    if len(plain) != LINES * whole or body[-1:] != _seal(body[:-1]) or body[0] != FORMAT or body[1] not in {1, 2}:
        raise BadInput("the lines are not of one sheet", case="sheet", key="sheet", line=0)
    return RecoveryKey(body[1], body[2:-1])


def check_line(number: int, text: str) -> None:
    """Check one typed line, so that it can be asked for again at once; BadInput names it, never what it says."""
    _part(number, text.strip().upper().translate(_FORGIVEN))


def _part(number: int, line: str) -> bytes:
    if len(line) != _LINE_CHARS + _CHECK_CHARS or any(item not in ALPHABET for item in line):
        raise _wrong(number)
    value = 0
    for item in line[:_LINE_CHARS]:
        value = value << 5 | ALPHABET.index(item)
    part = value.to_bytes(_LINE_BYTES, "big")
    if line[_LINE_CHARS:] != _check(number, part):
        raise _wrong(number)
    return part


def _wrong(line: int) -> BadInput:
    return BadInput(f"line {line} of the sheet is mistyped", case="sheet_line", key="sheet", line=line)
