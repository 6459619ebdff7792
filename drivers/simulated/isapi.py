"""ISAPI of a simulated Hikvision camera: activation, the ONVIF switch, ONVIF users, who it is.

Owns these paths. Written from the maker's guide and apart from our own client, so that the two do not share
a mistake. Invariants: without a password only the activation answers; everything else wants HTTP Digest,
counted in the camera's one book; a challenge is good for one activation.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC, ECB
from lxml import etree

from drivers.simulated.logins import DigestGate, User
from drivers.simulated.markup import Xml, find, parse, tag, value_of
from drivers.simulated.soap import DECLARATION
from drivers.simulated.state import FIRMWARE, MODEL, CameraState
from drivers.simulated.vendor import VendorSide
from drivers.simulated.web import HttpReply, HttpRequest, digest_refusal
from gateway.core.errors import CameraBadReply
from gateway.core.model import Secret

PREFIXES = ("/ISAPI/", "/SDK/")
NAMESPACE = "http://www.isapi.org/ver20/XMLSchema"
CHALLENGE, ACTIVATE = "/ISAPI/Security/challenge", "/ISAPI/System/activate"
CHALLENGE_V3, ACTIVATE_V3 = f"{ACTIVATE}/GetChallengeV3", f"{ACTIVATE}/StartActivateV3"
INTEGRATE, USERS, INFO = (
    "/ISAPI/System/Network/Integrate",
    "/ISAPI/Security/ONVIF/users",
    "/ISAPI/System/deviceInfo",
)
_OLD_BITS, _NEW_BITS = 1024, 3072
_XML, _JSON = "application/xml", "application/json"


class Isapi:
    """Answers for one camera; used in the event loop only."""

    def __init__(self, state: CameraState, side: VendorSide, digest: DigestGate) -> None:
        self._state, self._side, self._digest = state, side, digest
        self._random = ""
        """The text of the last challenge; "" once it was used."""

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer one request below `PREFIXES`."""
        path = request.path.partition("?")[0]
        try:
            if path == "/SDK/activateStatus":
                return self._status()
            if path in (CHALLENGE, CHALLENGE_V3):
                return self._challenge(path, request.body)
            if path in (ACTIVATE, ACTIVATE_V3):
                return await self._activate(path, request.body)
            if not self._side.active:
                return _verdict(403, "notActivated")
            refusal = digest_refusal(self._digest, self._side.book, request)
            return refusal if refusal is not None else await self._known(path, request)
        except (CameraBadReply, ValueError, binascii.Error, TypeError):
            return _verdict(400, "badXmlContent")

    def _status(self) -> HttpReply:
        parts = [tag("Activated", self._side.active)]
        if self._side.generation:
            parts.append(tag("supportVersion", self._side.generation))
        return _xml(tag("ActivateStatus", *parts, version="2.0", xmlns=NAMESPACE))

    def _newer(self, path: str) -> bool:
        return path in (CHALLENGE_V3, ACTIVATE_V3)

    def _challenge(self, path: str, body: bytes) -> HttpReply:
        newer = self._newer(path)
        if self._side.active or newer != (self._side.generation >= 3):
            return _verdict(403, "notSupport")
        sent = str(json.loads(body)["publicKey"]) if newer else value_of(parse(body), "key")
        modulus = int(base64.b64decode(sent, validate=True), 16)
        if modulus.bit_length() != (_NEW_BITS if newer else _OLD_BITS):
            return _verdict(400, "badParameters")
        self._random = secrets.token_hex(16)
        key = rsa.RSAPublicNumbers(65_537, modulus).public_key()
        cipher = key.encrypt(self._random.encode(), padding.PKCS1v15()).hex()
        text = base64.b64encode(cipher.encode()).decode()
        if newer:
            return HttpReply(200, _JSON, json.dumps({"challenge": text}).encode())
        return _xml(tag("Challenge", tag("key", text), version="2.0", xmlns=NAMESPACE))

    async def _activate(self, path: str, body: bytes) -> HttpReply:
        random_text, self._random = self._random, ""
        newer = self._newer(path)
        if not random_text or newer != (self._side.generation >= 3):
            return _verdict(403, "notSupport")
        told = json.loads(body) if newer else {}
        sealed = str(told["password"]) if newer else value_of(parse(body), "password")
        vector = bytes.fromhex(told["iv"]) if newer else None
        plain = _opened(random_text, bytes.fromhex(base64.b64decode(sealed, validate=True).decode()), vector)
        if plain[:16] != random_text[:16].encode():
            return _verdict(400, "badParameters")
        if not await self._side.give_password("admin", plain[16:].decode("ascii")):
            return _verdict(400, "theAccountIsNotActivated")
        return _verdict(200)

    async def _known(self, path: str, request: HttpRequest) -> HttpReply:
        if path == INFO and request.method == "GET":
            return self._info()
        if path == INTEGRATE and request.method == "GET":
            return _xml(self._integrate())
        if path == INTEGRATE and request.method == "PUT":
            wanted = value_of(find(parse(request.body), "ONVIF"), "enable")
            await self._side.set_onvif(on=wanted == "true")
            return _verdict(200)
        if path == USERS and request.method == "GET":
            return _xml(self._users())
        if path == USERS and request.method == "POST":
            return self._add_user(parse(request.body))
        return _verdict(404, "notSupport")

    def _info(self) -> HttpReply:
        parts = [
            tag("deviceName", self._state.name),
            tag("model", MODEL),
            tag("serialNumber", self._state.identity.serial),
            tag("macAddress", self._state.identity.mac),
            tag("firmwareVersion", FIRMWARE),
        ]
        return _xml(tag("DeviceInfo", *parts, version="2.0", xmlns=NAMESPACE))

    def _integrate(self) -> Xml:
        onvif = tag("ONVIF", tag("enable", self._side.onvif_on), tag("certificateType", "digest/WSSE"))
        return tag("Integrate", tag("CGI", tag("enable", False)), onvif, version="2.0", xmlns=NAMESPACE)

    def _users(self) -> Xml:
        users = [
            tag("User", tag("id", number), tag("userName", name), tag("userType", user.level.lower()))
            for number, (name, user) in enumerate(self._side.onvif_book.users.items(), start=1)
        ]
        return tag("UserList", *users, version="2.0", xmlns=NAMESPACE)

    def _add_user(self, root: etree._Element) -> HttpReply:
        name, password = value_of(root, "userName"), value_of(root, "password")
        users = self._side.onvif_book.users
        if not name or name in users or len(password) < 8 or value_of(root, "id") != str(len(users) + 1):
            return _verdict(400, "badParameters")
        users[name] = User(Secret(password), value_of(root, "userType", "operator").capitalize())
        return _verdict(200)


def _opened(random_text: str, cipher: bytes, vector: bytes | None) -> bytes:
    """Return what was sealed with the challenge's key, without its padding."""
    mode = ECB() if vector is None else CBC(vector)  # noqa: S305 - the camera's protocol
    decryptor = Cipher(AES(bytes.fromhex(random_text)), mode).decryptor()
    plain = decryptor.update(cipher) + decryptor.finalize()
    return plain.rstrip(b"\0") if vector is None else plain[: -plain[-1]]


def _xml(body: Xml) -> HttpReply:
    return HttpReply(200, _XML, f"{DECLARATION}{body}".encode())


def _verdict(status: int, why: str = "ok") -> HttpReply:
    code, text = (1, "OK") if status == 200 else (4, "Invalid Operation")
    parts = [tag("statusCode", code), tag("statusString", text), tag("subStatusCode", why)]
    body = tag("ResponseStatus", *parts, version="2.0", xmlns=NAMESPACE)
    return HttpReply(status, _XML, f"{DECLARATION}{body}".encode())
