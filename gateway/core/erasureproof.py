"""The proof that footage was erased: facts, signed by the box.

Owns its canonical bytes and signature. Invariants: every fact is covered; the signature stands for nothing else of
the box's key; a proof carries the public key it was made with, but only a key known from elsewhere (the hub's claim,
an earlier proof, the box itself) says that it is the box's.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from gateway.core.errors import BadInput

CONTEXT = b"vuon-erasure-1\0"
FORMAT = 1
HOW = "keys overwritten and unlinked before any file; then files, index, rows, names; nothing left on any disk named"


def _canonical(facts: Mapping[str, Any]) -> bytes:
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return CONTEXT + text.encode()


def sign_proof(facts: Mapping[str, Any], key: Ed25519PrivateKey) -> dict[str, Any]:
    """Return the proof of an erasure that is done; BadInput while it is not."""
    if facts.get("done_ms") is None:
        raise BadInput("this erasure is not finished", case="erase_running", key="erasure")
    whole = {**facts, "format": FORMAT, "how": HOW}
    public = key.public_key().public_bytes_raw()
    return {
        "facts": whole,
        "public_key": base64.b64encode(public).decode("ascii"),
        "signature": base64.b64encode(key.sign(_canonical(whole))).decode("ascii"),
    }


def check_proof(proof: object) -> tuple[Mapping[str, Any], str]:
    """Return the facts and the public key (base64) of a proof; BadInput if a byte of it was changed."""
    try:
        if not isinstance(proof, dict) or not isinstance(proof.get("facts"), dict):
            raise TypeError("no proof")
        facts: dict[str, Any] = proof["facts"]
        public = Ed25519PublicKey.from_public_bytes(base64.b64decode(proof["public_key"], validate=True))
        public.verify(base64.b64decode(proof["signature"], validate=True), _canonical(facts))
        if facts.get("format") != FORMAT:
            raise ValueError("another format")
        return facts, str(proof["public_key"])
    except (KeyError, TypeError, ValueError, binascii.Error, InvalidSignature) as error:
        raise BadInput("this is no proof of an erasure, or it was altered", case="erase_proof", key="proof") from error
