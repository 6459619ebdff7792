"""The transcoder's process: decodes untrusted video in a cage and answers with small H.264 pictures.

Owns the process's life: load libraries, limit resources, lock the cage, prove it, then answer on stdin until it
closes. Invariants: nothing is decoded before the cage is proven, unless the configuration said `sandbox = false`
(`--no-sandbox`); one camera a process; what kills it kills nothing else; everything that must not wait (recording,
sending) goes first on the processor.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import BinaryIO

import av.logging

from gateway.core import cage, feedwire
from gateway.core.media import CodecConfig
from gateway.live.transcoder import pipe
from gateway.live.transcoder.picture import SmallPictures


def answer(pictures: SmallPictures, requests: BinaryIO, replies: BinaryIO) -> None:
    """Serve messages until the pipe closes."""
    source: dict[int, CodecConfig] = {}
    told: CodecConfig | None = None
    while head := requests.read(feedwire.HEAD.size):
        kind, length = feedwire.HEAD.unpack(head)
        if length > pipe.MOST_UNIT_BYTES:
            return
        body = requests.read(length)
        if kind == feedwire.CONFIG:
            config = feedwire.decode_config(body)
            source = {config.epoch: config}
        elif kind == pipe.KEY:
            pictures.ask_key()
        else:
            unit, _ = feedwire.decode_unit(body, source)
            before = pictures.bad
            for made in pictures.take(unit, quiet=kind == pipe.QUIET):
                if made.config != told:
                    told = made.config
                    replies.write(feedwire.encode_config(told))
                replies.write(feedwire.encode_unit(made))
            replies.write(pipe.encode_done(pictures.bad - before))
            replies.flush()


def offer_memory() -> None:
    """Be the first of ours to be killed when memory is short (proc(5), oom_score_adj): another one is soon started."""
    Path("/proc/self/oom_score_adj").write_text("900", encoding="ascii")


def main(arguments: list[str]) -> int:
    """Run the process; the exit status is 0 when vuon-live closed the pipe."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    av.logging.set_level(None)
    pictures = SmallPictures()
    pictures.warm()
    offer_memory()
    if not cage.prove(arguments, replies, ready=pipe.READY, refused=pipe.REFUSED):
        return cage.EXIT_REFUSED
    answer(pictures, requests, replies)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
