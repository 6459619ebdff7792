"""Dahua's web interface, as far as a new camera needs it: its first password, and ONVIF switched on.

Owns these calls. Blocking. Sources: the first password (`/OutsideCmd`, methods `DevInit.*`) is not
published; the facts are those of public programs tried on such cameras. Reading and setting a value by
`configManager.cgi` is in the maker's HTTP API guide, the name of ONVIF's switch is not: the names in use
are asked for, and only one that the camera itself shows is set. Not tried on a real camera. Invariants: the
state is asked right before it is changed, and read back after; a camera with a password is never
initialised again.

Not supported: firmware that takes no first password without a telephone number or a mail address for its
recovery (it refuses, and says so), recorders that want a pattern or questions, and everything over DVRIP.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from drivers.discovery.dahua import initialised
from drivers.onvif.transport import Reply
from drivers.vendors import dahuacrypto
from drivers.vendors.http import JSON, VendorHttp, json_of, part_of, refusal
from gateway.core.errors import CameraBadReply, CameraUnsupported
from gateway.core.model import Login

OUTSIDE, RPC, CONFIG = "/OutsideCmd", "/RPC2", "/cgi-bin/configManager.cgi"
ONVIF_NAMES = ("Onvif", "OnvifServer", "ONVIF")
"""Tables in which firmwares keep `Enable` for ONVIF."""
_NOTICES = 6
"""A notice of the camera may come in place of an answer; so often a question is asked."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the camera says of its first password."""

    active: bool


def status(http: VendorHttp) -> Status:
    """Ask whether the camera has a password; no login is sent.

    Raises:
        CameraUnsupported: no Dahua camera answers here, or one too old to say.

    """
    told = _asked(http, "DevInit.getStatus", session=False)
    init = initialised(part_of(told, "params").get("Init", told.get("Init")))
    if init is None:
        raise CameraUnsupported("no Dahua camera that knows initialising answers here", address=http.host)
    return Status(init)


def initialise(http: VendorHttp, login: Login, *, digit: Callable[[str], str] = secrets.choice) -> bool:
    """Give a camera its first password; cannot be taken back from here.

    Returns whether it also agreed to leave the maker's cloud off and not to look for firmware by itself.

    Raises:
        CameraUnsupported: it has a password already, or refuses ours; it did not take it.
        CameraError: as the transport and the replies give cause; it may have taken the password all the same.

    """
    if status(http).active:
        raise CameraUnsupported("the camera has a password already", address=http.host)
    _rpc(http, "DevInit.setProtocolAgree", {"ProtocolEnable": True}, session=True)  # some firmware has no such step
    account = {"name": login.username, "pwd": login.password.reveal(), "CellPhone": "", "Mail": ""}
    answer = _sealed(http, "DevInit.account", account, digit)
    if not status(http).active:
        if answer.get("result") is not False:  # a yes, or a notice in place of a no: never told as a refusal
            raise CameraBadReply("the camera may have taken the password but shows none", address=http.host)
        raise CameraUnsupported(
            "the camera refused: its first password", address=http.host, why=part_of(answer, "error").get("code", "")
        )
    try:
        quiet = _sealed(http, "DevInit.access", {"NetAccess": 0, "UpgradeCheck": 2}, digit)
    except (CameraUnsupported, CameraBadReply):  # the maker's own page goes on without it, too
        return False
    return quiet.get("result") is True


def _sealed(
    http: VendorHttp, method: str, words: Mapping[str, object], digit: Callable[[str], str]
) -> Mapping[str, Any]:
    told = _asked(http, "Security.getEncryptInfo", session=True, path=RPC)
    key = dahuacrypto.public_key(str(part_of(told, "params").get("pub", told.get("pub", ""))))
    return _rpc(http, method, asdict(dahuacrypto.envelope(key, words, digit)), session=False)


def _asked(http: VendorHttp, method: str, *, session: bool, path: str = OUTSIDE) -> Mapping[str, Any]:
    """Ask for something; a notice of the camera that comes in place of the answer is passed over."""
    for _ in range(_NOTICES):
        told = _rpc(http, method, None, session=session, path=path)
        if "NotifyMethod" not in told:
            return told
    raise CameraBadReply("the camera sends notices instead of an answer", method=method)


def _rpc(
    http: VendorHttp, method: str, params: Mapping[str, object] | None, *, session: bool, path: str = OUTSIDE
) -> Mapping[str, Any]:
    """Call a method once, without a login.

    Some methods are refused with a `session`, some without: the camera's own page tells them apart so.
    """
    body = {"method": method, "params": params, "id": 1} | ({"session": 0} if session else {})
    reply = http.bare("POST", path, json.dumps(body).encode(), JSON)
    if reply.status_code != 200:
        raise refusal(method, reply)
    return json_of(reply)


def enable_onvif(http: VendorHttp) -> bool:
    """Switch ONVIF on; returns False if it was on already.

    Raises:
        CameraUnsupported: the camera shows no such switch, or it did not stay on.

    """
    for name in ONVIF_NAMES:
        state = _onvif(http, name)
        if state is None:
            continue
        if state:
            return False
        reply = http.call("GET", f"{CONFIG}?action=setConfig&{name}.Enable=true")
        if reply.status_code != 200 or not reply.content.strip().upper().startswith(b"OK"):
            raise refusal("to switch ONVIF on", reply)
        if _onvif(http, name) is not True:
            raise CameraUnsupported("ONVIF did not stay on", address=http.host)
        return True
    raise CameraUnsupported("the camera shows no switch for ONVIF", address=http.host)


def _onvif(http: VendorHttp, name: str) -> bool | None:
    """Return whether ONVIF is on by the table of that name; None if the camera has no such table."""
    try:
        reply: Reply = http.call("GET", f"{CONFIG}?action=getConfig&name={name}")
    except CameraUnsupported as error:
        if error.fields.get("status") in {404, 405, 501}:
            return None
        raise
    if reply.status_code != 200:
        return None
    wanted = f"table.{name}.Enable="
    lines = reply.content.decode("utf-8", "replace").splitlines()[:1000]
    value = next((line.strip().removeprefix(wanted) for line in lines if line.strip().startswith(wanted)), "")
    return {"true": True, "false": False}.get(value.strip().lower())
