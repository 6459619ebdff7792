"""The envelope in which a Dahua camera takes secrets: an AES key under its RSA key, the words under AES.

Owns its making. Pure but for randomness. The format is not published; the facts are those of public
programs tried on such cameras, who read them from the cameras' own web page: `salt` is a key of 32 decimal
digits under PKCS#1 v1.5, in hexadecimal; `content` is JSON under AES-256-CBC with those digits as key,
sixteen characters `0` as vector and zeros as padding, in Base64; `cipher` is called `RPAC-256`. Invariants: a
key serves one envelope; the camera's RSA key is checked for its form and size before use.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from gateway.core.errors import CameraBadReply

CIPHER = "RPAC-256"
KEY_DIGITS = 32
VECTOR = b"0" * 16
_PUBLIC = re.compile(r"N:([0-9A-Fa-f]{256,2048}),E:([0-9A-Fa-f]{1,16})")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The three parameters of an encrypted call."""

    cipher: str
    salt: str
    content: str


def public_key(text: str) -> rsa.RSAPublicKey:
    """Return the camera's key from `N:<hex>,E:<hex>`.

    Raises:
        CameraBadReply: it has another form, or is no key.

    """
    match = _PUBLIC.fullmatch(text.strip())
    if match is None:
        raise CameraBadReply("the camera's key has an unknown form")
    try:
        return rsa.RSAPublicNumbers(int(match[2], 16), int(match[1], 16)).public_key()
    except ValueError as error:
        raise CameraBadReply("the camera's key is none") from error


def envelope(key: rsa.RSAPublicKey, words: Mapping[str, object], digit: Callable[[str], str]) -> Envelope:
    """Return `words` for the owner of `key` only; `digit` picks one sign of a text at random."""
    secret = "".join(digit("0123456789") for _ in range(KEY_DIGITS)).encode()
    plain = json.dumps(words, separators=(",", ":")).encode()
    plain += b"\0" * (-len(plain) % len(VECTOR))
    encryptor = Cipher(AES(secret), CBC(VECTOR)).encryptor()
    content = encryptor.update(plain) + encryptor.finalize()
    salt = key.encrypt(secret, padding.PKCS1v15()).hex()
    return Envelope(CIPHER, salt, base64.b64encode(content).decode())
