"""The calls of a camera's event service, each once, raw.

Owns CreatePullPointSubscription, PullMessages, Renew and Unsubscribe (ONVIF Core §9, WS-BaseNotification,
WS-Addressing). Blocking; for one thread at a time. Invariants: a subscription's address is the camera's
path at the host we reached; what has to be echoed to it is bounded and parsed before it is kept; dates
are UTC with Z in the camera's time.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from lxml import etree

from drivers import xml
from drivers.base import CameraEvent
from drivers.onvif import notifications, soap
from drivers.onvif.pullpoint import LIFE_S, Form, Subscription
from drivers.onvif.session import OnvifSession
from drivers.onvif.soap import EVENTS_NS
from drivers.onvif.transport import CameraTransport
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply

_WSNT_NS = "http://docs.oasis-open.org/wsn/b-2"
_WSA_NS = "http://www.w3.org/2005/08/addressing"
_CREATE = f"{EVENTS_NS}/EventPortType/CreatePullPointSubscriptionRequest"
_PULL = f"{EVENTS_NS}/PullPointSubscription/PullMessagesRequest"
_RENEW = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest"
_UNSUBSCRIBE = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest"
WAIT_S = 1
"""How long the camera may hold an empty pull: it holds one of our threads meanwhile."""
MESSAGES = 50
MOST_PARAMETERS = 4_096
"""Characters of what has to be echoed."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """One answer to PullMessages."""

    events: tuple[CameraEvent, ...]
    life_s: float | None
    """How long the subscription still lives; None if the camera does not say."""


class EventCalls:
    """One camera's event service; every method raises `CameraError`."""

    def __init__(
        self, transport: CameraTransport, session: OnvifSession, clock: Clock, service: Callable[[], str]
    ) -> None:
        """`service` gives the address of the event service; raises `CameraUnsupported` if there is none."""
        self._transport, self._session, self._clock, self._service = transport, session, clock, service

    def create(self, form: Form) -> tuple[Subscription, float | None]:
        """Make a pull point; returns it and how long it lives."""
        end = self._end("InitialTerminationTime", form, f"{{{EVENTS_NS}}}")
        body = f'<e:CreatePullPointSubscription xmlns:e="{EVENTS_NS}">{end}</e:CreatePullPointSubscription>'
        answer = self._call(self._service(), _CREATE, body)
        reference = xml.first(answer, "SubscriptionReference")
        address = xml.text_of(reference, "Address", 2_048)
        if reference is None or not address:
            raise CameraBadReply("the camera subscribed us to nothing", codes=())
        url = self._transport.rewritten(address)
        return Subscription(url, _parameters(reference)), notifications.life_s(answer)

    def pull(self, subscription: Subscription) -> Pulled:
        """Fetch what happened since the last pull."""
        body = (
            f'<e:PullMessages xmlns:e="{EVENTS_NS}"><e:Timeout>PT{WAIT_S}S</e:Timeout>'
            f"<e:MessageLimit>{MESSAGES}</e:MessageLimit></e:PullMessages>"
        )
        answer = self._call(subscription.url, _PULL, body, subscription.parameters)
        events = notifications.events_in(answer, self._clock.now_ms(), self._session.offset_ms)
        return Pulled(events, notifications.life_s(answer))

    def renew(self, subscription: Subscription, form: Form) -> float | None:
        """Ask for more time; returns how long it lives now."""
        end = self._end("TerminationTime", Form.RELATIVE if form is Form.NONE else form, f"{{{_WSNT_NS}}}")
        body = f'<n:Renew xmlns:n="{_WSNT_NS}">{end}</n:Renew>'
        return notifications.life_s(self._call(subscription.url, _RENEW, body, subscription.parameters))

    def unsubscribe(self, subscription: Subscription) -> None:
        """Give a pull point back."""
        body = f'<n:Unsubscribe xmlns:n="{_WSNT_NS}"/>'
        self._call(self._transport.rewritten(subscription.url), _UNSUBSCRIBE, body, subscription.parameters)

    def _end(self, name: str, form: Form, namespace: str) -> str:
        """Return the element that says until when; "" for none."""
        if form is Form.NONE:
            return ""
        text = f"PT{LIFE_S}S"
        if form is Form.ABSOLUTE:
            at_s = (self._clock.now_ms() + self._session.offset_ms) / 1000 + LIFE_S
            text = f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
        return f'<t:{name} xmlns:t="{namespace[1:-1]}">{text}</t:{name}>'

    def _call(self, url: str, action: str, body: str, parameters: str = "") -> etree._Element:
        def send() -> etree._Element:
            head = (
                f'<a:Action xmlns:a="{_WSA_NS}" s:mustUnderstand="1">{action}</a:Action>'
                f'<a:MessageID xmlns:a="{_WSA_NS}">urn:uuid:{uuid.uuid4()}</a:MessageID>'
                f'<a:To xmlns:a="{_WSA_NS}" s:mustUnderstand="1">{escape(url)}</a:To>{parameters}'
            )
            message = soap.envelope(body, self._session.security(), head)
            return soap.send(self._transport, url, action, message)

        return self._session.exchange(send)


def _parameters(reference: etree._Element) -> str:
    """Return what has to be echoed in the header of every call to this subscription, each marked as such."""
    parent = xml.first(reference, "ReferenceParameters")
    parts = []
    for child in [] if parent is None else list(parent)[:8]:
        child.set(f"{{{_WSA_NS}}}IsReferenceParameter", "true")
        child.tail = None
        parts.append(etree.tostring(child, encoding="unicode"))
    text = "".join(parts)
    if len(text) > MOST_PARAMETERS:
        raise CameraBadReply("the camera wants too much echoed", length=len(text))
    return text
