"""Stand-ins for the transcoder's process, run as `python -m tests.fakes.transcoder_child <behaviour>`."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from gateway.core import feedwire
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.live.transcoder import pipe

SMALL = CodecConfig(Codec.H264, b"\x67small", b"\x68p", width=640, height=360, epoch=1)


def picture(unit: AccessUnit, *, key: bool) -> bytes:
    """Return the small picture of a unit, with what it was asked for written in it."""
    nal = (b"\x65" if key else b"\x41") + unit.nals[0][:40]
    return feedwire.encode_unit(AccessUnit((nal,), unit.pts_90k, key, unit.received_mono_ns, SMALL))


def say(*messages: bytes) -> None:
    """Answer."""
    for message in messages:
        sys.stdout.buffer.write(message)
    sys.stdout.buffer.flush()


def drip() -> None:
    """Never fall silent, never be done."""
    while True:
        say(feedwire.encode_config(SMALL))
        time.sleep(0.05)


BROKEN: dict[str, Callable[[], object]] = {
    "babble": lambda: say(feedwire.frame(77, b"?")),
    "long": lambda: say(feedwire.HEAD.pack(feedwire.UNIT, 1 << 31)),
    "endless": lambda: say(*(feedwire.encode_config(SMALL) for _ in range(200))),
    "h265": lambda: say(feedwire.encode_config(CodecConfig(Codec.H265, b"s", b"p", b"v", epoch=1))),
    "die": lambda: sys.exit(11),
    "drip": drip,
    "hang": lambda: time.sleep(3600),
}


def main(behaviour: str) -> None:
    """Answer as told: well, refuse, or be one that is broken or was taken over."""
    if behaviour == "refuse":
        say(feedwire.frame(pipe.REFUSED, b"no libseccomp"))
        return
    say(feedwire.frame(pipe.DONE if behaviour == "rude" else pipe.READY, b""))
    source = sys.stdin.buffer
    configs: dict[int, CodecConfig] = {}
    told = asked = False
    while head := source.read(feedwire.HEAD.size):
        kind, length = feedwire.HEAD.unpack(head)
        body = source.read(length)
        if kind == feedwire.CONFIG:
            config = feedwire.decode_config(body)
            configs = {config.epoch: config}
        elif kind == pipe.KEY:
            asked = True
        elif behaviour in BROKEN:
            BROKEN[behaviour]()
        elif kind == pipe.QUIET or behaviour == "bad":
            say(pipe.encode_done(behaviour == "bad"))
        else:
            unit, _ = feedwire.decode_unit(body, configs)
            sets = () if told else (feedwire.encode_config(SMALL),)
            say(*sets, picture(unit, key=unit.is_key or asked or not told), pipe.encode_done(0))
            told, asked = True, False


if __name__ == "__main__":
    main(sys.argv[1])
