"""How the audit is chained and signed: hashes, checkpoints, the mark of an erased body.

Pure: no database, no clock. Invariants: `hash(n)` covers the number, the row before and the salted body; a checkpoint
and an erasure are signed with a context of their own, so that neither stands for anything else of the box's key; a
body that was erased has one form only, which names the row that erased it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

CONTEXT = b"vuon-audit-1\0"
"""Keeps an audit hash or signature from standing for anything else of the gateway's key."""
GENESIS = bytes(32)
NO_SALT = bytes(16)
"""What stands in the place of a destroyed salt."""
ERASE = "audit.erase"
"""The act that blanks bodies; its own body lists their numbers and is never blanked."""
_ERASED = re.compile(r'\{"erased":([1-9]\d{0,17})\}')

Ranges: TypeAlias = Sequence[Sequence[int]]
"""Rows as pairs (first, last), both included, ascending."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A signed head of the chain."""

    seq: int
    hash: bytes
    signature: bytes

    @property
    def head(self) -> str:
        """The hash as the event `audit.checkpoint` carries it: hex."""
        return self.hash.hex()

    @property
    def signed(self) -> str:
        """The signature as the event carries it: base64."""
        return base64.b64encode(self.signature).decode("ascii")

    @property
    def fields(self) -> dict[str, Any]:
        """What the event, a file of kept checkpoints and the control socket carry."""
        return {"seq": self.seq, "head": self.head, "signature": self.signed}

    @classmethod
    def from_fields(cls, fields: Mapping[str, Any]) -> Checkpoint:
        """Re-make a checkpoint from an event's fields; ValueError if malformed."""
        try:
            seq, head = int(fields["seq"]), bytes.fromhex(fields["head"])
            signature = base64.b64decode(fields["signature"], validate=True)
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise ValueError("not an audit checkpoint") from error
        if seq < 1 or len(head) != 32 or len(signature) != 64:
            raise ValueError("not an audit checkpoint")
        return cls(seq, head, signature)

    def is_signed_by(self, key: Ed25519PublicKey) -> bool:
        """Say whether this box made it."""
        return _verifies(key, self.signature, _signed(self.seq, self.hash))


def make_checkpoint(key: Ed25519PrivateKey, seq: int, head: bytes) -> Checkpoint:
    """Sign a head."""
    return Checkpoint(seq, head, key.sign(_signed(seq, head)))


def row_hash(seq: int, previous: bytes, body_hash: bytes) -> bytes:
    """Return the hash of row `seq`."""
    return hashlib.sha256(CONTEXT + seq.to_bytes(8, "big") + previous + body_hash).digest()


def salted(salt: bytes, body: str) -> bytes:
    """Return what a row commits to of its body."""
    return hashlib.sha256(salt + body.encode()).digest()


def _signed(seq: int, head: bytes) -> bytes:
    return CONTEXT + b"checkpoint\0" + seq.to_bytes(8, "big") + head


def _verifies(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


# bodies that were erased


def erased_body(erasure: int) -> str:
    """Return what stands in the place of a body that row `erasure` erased."""
    return f'{{"erased":{erasure}}}'


def erased_by(salt: bytes, body: str) -> int | None:
    """Return the number of the row that a blanked body names, None for a body that is not blanked."""
    found = _ERASED.fullmatch(body) if salt == NO_SALT else None
    return int(found[1]) if found else None


def ranges_of(seqs: Iterable[int]) -> list[list[int]]:
    """Return row numbers as the shortest list of ranges."""
    found: list[list[int]] = []
    for seq in sorted(set(seqs)):
        if found and found[-1][1] == seq - 1:
            found[-1][1] = seq
        else:
            found.append([seq, seq])
    return found


def sign_erasure(key: Ed25519PrivateKey, subject: str, rows: Ranges) -> str:
    """Sign that these rows were blanked for `subject`: base64 for the erasing row."""
    return base64.b64encode(key.sign(_erasing(subject, rows))).decode("ascii")


def erasure_of(body: str, key: Ed25519PublicKey) -> Ranges | None:
    """Return the rows that an erasing body lists, None unless this box signed that list."""
    try:
        fields = json.loads(body)
        rows = [(int(first), int(last)) for first, last in fields["rows"]]
        message = _erasing(str(fields["subject"]), rows)
        signature = base64.b64decode(fields["signature"], validate=True)
    except (KeyError, TypeError, ValueError):
        return None
    return rows if fields.get("what") == ERASE and _verifies(key, signature, message) else None


def _erasing(subject: str, rows: Ranges) -> bytes:
    listed = json.dumps([list(pair) for pair in rows], separators=(",", ":"))
    return CONTEXT + b"erasure\0" + subject.encode() + b"\0" + listed.encode()
