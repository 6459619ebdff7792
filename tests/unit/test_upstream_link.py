"""The HTTPS client: what is sent is signed, what comes back is one of three errors or the answer."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.boxca import ensure_tls
from gateway.core.boxsign import verify_request
from gateway.core.errors import HubBusy, HubRefused, HubUnreachable, UpstreamError
from gateway.upstream import link, protocol
from gateway.upstream.link import HubLink, retry_after_s
from gateway.upstream.protocol import Ack, Announced, Cursor
from tests.fakes.clock import NOON_MS, FakeClock

pytestmark = pytest.mark.anyio
BOX = "boxboxboxboxboxb"


class RawHub:
    """An HTTP server that answers every request with given bytes and keeps what it was asked."""

    def __init__(self, answer: bytes | Callable[[], bytes]) -> None:
        self.answer = answer if callable(answer) else lambda: answer
        self.asked: list[tuple[str, dict[str, str], bytes]] = []

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *rows = head.split("\r\n")
            headers = {key.lower(): value for key, _, value in (row.partition(": ") for row in rows if row)}
            body = await reader.readexactly(int(headers["content-length"]))
            self.asked.append((line, headers, body))
            writer.write(self.answer())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def reply(status: int, body: bytes | dict[str, object] = b"", **headers: str) -> bytes:
    """Return the bytes of an HTTP answer."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    rows = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} X\r\ncontent-length: {len(content)}\r\nconnection: close\r\n{rows}\r\n"
    return head.encode() + content


@asynccontextmanager
async def talking(answer: bytes | Callable[[], bytes]) -> AsyncIterator[tuple[HubLink, RawHub, Ed25519PrivateKey]]:
    hub, key = RawHub(answer), Ed25519PrivateKey.generate()
    server = await asyncio.start_server(hub.talk, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, HubLink(f"http://127.0.0.1:{port}", key, FakeClock()) as client:
        yield client, hub, key


async def test_every_request_is_signed_as_it_travels() -> None:
    """The signature covers the gzipped body, method, path and time; the hub's check accepts it."""
    async with talking(reply(200, {"acked": 2, "gap": False})) as (client, hub, key):
        assert await client.send(BOX, "s1", 1, ['{"a":1}', '{"a":2}']) == Ack(2, gap=False)
    line, headers, body = hub.asked[0]
    assert line == "POST /v1/events/s1 HTTP/1.1"
    verify_request(key.public_key(), "POST", "/v1/events/s1", headers, body, now_ms=NOON_MS)
    with pytest.raises(HubRefused):
        verify_request(key.public_key(), "POST", "/v1/events/s2", headers, body, now_ms=NOON_MS)
    assert headers["vuon-gateway"] == BOX
    assert json.loads(gzip.decompress(body)) == {"first": 1, "events": [{"a": 1}, {"a": 2}]}


async def test_enrolment_sends_claim_and_public_key() -> None:
    """And nothing else."""
    async with talking(reply(200, {"gateway": BOX})) as (client, hub, key):
        assert await client.enrol("AAAA-BBBB") == BOX
    sent = json.loads(gzip.decompress(hub.asked[0][2]))
    assert sent == {"claim": "AAAA-BBBB", "public_key": key.public_key().public_bytes_raw().hex()}


async def test_hello_exchanges_cursors() -> None:
    """By stream, with the id at the cursor."""
    cursors = [{"stream": "s1", "lane": "alarm", "acked": 7, "id": "e7"}, {"stream": "s2", "acked": 0, "id": ""}]
    async with talking(reply(200, {"cursors": cursors})) as (client, hub, _):
        found = await client.hello(BOX, [Announced("alarm", "s1", 0, 9)])
    assert found == {"s1": Cursor("s1", 7, "e7"), "s2": Cursor("s2", 0, "")}
    sent = json.loads(gzip.decompress(hub.asked[0][2]))
    assert sent == {"lanes": [{"lane": "alarm", "stream": "s1", "base": 0, "last": 9}]}


@pytest.mark.parametrize(("status", "wait", "expected"), [(429, "17", 17), (503, "3", 3), (429, "", 5), (429, "x", 5)])
async def test_a_busy_hub_says_when(status: int, wait: str, expected: int) -> None:
    """429 and 503 carry their Retry-After; without one it is five seconds."""
    headers = {"retry_after": wait} if wait else {}
    async with talking(reply(status, {"error": {"code": "hub_busy"}}, **headers)) as (client, _, _):
        with pytest.raises(HubBusy) as caught:
            await client.send(BOX, "s", 1, ["{}"])
    assert caught.value.fields["retry_after_s"] == expected


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
async def test_a_refusal_carries_the_hubs_reason_as_a_code(status: int) -> None:
    """Trying again will not help; the sentence of another machine stays out of our logs."""
    body: dict[str, object] = {"error": {"code": "hub_refused", "reason": "unknown", "message": "Secret sentence"}}
    async with talking(reply(status, body)) as (client, _, _):
        with pytest.raises(HubRefused) as caught:
            await client.send(BOX, "s", 1, ["{}"])
    assert caught.value.fields["reason"] == "unknown"
    assert "Secret" not in str(caught.value)


@pytest.mark.parametrize("reason", ["<script>", "A sentence with a name", "x" * 200, 7, None])
async def test_a_reason_that_is_no_code_is_other(reason: object) -> None:
    """Whatever the other side writes there."""
    async with talking(reply(403, {"error": {"reason": reason, "code": reason}})) as (client, _, _):
        with pytest.raises(HubRefused) as caught:
            await client.send(BOX, "s", 1, ["{}"])
    assert caught.value.fields["reason"] == "other"


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, b"<html>Please sign in to the Wi-Fi</html>"),
        reply(302, b"", location="http://portal.example/"),
        reply(401, b"<html>proxy login</html>"),
        reply(407, b""),
        reply(500, b"oops"),
        reply(502, {"error": {}}),
        reply(200, b"[1,2]"),
        reply(200, b"[" * 50_000),
        reply(200, b"x" * (link.MAX_ANSWER_BYTES + 1)),
        b"garbage\r\n\r\n",
        b"",
    ],
    ids=["portal", "redirect", "proxy", "407", "500", "502", "list", "deep", "long", "garbage", "closed"],
)
async def test_what_is_not_the_hub_is_unreachable(answer: bytes) -> None:
    """A captive portal, a proxy or a broken server: the outbox keeps all and tries again."""
    async with talking(answer) as (client, hub, _):
        with pytest.raises(HubUnreachable):
            await client.send(BOX, "s", 1, ["{}"])
    assert len(hub.asked) == 1


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"acked": "7"},
        {"acked": True},
        {"acked": -1},
        {"acked": 2**63},
        {"acked": 1.5},
    ],
    ids=str,
)
async def test_a_malformed_answer_is_an_upstream_error(body: dict[str, object]) -> None:
    """Never a KeyError or a number SQLite cannot hold."""
    async with talking(reply(200, body)) as (client, _, _):
        with pytest.raises(UpstreamError):
            await client.send(BOX, "s", 1, ["{}"])


