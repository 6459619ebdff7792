"""What lies between RTSP messages on one TCP connection: interleaved frames, and at times rubbish.

Owns `Framer`. Invariants: at most one incomplete frame (64 KiB) or message (80 KiB) is held; rubbish is
tolerated only once media flows and only 64 KiB of it a session; video goes straight to the
depacketizer without a call per packet.
"""

from __future__ import annotations

from collections.abc import Callable

from drivers.rtsp.depacketize import Depacketizer
from drivers.rtsp.message import Message, read_message
from gateway.core.errors import CameraBadReply

MOST_RUBBISH_BYTES = 64 * 1024

_DOLLAR = 0x24
_BLANKS = b"\r\n"
_BEGINNINGS = (
    b"RTSP/",
    b"OPTIONS ",
    b"ANNOUNCE ",
    b"REDIRECT ",
    b"SET_PARAMETER ",
    b"GET_PARAMETER ",
    b"TEARDOWN ",
    b"PLAY_NOTIFY ",
)


class Framer:
    """Splits the byte stream of one connection."""

    def __init__(
        self,
        on_message: Callable[[Message], None],
        on_frame: Callable[[int, bytes, int, int, int], None],
    ) -> None:
        self.media: Depacketizer | None = None
        """Set once PLAY was accepted."""
        self.rubbish_bytes = 0
        self._on_message = on_message
        self._on_frame = on_frame
        """Called with channel, buffer, begin, end and read time for frames that are not video."""
        self._rest = b""

    def receive(self, data: bytes, read_ns: int) -> None:
        """Take the next bytes of the connection; CameraBadReply if they make no sense."""
        if self._rest:
            data = self._rest + data
        at, end = 0, len(data)
        while at < end:
            if self.media is not None:
                at = self.media.feed(data, at, read_ns)
                if at == end:
                    break
            after = self._other(data, at, end, read_ns)
            if after == at:
                break
            at = after
        self._rest = data[at:]

    def _other(self, data: bytes, at: int, end: int, read_ns: int) -> int:
        """Take one thing that is no plain video frame; return `at` while it is incomplete."""
        if data[at] == _DOLLAR:
            if end - at < 4:
                return at
            stop = at + 4 + (data[at + 2] << 8 | data[at + 3])
            if stop > end:
                return at
            self._on_frame(data[at + 1], data, at + 4, stop, read_ns)
            return stop
        if any(data.startswith(word[: end - at], at) for word in _BEGINNINGS):
            message, after = read_message(data, at)
            if message is not None:
                self._on_message(message)
            return after
        return self._skip(data, at, end)

    def _skip(self, data: bytes, at: int, end: int) -> int:
        """Pass over bytes that begin nothing we know."""
        after = at + 1
        if data[at] not in _BLANKS:
            if self.media is None:
                raise CameraBadReply("the camera does not speak RTSP")
            found = [place for mark in (b"$\0", b"$\1", b"RTSP/1.") if (place := data.find(mark, at)) >= 0]
            after = min(found, default=end - 1 if data[end - 1] == _DOLLAR and end - 1 > at else end)
        self.rubbish_bytes += after - at
        if self.rubbish_bytes > MOST_RUBBISH_BYTES:
            raise CameraBadReply("the camera's stream lost its framing", limit_bytes=MOST_RUBBISH_BYTES)
        return after
