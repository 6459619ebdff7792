"""ONVIF answers that no camera should give: lies that are good HTTP, and HTTP that is none.

A lie replaces the true answer to an operation after the login (`FakeOnvif.scripted`); raw attacks take
the connection as soon as its first request has come.
"""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass, field

from tests.fakes.onvif_http import Answer, envelope
from tests.fakes.talking import talking

XML = (("Content-Type", "application/soap+xml"),)
ASKED = ("GetDeviceInformation", "GetServices", "GetProfiles")
"""What adoption asks after the login, by the tolerant path and through zeep: each is lied to by itself."""
ALSO_ASKED = (
    ("stream elsewhere", "GetStreamUri"), ("HTTP 307", "GetStreamUri"), ("billion laughs", "GetStreamUri"),
    ("a gzip bomb", "GetNetworkInterfaces"), ("HTTP 302", "GetNetworkInterfaces"),
)  # fmt: skip
"""Lies to questions that are asked like those above."""
MIB = 1 << 20


def lies_told(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return which of these lies are told to which operation."""
    wanted = list(names)
    return list(itertools.product(wanted, ASKED)) + [pair for pair in ALSO_ASKED if pair[0] in wanted]


def _entities() -> bytes:
    """Return a document that unfolds to three gigabytes."""
    lines = "".join(f'<!ENTITY a{n} "{("&a%s;" % ("" if n == 0 else n - 1)) * 10}">' for n in range(9))
    return f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "{"a" * 30}">{lines}]><l>&a8;</l>'.encode()


def lies(third: str) -> dict[str, Answer]:
    """Return answers by name; `third` is the address of a host that is none of ours."""
    away = f"http://{third}/onvif"
    services = "".join(
        f"<tds:Service><tds:Namespace>http://www.onvif.org/{name}/wsdl</tds:Namespace><tds:XAddr>{away}/{name}</tds:XAddr>"
        "<tds:Version><tt:Major>2</tt:Major><tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
        for name in ("ver10/device", "ver10/media", "ver20/media")
    )
    uri = f"<trt:MediaUri><tt:Uri>rtsp://admin:x@{third}:8554/live</tt:Uri></trt:MediaUri>"
    documents = {
        "billion laughs": _entities(),
        "a file as entity": b'<!DOCTYPE l [<!ENTITY x SYSTEM "file:///etc/hostname">]><l>&x;</l>',
        "a DTD elsewhere": f'<!DOCTYPE l SYSTEM "{away}/x.dtd"><l>hi</l>'.encode(),
        "a schema elsewhere": envelope(f'<tds:X xmlns:xsi="urn:x" xsi:schemaLocation="urn:x {away}/x.xsd"/>'),
        "deep": b"<a>" * 100_000 + b"</a>" * 100_000,
        "200000 attributes": b"<a " + b" ".join(b'a%d="1"' % n for n in range(200_000)) + b"/>",
        "24 MB of elements": b"<a>" + b"<b>x</b>" * 3_000_000 + b"</a>",
        "invalid UTF-8": b"<a>" + b"\xff\xfe\xc3" * 9000 + b"</a>",
    }
    return {
        **{name: Answer(200, body) for name, body in documents.items()},
        **{
            f"HTTP {status}": Answer(status, b"", (("Location", f"{away}/take?password="), *XML))
            for status in (301, 302, 307, 308)
        },
        "a gzip bomb": Answer(200, gzip.compress(bytes(64 * MIB)), (("Content-Encoding", "gzip"), *XML)),
        "services elsewhere": Answer(200, envelope(f"<tds:GetServicesResponse>{services}</tds:GetServicesResponse>")),
        "stream elsewhere": Answer(200, envelope(f"<trt:GetStreamUriResponse>{uri}</trt:GetStreamUriResponse>")),
        "Basic, after Digest": Answer(401, b"", (("WWW-Authenticate", 'Basic realm="cam"'),)),
        "a cookie for all": Answer(500, b"<a/>", (("Set-Cookie", f"a=b; Domain={third}; Path=/"), *XML)),
    }


OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/soap+xml\r\n"


def _drip() -> Iterator[bytes | float]:
    for byte in OK * 100:
        yield bytes([byte])
        yield 0.05


RAW: dict[str, Callable[[], Iterable[bytes | float]]] = {
    "headers without end": lambda: itertools.chain([OK], itertools.repeat(b"X-A: " + b"b" * 60_000 + b"\r\n")),
    "2 GB": lambda: itertools.chain([OK + b"Content-Length: 2000000000\r\n\r\n<a>"], itertools.repeat(b"x" * 65_000)),
    "chunks without end": lambda: itertools.chain(
        [OK + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"fe00\r\n" + b"y" * 0xFE00 + b"\r\n")
    ),
    "a chunk of 2 GB": lambda: itertools.chain(
        [OK + b"Transfer-Encoding: chunked\r\n\r\n77359400\r\n"], itertools.repeat(b"z" * 65_000)
    ),
    "no HTTP": lambda: [b"\0\xff" * 2000],
    "slow drip": _drip,
}
"""What is sent on a connection, whatever was asked."""


@dataclass
class RawServer:
    """Sends the bytes of `mode` to whoever comes."""

    address: str
    mode: str = "no HTTP"
    port: int = 0
    heard: bytearray = field(default_factory=bytearray)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with talking(self._talk, self.address, self.port) as self.port:
            yield

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            self.heard += await reader.readuntil(b"\r\n\r\n")
            for piece in RAW[self.mode]():
                if isinstance(piece, float):
                    await asyncio.sleep(piece)
                else:
                    writer.write(piece)
                    await writer.drain()
