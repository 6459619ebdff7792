"""The web interface of a simulated Dahua camera: first password, the ONVIF switch.

Owns these paths. Written apart from our own client, so that the two do not share a mistake. Invariants:
before the first password everything that wants a login is refused; the first password is taken only from
an envelope sealed for this camera's key; `configManager.cgi` wants HTTP Digest, counted in the camera's one
book.
"""

from __future__ import annotations

import base64
import binascii
import json
from functools import cache
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CBC

from drivers.simulated.logins import DigestGate
from drivers.simulated.vendor import VendorSide
from drivers.simulated.web import HttpReply, HttpRequest, digest_refusal

PREFIXES = ("/OutsideCmd", "/RPC2", "/cgi-bin/")
TABLE = "Onvif"
_JSON, _TEXT = "application/json", "text/plain"
_KEY_BITS = 2048
_NOTICE: dict[str, Any] = {"NotifyMethod": "1.2"}


@cache
def camera_key() -> rsa.RSAPrivateKey:
    """Return the RSA key of all simulated Dahua cameras: making one takes a moment."""
    return rsa.generate_private_key(65_537, _KEY_BITS)


class DahuaWeb:
    """Answers for one camera; used in the event loop only."""

    def __init__(self, side: VendorSide, digest: DigestGate) -> None:
        self._side, self._digest = side, digest
        self._agreed = self._just_initialised = self.cloud_off = False
        self._notice: dict[str, Any] | None = None
        """Pushed out in place of the next answer, as some firmware does."""

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer one request below `PREFIXES`."""
        path, _, query = request.path.partition("?")
        if path == "/cgi-bin/configManager.cgi":
            return await self._config(request, query)
        if path not in {"/OutsideCmd", "/RPC2"} or request.method != "POST":
            return HttpReply(404)
        try:
            call = json.loads(request.body)
            notice, self._notice = self._notice, None
            told = await self._call(str(call["method"]), call.get("params") or {}, session="session" in call)
        except (ValueError, KeyError, TypeError, AttributeError, binascii.Error):
            return HttpReply(400)
        return HttpReply(200, _JSON, json.dumps(notice or told).encode() + b"\n")

    async def _call(self, method: str, params: dict[str, Any], *, session: bool) -> dict[str, Any]:
        side = self._side
        if method == "DevInit.getStatus" and not session:
            return _yes({"Init": 2 if side.active else 1, "Find": "AB"})
        if method == "Security.getEncryptInfo":
            numbers = camera_key().public_key().public_numbers()
            public = f"N:{numbers.n:X},E:{numbers.e:06X}"
            return _yes({"asymmetric": "RSA", "cipher": ["AES", "RPAC"], "AESPadding": ["ZERO"], "pub": public})
        if method == "DevInit.access" and not session and self._just_initialised:
            self._just_initialised, self.cloud_off = False, _opened(params).get("NetAccess") == 0
            return _yes()
        if side.active:
            return _no(268_632_085)
        if method == "DevInit.setProtocolAgree" and session:
            self._agreed = params.get("ProtocolEnable") is True
            self._notice = _NOTICE
            return _yes()
        if method == "DevInit.account" and not session and self._agreed:
            account = _opened(params)
            taken = await side.give_password(str(account["name"]), str(account["pwd"]))
            self._just_initialised = taken
            return _yes() if taken else _no(268_959_743)
        return _no(268_894_210)

    async def _config(self, request: HttpRequest, query: str) -> HttpReply:
        if not self._side.active:
            return HttpReply(401, _TEXT, b"Invalid Authority!")
        refusal = digest_refusal(self._digest, self._side.book, request)
        if refusal is not None:
            return refusal
        asked = {key: values[0] for key, values in parse_qs(query, keep_blank_values=True).items()}
        if asked.get("action") == "getConfig" and asked.get("name") == TABLE:
            state = "true" if self._side.onvif_on else "false"
            return HttpReply(200, _TEXT, f"table.{TABLE}.Enable={state}\r\n".encode())
        wanted = asked.get(f"{TABLE}.Enable")
        if asked.get("action") == "setConfig" and wanted in {"true", "false"}:
            await self._side.set_onvif(on=wanted == "true")
            return HttpReply(200, _TEXT, b"OK\r\n")
        return HttpReply(400, _TEXT, b"Error\r\nBad Request!\r\n")


def _opened(params: dict[str, Any]) -> dict[str, Any]:
    """Return the words of an envelope; raises ValueError and its kin for a broken one."""
    if params["cipher"] != "RPAC-256":
        raise ValueError("unknown cipher")
    secret = camera_key().decrypt(bytes.fromhex(params["salt"]), padding.PKCS1v15())
    if len(secret) != 32 or not secret.isdigit():
        raise ValueError("the key is no row of digits")
    decryptor = Cipher(AES(secret), CBC(b"0" * 16)).decryptor()
    plain = decryptor.update(base64.b64decode(params["content"], validate=True)) + decryptor.finalize()
    words: dict[str, Any] = json.loads(plain.rstrip(b"\0"))
    return words


def _yes(params: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"id": 1, "result": True, "params": params}


def _no(code: int) -> dict[str, Any]:
    return {"id": 1, "result": False, "error": {"code": code, "message": "refused"}}
