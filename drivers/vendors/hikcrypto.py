"""How a Hikvision camera is told its first password: our RSA key, its random key, AES.

Owns the sums of activation, in both generations. Pure but for the randomness of the keys. The format: the
maker's ISAPI guide, "Activation" (1024-bit key, AES-128 in ECB mode, zeros as padding), and for firmware
that says `supportVersion` 3 what public programs do that were tried on such cameras (3072 bits, CBC with
a random vector, PKCS#7). Weak as the older one is, it keeps the password out of sight of who only listens.
Invariants: a key serves one activation; what the camera sends is checked for its form before it is used.
"""

from __future__ import annotations

import base64
import binascii
import re

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from cryptography.hazmat.primitives.padding import PKCS7

from gateway.core.errors import CameraBadReply
from gateway.core.model import Secret

OLD_BITS, NEW_BITS = 1024, 3072
"""What each generation takes; others are answered with an error."""
BLOCK_BYTES = 16
MARK_CHARS = 16
"""So much of the camera's text goes before the password: it shows that we know the key."""
_RANDOM = re.compile(r"(?:[0-9a-f]{32}|[0-9a-f]{48}|[0-9a-f]{64})", re.IGNORECASE)


def new_key(bits: int) -> rsa.RSAPrivateKey:
    """Return a key pair for one activation."""
    return rsa.generate_private_key(65_537, bits)


def public_text(key: rsa.RSAPrivateKey) -> str:
    """Return the modulus as the camera wants it: Base64 of its hexadecimal digits."""
    return base64.b64encode(f"{key.public_key().public_numbers().n:x}".encode()).decode()


def opened(key: rsa.RSAPrivateKey, sent: str) -> str:
    """Return the camera's random text, hexadecimal digits of an AES key.

    Raises:
        CameraBadReply: it is not of that form, or was not made for our key.

    """
    size = key.key_size // 8
    try:
        digits = base64.b64decode(sent, validate=True).decode("ascii").strip()
        cipher = bytes.fromhex(digits)
        if len(cipher) > size:
            raise CameraBadReply("the camera's key is too long")
        text = key.decrypt(cipher.rjust(size, b"\0"), padding.PKCS1v15()).decode("ascii").strip("\0 \r\n")
    except (ValueError, binascii.Error) as error:
        raise CameraBadReply("the camera's key cannot be read") from error
    if not _RANDOM.fullmatch(text):
        raise CameraBadReply("the camera's key is none")
    return text


def sealed(random_text: str, password: Secret, vector: bytes | None) -> str:
    """Return the password under the camera's key: Base64 of hexadecimal digits.

    `vector` None is the older form (ECB), 16 bytes the newer one (CBC).
    """
    key = AES(bytes.fromhex(random_text))
    plain = (random_text[:MARK_CHARS] + password.reveal()).encode()
    if vector is None:
        plain += b"\0" * (-len(plain) % BLOCK_BYTES)
        encryptor = Cipher(key, ECB()).encryptor()  # noqa: S305 - the camera's protocol
    else:
        padder = PKCS7(8 * BLOCK_BYTES).padder()
        plain = padder.update(plain) + padder.finalize()
        encryptor = Cipher(key, CBC(vector)).encryptor()
    return base64.b64encode((encryptor.update(plain) + encryptor.finalize()).hex().encode()).decode()
