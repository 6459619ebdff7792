"""Hostile clients of a simulated camera: each ends its own connection, and the camera goes on serving others."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm
from drivers.simulated.faults import Quirks
from drivers.simulated.listener import MOST_CLIENTS, MOST_HEAD_BYTES, Listener, body_length
from drivers.simulated.logins import DigestGate, LoginBook, User, Verdict, digest_response
from drivers.simulated.onvifd import MOST_BODY_BYTES
from drivers.simulated.rtspd import MOST_SESSIONS
from drivers.simulated.wsse import MOST_NONCE_CHARS
from gateway.core.errors import AddressTaken, CameraBadReply
from gateway.core.model import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.simulated import PASSWORD, WSSE, RtspClient, call, soap_document, username_token
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

QUIRKS = Quirks()


@asynccontextmanager
async def camera() -> AsyncIterator[SimulatedCamera]:
    """One camera; anything that escapes from a connection's task fails the test."""
    escaped: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: escaped.append(context))
    async with Farm(1, password=PASSWORD, options=replace(QUICK, discovery=False)) as farm:
        yield farm.cameras[0]
    assert escaped == []


async def said(address: str, port: int, data: bytes) -> bytes:
    """Send bytes and read until the camera hangs up or answers once."""
    reader, writer = await asyncio.open_connection(address, port)
    try:
        writer.write(data)
        return await reader.read(65_536)
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


def http(body: bytes, *, length: object = None, head: str = "") -> bytes:
    size = len(body) if length is None else length
    return f"POST /onvif/device_service HTTP/1.1\r\nContent-Length: {size}\r\n{head}\r\n".encode() + body


HANGS_UP = {
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "two words": b"GET /\r\n\r\n",
    "endless head": b"POST / HTTP/1.1\r\nX: " + b"a" * (2 * MOST_HEAD_BYTES),
    "huge body": http(b"", length=MOST_BODY_BYTES + 1),
    "endless number": http(b"", length="9" * 5000),
    "negative body": http(b"", length=-5),
    "worded body": http(b"", length="many"),
    "superscript body": b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\nab",
}


@pytest.mark.parametrize("attack", HANGS_UP)
async def test_http_that_makes_no_sense_is_hung_up_on(attack: str) -> None:
    """No answer, no error of ours, and the next client is served."""
    async with camera() as cam:
        assert await said(cam.address, cam.onvif_port, HANGS_UP[attack]) == b""
        answer = await asyncio.to_thread(call, cam, "tds", "GetHostname")
        assert answer.status == 200


BOMB = b'<!DOCTYPE a [<!ENTITY b "bbbbbbbb"><!ENTITY c "&b;&b;&b;&b;">]>'
FAULTS = {
    "entities": BOMB + b"<a>&c;</a>",
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "external DTD": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>',
    "deep": b"<a>" * 50_000,
    "wide": b"<a " + b" ".join(b'b%d="1"' % n for n in range(20_000)),
    "no XML": b"\x00" * 100,
    "empty": b"",
    "other encoding": b'<?xml version="1.0" encoding="utf-16"?><a/>',
    "no body element": b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"/>',
    "only a comment": b'<E xmlns="http://www.w3.org/2003/05/soap-envelope"><Body><!-- x --></Body></E>',
}


@pytest.mark.parametrize("attack", FAULTS)
async def test_documents_that_make_no_sense_are_senders_faults(attack: str) -> None:
    """400 with a fault on a connection that stays usable; nothing of a file comes back."""
    async with camera() as cam:
        answer = await said(cam.address, cam.onvif_port, http(FAULTS[attack]))
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"ter:WellFormed" in answer
        assert b"root:" not in answer


async def test_another_method_is_405_and_the_connection_goes_on() -> None:
    """PUT is refused, and a call in the same connection is answered after it."""
    async with camera() as cam:
        reader, writer = await asyncio.open_connection(cam.address, cam.onvif_port)
        writer.write(b"PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\nab")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 405 ")
        writer.write(http(soap_document("tds", "GetSystemDateAndTime"), head="Connection: close\r\n"))
        assert b"UTCDateTime" in await reader.read()
        writer.close()


