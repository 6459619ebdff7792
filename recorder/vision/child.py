"""The vision process: decodes untrusted video in a cage and answers with stills and figures.

Owns the child's life: load libraries, limit resources, lock the cage, prove it, then answer requests on
stdin until it closes. Invariants: nothing is decoded before the cage is proven, unless the recorder's
configuration said `sandbox = false` (`--no-sandbox`); a picture that does not decode is answered BAD and
the process lives on; a picture that kills it kills nothing else.
"""

from __future__ import annotations

import sys
from typing import BinaryIO

from gateway.core import cage
from recorder.vision import pipe
from recorder.vision.stills import BadPicture, Looker


def answer(looker: Looker, requests: BinaryIO, replies: BinaryIO) -> None:
    """Serve requests until the pipe closes."""
    while head := requests.read(pipe.HEAD.size):
        kind, length = pipe.HEAD.unpack(head)
        if length > pipe.MAX_REQUEST_BYTES:
            return
        body = requests.read(length)
        if kind == pipe.FORGET:
            looker.forget(pipe.decode_forget(body))
            continue
        try:
            if kind == pipe.SHOW:
                reply = pipe.encode_shown(looker.show(pipe.decode_show(body)))
            else:
                reply = pipe.encode_picture(*looker.look(pipe.decode_decode(body)))
        except BadPicture as error:
            reply = pipe.frame(pipe.BAD, str(error)[:200].encode())
        replies.write(reply)
        replies.flush()


def main(arguments: list[str]) -> int:
    """Run the child; the exit status is 0 when the recorder closed the pipe."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    looker = Looker()
    looker.warm()
    if not cage.prove(arguments, replies, ready=pipe.READY, refused=pipe.REFUSED):
        return cage.EXIT_REFUSED
    answer(looker, requests, replies)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
