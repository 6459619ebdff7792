"""The ONVIF transport against hostile servers: redirects, floods, drips, bombs, other hosts."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from drivers.gate import GateState, LoginGate
from drivers.onvif.client import OnvifClient
from drivers.onvif.transport import CameraTransport, Deadline, Limits, LoginAsked
from gateway.core.clock import SystemClock
from gateway.core.errors import (
    CameraBadReply,
    CameraError,
    CameraOverloaded,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.model import Login, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.onvif_http import PASSWORD, USER, Answer, FakeOnvif, envelope, raw_server
from tests.fakes.webthread import Quiet, WebThread

TINY = Limits(total_s=0.4, reply_bytes=64 << 10, snapshot_bytes=128 << 10)


def answering(data: bytes) -> Callable[[socket.socket], None]:
    return lambda peer: peer.sendall(data)


def http_answer(status: str, body: bytes, *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def post(port: int, limits: Limits = TINY) -> bytes:
    transport = CameraTransport("127.0.0.1", port, SystemClock(), limits)
    try:
        return transport.post(f"http://127.0.0.1:{port}/onvif/device_service", b"<x/>", {}).content
    finally:
        transport.close()


@contextlib.contextmanager
def third_host() -> Iterator[tuple[int, list[str]]]:
    """A host that must never be spoken to: notes every request it gets."""
    seen: list[str] = []

    class Handler(Quiet, BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.path)
            self.send_response(200)
            self.end_headers()

        def do_GET(self) -> None:
            self.do_POST()

    with WebThread(Handler, "127.0.0.2") as web:
        yield web.port, seen


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"])
def test_redirects_are_not_followed(status: str) -> None:
    """A redirect is a bad reply, and the host it names hears nothing."""
    with third_host() as (port, seen):
        answer = http_answer(status, b"", f"Location: http://127.0.0.2:{port}/internal")
        with raw_server(answering(answer)) as camera, pytest.raises(CameraBadReply):
            post(camera)
        assert seen == []


def test_services_elsewhere_are_not_called() -> None:
    """XAddrs, stream and picture addresses that name another host never make us speak to it."""
    with third_host() as (port, seen), FakeOnvif(advertised_host="127.0.0.2", advertised_port=port) as camera:
        client = OnvifClient("127.0.0.1", camera.port, LoginGate(Login(USER, Secret(PASSWORD))), clock=FakeClock())
        profile = client.profiles()[0]
        assert client.stream_source(profile).host == "127.0.0.1"
        client.snapshot(profile)
        client.close()
        assert seen == []


def test_another_host_is_refused_by_the_transport_itself() -> None:
    """Even a caller's mistake cannot send a camera's login to another host."""
    transport = CameraTransport("127.0.0.1", 80, SystemClock(), TINY)
    for url in ("http://127.0.0.2/x", "https://127.0.0.1/x", "http://127.0.0.1@127.0.0.2/x", "file:///etc/passwd"):
        with pytest.raises(CameraBadReply):
            transport.post(url, b"<x/>", {})
    with pytest.raises(CameraBadReply):
        transport.load("http://127.0.0.2/x.dtd")
    transport.close()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://192.168.1.64/onvif/media?a=1", "http://10.0.0.5:8080/onvif/media?a=1"),
        ("http://10.0.0.5:8899/onvif", "http://10.0.0.5:8899/onvif"),
        ("https://10.0.0.5/onvif", "http://10.0.0.5:8080/onvif"),
        ("http://0.0.0.0:80/x#y", "http://10.0.0.5:8080/x"),
        ("http://user:pass@10.0.0.5/x", "http://10.0.0.5:8080/x"),
        ("/relative", "http://10.0.0.5:8080/relative"),
        ("http://10.0.0.5", "http://10.0.0.5:8080/"),
    ],
)
def test_rewriting(url: str, expected: str) -> None:
    """A camera's address becomes ours; a port is believed only beside the right host."""
    transport = CameraTransport("10.0.0.5", 8080, SystemClock())
    assert transport.rewritten(url) == expected
    transport.close()


@pytest.mark.parametrize("url", ["http://[", "http://10.0.0.5:99999/x", "http://10.0.0.5:x/"])
def test_impossible_addresses(url: str) -> None:
    """What is no URL is a bad reply."""
    transport = CameraTransport("10.0.0.5", 8080, SystemClock())
    with pytest.raises(CameraBadReply):
        transport.rewritten(url)
    transport.close()


def test_oversized_reply_is_cut() -> None:
    """A reply beyond the limit is refused, announced or not, and not read to its end."""
    flood = b"<a>" + b"x" * (1 << 20) + b"</a>"
    for answer in (http_answer("200 OK", flood), b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + flood):
        with raw_server(answering(answer)) as port, pytest.raises(CameraBadReply):
            post(port)