@pytest.mark.parametrize(
    "token",
    [
        username_token().replace("</w:Password>", "é</w:Password>"),
        username_token().replace("<w:Nonce>", "<w:Nonce>" + "A" * MOST_NONCE_CHARS),
        username_token().replace("<w:Nonce>", "<w:Nonce>é"),
        username_token().replace("Z</u:Created>", "Zulu</u:Created>"),
        username_token().replace("<u:Created>", "<u:Created>0001-01-01T00:00:00Z"),
        username_token().replace("<w:Username>admin", "<w:Username>" + "x" * 100_000),
        f'<w:Security xmlns:w="{WSSE}wssecurity-secext-1.0.xsd"><w:UsernameToken/></w:Security>',
    ],
    ids=["letters in the digest", "long nonce", "letters in the nonce", "no time", "year one", "long name", "empty"],
)
async def test_strange_tokens_are_bad_logins(token: str) -> None:
    """Each is refused by the fault of ONVIF, counted once, and leaves the camera as it was."""
    async with camera() as cam:
        answer = await asyncio.to_thread(call, cam, "tds", "GetHostname", header=token)
        assert "NotAuthorized" in answer.subcodes
        assert (cam.book.bad_logins, cam.book.good_logins) == (1, 0)


@pytest.mark.parametrize("limit", ["²", "-1", "9" * 5000, "many", ""])
async def test_strange_limits_pull_ten(limit: str) -> None:
    """A MessageLimit that is no number is answered as if it had not been said."""
    async with camera() as cam:
        made = await asyncio.to_thread(call, cam, "tev", "CreatePullPointSubscription")
        path = "/onvif" + made.text("Address").partition("/onvif")[2]
        for _ in range(12):
            cam.events.emit()
        wish = f"<tev:Timeout>PT0S</tev:Timeout><tev:MessageLimit>{limit}</tev:MessageLimit>"
        answer = await asyncio.to_thread(call, cam, "tev", "PullMessages", wish, path=path)
        assert len(answer.all("Topic")) == 10


def test_a_nonce_of_thousands_of_digits_is_stale() -> None:
    """Even with a right answer to it, a number that cannot be printed is just an old nonce."""
    book = LoginBook({"a": User(Secret("p"))}, QUIRKS, FakeClock())
    nonce = "f" * 8000 + ".x"
    right = digest_response("MD5", login=("a", "r", "p"), request=("GET", "/"), nonce=nonce, quality=None)
    header = f'Digest username="a", realm="r", nonce="{nonce}", uri="/", response="{right}"'
    assert DigestGate("r", book, b"k").check(header, "GET", ("MD5",)) is Verdict.STALE


@pytest.mark.parametrize(
    "url", ["rtsp://[::1/x", "rtsp://[zz]/", "rtsp://a]b/"], ids=["open bracket", "no address", "stray bracket"]
)
async def test_an_rtsp_address_that_is_none_is_hung_up_on(url: str) -> None:
    """An address that cannot be taken apart ends the connection before anything is answered."""
    async with camera() as cam:
        assert await said(cam.address, cam.rtsp_port, f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode()) == b""
        await until(lambda: cam.statistics()["connections"] == 0)


async def test_a_client_that_asks_and_never_reads_is_hung_up_on() -> None:
    """Replies that nobody takes are bounded: after megabytes of them the connection is gone."""
    async with camera() as cam:
        many = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 2000

        def flood() -> int:
            sent = 0
            with socket.create_connection((cam.address, cam.rtsp_port), 20) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                try:
                    while True:
                        sent += sock.send(many)
                except OSError:
                    return sent

        assert await asyncio.to_thread(flood) < 64 << 20
        await until(lambda: cam.statistics()["connections"] == 0)


