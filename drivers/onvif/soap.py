"""The small raw SOAP path: envelopes we write, replies we read with our own tolerant parser.

Owns what must survive broken cameras: the clock call, device information, Media2, and the reading of
faults (for zeep's calls too; what they mean: `meaning`). Pure but for the transport it is given.
Invariants: names are compared without their namespace; SOAP 1.1 faults are understood beside 1.2; a
camera's text that enters an error is printable and at most 200 characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn

from lxml import etree

from drivers import xml
from drivers.onvif.auth import add_security
from drivers.onvif.meaning import MOST_CHARS, Meaning, locked_for_s, of_fault
from drivers.onvif.transport import CameraTransport, LoginAsked, Reply
from gateway.core.errors import CameraBadReply, CameraLocked, CameraOverloaded, CameraUnsupported

DEVICE_NS = "http://www.onvif.org/ver10/device/wsdl"
MEDIA_NS = "http://www.onvif.org/ver10/media/wsdl"
MEDIA2_NS = "http://www.onvif.org/ver20/media/wsdl"
EVENTS_NS = "http://www.onvif.org/ver10/events/wsdl"
_SOAP_NS = "http://www.w3.org/2003/05/soap-envelope"


@dataclass(frozen=True, slots=True)
class Fault:
    """A SOAP fault: its codes from general to special, and its text."""

    codes: tuple[str, ...]
    reason: str


def printable(text: str, most_chars: int = 200) -> str:
    """Return a camera's text fit for a log, an error or a page: one line, bounded."""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * most_chars]).split())[:most_chars]


def envelope(body: str, security: etree._Element | None = None, head: str = "") -> bytes:
    """Return a SOAP 1.2 envelope around `body` and `head` (well-formed XML of ours), with the login if given."""
    header = f"<s:Header>{head}</s:Header>" if head else ""
    text = f'<s:Envelope xmlns:s="{_SOAP_NS}">{header}<s:Body>{body}</s:Body></s:Envelope>'
    return sealed(etree.fromstring(text), security)


def sealed(root: etree._Element, security: etree._Element | None) -> bytes:
    """Return an envelope as bytes, with the login put into it if given."""
    if security is not None:
        add_security(root, security)
    return etree.tostring(root, xml_declaration=True, encoding="utf-8")


def fault_in(root: etree._Element) -> Fault | None:
    """Return the fault an envelope carries, if any."""
    fault = xml.first(root, "Fault")
    if fault is None:
        return None
    values = [(value.text or "") for value in xml.all_named(fault, "Value")] or [xml.text_of(fault, "faultcode")]
    reason = xml.text_of(fault, "Text") or xml.text_of(fault, "faultstring")
    codes = tuple(printable(value.rsplit(":", 1)[-1], 64) for value in values[:8])
    return Fault(codes, printable(reason))


def raise_fault(fault: Fault, reply: Reply) -> NoReturn:
    """Raise what a fault means.

    Raises:
        LoginAsked: the camera wants a login, or another one.
        CameraLocked: it locked the account.
        CameraUnsupported: it does not know the call.
        CameraOverloaded: it has no room.
        CameraBadReply: anything else.

    """
    text = reply.content[:MOST_CHARS].decode("utf-8", "replace")
    match of_fault(fault.codes, fault.reason, text):
        case Meaning.LOGIN:
            raise LoginAsked(reply)
        case Meaning.LOCKED:
            raise CameraLocked("the camera locked the account", retry_after_s=locked_for_s(text))
        case Meaning.UNSUPPORTED:
            raise CameraUnsupported("the camera does not know this call", codes=fault.codes, reason=fault.reason)
        case Meaning.BUSY:
            raise CameraOverloaded("the camera has no room", codes=fault.codes, reason=fault.reason)
        case _:
            raise CameraBadReply("the camera answered with a fault", codes=fault.codes, reason=fault.reason)


def body_of(reply: Reply, most_bytes: int) -> etree._Element:
    """Return the first element inside the SOAP body of a reply.

    Raises:
        CameraBadReply: no SOAP envelope (an HTML page), or an empty one.
        LoginAsked: see `raise_fault`, as for the others it raises.

    """
    root = xml.parse(reply.content, most_bytes)
    fault = fault_in(root)
    if fault is not None:
        raise_fault(fault, reply)
    body = xml.first(root, "Body")
    if xml.local(root) != "Envelope" or body is None or not len(body):
        raise CameraBadReply("the reply is no SOAP", status=reply.status_code)
    if reply.status_code >= 400:
        raise CameraBadReply("the camera answered with an error", status=reply.status_code)
    return body[0]


def call(
    transport: CameraTransport, url: str, namespace: str, operation: str, inner: str, security: etree._Element | None
) -> etree._Element:
    """Make one call and return the element of its answer; raises what `post` and `body_of` raise."""
    body = f'<m:{operation} xmlns:m="{namespace}">{inner}</m:{operation}>'
    return send(transport, url, f"{namespace}/{operation}", envelope(body, security))


def send(transport: CameraTransport, url: str, action: str, message: bytes) -> etree._Element:
    """Send a whole envelope and return the element of its answer; raises what `post` and `body_of` raise."""
    headers = {"Content-Type": f'application/soap+xml; charset=utf-8; action="{action}"'}
    return body_of(transport.post(url, message, headers), transport.limits.reply_bytes)
