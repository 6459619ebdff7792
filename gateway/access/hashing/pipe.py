"""Messages between the gateway and the process that hashes passwords, over its stdin and stdout.

Owns their form: kind, length, body (core/feedwire's frames). Invariants: one answer to each request, in order; both
sides cap the length before they allocate; what the process says is parsed as untrusted; no body is ever logged.
"""

from __future__ import annotations

from gateway.core import feedwire

READY, REFUSED, HASH, VERIFY, HASHED, ANSWER, FAILED = 1, 2, 3, 4, 5, 6, 7
"""READY and REFUSED open the conversation. HASH (password) is answered by HASHED (PHC string), VERIFY (hash, password)
by ANSWER (fits, is of today's cost); FAILED answers either."""
MOST_BYTES = 2_048
"""128 characters of four bytes, and a hash."""


def encode_verify(kept: str, password: str) -> bytes:
    """Return the VERIFY frame."""
    return feedwire.frame(VERIFY, kept.encode("ascii") + b"\0" + password.encode())


def decode_verify(body: bytes) -> tuple[str, str]:
    """Return hash and password of a VERIFY frame."""
    kept, _, password = body.partition(b"\0")
    return kept.decode("ascii"), password.decode()
