"""The logins of ONVIF: WS-Security UsernameToken, HTTP Digest, and the two that carry the password.

Owns how a password becomes proof. Pure but for randomness and the nonce counter; thread-safe: no
object is changed while a header is made (the token of onvif-zeep is, and mixes up times between
threads). Invariants: the password itself leaves by `clear_header` and `basic` only, and `session` says
when: PasswordText where the installer allowed it, Basic over TLS. Reading challenges and the Digest sum are
those of RTSP: `drivers.rtsp.auth`.
"""

from __future__ import annotations

import base64
import hashlib
import threading
from collections.abc import Callable
from datetime import UTC, datetime

from lxml import etree

from drivers.rtsp.auth import Challenge, authorization
from gateway.core.model import Login

_SOAP = "http://www.w3.org/2003/05/soap-envelope"
_WSS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
_WSSE = f"{_WSS}wssecurity-secext-1.0.xsd"
_WSU = f"{_WSS}wssecurity-utility-1.0.xsd"
_DIGEST_TYPE = f"{_WSS}username-token-profile-1.0#PasswordDigest"
_TEXT_TYPE = f"{_WSS}username-token-profile-1.0#PasswordText"
_BASE64_TYPE = f"{_WSS}soap-message-security-1.0#Base64Binary"


def created_at(now_ms: int, skew_ms: int) -> str:
    """Return the camera's present time as `Created` wants it: UTC with Z (some refuse +00:00)."""
    moment = datetime.fromtimestamp((now_ms + skew_ms) / 1000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def password_digest(nonce: bytes, created: str, password: str) -> str:
    """Return Base64(SHA-1(nonce + created + password)) (WSS UsernameToken Profile 1.0 §3.1)."""
    return base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()  # noqa: S324 - the profile's algorithm


def security_header(login: Login, created: str, nonce: bytes) -> etree._Element:
    """Return a new `wsse:Security` element proving the login at that camera time."""
    security = etree.Element(f"{{{_WSSE}}}Security", nsmap={"wsse": _WSSE, "wsu": _WSU})
    security.set(f"{{{_SOAP}}}mustUnderstand", "1")
    token = etree.SubElement(security, f"{{{_WSSE}}}UsernameToken")
    etree.SubElement(token, f"{{{_WSSE}}}Username").text = login.username
    password = etree.SubElement(token, f"{{{_WSSE}}}Password", {"Type": _DIGEST_TYPE})
    password.text = password_digest(nonce, created, login.password.reveal())
    etree.SubElement(token, f"{{{_WSSE}}}Nonce", {"EncodingType": _BASE64_TYPE}).text = base64.b64encode(nonce).decode()
    etree.SubElement(token, f"{{{_WSU}}}Created").text = created
    return security


def clear_header(login: Login) -> etree._Element:
    """Return a new `wsse:Security` element that carries the password as it is (PasswordText)."""
    security = etree.Element(f"{{{_WSSE}}}Security", nsmap={"wsse": _WSSE, "wsu": _WSU})
    security.set(f"{{{_SOAP}}}mustUnderstand", "1")
    token = etree.SubElement(security, f"{{{_WSSE}}}UsernameToken")
    etree.SubElement(token, f"{{{_WSSE}}}Username").text = login.username
    etree.SubElement(token, f"{{{_WSSE}}}Password", {"Type": _TEXT_TYPE}).text = login.password.reveal()
    return security


def basic(login: Login) -> str:
    """Return the value of `Authorization` that carries the password as it is (RFC 7617 §2)."""
    return "Basic " + base64.b64encode(f"{login.username}:{login.password.reveal()}".encode()).decode()


def add_security(envelope: etree._Element, security: etree._Element) -> None:
    """Put the security element into the envelope's header, making the header if there is none."""
    header = envelope.find(f"{{{_SOAP}}}Header")
    if header is None:
        header = etree.Element(f"{{{_SOAP}}}Header")
        envelope.insert(0, header)
    header.append(security)


class DigestLogin:
    """Answers one HTTP Digest challenge for many requests: counts the uses of its nonce. Thread-safe."""

    def __init__(self, challenge: Challenge, random_bytes: Callable[[int], bytes]) -> None:
        self._challenge, self._random_bytes = challenge, random_bytes
        self._lock = threading.Lock()
        self._uses = 0

    def header(self, login: Login, method: str, uri: str) -> str:
        """Return the value of `Authorization` for one request (RFC 7616 §3.4)."""
        with self._lock:
            self._uses += 1
            uses = self._uses
        return authorization(self._challenge, login, method, uri, self._random_bytes(16).hex(), uses)