async def test_nobody_there_is_unreachable() -> None:
    """A closed port."""
    async with HubLink("http://127.0.0.1:9", Ed25519PrivateKey.generate(), FakeClock()) as client:
        with pytest.raises(HubUnreachable):
            await client.enrol("X")


async def test_a_peer_that_drips_does_not_hold_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request has an end as a whole, not only between two bytes."""
    monkeypatch.setattr(link, "WHOLE_S", 0.2)

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 X\r\ncontent-length: 100000\r\n\r\n")
        try:
            while not writer.is_closing():
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.02)
        except ConnectionError:
            pass
        finally:
            writer.close()
            ended.set()

    ended = asyncio.Event()

    server = await asyncio.start_server(drip, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server, HubLink(url, Ed25519PrivateKey.generate(), FakeClock()) as client:
        with pytest.raises(HubUnreachable, match="TimeoutError"):
            await client.send(BOX, "s", 1, ["{}"])
        await ended.wait()


async def test_a_hub_with_its_own_authority_needs_its_certificate(tmp_path: Path) -> None:
    """Without `ca_file` the connection is refused, with it the hub is believed."""
    import ssl

    files = ensure_tls(tmp_path, ["localhost"], now_ms=NOON_MS)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.certificate, files.key)
    hub = RawHub(reply(200, {"gateway": BOX}))
    server = await asyncio.start_server(hub.talk, "127.0.0.1", 0, ssl=context)
    url = f"https://localhost:{server.sockets[0].getsockname()[1]}"
    key = Ed25519PrivateKey.generate()
    async with server:
        async with HubLink(url, key, FakeClock()) as client:
            with pytest.raises(HubUnreachable):
                await client.enrol("X")
        async with HubLink(url, key, FakeClock(), ca_file=str(files.ca)) as client:
            assert await client.enrol("X") == BOX


def test_retry_after_is_seconds_or_a_date() -> None:
    """RFC 9110 §10.2.3; a date that is over means now."""
    assert retry_after_s(" 30 ", 0) == 30
    assert retry_after_s(formatdate(NOON_MS / 1000 + 90, usegmt=True), NOON_MS) == 90
    assert retry_after_s(formatdate(NOON_MS / 1000 - 90, usegmt=True), NOON_MS) == 0
    assert retry_after_s("", 0) == link.DEFAULT_RETRY_S


@given(st.text())
def test_any_retry_after_is_a_number(value: str) -> None:
    """Whatever a proxy writes there."""
    assert retry_after_s(value, NOON_MS) >= 0


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(
        st.sampled_from(["gateway", "cursors", "acked", "gap"]),
        json_values
        | st.lists(st.dictionaries(st.sampled_from(["stream", "acked", "id"]), json_values, max_size=3), max_size=2),
        max_size=4,
    )
)
def test_answers_are_values_or_upstream_errors(answer: dict[str, object]) -> None:
    """No answer that is JSON raises anything else."""
    for read in (protocol.read_gateway, protocol.read_cursors, protocol.read_ack):
        try:
            read(answer)
        except UpstreamError:
            continue