async def test_sessions_of_one_connection_are_few() -> None:
    """The ninth SETUP of a connection is 453; its UDP sockets are closed with it."""
    async with camera() as cam:

        def body() -> list[int]:
            with RtspClient(cam) as client:
                place = "RTP/AVP;unicast;client_port={0}-{1}"
                ports = range(40_000, 40_000 + 2 * (MOST_SESSIONS + 2), 2)
                return [client.setup(transport=place.format(port, port + 1)).status for port in ports]

        assert await asyncio.to_thread(body) == [200] * MOST_SESSIONS + [453, 453]
        await until(lambda: cam.sessions == 0)


@pytest.mark.parametrize("cseq", ["1\xb2", "\xb2", "-1", "abc", ""])
async def test_only_digits_come_back_as_cseq(cseq: str) -> None:
    """A number of ours comes back, a client's letters do not."""
    async with camera() as cam:
        answer = await said(cam.address, cam.rtsp_port, f"OPTIONS * RTSP/1.0\r\nCSeq: {cseq}\r\n\r\n".encode("latin-1"))
        assert b"CSeq: 0\r\n" in answer


async def test_a_dripping_client_is_dropped_in_its_time() -> None:
    """Bytes that never make a request do not put off the end: half a head is no sign of life."""
    async with camera() as cam:
        cam.quirks.session_timeout_s = 1
        reader, writer = await asyncio.open_connection(cam.address, cam.rtsp_port)
        dripped = 0
        while not reader.at_eof():
            try:
                writer.write(b"x")
                await writer.drain()
                await asyncio.wait_for(reader.read(1), 0.05)
            except TimeoutError:
                dripped += 1
            except ConnectionError:
                break
        writer.close()
        assert dripped < 200


class Guests(Listener):
    """A server whose clients stay until they hang up."""

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"!")
        if await reader.readexactly(1) == b"e":
            raise CameraBadReply("nonsense")


async def test_a_listener_serves_so_many_and_no_more() -> None:
    """One client over the bound is hung up on; when one leaves, the next is served."""
    async with Guests("127.0.0.1", 0) as server:
        guests = [await asyncio.open_connection("127.0.0.1", server.port) for _ in range(MOST_CLIENTS)]
        assert [await reader.read(1) for reader, _ in guests] == [b"!"] * MOST_CLIENTS
        assert await said("127.0.0.1", server.port, b"") == b""
        guests[0][1].write(b"e")
        await until(lambda: server.connections == MOST_CLIENTS - 1)
        assert await said("127.0.0.1", server.port, b"") == b"!"
        await server.drop_connections()
        assert server.connections == 0
        for _, writer in guests:
            writer.close()


async def test_a_taken_port_is_told_by_its_number() -> None:
    """A second listener on the same port raises AddressTaken, and the first goes on."""
    async with Guests("127.0.0.1", 0) as server:
        with pytest.raises(AddressTaken) as taken:
            await Guests("127.0.0.1", server.port).__aenter__()
        assert taken.value.fields["port"] == server.port
        assert await said("127.0.0.1", server.port, b"") == b"!"


def test_body_length_is_a_plain_number() -> None:
    """Absent is 0; the bound itself is taken; anything else is CameraBadReply."""
    assert body_length({}, 10) == 0
    assert body_length({"content-length": "10"}, 10) == 10
    for wrong in ("11", "-1", "1e1", "²", "٣", "", "9" * 5000):
        with pytest.raises(CameraBadReply):
            body_length({"content-length": wrong}, 10)


def test_base64_that_is_none_is_a_bad_basic_login() -> None:
    """Basic with bytes that are no text or no Base64 is refused, not raised."""
    book = LoginBook({"a": User(Secret("p"))}, QUIRKS, FakeClock())
    gate = DigestGate("r", book, b"k")
    for wrong in ("!!!", base64.b64encode(b"\xff\xfe").decode(), "", base64.b64encode(b"a").decode()):
        assert gate.check(f"Basic {wrong}", "GET", (), basic=True) is Verdict.BAD
    assert gate.check("Basic " + base64.b64encode(b"a:p").decode(), "GET", (), basic=True) is Verdict.GOOD
