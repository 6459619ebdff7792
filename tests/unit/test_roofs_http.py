"""The listener: TLS from the box's own CA, plain HTTP on loopback only, an end in time."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from gateway.core.errors import AddressTaken, ConfigError
from gateway.core.ownaddress import own_names
from gateway.roofs.http import HttpServer
from tests.fakes.clock import NOON_MS

pytestmark = pytest.mark.anyio
HANG_S = 30


class Page:
    """An application with a page, an endless stream, and a memory of what became of it."""

    def __init__(self) -> None:
        self.app = FastAPI()
        self.streaming, self.ended = asyncio.Event(), asyncio.Event()
        self.app.get("/")(self.home)
        self.app.get("/events")(self.events)

    async def home(self) -> dict[str, str]:
        return {"school": "Hoa Sen"}

    async def events(self) -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            try:
                while True:
                    self.streaming.set()
                    yield b"data: x\n\n"
                    await asyncio.sleep(0.01)
            finally:
                self.ended.set()

        return StreamingResponse(lines(), media_type="text/event-stream")


def server(folder: Path, page: Page | None = None, **changes: Any) -> HttpServer:
    options: dict[str, Any] = {
        "listen": "127.0.0.1",
        "port": 0,
        "insecure": True,
        "tls_folder": folder / "tls",
        "names": ["hop.local", "127.0.0.1"],
        "now_ms": NOON_MS,
    }
    return HttpServer((page or Page()).app, **(options | changes))


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


async def test_plain_http_serves_on_loopback(tmp_path: Path) -> None:
    """Pages come, the server does not name itself, the port is free again afterwards, no key was made."""
    async with server(tmp_path) as running, httpx.AsyncClient() as client:
        reply = await client.get(f"http://127.0.0.1:{running.port}/")
        lived = running.alive
    assert reply.json() == {"school": "Hoa Sen"}
    assert "server" not in reply.headers
    assert is_free(running.port)
    assert (lived, running.alive) == (True, False)
    assert running.ca_sha256 == ""
    assert list(tmp_path.iterdir()) == []


def trusting(folder: Path) -> ssl.SSLContext:
    """A browser that has installed the box's CA."""
    return ssl.create_default_context(cafile=str(folder / "tls" / "ca.pem"))


def today_ms() -> int:
    import time

    return time.time_ns() // 1_000_000


async def test_tls_is_trusted_by_whoever_has_the_boxs_ca(tmp_path: Path) -> None:
    """The certificate fits the address under the box's CA, and under no other."""
    async with server(tmp_path, insecure=False, now_ms=today_ms()) as running:
        url = f"https://127.0.0.1:{running.port}/"
        async with httpx.AsyncClient(verify=trusting(tmp_path)) as client:
            assert (await client.get(url)).json() == {"school": "Hoa Sen"}
        async with httpx.AsyncClient() as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(url)
        assert len(running.ca_sha256) == 64


async def test_tls_does_not_answer_for_another_name(tmp_path: Path) -> None:
    """An address that is not in the certificate is refused by the browser."""
    async with server(tmp_path, insecure=False, now_ms=today_ms(), names=["hop.local"]) as running:
        client = httpx.AsyncClient(verify=trusting(tmp_path))
        with pytest.raises(httpx.ConnectError):
            await client.get(f"https://127.0.0.1:{running.port}/")
        await client.aclose()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_only_modern_ciphers(tmp_path: Path, version: ssl.TLSVersion) -> None:
    """TLS 1.2 and 1.3 with authenticated encryption."""
    async with server(tmp_path, insecure=False, now_ms=today_ms()) as running:
        context = trusting(tmp_path)
        context.minimum_version = context.maximum_version = version
        _, writer = await asyncio.open_connection("127.0.0.1", running.port, ssl=context)
        cipher = writer.get_extra_info("cipher")[0]
        writer.close()
        await writer.wait_closed()
    assert "GCM" in cipher or "CHACHA20" in cipher


async def test_plain_text_gets_nothing_from_a_tls_port(tmp_path: Path) -> None:
    """http:// to the https port is no page."""
    async with server(tmp_path, insecure=False, now_ms=today_ms()) as running, httpx.AsyncClient() as client:
        with pytest.raises(httpx.HTTPError):
            await client.get(f"http://127.0.0.1:{running.port}/")


