"""Helpers for tests of the simulated camera: a raw RTSP client and a raw SOAP caller, blocking and naive."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import socket
import struct
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from lxml import etree

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.markup import local
from drivers.simulated.soap import NAMESPACES, SERVICE_PATHS, SOAP
from gateway.core.model import StreamRole

PASSWORD = "Mat-khau-12"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
HANG_S = 20.0


def reply_digest(algorithm: str, *parts: str) -> str:
    """Written again here, so that client and server do not share one mistake."""
    name = {"MD5": "md5", "SHA-256": "sha256"}[algorithm]
    return hashlib.new(name, ":".join(parts).encode()).hexdigest()


def answer_challenge(challenge: str, method: str, uri: str, password: str = PASSWORD, username: str = "admin") -> str:
    """Return an Authorization value for one Digest challenge."""
    fields = {k: v.strip('"') for k, v in re.findall(r'(\w+)=("[^"]*"|[^,\s]+)', challenge)}
    algorithm = fields.get("algorithm", "MD5")
    ha1 = reply_digest(algorithm, username, fields["realm"], password)
    ha2 = reply_digest(algorithm, method, uri)
    head = f'Digest username="{username}", realm="{fields["realm"]}", nonce="{fields["nonce"]}", uri="{uri}"'
    if "algorithm" in fields:
        head += f", algorithm={algorithm}"
    if "qop" in fields:
        cnonce = os.urandom(8).hex()
        response = reply_digest(algorithm, ha1, fields["nonce"], "00000001", cnonce, "auth", ha2)
        return head + f', qop=auth, nc=00000001, cnonce="{cnonce}", response="{response}"'
    return head + f', response="{reply_digest(algorithm, ha1, fields["nonce"], ha2)}"'


@dataclass(frozen=True)
class RtspAnswer:
    status: int
    head: str
    body: bytes

    def values(self, name: str) -> list[str]:
        return re.findall(rf"^{name}: (.*?)\r?$", self.head, re.MULTILINE)


@dataclass(frozen=True)
class Packet:
    channel: int
    data: bytes

    @property
    def marker(self) -> bool:
        return bool(self.data[1] & 0x80)

    @property
    def seq(self) -> int:
        return int(struct.unpack(">H", self.data[2:4])[0])

    @property
    def time_90k(self) -> int:
        return int(struct.unpack(">I", self.data[4:8])[0])

    @property
    def ssrc(self) -> int:
        return int(struct.unpack(">I", self.data[8:12])[0])

    @property
    def payload(self) -> bytes:
        return self.data[12:]

    @property
    def nal_type(self) -> int:
        """H.264: of the unit itself, or of the one this FU-A is a part of."""
        kind = self.payload[0] & 0x1F
        return self.payload[1] & 0x1F if kind == 28 else kind


class RtspClient:
    """One blocking RTSP connection."""

    def __init__(self, camera: SimulatedCamera, *, password: str = PASSWORD, algorithm: str = "MD5") -> None:
        self.camera, self._password, self._algorithm = camera, password, algorithm
        self._socket = socket.create_connection((camera.address, camera.rtsp_port), HANG_S)
        self._file = self._socket.makefile("rb")
        self._cseq = 0
        self._challenge = ""
        self.session = ""
        self.packets: list[Packet] = []
        self.url = camera.rtsp_url()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def read_raw(self, size: int) -> bytes:
        return self._file.read(size)

    def once(self, method: str, url: str, *headers: str) -> RtspAnswer:
        """One request, one answer; packets that come before it are kept."""
        self._cseq += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}", *headers]
        if self._challenge:
            lines.append(f"Authorization: {answer_challenge(self._challenge, method, url, self._password)}")
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode())
        while True:
            first = self._file.read(1)
            if first != b"$":
                break
            self.packets.append(self._packet())
        if not first:
            raise ConnectionResetError("the camera hung up")
        head = first
        while not head.endswith(b"\r\n\r\n"):
            line = self._file.readline()
            if not line:
                raise ConnectionResetError("the camera hung up")
            head += line
        text = head.decode()
        length = re.search(r"^Content-Length: (\d+)", text, re.MULTILINE)
        body = self._file.read(int(length[1])) if length else b""
        assert f"CSeq: {self._cseq}\r\n" in text
        return RtspAnswer(int(text.split(" ")[1]), text, body)

    def ask(self, method: str, url: str, *headers: str) -> RtspAnswer:
        """As `once`, and answer one challenge of our algorithm."""
        answer = self.once(method, url, *headers)
        if answer.status == 401 and not self._challenge:
            offered = [v for v in answer.values("WWW-Authenticate") if v.startswith("Digest")]
            fitting = [v for v in offered if ("SHA-256" in v) == (self._algorithm == "SHA-256")]
            self._challenge = fitting[0]
            answer = self.once(method, url, *headers)
        return answer

    def setup(
        self, role: StreamRole = StreamRole.MAIN, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1"
    ) -> RtspAnswer:
        self.url = self.camera.rtsp_url(role)
        self.ask("DESCRIBE", self.url)
        answer = self.ask("SETUP", self.url + "/trackID=0", f"Transport: {transport}")
        if answer.status == 200:
            self.session = answer.values("Session")[0].partition(";")[0]
        return answer

    def play(self) -> RtspAnswer:
        return self.ask("PLAY", self.url, f"Session: {self.session}")

    def teardown(self) -> RtspAnswer:
        return self.ask("TEARDOWN", self.url, f"Session: {self.session}")

    def _packet(self) -> Packet:
        channel, length = struct.unpack(">BH", self._file.read(3))
        return Packet(channel, self._file.read(length))

    def next_packet(self) -> Packet:
        if self.packets:
            return self.packets.pop(0)
        first = self._file.read(1)
        if not first:
            raise ConnectionResetError("the camera hung up")
        assert first == b"$"
        return self._packet()

    def take(self, count: int) -> list[Packet]:
        """Return `count` RTP packets; RTCP is left out."""
        got: list[Packet] = []
        while len(got) < count:
            packet = self.next_packet()
            if packet.channel % 2 == 0:
                got.append(packet)
        return got


def username_token(
    password: str = PASSWORD, *, username: str = "admin", at: datetime | None = None, text: bool = False
) -> str:
    """Return a wsse:Security header."""
    nonce, created = os.urandom(16), (at or datetime.now(UTC)).strftime("%Y-%m-%dT%H:%M:%SZ")
    digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()
    kind, value = ("PasswordText", password) if text else ("PasswordDigest", digest)
    return (
        f'<w:Security xmlns:w="{WSSE}wssecurity-secext-1.0.xsd" xmlns:u="{WSSE}wssecurity-utility-1.0.xsd"><w:UsernameToken>'
        f'<w:Username>{username}</w:Username><w:Password Type="{WSSE}username-token-profile-1.0#{kind}">{value}</w:Password>'
        f"<w:Nonce>{base64.b64encode(nonce).decode()}</w:Nonce><u:Created>{created}</u:Created></w:UsernameToken></w:Security>"
    )


@dataclass(frozen=True)
class SoapAnswer:
    status: int
    body: bytes
    challenges: list[str]

    def text(self, name: str) -> str:
        found = self.all(name)
        return found[0] if found else ""

    def all(self, name: str) -> list[str]:
        root = etree.fromstring(self.body)
        return [e.text or "" for e in root.iter() if local(e) == name]

    def element(self, name: str) -> etree._Element:
        root = etree.fromstring(self.body)
        return next(e for e in root.iter() if local(e) == name)

    @property
    def subcodes(self) -> list[str]:
        return [v.partition(":")[2] for v in self.all("Value")]


def soap_document(prefix: str, operation: str, content: str = "", *, header: str = "") -> bytes:
    declared = " ".join(f'xmlns:{key}="{uri}"' for key, uri in NAMESPACES.items() if key != "s")
    body = f"<{prefix}:{operation}>{content}</{prefix}:{operation}>"
    return f'<s:Envelope xmlns:s="{SOAP}" {declared}><s:Header>{header}</s:Header><s:Body>{body}</s:Body></s:Envelope>'.encode()


def post(url: str, data: bytes, authorization: str = "") -> SoapAnswer:
    request = urllib.request.Request(url, data, {"Content-Type": "application/soap+xml"})
    return _fetch(request, authorization)


def get(url: str, authorization: str = "") -> SoapAnswer:
    return _fetch(urllib.request.Request(url), authorization)


def _fetch(request: urllib.request.Request, authorization: str) -> SoapAnswer:
    if authorization:
        request.add_header("Authorization", authorization)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=HANG_S) as answer:
            return SoapAnswer(answer.status, answer.read(), [])
    except urllib.error.HTTPError as error:
        with error:
            return SoapAnswer(error.code, error.read(), error.headers.get_all("WWW-Authenticate") or [])


def call(
    camera: SimulatedCamera,
    prefix: str,
    operation: str,
    content: str = "",
    *,
    header: str | None = None,
    path: str = "",
    service: str = "",
) -> SoapAnswer:
    """Call one operation with a UsernameToken (or the header given)."""
    url = f"http://{camera.address}:{camera.onvif_port}{path or SERVICE_PATHS[service or prefix]}"
    return post(url, soap_document(prefix, operation, content, header=username_token() if header is None else header))


def probe_message(types: str = "dn:NetworkVideoTransmitter", scopes: str = "") -> bytes:
    ident = f"urn:uuid:{uuid.uuid4()}"
    return (
        f'<?xml version="1.0"?><s:Envelope xmlns:s="{SOAP}" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl">'
        f"<s:Header><a:MessageID>{ident}</a:MessageID></s:Header><s:Body><d:Probe><d:Types>{types}</d:Types>"
        f"<d:Scopes>{scopes}</d:Scopes></d:Probe></s:Body></s:Envelope>"
    ).encode()
