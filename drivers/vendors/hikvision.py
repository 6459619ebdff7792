"""Hikvision's ISAPI, as far as a new camera needs it: its first password, and ONVIF switched on.

Owns these calls. Blocking. Sources: the maker's ISAPI guide (Activation; `GET /SDK/activateStatus` needs no
login) and what several public programs do (`GetChallengeV3`, `/ISAPI/System/Network/Integrate`,
`/ISAPI/Security/ONVIF/users`). Not tried on a real camera. Invariants: the state is asked right before it
is changed, and read back after; an activated camera is never activated again; an ONVIF user that exists
is never changed.

An ONVIF user is a second account in these cameras. It gets the name and the password of the camera's login,
and over HTTP there is no documented way to send it but in the body of that one call, in clear, on the
camera network. The password itself is given encrypted (`hikcrypto`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from xml.sax.saxutils import escape

from cryptography.hazmat.primitives.asymmetric import rsa

from drivers import xml
from drivers.onvif.transport import Reply
from drivers.vendors import hikcrypto
from drivers.vendors.http import JSON, VendorHttp, json_of, refusal, xml_of
from gateway.core.errors import CameraBadReply, CameraUnsupported
from gateway.core.model import Login, Secret

STATUS = "/SDK/activateStatus"
CHALLENGE, ACTIVATE = "/ISAPI/Security/challenge", "/ISAPI/System/activate"
CHALLENGE_V3 = "/ISAPI/System/activate/GetChallengeV3?format=json"
ACTIVATE_V3 = "/ISAPI/System/activate/StartActivateV3?format=json"
INTEGRATE, ONVIF_USERS = "/ISAPI/System/Network/Integrate", "/ISAPI/Security/ONVIF/users"
NAMESPACE = 'version="2.0" xmlns="http://www.isapi.org/ver20/XMLSchema"'
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>'
_ONVIF, _ONVIF_END = (re.compile(rb"<(?:\w{1,20}:)?ONVIF\b[^>]{0,200}>"), re.compile(rb"</(?:\w{1,20}:)?ONVIF\s*>"))
"""Two patterns, each used once: one for both would look from every opening to the end of a hostile text."""
_ENABLE = re.compile(rb"(<(?:\w{1,20}:)?enabled?\s{0,9}>)\s{0,99}(true|false)\s{0,99}(</)")


@dataclass(frozen=True, slots=True)
class Status:
    """What the camera says of its activation."""

    active: bool
    version: int
    """Generation of the protocol: 3 and above is the newer one."""


def status(http: VendorHttp) -> Status:
    """Ask whether the camera has a password; no login is sent.

    Raises:
        CameraUnsupported: no Hikvision camera answers here.

    """
    reply = http.bare("GET", STATUS)
    root = xml_of(reply)
    told = {xml.local(element).lower(): (element.text or "").strip().lower() for element in root.iter()}
    flag = told.get("activated") or told.get("isactivated")
    if reply.status_code != 200 or flag not in {"true", "false"}:
        raise CameraUnsupported("no Hikvision camera answers here", status=reply.status_code)
    version = told.get("supportversion", "")
    return Status(flag == "true", int(version) if version.isascii() and version.isdigit() and len(version) < 4 else 0)


def activate(
    http: VendorHttp,
    password: Secret,
    *,
    random_bytes: Callable[[int], bytes],
    new_key: Callable[[int], rsa.RSAPrivateKey] = hikcrypto.new_key,
) -> None:
    """Give an inactive camera its first password, of the user `admin`; cannot be taken back from here.

    Raises:
        CameraUnsupported: it has one already, or refuses ours; it did not take it.
        CameraError: as the transport and the replies give cause; it may have taken the password all the same.

    """
    known = status(http)
    if known.active:
        raise CameraUnsupported("the camera has a password already", address=http.host)
    if known.version >= 3:
        _activate_new(http, password, new_key(hikcrypto.NEW_BITS), random_bytes(hikcrypto.BLOCK_BYTES))
    else:
        _activate_old(http, password, new_key(hikcrypto.OLD_BITS))
    if not status(http).active:  # it said yes, and may need a moment: never told as a refusal
        raise CameraBadReply("the camera took the password but is still inactive", address=http.host)


def _activate_old(http: VendorHttp, password: Secret, key: rsa.RSAPrivateKey) -> None:
    asked = f"{_HEAD}<PublicKey {NAMESPACE}><key>{hikcrypto.public_text(key)}</key></PublicKey>"
    reply = _accepted(http.bare("POST", CHALLENGE, asked.encode()), "the activation's key")
    random_text = hikcrypto.opened(key, xml.text_of(xml_of(reply), "key", 8192))
    secret = hikcrypto.sealed(random_text, password, None)
    told = f"{_HEAD}<ActivateInfo {NAMESPACE}><password>{secret}</password></ActivateInfo>"
    _accepted(http.bare("PUT", ACTIVATE, told.encode()), "the activation")


def _activate_new(http: VendorHttp, password: Secret, key: rsa.RSAPrivateKey, vector: bytes) -> None:
    asked = json.dumps({"publicKey": hikcrypto.public_text(key)}).encode()
    reply = _accepted(http.bare("POST", CHALLENGE_V3, asked, JSON), "the activation's key")
    random_text = hikcrypto.opened(key, str(json_of(reply).get("challenge", "")))
    told = {"password": hikcrypto.sealed(random_text, password, vector), "iv": vector.hex()}
    _accepted(http.bare("POST", ACTIVATE_V3, json.dumps(told).encode(), JSON), "the activation")


def enable_onvif(http: VendorHttp) -> bool:
    """Switch ONVIF on; returns False if it was on already.

    Cameras take the description only as they gave it, so one word of it is changed and nothing else.

    Raises:
        CameraUnsupported: the camera has no such switch, or it did not stay on.

    """
    old = _accepted(http.call("GET", INTEGRATE), "to show its protocols").content
    if _onvif_is_on(old):
        return False
    switch = _switch(old)
    _accepted(
        http.call("PUT", INTEGRATE, old[: switch.start(2)] + b"true" + old[switch.end(2) :]), "to switch ONVIF on"
    )
    if not _onvif_is_on(_accepted(http.call("GET", INTEGRATE), "to show its protocols").content):
        raise CameraUnsupported("ONVIF did not stay on", address=http.host)
    return True


def _onvif_is_on(data: bytes) -> bool:
    return _switch(data).group(2) == b"true"


def _switch(data: bytes) -> re.Match[bytes]:
    """Return where ONVIF's part of a description is switched; raises CameraUnsupported if it is nowhere."""
    start = _ONVIF.search(data)
    end = _ONVIF_END.search(data, start.end()) if start else None
    switch = _ENABLE.search(data, start.end(), end.start()) if start and end else None
    if switch is None:
        raise CameraUnsupported("the camera has no switch for ONVIF")
    return switch


