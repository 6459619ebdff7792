"""The process that hashes passwords: argon2id in a cage, one after another, behind everything else.

Owns its life: load the library, limit resources, lock the cage, prove it, then answer on stdin until it closes.
Invariants: no database, no network, no files; what it is given is in memory only while it is hashed; it takes a
hash only of a bounded cost; it is niced, so that live pictures and the gateway's loop never wait for it.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

from argon2 import PasswordHasher, Type, extract_parameters
from argon2.exceptions import Argon2Error, InvalidHashError, VerificationError

from gateway.access.hashing import pipe
from gateway.core import cage, feedwire

TIME, MEMORY_KIB, LANES = 2, 19 * 1024, 1
"""OWASP's argon2id; kept with each hash, so that it can grow."""
MOST_TIME, MOST_KIB = 16, 256 * 1024
"""No kept hash may cost more: a forged one must not hold the process."""
HASHER = PasswordHasher(TIME, MEMORY_KIB, LANES, type=Type.ID)


def one(kind: int, body: bytes) -> bytes:
    """Answer one request."""
    try:
        if kind == pipe.HASH:
            return feedwire.frame(pipe.HASHED, HASHER.hash(body).encode("ascii"))
        kept, password = pipe.decode_verify(body)
        cost = extract_parameters(kept)
        if cost.time_cost > MOST_TIME or cost.memory_cost > MOST_KIB:
            return feedwire.frame(pipe.FAILED, b"")
        fits = _fits(kept, password)
        return feedwire.frame(pipe.ANSWER, bytes((fits, not HASHER.check_needs_rehash(kept))))
    except (Argon2Error, InvalidHashError, ValueError):
        return feedwire.frame(pipe.FAILED, b"")


def _fits(kept: str, password: str) -> bool:
    try:
        return HASHER.verify(kept, password)
    except VerificationError:
        return False


def answer(requests: BinaryIO, replies: BinaryIO) -> None:
    """Serve requests until the pipe closes."""
    while len(head := requests.read(feedwire.HEAD.size)) == feedwire.HEAD.size:
        kind, length = feedwire.HEAD.unpack(head)
        if kind not in {pipe.HASH, pipe.VERIFY} or length > pipe.MOST_BYTES:
            return
        body = requests.read(length)
        if len(body) < length:
            return
        replies.write(one(kind, body))
        replies.flush()


def main(arguments: list[str]) -> int:
    """Run the process; the exit status is 0 when the gateway closed the pipe."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    HASHER.verify(HASHER.hash("warm"), "warm")
    if not cage.prove(arguments, replies, ready=pipe.READY, refused=pipe.REFUSED):
        return cage.EXIT_REFUSED
    answer(requests, replies)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
