"""A modem on loopback: answers SSDP searches and tells its port forwards, well or badly."""

from __future__ import annotations

import re
import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

GROUP, PORT = "239.255.255.250", 1900
Entry = tuple[int, str, str, int, str]
"""external port, protocol, client, internal port, enabled."""

_SERVICE = (
    "<service><serviceType>urn:schemas-upnp-org:service:{kind}</serviceType>"
    "<controlURL>{url}</controlURL><SCPDURL>/x.xml</SCPDURL></service>"
)
_FAULT = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode>'
    "<faultstring>UPnPError</faultstring><detail><UPnPError><errorCode>{code}</errorCode></UPnPError></detail>"
    "</s:Fault></s:Body></s:Envelope>"
)


@dataclass
class Igd:
    """What the modem knows and how it misbehaves; may be changed while it runs."""

    entries: list[Entry] = field(default_factory=list)
    uplink: str = "40000000"
    control: str = "/ctl"
    end_code: str = "713"
    mode: str = ""
    """"", redirect, huge, garbage, drip, endless, dtd, login, silent."""
    location: str = ""
    """Named instead of its own description."""
    port: int = 0
    asked: list[str] = field(default_factory=list)
    searched: int = 0

    def description(self) -> str:
        services = _SERVICE.format(kind="WANIPConnection:1", url=self.control)
        services += _SERVICE.format(kind="WANCommonInterfaceConfig:1", url="/link")
        return f'<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0"><device>{services}</device></root>'

    def answer(self, action: str, body: str) -> tuple[int, str]:
        if action == "GetCommonLinkProperties":
            inner = f"<NewLayer1UpstreamMaxBitRate>{self.uplink}</NewLayer1UpstreamMaxBitRate>"
            return 200, _envelope(action, inner)
        found = re.search(r"<NewPortMappingIndex>(\d+)<", body)
        index = int(found.group(1)) if found else 0
        entries = self.entries[:1] * (index + 1) if self.mode == "endless" else self.entries
        if index >= len(entries):
            return 500, _FAULT.format(code=self.end_code)
        external, protocol, client, port, enabled = entries[index]
        inner = (
            f"<NewExternalPort>{external}</NewExternalPort><NewProtocol>{protocol}</NewProtocol>"
            f"<NewInternalPort>{port}</NewInternalPort><NewInternalClient>{client}</NewInternalClient>"
            f"<NewEnabled>{enabled}</NewEnabled><NewPortMappingDescription>cam &amp; co</NewPortMappingDescription>"
        )
        return 200, _envelope(action, inner)


def _envelope(action: str, inner: str) -> str:
    return (
        '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>'
        f'<u:{action}Response xmlns:u="urn:x">{inner}</u:{action}Response></s:Body></s:Envelope>'
    )


class _Door(BaseHTTPRequestHandler):
    igd: ClassVar[Igd]

    def log_message(self, *args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self.igd.asked.append(f"GET {self.path}")
        if self.igd.mode == "redirect":
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.9:1/secret")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.igd.mode == "login":
            self._send(401, "")
        elif self.igd.mode == "garbage":
            self._send(200, "\x00\xff not xml")
        elif self.igd.mode == "dtd":
            self._send(200, '<!DOCTYPE r [<!ENTITY a "b">]>' + self.igd.description())
        elif self.igd.mode == "huge":
            self._send(200, self.igd.description() + " " * (8 << 20))
        elif self.igd.mode == "drip":
            self._drip()
        else:
            self._send(200, self.igd.description())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        action = self.headers["SOAPAction"].strip('"').rpartition("#")[2]
        self.igd.asked.append(action)
        self._send(*self.igd.answer(action, body))

    def _send(self, status: int, text: str) -> None:
        data = text.encode("latin-1")
        try:
            self.send_response(status)
            self.send_header("Content-Type", "text/xml")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except ConnectionError:  # the client had enough
            self.close_connection = True

    def _drip(self) -> None:
        try:
            self.send_response(200)
            self.send_header("Content-Length", "100000")
            self.end_headers()
            for _ in range(600):
                self.wfile.write(b" ")
                self.wfile.flush()
                time.sleep(0.1)
        except ConnectionError:
            self.close_connection = True


def _respond(sock: socket.socket, igd: Igd, stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            data, source = sock.recvfrom(2048)
        except TimeoutError:
            continue
        target = re.search(rb"\r\nST: (\S+)\r\n", data)
        if not data.startswith(b"M-SEARCH ") or target is None:
            continue
        igd.searched += 1
        if igd.mode == "silent":
            continue
        location = igd.location or f"http://127.0.0.1:{igd.port}/desc.xml?a=1"
        answer = f"HTTP/1.1 200 OK\r\nST: {target.group(1).decode()}\r\nLOCATION: {location}\r\nEXT:\r\n\r\n"
        sock.sendto(answer.encode(), source)


@contextmanager
def igd(**options: object) -> Iterator[Igd]:
    """Run a modem on 127.0.0.1 until the block ends."""
    modem = Igd(**options)  # type: ignore[arg-type]  # fields of Igd
    handler = type("Door", (_Door,), {"igd": modem})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    modem.port = server.server_address[1]
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((GROUP, PORT))
    member = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("127.0.0.1"))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    sock.settimeout(0.1)
    stop = threading.Event()
    threads = [
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}),
        threading.Thread(target=_respond, args=(sock, modem, stop)),
    ]
    for thread in threads:
        thread.start()
    try:
        yield modem
    finally:
        stop.set()
        server.shutdown()
        for thread in threads:
            thread.join()
        server.server_close()
        sock.close()
