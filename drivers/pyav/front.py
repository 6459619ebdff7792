"""The relay's side towards FFmpeg: a loopback RTSP server for one client and one stream.

Owns `Front`. Invariants: it listens on 127.0.0.1 for one connection and no longer; only a client that greets
with our word is served; nothing the client says goes anywhere; all it is told is written here, from a
codec's name and parameter sets, so no word of a camera reaches FFmpeg; each wait and each length is bounded.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from gateway.core.errors import CameraClosed
from gateway.core.media import Codec, CodecConfig

MOST_REQUEST_BYTES = 8192
MOST_REQUESTS = 16
GREET_S = 5.0
"""FFmpeg greets at once; another process of the box that says nothing must not keep it out."""
_READ_BYTES = 65_536
_REQUEST = re.compile(rb"(OPTIONS|DESCRIBE|SETUP|PLAY) rtsp://\S+ RTSP/1\.0")
_FOREVER_S = 1_000_000
"""The session's time-out as told to FFmpeg: it need not keep alive what is on loopback."""


@dataclass(frozen=True, slots=True)
class Described:
    """What FFmpeg has to know of the camera's stream."""

    codec: Codec
    payload_type: int
    config: CodecConfig | None
    """The parameter sets of the camera's description; None if it had none."""
    channel: int = 0
    """Of the video frames, as the camera sends them."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request of FFmpeg."""

    method: str
    cseq: int
    word: str


def read_request(block: bytes) -> Request:
    """Read a request without its final blank line; CameraClosed if it is none that FFmpeg makes."""
    first, *rest = block.split(b"\r\n")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(b":") for line in rest)}
    found, cseq = _REQUEST.fullmatch(first), headers.get(b"cseq", b"")
    if found is None or not re.fullmatch(rb"\d{1,6}", cseq):
        raise CameraClosed("the second engine does not speak RTSP", engine="pyav")
    return Request(found[1].decode(), int(cseq), headers.get(b"user-agent", b"").decode("latin-1"))


def description(about: Described) -> str:
    """Return the SDP for FFmpeg (RFC 8866, RFC 6184 §8.1, RFC 7798 §7.1)."""
    number = about.payload_type
    name = "H264" if about.codec is Codec.H264 else "H265"
    parts = ["packetization-mode=1"] if about.codec is Codec.H264 else []
    if (config := about.config) is not None:
        texts = [base64.b64encode(item).decode() for item in (config.vps, config.sps, config.pps)]
        if about.codec is Codec.H264:
            parts.append(f"sprop-parameter-sets={texts[1]},{texts[2]}")
        else:
            parts += [f"sprop-{key}={text}" for key, text in zip(("vps", "sps", "pps"), texts, strict=True)]
    lines = [
        *("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "c=IN IP4 127.0.0.1", "t=0 0"),
        *(f"m=video 0 RTP/AVP {number}", f"a=rtpmap:{number} {name}/90000"),
        *((f"a=fmtp:{number} {'; '.join(parts)}",) if parts else ()),
        "a=control:track",
    ]
    return "\r\n".join(lines) + "\r\n"


def answer(request: Request, about: Described) -> bytes:
    """Return the reply to a request."""
    lines, body = ["RTSP/1.0 200 OK", f"CSeq: {request.cseq}"], ""
    if request.method == "OPTIONS":
        lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY")
    elif request.method == "DESCRIBE":
        body = description(about)
        lines += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
    else:
        lines.append(f"Session: 1;timeout={_FOREVER_S}")
        if request.method == "SETUP":
            lines.append(f"Transport: RTP/AVP/TCP;unicast;interleaved={about.channel}-{about.channel ^ 1}")
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


class Front:
    """Listens while entered; serves one client."""

    def __init__(self, word: str) -> None:
        self._word = word
        self._loop = asyncio.get_running_loop()
        self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._buffer = b""
        self.client: socket.socket | None = None

    async def __aenter__(self) -> Self:
        self._listener.setblocking(False)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(1)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        if self.client is not None:
            self.client.close()

    @property
    def port(self) -> int:
        """The loopback port to open."""
        return int(self._listener.getsockname()[1])

    async def greeted(self) -> Request:
        """Return the first request of our child; a client without our word is hung up on."""
        for _ in range(MOST_REQUESTS):
            client, _ = await self._loop.sock_accept(self._listener)
            client.setblocking(False)
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.client, self._buffer = client, b""
            try:
                async with asyncio.timeout(GREET_S):
                    request = await self.request()
            except (CameraClosed, TimeoutError):
                request = None
            if request is not None and hmac.compare_digest(request.word.encode(), self._word.encode()):
                self._listener.close()
                return request
            client.close()
            self.client = None
        raise CameraClosed("the second engine did not find our relay", engine="pyav")

    async def request(self) -> Request:
        """Return the client's next request; CameraClosed if it hangs up or talks nonsense."""
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MOST_REQUEST_BYTES:
                raise CameraClosed("the second engine does not speak RTSP", engine="pyav")
            self._buffer += await self._read()
        block, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return read_request(block)

    async def reply(self, data: bytes) -> None:
        """Send a reply."""
        assert self.client is not None
        try:
            await self._loop.sock_sendall(self.client, data)
        except OSError as error:
            raise CameraClosed("the second engine's process ended", engine="pyav") from error

    async def ignore(self) -> None:
        """Read and drop what the client says while it plays; CameraClosed when it hangs up."""
        while True:
            await self._read()

    async def _read(self) -> bytes:
        assert self.client is not None
        try:
            data = await self._loop.sock_recv(self.client, _READ_BYTES)
        except OSError as error:
            raise CameraClosed("the second engine's process ended", engine="pyav") from error
        if not data:
            raise CameraClosed("the second engine's process ended", engine="pyav")
        return data
