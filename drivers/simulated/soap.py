"""SOAP 1.2 as an ONVIF device speaks it: envelopes, faults, and what services are made of.

Pure: no sockets, no state. Invariants: replies declare all namespaces we use, once; a fault carries an
ONVIF subcode (ONVIF Core 5.11); a request without a body element raises `SoapFault`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from lxml import etree

from drivers.simulated.markup import Xml, find, is_element, join, local, namespace, tag, value_of

DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
SOAP = "http://www.w3.org/2003/05/soap-envelope"
CONTENT_TYPE = "application/soap+xml; charset=utf-8"
NAMESPACES: Mapping[str, str] = {
    "s": SOAP,
    "tds": "http://www.onvif.org/ver10/device/wsdl",
    "trt": "http://www.onvif.org/ver10/media/wsdl",
    "tr2": "http://www.onvif.org/ver20/media/wsdl",
    "tev": "http://www.onvif.org/ver10/events/wsdl",
    "timg": "http://www.onvif.org/ver20/imaging/wsdl",
    "tt": "http://www.onvif.org/ver10/schema",
    "ter": "http://www.onvif.org/ver10/error",
    "wsnt": "http://docs.oasis-open.org/wsn/b-2",
    "wstop": "http://docs.oasis-open.org/wsn/t-1",
    "wsa": "http://www.w3.org/2005/08/addressing",
    "tns1": "http://www.onvif.org/ver10/topics",
    "vuon": "urn:vuon:simulated",
}
PREFIXES: Mapping[str, str] = {uri: prefix for prefix, uri in NAMESPACES.items()}
SERVICE_PATHS: Mapping[str, str] = {
    "tds": "/onvif/device_service",
    "trt": "/onvif/media_service",
    "tr2": "/onvif/media2_service",
    "tev": "/onvif/event_service",
    "timg": "/onvif/imaging_service",
}
_DECLARED = " ".join(f'xmlns:{prefix}="{uri}"' for prefix, uri in NAMESPACES.items())


class SoapFault(Exception):
    """An answer that is a fault: subcode below `ter:`, reason, who is to blame, HTTP status."""

    def __init__(self, subcode: str, reason: str, *, receiver: bool = False, detail: str = "") -> None:
        super().__init__(reason)
        self.subcode, self.reason, self.receiver, self.detail = subcode, reason, receiver, detail
        self.status = 500 if receiver else 400


def invalid(detail: str, reason: str) -> SoapFault:
    """Return the fault for an argument that names nothing or is out of range (ter:InvalidArgVal)."""
    return SoapFault("InvalidArgVal", reason, detail=detail)


@dataclass(frozen=True, slots=True)
class SoapRequest:
    """One call: the operation's element, its namespace prefix, and the login if one was sent."""

    prefix: str
    operation: str
    element: etree._Element
    token: etree._Element | None
    """UsernameToken (WS-Security), if any."""
    message_id: str
    path: str
    subscription: str = ""
    """The reference parameter that names a subscription, if one was echoed in the header."""

    def value(self, name: str, default: str = "") -> str:
        """Return the text of the first element called `name` in the operation."""
        return value_of(self.element, name, default)


Operation: TypeAlias = Callable[[SoapRequest], "Xml | Awaitable[Xml]"]
"""Returns the content of the operation's Response element; raises SoapFault."""
Operations: TypeAlias = Mapping[str, Operation]
"""By operation name."""


def read_request(root: etree._Element, path: str) -> SoapRequest:
    """Take an envelope apart; raises SoapFault for anything that is none."""
    body = next((item for item in root if local(item) == "Body"), None)
    operation = next(filter(is_element, body), None) if body is not None else None
    if operation is None:
        raise SoapFault("WellFormed", "no operation in the SOAP body")
    header = next((item for item in root if local(item) == "Header"), None)
    return SoapRequest(
        PREFIXES.get(namespace(operation), ""),
        local(operation),
        operation,
        find(header, "UsernameToken"),
        value_of(header, "MessageID"),
        path,
        value_of(header, "SubscriptionId"),
    )


def envelope(body: Xml, *, header: Xml | None = None) -> bytes:
    """Return a whole document around `body`."""
    head = tag("s:Header", header) if header is not None else ""
    whole = f"<s:Envelope {_DECLARED}>{head}{tag('s:Body', body)}</s:Envelope>"
    return f"{DECLARATION}{whole}".encode()


def reply(request: SoapRequest, content: Xml) -> bytes:
    """Return the answer to `request`."""
    header = tag("wsa:RelatesTo", request.message_id) if request.message_id else None
    return envelope(tag(f"{request.prefix}:{request.operation}Response", content), header=header)


def fault(error: SoapFault) -> bytes:
    """Return a fault document."""
    subcode = tag("s:Value", f"ter:{error.subcode}")
    if error.detail:
        subcode = join([subcode, tag("s:Subcode", tag("s:Value", f"ter:{error.detail}"))])
    code = tag("s:Code", tag("s:Value", "s:Receiver" if error.receiver else "s:Sender"), tag("s:Subcode", subcode))
    reason = Xml(f'<s:Reason><s:Text xml:lang="en">{tag("x", error.reason)[3:-4]}</s:Text></s:Reason>')
    return envelope(tag("s:Fault", code, reason))
