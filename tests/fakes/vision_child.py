"""Stand-ins for the vision child, run as `python -m tests.fakes.vision_child <behaviour>`."""

from __future__ import annotations

import sys
import time

from recorder.vision import pipe
from recorder.vision.pipe import Jpeg, Look

LOOK = Look(640, 360, 1.5, 0.25, 100.0, 40.0, 7, 38.0, 0.2, 0.01, bytes(576))


def main(behaviour: str) -> None:
    """Answer as told: well, refuse, die, hang, babble, call every picture bad."""
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    if behaviour == "refuse":
        sink.write(pipe.frame(pipe.REFUSED, b"no libseccomp"))
        sink.flush()
        return
    sink.write(pipe.frame(pipe.READY, b""))
    sink.flush()
    while head := source.read(pipe.HEAD.size):
        kind, length = pipe.HEAD.unpack(head)
        body = source.read(length)
        if kind == pipe.FORGET:
            continue
        if behaviour == "die":
            sys.exit(11)
        if behaviour == "hang":
            time.sleep(3600)
        if kind == pipe.SHOW:
            wish = pipe.decode_show(body)
            shown = pipe.encode_shown(Jpeg(wish.width, wish.width // 2, b"\xff\xd8shown"))
            sink.write(pipe.frame(pipe.PICTURE, b"") if behaviour == "babble" else shown)
            sink.flush()
            continue
        job = pipe.decode_decode(body)
        stills = (Jpeg(320, 180, b"\xff\xd8small"), Jpeg(640, 360, b"\xff\xd8large")) if job.want_stills else ()
        answer = pipe.encode_picture(LOOK, stills)
        if behaviour == "babble":
            answer = pipe.frame(pipe.PICTURE, b"\0\0\0\x02{}")
        if behaviour == "bad":
            answer = pipe.frame(pipe.BAD, b"no picture")
        if behaviour == "endless":
            answer = pipe.HEAD.pack(pipe.PICTURE, 1 << 31)
        sink.write(answer)
        sink.flush()


if __name__ == "__main__":
    main(sys.argv[1])
