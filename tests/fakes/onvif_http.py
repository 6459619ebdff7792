"""A tiny ONVIF camera and a raw TCP server, both on loopback, for tests of the ONVIF driver.

Independent of the simulated camera on purpose: two readings of the standard find more than one. It
checks logins on its own and counts them, answers what a test scripts, and can be a hostile stranger.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Self

from tests.fakes.webthread import Quiet, WebThread

SOAP = "http://www.w3.org/2003/05/soap-envelope"
NAMESPACES = {
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
}
USER, PASSWORD = "admin", "Sữa-chua-12"
JPEG = b"\xff\xd8\xff\xe0" + b"picture" * 20
NOW = datetime(2026, 11, 21, 5, 0, 0, tzinfo=UTC)
"""The camera's clock without skew: that of the fake clock."""


@dataclass(frozen=True)
class Answer:
    """One HTTP answer as a test scripts it."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/soap+xml; charset=utf-8"),)


def envelope(body: str) -> bytes:
    names = " ".join(f'xmlns:{key}="{value}"' for key, value in NAMESPACES.items())
    return f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope xmlns:s="{SOAP}" {names}><s:Body>{body}</s:Body></s:Envelope>'.encode()


def fault(subcode: str, reason: str = "no", status: int = 400) -> Answer:
    inner = (
        "<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode>"
        f"<s:Value>ter:{subcode}</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en">{reason}</s:Text></s:Reason></s:Fault>'
    )
    return Answer(status, envelope(inner))


def media1_profile(token: str, source: str, size: tuple[int, int], encoding: str = "H264", kbps: int = 2000) -> str:
    gov = "<tt:H264><tt:GovLength>30</tt:GovLength><tt:H264Profile>Main</tt:H264Profile></tt:H264>"
    return (
        f'<trt:Profiles token="{token}" fixed="true"><tt:Name>{token}</tt:Name>'
        f'<tt:VideoSourceConfiguration token="vsc-{source}"><tt:Name>v</tt:Name><tt:UseCount>1</tt:UseCount>'
        f'<tt:SourceToken>{source}</tt:SourceToken><tt:Bounds x="0" y="0" width="{size[0]}" height="{size[1]}"/>'
        f'</tt:VideoSourceConfiguration><tt:VideoEncoderConfiguration token="enc-{token}"><tt:Name>e</tt:Name>'
        f"<tt:UseCount>1</tt:UseCount><tt:Encoding>{encoding}</tt:Encoding><tt:Resolution><tt:Width>{size[0]}</tt:Width>"
        f"<tt:Height>{size[1]}</tt:Height></tt:Resolution><tt:Quality>4</tt:Quality><tt:RateControl>"
        f"<tt:FrameRateLimit>15</tt:FrameRateLimit><tt:EncodingInterval>1</tt:EncodingInterval>"
        f"<tt:BitrateLimit>{kbps}</tt:BitrateLimit></tt:RateControl>{gov if encoding == 'H264' else ''}"
        "<tt:Multicast><tt:Address><tt:Type>IPv4</tt:Type></tt:Address><tt:Port>0</tt:Port><tt:TTL>0</tt:TTL>"
        "<tt:AutoStart>false</tt:AutoStart></tt:Multicast><tt:SessionTimeout>PT60S</tt:SessionTimeout>"
        "</tt:VideoEncoderConfiguration></trt:Profiles>"
    )


@dataclass
class FakeOnvif:
    """An ONVIF camera whose every trait is a field; entered = listening on `address`."""

    address: str = "127.0.0.1"
    auth: str = "wsse"
    """wsse, digest, basic, open."""
    algorithms: tuple[str, ...] = ("MD5",)
    """Digest algorithms offered, one WWW-Authenticate header each, in this order."""
    skew: timedelta = timedelta(0)
    window: timedelta = timedelta(seconds=60)
    clock_wants_login: bool = False
    date_header: bool = True
    open_operations: frozenset[str] = frozenset()
    advertised_host: str = ""
    advertised_port: int = 0
    media2: bool = False
    serial: str = "SN7"
    scripted: dict[str, Answer] = field(default_factory=dict)
    """Answers by operation ("GET" for pictures), given instead of the true one after the login."""
    password: str = PASSWORD
    nonce: str = "n0nce"
    changes_nonce: bool = False
    """Every challenge names a new nonce, and only the newest is good."""
    calls: list[str] = field(default_factory=list)
    authorised: list[str] = field(default_factory=list)
    bad_logins: int = 0
    bodies: list[bytes] = field(default_factory=list)
    headers: list[bytes] = field(default_factory=list)
    """Request lines and headers, as they came."""
    _nonces: set[str] = field(default_factory=set)
    port: int = 0

    def __enter__(self) -> Self:
        camera = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65_536  # header and body in one write: two cost 40 ms a call (delayed ACK)

            def do_POST(self) -> None:
                camera._serve(self)

            def do_GET(self) -> None:
                camera._serve(self)

            def date_time_string(self, timestamp: float | None = None) -> str:
                return f"{NOW + camera.skew:%a, %d %b %Y %H:%M:%S} GMT"

            def send_header(self, keyword: str, value: str) -> None:
                if keyword != "Date" or camera.date_header:
                    super().send_header(keyword, value)

        self._web = WebThread(Handler, self.address, self.port).__enter__()
        self.port = self._web.port
        return self

    def __exit__(self, *_: object) -> None:
        self._web.__exit__()

    # what the camera decides

    def _serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length", 0)))
        self.bodies.append(body)
        self.headers.append(f"{request.requestline}\n{request.headers}".encode())
        found = re.search(rb"<(?:[\w-]+:)?Body>\s*<(?:[\w-]+:)?(\w+)", body)
        operation = found.group(1).decode() if found else request.command
        self.calls.append(operation)
        answer = self._answer(operation, request, body)
        request.send_response(answer.status)
        for key, value in answer.headers:
            request.send_header(key, value)
        request.send_header("Content-Length", str(len(answer.body)))
        request.end_headers()
        with contextlib.suppress(ConnectionError):
            request.wfile.write(answer.body)

    def _answer(self, operation: str, request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        public = operation == "GetSystemDateAndTime" and not self.clock_wants_login
        if self.auth != "open" and not public and operation not in self.open_operations:
            refusal = self._login(operation, request, body)
            if refusal:
                return refusal
        if operation in self.scripted:
            return self.scripted[operation]
        if operation == "GET":
            return Answer(200, JPEG, (("Content-Type", "image/jpeg"),))
        method = getattr(self, f"_{operation.lower()}", None)
        return Answer(200, envelope(method(body.decode()))) if method else fault("ActionNotSupported", "no", 500)

    def _login(self, operation: str, request: BaseHTTPRequestHandler, body: bytes) -> Answer | None:
        given, good = False, False
        http = request.headers.get("Authorization", "")
        wants_http = self.auth == "digest" or operation == "GET"
        if wants_http and http:
            given, good = True, self._digest_good(http, request.command)
        elif self.auth == "wsse" and b"UsernameToken" in body:
            given, good = True, self._token_good(body.decode())
        if good:
            self.authorised.append(operation)
            return None
        self.bad_logins += given
        if self.auth == "basic":
            return Answer(401, b"", (("WWW-Authenticate", 'Basic realm="cam"'),))
        if wants_http:
            if self.changes_nonce:
                self.nonce = f"n{len(self.calls)}"
            offers = tuple(
                ("WWW-Authenticate", f'Digest realm="cam", qop="auth", nonce="{self.nonce}", algorithm={name}')
                for name in self.algorithms
            )
            return Answer(401, b"<html>401</html>", (("Content-Type", "text/html"), *offers))
        return fault("NotAuthorized", "Sender not Authorized")

    def _token_good(self, text: str) -> bool:
        def value(name: str) -> str:
            found = re.search(rf"<(?:[\w-]+:)?{name}(?:\s[^>]*)?>([^<]*)<", text)
            return found.group(1) if found else ""

        nonce, created = value("Nonce"), value("Created")
        proof = hashlib.sha1(base64.b64decode(nonce) + created.encode() + self.password.encode()).digest()
        at = datetime.fromisoformat(created)
        fresh = abs(at - (NOW + self.skew)) <= self.window and nonce not in self._nonces
        self._nonces.add(nonce)
        return value("Username") == USER and value("Password") == base64.b64encode(proof).decode() and fresh

    def _digest_good(self, header: str, method: str) -> bool:
        fields = {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', header)}
        name = fields.get("algorithm", "MD5")
        if name not in self.algorithms or fields.get("nonce") != self.nonce:
            return False

        def digest(text: str) -> str:
            return hashlib.new("sha256" if "256" in name else "md5", text.encode()).hexdigest()

        secret = digest(f"{USER}:cam:{self.password}")
        request = digest(f"{method}:{fields['uri']}")
        wanted = digest(f"{secret}:{self.nonce}:{fields['nc']}:{fields['cnonce']}:auth:{request}")
        return bool(fields["response"] == wanted)

    # what the camera says

    def _base(self) -> str:
        return f"http://{self.advertised_host or self.address}:{self.advertised_port or self.port}/onvif"

    def _getsystemdateandtime(self, _: str) -> str:
        t = NOW + self.skew
        return (
            "<tds:GetSystemDateAndTimeResponse><tds:SystemDateAndTime><tt:DateTimeType>NTP</tt:DateTimeType>"
            "<tt:DaylightSavings>false</tt:DaylightSavings><tt:UTCDateTime>"
            f"<tt:Time><tt:Hour>{t.hour}</tt:Hour><tt:Minute>{t.minute}</tt:Minute><tt:Second>{t.second}</tt:Second></tt:Time>"
            f"<tt:Date><tt:Year>{t.year}</tt:Year><tt:Month>{t.month}</tt:Month><tt:Day>{t.day}</tt:Day></tt:Date>"
            "</tt:UTCDateTime></tds:SystemDateAndTime></tds:GetSystemDateAndTimeResponse>"
        )

    def _getdeviceinformation(self, _: str) -> str:
        return (
            "<tds:GetDeviceInformationResponse><tds:Manufacturer>Vườn</tds:Manufacturer><tds:Model>Mầm</tds:Model>"
            "<tds:FirmwareVersion>1.2</tds:FirmwareVersion>"
            f"<tds:SerialNumber>{self.serial}</tds:SerialNumber>"
            "<tds:HardwareId>H</tds:HardwareId></tds:GetDeviceInformationResponse>"
        )

    def _getservices(self, _: str) -> str:
        names = ["tds", "trt", *(["tr2"] if self.media2 else [])]
        entries = "".join(
            f"<tds:Service><tds:Namespace>{NAMESPACES[name]}</tds:Namespace><tds:XAddr>{self._base()}/{name}</tds:XAddr>"
            "<tds:Version><tt:Major>2</tt:Major><tt:Minor>6</tt:Minor></tds:Version></tds:Service>"
            for name in names
        )
        return f"<tds:GetServicesResponse>{entries}</tds:GetServicesResponse>"

    def _getcapabilities(self, _: str) -> str:
        return (
            "<tds:GetCapabilitiesResponse><tds:Capabilities><tt:Media>"
            f"<tt:XAddr>{self._base()}/trt</tt:XAddr><tt:StreamingCapabilities/></tt:Media></tds:Capabilities>"
            "</tds:GetCapabilitiesResponse>"
        )

    def _getnetworkinterfaces(self, _: str) -> str:
        return (
            '<tds:GetNetworkInterfacesResponse><tds:NetworkInterfaces token="e"><tt:Enabled>true</tt:Enabled>'
            "<tt:Info><tt:Name>eth0</tt:Name><tt:HwAddress>02-AB-00-00-00-07</tt:HwAddress><tt:MTU>1500</tt:MTU></tt:Info>"
            "</tds:NetworkInterfaces></tds:GetNetworkInterfacesResponse>"
        )

    def _getprofiles(self, body: str) -> str:
        if NAMESPACES["tr2"] in body:
            return (
                "<tr2:GetProfilesResponse>" + media2_profile("m0", (2560, 1440), "H265") + "</tr2:GetProfilesResponse>"
            )
        profiles = media1_profile("small", "vs0", (640, 360)) + media1_profile("big", "vs0", (1920, 1080))
        return f"<trt:GetProfilesResponse>{profiles}</trt:GetProfilesResponse>"

    def _getstreamuri(self, body: str) -> str:
        token = re.findall(r"ProfileToken>([^<]*)<", body)[0]
        uri = f"rtsp://{USER}:leak@{self.advertised_host or '10.9.9.9'}:8554/live/{token}?x=1&amp;y=2"
        if NAMESPACES["tr2"] in body:
            return f"<tr2:GetStreamUriResponse><tr2:Uri>{uri}</tr2:Uri></tr2:GetStreamUriResponse>"
        return (
            f"<trt:GetStreamUriResponse><trt:MediaUri><tt:Uri>{uri}</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
            "<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetStreamUriResponse>"
        )

    def _getsnapshoturi(self, _: str) -> str:
        return (
            "<trt:GetSnapshotUriResponse><trt:MediaUri><tt:Uri>http://10.9.9.9/shot.jpg?ch=1</tt:Uri>"
            "<tt:InvalidAfterConnect>false</tt:InvalidAfterConnect><tt:InvalidAfterReboot>false</tt:InvalidAfterReboot>"
            "<tt:Timeout>PT0S</tt:Timeout></trt:MediaUri></trt:GetSnapshotUriResponse>"
        )


def media2_profile(token: str, size: tuple[int, int], encoding: str) -> str:
    return (
        f'<tr2:Profiles token="{token}" fixed="true"><tr2:Name>{token}</tr2:Name><tr2:Configurations>'
        '<tr2:VideoSource token="v"><tt:Name>v</tt:Name><tt:SourceToken>vs0</tt:SourceToken></tr2:VideoSource>'
        f'<tr2:VideoEncoder token="enc-{token}" GovLength="50"><tt:Name>e</tt:Name><tt:Encoding>{encoding}</tt:Encoding>'
        f"<tt:Resolution><tt:Width>{size[0]}</tt:Width><tt:Height>{size[1]}</tt:Height></tt:Resolution>"
        "<tt:RateControl><tt:FrameRateLimit>25</tt:FrameRateLimit><tt:BitrateLimit>4096</tt:BitrateLimit></tt:RateControl>"
        "</tr2:VideoEncoder></tr2:Configurations></tr2:Profiles>"
    )


@contextlib.contextmanager
def raw_server(script: Callable[[socket.socket], None], *, wait_for_request: bool = True) -> Iterator[int]:
    """Listen on loopback; each connection's request is read up to its end (if there is one), then `script` answers."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, contextlib.suppress(OSError):
                peer.settimeout(5)
                data = b""
                while wait_for_request and b"\r\n\r\n" not in data:
                    data += peer.recv(65_536)
                script(peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