@pytest.mark.parametrize("listen", ["0.0.0.0", "192.0.2.1", "::"])
async def test_plain_http_never_leaves_the_machine(tmp_path: Path, listen: str) -> None:
    """Another address than loopback is a ConfigError before anything listens."""
    with pytest.raises(ConfigError, match=listen) as caught:
        async with server(tmp_path, listen=listen):
            pass
    assert "127.0.0.1" in str(caught.value.fields["remedy"])


@pytest.mark.parametrize("listen", ["localhost", "hop.local", "", "1.2.3", "127.0.0.1:80"])
async def test_what_is_no_address_is_named(tmp_path: Path, listen: str) -> None:
    """A host name in `listen` is a ConfigError with an example, not a crash."""
    with pytest.raises(ConfigError, match="no address") as caught:
        async with server(tmp_path, listen=listen):
            pass
    assert caught.value.fields["key"] == "listen"


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """The second one to come is told the address, and the first one goes on."""
    async with server(tmp_path) as running:
        with pytest.raises(AddressTaken, match=str(running.port)) as caught:
            async with server(tmp_path, port=running.port):
                pass
        assert not is_free(running.port)
    assert caught.value.fields["port"] == running.port


async def test_an_address_of_another_machine_is_named(tmp_path: Path) -> None:
    """An IP that this machine does not have cannot be listened on."""
    with pytest.raises(AddressTaken, match=r"192\.0\.2\.1"):
        async with server(tmp_path, insecure=False, listen="192.0.2.1"):
            pass


async def test_ipv6_loopback_is_loopback(tmp_path: Path) -> None:
    """::1 serves plain HTTP too."""
    async with server(tmp_path, listen="::1") as running, httpx.AsyncClient() as client:
        assert (await client.get(f"http://[::1]:{running.port}/")).status_code == 200


async def test_an_open_event_stream_does_not_hold_the_stop(tmp_path: Path) -> None:
    """A page that listens for ever is let go within the time for closing; its generator is finished."""
    page = Page()
    async with asyncio.timeout(HANG_S), httpx.AsyncClient(timeout=HANG_S) as client:
        async with server(tmp_path, page) as running:

            async def listen() -> None:
                async with client.stream("GET", f"http://127.0.0.1:{running.port}/events") as reply:
                    async for _ in reply.aiter_bytes():
                        pass

            listening = asyncio.create_task(listen())
            await page.streaming.wait()
        await page.ended.wait()
        await asyncio.gather(listening, return_exceptions=True)
    assert is_free(running.port)


async def test_a_start_that_is_cancelled_frees_the_port(tmp_path: Path) -> None:
    """Nobody will leave what was never entered: the listener must not stay."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    starting = asyncio.create_task(server(tmp_path, port=port).__aenter__())
    await asyncio.sleep(0)
    starting.cancel()
    await asyncio.gather(starting, return_exceptions=True)
    async with server(tmp_path, port=port):
        pass


async def test_leaving_although_cancelled_stops_the_server(tmp_path: Path) -> None:
    """Cancelled while it waits for an open stream, the server is gone all the same."""
    page = Page()
    entered = asyncio.Event()
    running = server(tmp_path, page)

    async def serve() -> None:
        async with running:
            entered.set()

    async with asyncio.timeout(HANG_S):
        task = asyncio.create_task(serve())
        await entered.wait()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert not running.alive


async def test_a_certificate_that_cannot_be_made_opens_no_port(tmp_path: Path) -> None:
    """The keys come first: without them nothing listens."""
    (tmp_path / "tls").write_text("a file in the way")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(OSError, match="File exists"):
        async with server(tmp_path, insecure=False, port=port):
            pass
    assert is_free(port)


async def test_signals_stay_with_the_daemons_frame(tmp_path: Path) -> None:
    """The web server installs no signal handler of its own."""
    import signal

    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    async with server(tmp_path):
        assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_own_names_are_names_and_addresses() -> None:
    """The host with and without .local, each address once, loopback among them."""
    names = own_names()
    assert names[0].endswith(".local")
    assert "127.0.0.1" in names
    assert len(set(names)) == len(names)
    assert json.dumps(names)