def test_endless_chunks_are_cut() -> None:
    """A chunked reply without an end is cut at the limit."""

    def script(peer: socket.socket) -> None:
        peer.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(10_000):
            peer.sendall(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")

    with raw_server(script) as port, pytest.raises(CameraBadReply):
        post(port)


def drip(prefix: bytes) -> Callable[[socket.socket], None]:
    def script(peer: socket.socket) -> None:
        peer.sendall(prefix)
        stop = threading.Event()
        for _ in range(2000):  # far beyond the limit: only hanging up ends this
            peer.sendall(b"a")
            stop.wait(0.02)

    return script


@pytest.mark.parametrize(
    "prefix",
    [b"", b"HTTP/1.1 200 OK\r\nX-A: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"],
    ids=["status", "head", "body"],
)
def test_dripping_reply_ends_in_time(prefix: bytes) -> None:
    """A byte now and then does not extend an exchange beyond its total time."""
    with raw_server(drip(prefix)) as port, pytest.raises((CameraUnreachable, CameraBadReply)):
        post(port)


def test_interim_answers_for_ever_end_in_time() -> None:
    """`100 Continue` again and again, as fast as the line, is not read beyond the total time."""

    def again(peer: socket.socket) -> None:
        while True:
            peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n" * 100)

    with raw_server(again) as port, pytest.raises((CameraUnreachable, CameraBadReply)):
        post(port)


def test_silence_is_unreachable() -> None:
    """A server that accepts and never answers counts as unreachable."""

    def script(peer: socket.socket) -> None:
        threading.Event().wait(1.0)

    with raw_server(script) as port, pytest.raises(CameraUnreachable):
        post(port)


def test_deadline_counts_the_whole_exchange() -> None:
    """The rest of an exchange shrinks with the clock, and ends in an error at zero."""
    clock = FakeClock()
    deadline = Deadline(clock)
    deadline.start(5)
    clock.tick(4)
    assert deadline.left_s() == pytest.approx(1)
    clock.tick(1)
    with pytest.raises(TimeoutError):
        deadline.left_s()


BOMB = (
    b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa">'
    + b"".join(b'<!ENTITY a%d "%s">' % (i, (b"&a%d;" % (i - 1) if i else b"&a;") * 10) for i in range(9))
    + b"]><l>&a8;</l>"
)


@pytest.mark.parametrize(
    "body",
    [
        BOMB,
        b'<!DOCTYPE l SYSTEM "http://127.0.0.2/x.dtd"><l/>',
        b'<?xml version="1.0"?><!doctype l><l/>',
        envelope("<a/>").decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="UTF-7"?>+ADwAIQ-DOCTYPE l+AD4-',
        b'<?xml version="1.0"?><?xml version="1.0" encoding="UTF-16"?><a/>',
    ],
    ids=["bomb", "external", "lower case", "utf-16", "utf-7", "two declarations"],
)
def test_dtds_do_not_reach_a_parser(body: bytes) -> None:
    """DTDs, entity bombs and what hides them are refused before zeep sees them, or are no SOAP."""
    with FakeOnvif(auth="open", scripted={"GetDeviceInformation": Answer(200, body)}) as camera:
        client = OnvifClient("127.0.0.1", camera.port, LoginGate(None), clock=FakeClock())
        with pytest.raises(CameraBadReply):
            client.device_information()
        camera.scripted = {"GetServices": Answer(200, body), "GetCapabilities": Answer(200, body)}
        with pytest.raises(CameraBadReply):
            client.services()
        client.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (http_answer("500 Error", b"<!DOCTYPE html><html></html>"), CameraBadReply),
        (http_answer("404 Not Found", b""), CameraUnsupported),
        (http_answer("405 No", b""), CameraUnsupported),
        (http_answer("503 Busy", b""), CameraOverloaded),
        (http_answer("401 No", b""), LoginAsked),
        (http_answer("200 OK", b"\x1f\x8b", "Content-Encoding: gzip"), CameraBadReply),
        (http_answer("200 OK", b"--x\r\n", "Content-Type: multipart/related; boundary=x"), CameraBadReply),
        (b"SSH-2.0-OpenSSH_9.2\r\n", (CameraBadReply, CameraUnreachable)),
        (b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n", (CameraBadReply, CameraUnreachable)),
        (b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", (CameraBadReply, CameraUnreachable)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", (CameraBadReply, CameraUnreachable)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", None),
        (b"\x00" * 5000, (CameraBadReply, CameraUnreachable)),
    ],
)
def test_each_bad_answer_has_its_error(
    answer: bytes, expected: type[Exception] | tuple[type[Exception], ...] | None
) -> None:
    """Whatever comes back instead of SOAP is one of our errors, never a library's."""
    with raw_server(answering(answer)) as port:
        if expected is None:
            with contextlib.suppress(CameraError):
                post(port)
        else:
            with pytest.raises(expected):
                post(port)


def test_garbage_costs_no_login() -> None:
    """A camera that answers garbage leaves the password untried and the gate free."""
    gate = LoginGate(Login(USER, Secret(PASSWORD)))
    with raw_server(answering(os.urandom(4000))) as port:
        client = OnvifClient("127.0.0.1", port, gate, clock=SystemClock(), limits=TINY)
        for ask in (client.read_clock, client.learn_login, client.device_information):
            with pytest.raises(CameraError):
                ask()
        client.close()
    assert gate.state is GateState.UNPROVEN


def test_hang_up_after_the_login_leaves_the_gate_free() -> None:
    """A try that ends without an answer does not block the next one."""
    gate = LoginGate(Login(USER, Secret(PASSWORD)))
    with FakeOnvif() as camera:
        client = OnvifClient("127.0.0.1", camera.port, gate, clock=FakeClock(), limits=TINY)
        camera.scripted["GetDeviceInformation"] = Answer(503, b"")
        with pytest.raises(CameraOverloaded):
            client.device_information()
        assert gate.state is GateState.UNPROVEN
        camera.scripted.clear()
        assert client.device_information().serial == "SN7"
        client.close()


def test_proxies_and_cookies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy in the environment is not used, and no cookie is kept."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.2:9")
    with raw_server(answering(http_answer("200 OK", b"<a/>", "Set-Cookie: a=b"))) as port:
        transport = CameraTransport("127.0.0.1", port, SystemClock(), TINY)
        assert transport.post(f"http://127.0.0.1:{port}/", b"<x/>", {}).content == b"<a/>"
        assert not transport.session.cookies
        transport.close()
    assert os.environ["http_proxy"] == "http://127.0.0.2:9"
