"""An RTSP camera that plays well until it is told to attack: a loopback server and its list of attacks.

What an attack may do: replace the answers to methods, then go on with bytes of its own, for ever if it
likes. `third` is the host it wants us to speak to.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from gateway.core.media import Codec, CodecConfig
from tests.fakes.encoded import encode, sets_of
from tests.fakes.rtp import Packetizer, framed, rtp
from tests.fakes.rtsp_server import FakeCamera, Request, clip_bursts, reply, sdp
from tests.fakes.talking import talking

FPS = 10
UNITS = encode(Codec.H264, pictures=20, gop=10)
SETS = sets_of(Codec.H264, UNITS)
CONFIG = CodecConfig(Codec.H264, SETS[7], SETS[8], width=320, height=240)
DESCRIPTION = sdp(CONFIG)

Script = Callable[[Request], bytes]
Flow = Callable[[], Iterable[bytes | float]]
"""What follows an answer: bytes to send and seconds to wait."""


@dataclass(frozen=True)
class Attack:
    """One way of being hostile; what is left out is done as a good camera does."""

    scripts: dict[str, Script] = field(default_factory=dict)
    after: str = ""
    """The method whose answer is followed by `flow`."""
    flow: Flow = tuple
    body: bytes = DESCRIPTION
    transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1"
    enough: int = 10**9
    """So many pieces of the flow delivered count as the attack done; else it is when the peer hangs up."""


def redirect(place: str) -> Script:
    return lambda request: reply(request, "302 Found", Location=place)


def redirect_after_login(place: str) -> Script:
    """Ask for the login first: only who gave it is sent away."""

    def script(request: Request) -> bytes:
        if "authorization" in request.headers:
            return redirect(place)(request)
        return reply(request, "401 Unauthorized", WWW_Authenticate='Digest realm="cam", nonce="n1"')

    return script


def challenges(extra: str = "") -> Script:
    """Refuse every login with another nonce."""
    numbers = itertools.count()

    def script(request: Request) -> bytes:
        challenge = f'Digest realm="cam", nonce="n{next(numbers)}"{extra}'
        return reply(request, "401 Unauthorized", WWW_Authenticate=challenge)

    return script


def heads(text: str) -> Script:
    """Answer with the beginning of a reply that the flow then never ends."""
    return lambda request: f"RTSP/1.0 200 OK\r\nCSeq: {request.cseq}\r\n{text}".encode()


def drip(data: bytes, every_s: float) -> Iterator[bytes | float]:
    """Send byte after byte."""
    for byte in data:
        yield bytes([byte])
        yield every_s


def noise() -> Iterator[bytes]:
    """Frames of all channels with random contents, lengths that lie, and plain rubbish."""
    dice = random.Random(8)
    while True:
        data = dice.randbytes(dice.randrange(1, 1400))
        yield b"$" + bytes([dice.randrange(256)]) + len(data).to_bytes(2, "big") + data
        yield dice.choice([b"$\0\xff", b"RTSP/1.0 200 OK\r\n\r\n", b"\r\n" * 40, dice.randbytes(60)])


def endless_unit() -> Iterator[bytes]:
    """One picture whose fragments never end (RFC 6184 §5.8)."""
    for number in itertools.count():
        yield framed(rtp(number, 0, (b"\x7c\x81" if number == 0 else b"\x7c\x01") + bytes(60_000)))


def new_sets() -> Iterator[bytes | float]:
    """Pictures that are all key frames, each with parameter sets of its own."""
    numbers = itertools.count()
    for number in itertools.count():
        sps = SETS[7][:-1] + bytes([number % 200 + 1])
        for nal, last in ((sps, False), (SETS[8], False), (UNITS[0][-1], True)):
            yield framed(rtp(next(numbers), number * 9000, nal, marker=last))
        yield 0.02


def fast_forward() -> Iterator[bytes]:
    """True pictures, as fast as the line takes them."""
    packetizer = Packetizer(Codec.H264)
    for number in itertools.count():
        yield b"".join(packetizer.packets(UNITS[number % len(UNITS)], number * 9000))


def attacks(third: str) -> dict[str, Attack]:
    """Return every attack by name; `third` is the address of a host that is none of ours."""
    away = sdp(CONFIG, control=f"rtsp://{third}:8554/track")
    tracks = b"m=video 0 RTP/AVP 96\r\na=rtpmap:96 JPEG/90000\r\na=control:t\r\n" * 20_000
    return {
        "redirect": Attack({"DESCRIBE": redirect(f"rtsp://{third}:8554/internal")}),
        "redirect with another login": Attack({"DESCRIBE": redirect(f"rtsp://admin:x@{third}:8554/internal")}),
        "redirect after the login": Attack({"DESCRIBE": redirect_after_login(f"rtsp://{third}:8554/internal")}),
        "redirect to a web server": Attack({"OPTIONS": redirect(f"http://{third}/")}),
        "redirect to a file": Attack({"SETUP": redirect("file:///etc/passwd")}),
        "redirect at play": Attack({"PLAY": redirect(f"rtsp://{third}:8554/live")}),
        "redirect request": Attack(
            after="PLAY",
            flow=lambda: [f"REDIRECT * RTSP/1.0\r\nCSeq: 1\r\nLocation: rtsp://{third}:8554/\r\n\r\n".encode()],
        ),
        "basic login": Attack(
            {"DESCRIBE": lambda request: reply(request, "401 Unauthorized", WWW_Authenticate='Basic realm="cam"')}
        ),
        "login loop": Attack({"DESCRIBE": challenges()}),
        "stale loop": Attack({"DESCRIBE": challenges(", stale=true")}),
        "control elsewhere": Attack(body=away),
        "media from elsewhere": Attack(
            transport=f"RTP/AVP;unicast;client_port=5000-5001;server_port=18777-18778;source={third}"
        ),
        "20000 tracks": Attack(body=b"v=0\r\ns=x\r\nt=0 0\r\n" + tracks),
        "a body of 2 GB": Attack(
            {"DESCRIBE": heads("Content-Type: application/sdp\r\nContent-Length: 2000000000\r\n\r\n")},
            after="DESCRIBE",
            flow=lambda: itertools.repeat(b"a=x:" + b"y" * 65_000 + b"\r\n"),
        ),
        "headers without end": Attack(
            {"OPTIONS": heads("")}, after="OPTIONS", flow=lambda: itertools.repeat(b"X-A: " + b"b" * 60_000 + b"\r\n")
        ),
        "slow drip": Attack(
            {"OPTIONS": lambda request: b""}, after="OPTIONS", flow=lambda: drip(b"RTSP/1.0 200 OK\r\n" * 90, 0.05),
            enough=20,
        ),
        "answers nobody asked for": Attack(
            after="PLAY", flow=lambda: (f"RTSP/1.0 200 OK\r\nCSeq: {n}\r\n\r\n".encode() for n in itertools.count(99))
        ),
        "noise": Attack(after="PLAY", flow=noise, enough=20_000),
        "a picture without end": Attack(after="PLAY", flow=endless_unit, enough=3000),
        "new parameter sets with every picture": Attack(after="PLAY", flow=new_sets, enough=150),
        "pictures as fast as the line": Attack(after="PLAY", flow=fast_forward, enough=5000),
    }  # fmt: skip


@dataclass
class HostileRtsp:
    """Serves any path on one port; `mode` names the attack, empty for good manners."""

    address: str
    password: str
    known: dict[str, Attack]
    mode: str = ""
    port: int = 0
    heard: bytearray = field(default_factory=bytearray)
    """All that was ever sent to it."""
    done: Counter[str] = field(default_factory=Counter)
    """How often each attack came to its end."""
    logins: Counter[str] = field(default_factory=Counter)
    """Answers to login questions, by attack."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with talking(self._talk, self.address, self.port) as self.port:
            yield

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mode = self.mode
        attack = self.known.get(mode, Attack())
        camera = FakeCamera(attack.body, password=self.password, scripts=dict(attack.scripts))
        camera.transport = attack.transport
        flows: list[asyncio.Task[None]] = []
        try:
            while data := await reader.read(65_536):
                self.heard += data
                before = len(camera.methods)
                writer.write(camera.receive(data))
                asked = camera.methods[before:]
                if mode and attack.after in asked:
                    flows.append(asyncio.ensure_future(self._flow(writer, mode)))
                elif not attack.after and "PLAY" in asked and camera.playing:
                    flows.append(asyncio.ensure_future(self._good(writer)))
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            for flow in flows:
                flow.cancel()
            await asyncio.gather(*flows, return_exceptions=True)
            if camera.methods:  # else only somebody who knocked
                self.done[mode] += 1
            self.logins[mode] += len(camera.logins)

    async def _flow(self, writer: asyncio.StreamWriter, mode: str) -> None:
        attack = self.known[mode]
        for number, piece in enumerate(attack.flow()):
            if isinstance(piece, float):
                await asyncio.sleep(piece)
            else:
                writer.write(piece)
                await writer.drain()
            if number == attack.enough:
                self.done[mode] += 1

    async def _good(self, writer: asyncio.StreamWriter) -> None:
        media = clip_bursts(list(UNITS), fps=FPS)
        for number in itertools.count():
            writer.write(media(number))
            await writer.drain()
            await asyncio.sleep(1 / FPS)
