"""A hand-written RTSP camera: first as bytes in and bytes out, then on a loopback port."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from gateway.core.media import Codec, CodecConfig
from tests.fakes.rtp import Packetizer
from tests.fakes.talking import talking

HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


@dataclass
class Request:
    """One request as the camera read it."""

    method: str
    url: str
    headers: dict[str, str]

    @property
    def cseq(self) -> str:
        return self.headers.get("cseq", "0")


def parse_request(block: bytes) -> Request:
    first, *lines = block.decode("latin-1").split("\r\n")
    method, url, version = first.split(" ")
    assert version == "RTSP/1.0"
    pairs = (line.partition(":") for line in lines if line)
    return Request(method, url, {name.strip().lower(): value.strip() for name, _, value in pairs})


def reply(request: Request, status: str = "200 OK", body: bytes = b"", **headers: str) -> bytes:
    """Write a reply; header names are given with _ for -."""
    lines = [f"RTSP/1.0 {status}", f"CSeq: {request.cseq}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if body:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


def sdp(config: CodecConfig | None, codec: Codec = Codec.H264, control: str = "trackID=0", extra: str = "") -> bytes:
    """Write the description of a camera with one video track."""
    name = "H264" if codec is Codec.H264 else "H265"
    fmtp = "packetization-mode=1"
    if config is not None:
        sets = [base64.b64encode(part).decode() for part in (config.vps, config.sps, config.pps)]
        if codec is Codec.H264:
            fmtp += f";sprop-parameter-sets={sets[1]},{sets[2]}"
        else:
            fmtp = f"sprop-vps={sets[0]};sprop-sps={sets[1]};sprop-pps={sets[2]}"
    lines = ["v=0", "o=- 0 0 IN IP4 0.0.0.0", "s=x", "t=0 0", "a=control:*", "m=video 0 RTP/AVP 96"]
    lines += [f"a=rtpmap:96 {name}/90000", f"a=fmtp:96 {fmtp}", f"a=control:{control}"]
    return ("\r\n".join(lines) + "\r\n" + extra).encode()


def digest_fields(header: str) -> dict[str, str]:
    """Read the fields of an Authorization header."""
    return {name: value.strip('"') for name, value in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', header)}


def digest_is_right(request: Request, username: str, password: str, nonce: str, algorithm: str = "MD5") -> bool:
    """Check a Digest answer as a camera does, with its own arithmetic (RFC 7616 §3.4.1)."""
    got = digest_fields(request.headers.get("authorization", ""))

    def h(text: str) -> str:
        return HASHES[algorithm.removesuffix("-sess")](text.encode()).hexdigest()

    if got.get("username") != username or got.get("nonce") != nonce or got.get("uri") != request.url:
        return False
    first = h(f"{username}:{got['realm']}:{password}")
    if algorithm.endswith("-sess"):
        first = h(f"{first}:{nonce}:{got['cnonce']}")
    middle = f"{nonce}:{got['nc']}:{got['cnonce']}:{got['qop']}" if "qop" in got else nonce
    return got["response"] == h(f"{first}:{middle}:{h(f'{request.method}:{request.url}')}")


@dataclass
class FakeCamera:
    """Answers requests; every answer can be replaced by `scripts[method]`."""

    body: bytes = b""
    username: str = "admin"
    password: str = ""
    """Empty: no login is asked for."""
    algorithm: str = "MD5"
    qop: str = ""
    nonce: str = "n0"
    public: str = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN"
    session: str = "abc;timeout=60"
    transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1"
    scripts: dict[str, Callable[[Request], bytes]] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    playing: bool = False
    _rest: bytes = b""

    @property
    def methods(self) -> list[str]:
        return [request.method for request in self.requests]

    @property
    def logins(self) -> list[Request]:
        """Every request that carried an Authorization."""
        return [request for request in self.requests if "authorization" in request.headers]

    def receive(self, data: bytes) -> bytes:
        """Take bytes of the client; return what the camera answers."""
        self._rest += data
        out = b""
        while b"\r\n\r\n" in self._rest:
            block, _, self._rest = self._rest.partition(b"\r\n\r\n")
            if block.startswith(b"RTSP/"):
                continue
            request = parse_request(block)
            self.requests.append(request)
            out += self._answer(request)
        return out

    def challenge(self) -> str:
        parts = ['realm="cam"', f'nonce="{self.nonce}"', f"algorithm={self.algorithm}"]
        return "Digest " + ", ".join(parts + ([f'qop="{self.qop}"'] if self.qop else []))

    def _answer(self, request: Request) -> bytes:
        if script := self.scripts.get(request.method):
            return script(request)
        if request.method == "OPTIONS":
            return reply(request, Public=self.public)
        if self.password and not digest_is_right(request, self.username, self.password, self.nonce, self.algorithm):
            return reply(request, "401 Unauthorized", WWW_Authenticate=self.challenge())
        return self.usual(request)

    def usual(self, request: Request) -> bytes:
        """Answer as a healthy camera does after the login."""
        if request.method == "DESCRIBE":
            return reply(request, body=self.body, Content_Type="application/sdp")
        if request.method == "SETUP":
            return reply(request, Session=self.session, Transport=self.transport)
        if request.method == "PLAY":
            self.playing = True
            return reply(request, Session=self.session)
        if request.method == "TEARDOWN":
            self.playing = False
        return reply(request)


Feeder = Callable[[FakeCamera, asyncio.StreamWriter], "asyncio.Future[None] | None"]


@dataclass
class Served:
    """A camera on a loopback port."""

    camera: FakeCamera
    port: int = 0
    connections: int = 0
    open_now: int = 0
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while no connection is open."""


@asynccontextmanager
async def serve(camera: FakeCamera, media: Callable[[int], bytes] | None = None) -> AsyncIterator[Served]:
    """Serve a camera; `media(n)` is its n-th burst of interleaved bytes, empty to hang up, sent while playing."""
    served = Served(camera)

    async def pump(writer: asyncio.StreamWriter) -> None:
        number = 0
        while media is not None:
            if camera.playing:
                burst = media(number)
                number += 1
                if not burst:
                    writer.close()
                    return
                writer.write(burst)
                await writer.drain()
            await asyncio.sleep(0.005)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        served.open_now += 1
        served.idle.clear()
        task = asyncio.ensure_future(pump(writer))
        try:
            while data := await reader.read(65536):
                writer.write(camera.receive(data))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            writer.close()
            served.open_now -= 1
            if not served.open_now:
                served.idle.set()

    async with talking(talk) as served.port:
        yield served


def clip_bursts(
    clip_units: list[tuple[bytes, ...]], codec: Codec = Codec.H264, fps: int = 15
) -> Callable[[int], bytes]:
    """Return a `media` for `serve`: unit n of an endless loop over the given units."""
    packetizer = Packetizer(codec)
    return lambda number: b"".join(packetizer.packets(clip_units[number % len(clip_units)], number * 90_000 // fps))


def closed_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