def ensure_onvif_user(http: VendorHttp, login: Login) -> bool:
    """Give the login an ONVIF account of its name; returns False if there is one, or none is needed.

    Raises:
        CameraUnsupported: the camera refuses another user (there may be too many).

    """
    try:
        reply = _accepted(http.call("GET", ONVIF_USERS), "to show its ONVIF users")
    except CameraUnsupported as error:
        if error.fields.get("status") in {404, 405}:  # older firmware: one list of users for everything
            return False
        raise
    users = list(xml.all_named(xml_of(reply), "User")) if reply.content.strip() else []
    if any(xml.text_of(user, "userName") == login.username for user in users):
        return False
    numbers = [int(text) for user in users if (text := xml.text_of(user, "id", 9)).isascii() and text.isdigit()]
    told = (
        f"{_HEAD}<User {NAMESPACE}><id>{max(numbers, default=0) + 1}</id>"
        f"<userName>{escape(login.username)}</userName><password>{escape(login.password.reveal())}</password>"
        "<userType>administrator</userType></User>"
    )
    _accepted(http.call("POST", ONVIF_USERS, told.encode()), "an ONVIF user")
    return True


def _accepted(reply: Reply, what: str) -> Reply:
    """Return the reply if it says yes: status 200, and `statusCode` 1 where there is one (ISAPI ResponseStatus)."""
    code, why = "1", ""
    text = reply.content.lstrip()
    if text[:1] == b"{":
        told = json_of(reply)
        code, why = str(told.get("statusCode", 1)), str(told.get("subStatusCode", ""))
    elif text[:1] == b"<":
        try:
            root = xml_of(reply)
        except CameraBadReply:
            if reply.status_code == 200:
                raise
            raise refusal(what, reply) from None  # an error page need not be XML
        code, why = xml.text_of(root, "statusCode") or "1", xml.text_of(root, "subStatusCode")
    if reply.status_code != 200 or code != "1":
        raise refusal(what, reply, why)
    return reply
