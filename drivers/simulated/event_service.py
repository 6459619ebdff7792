"""ONVIF event service: pull points with real queues (ONVIF Core 9, WS-BaseNotification).

Owns the subscriptions of one camera. Invariants: at most `max_pull_points` live at once; each queue is
bounded, oldest messages go first and are counted; a pull waits at most `MOST_WAIT_S` and never holds a
subscription beyond its end; times are the camera's own clock, always with Z.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime

from drivers.simulated.markup import Xml, join, tag
from drivers.simulated.soap import Operations, SoapFault, SoapRequest, invalid
from drivers.simulated.state import SOURCE_TOKEN, CameraState

MOST_WAIT_S = 60.0
MOST_MESSAGES = 100
DEFAULT_LIFE_S = 60.0
MOST_LIFE_S = 86_400.0
SUBSCRIPTION_PATH = "/onvif/subscription/"
MOTION = "tns1:VideoSource/MotionAlarm"
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")
_CONCRETE = "http://www.onvif.org/ver10/tev/topicExpression/ConcreteSet"
_ITEM_FILTER = "http://www.onvif.org/ver10/tev/messageContentFilter/ItemFilter"


def duration_s(text: str) -> float | None:
    """Return the seconds of an xs:duration of days and less; None if it is none."""
    found = _DURATION.match(text)
    if found is None:
        return None
    return sum(float(part or 0) * unit for part, unit in zip(found.groups(), (86_400, 3600, 60, 1), strict=True))


@dataclass(slots=True)
class PullPoint:
    """One subscription: its end on the camera's monotonic clock, and what waits for the client."""

    ends_ns: int
    waiting: deque[Xml] = field(default_factory=lambda: deque(maxlen=MOST_MESSAGES))
    arrived: asyncio.Event = field(default_factory=asyncio.Event)


class EventService:
    """Operations of one camera's event service and its subscriptions; used in the event loop only."""

    def __init__(self, state: CameraState) -> None:
        self._state = state
        self._points: dict[str, PullPoint] = {}
        self.lost_messages = 0

    def operations(self) -> Operations:
        """Return the table of operations; Renew, Unsubscribe and Pull act on the address they are sent to."""
        return {
            "GetServiceCapabilities": self._capabilities,
            "GetEventProperties": self._properties,
            "CreatePullPointSubscription": self._create,
            "PullMessages": self._pull,
            "Renew": self._renew,
            "Unsubscribe": self._unsubscribe,
            "SetSynchronizationPoint": self._synchronise,
        }

    @property
    def subscriptions(self) -> int:
        """Return the number of live subscriptions."""
        self._expire()
        return len(self._points)

    def forget(self) -> None:
        """Drop all subscriptions, as a reboot does."""
        for point in self._points.values():
            point.arrived.set()
        self._points.clear()

    def emit(
        self,
        topic: str = MOTION,
        name: str = "State",
        *,
        value: str = "true",
        change: str = "Changed",
        source: str = SOURCE_TOKEN,
        by: str = "Source",
    ) -> None:
        """Tell every subscriber of an event; `change` is Initialized, Changed or Deleted.

        `by` is how the message calls its `source`: Source, VideoSourceConfigurationToken, InputToken ...
        """
        message = tag(
            "tt:Message",
            tag("tt:Source", tag("tt:SimpleItem", Name=by, Value=source)),
            tag("tt:Data", tag("tt:SimpleItem", Name=name, Value=value)),
            UtcTime=self._stamp(),
            PropertyOperation=change,
        )
        notice = tag(
            "wsnt:NotificationMessage",
            tag("wsnt:Topic", topic, Dialect=_CONCRETE),
            tag("wsnt:Message", message),
        )
        self._expire()
        for point in self._points.values():
            self.lost_messages += len(point.waiting) == MOST_MESSAGES
            point.waiting.append(notice)
            point.arrived.set()

    def _expire(self) -> None:
        now_ns = self._state.clock.mono_ns()
        if not self._state.quirks.subscriptions_leak:
            self._points = {key: point for key, point in self._points.items() if point.ends_ns > now_ns}

    def _stamp(self, in_s: float = 0) -> str:
        at = datetime.fromtimestamp(self._state.now_ms() / 1000 + in_s, UTC)
        return at.strftime("%Y-%m-%dT%H:%M:%SZ")

    def _life_s(self, request: SoapRequest, name: str) -> float:
        """Return how long a subscription shall live; faults as the camera's quirks have it."""
        text, quirks = request.value(name), self._state.quirks
        if not text:
            if quirks.needs_termination_time:
                raise SoapFault("InvalidArgVal", f"{name} is required", receiver=True)
            return DEFAULT_LIFE_S
        life_s = duration_s(text)
        if life_s is not None and quirks.absolute_time_only:
            raise invalid("UnacceptableInitialTerminationTime", "only absolute times")
        if life_s is None and quirks.z_only and not text.endswith("Z"):
            raise invalid("UnacceptableInitialTerminationTime", "only UTC with Z")
        if life_s is None:
            try:
                at = datetime.fromisoformat(text)
            except ValueError as error:
                raise invalid("UnacceptableInitialTerminationTime", "no time") from error
            life_s = (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() - self._state.now_ms() / 1000
        if not 0 < life_s <= MOST_LIFE_S:
            raise invalid("UnacceptableInitialTerminationTime", "out of range")
        return life_s

    def _capabilities(self, _: SoapRequest) -> Xml:
        return tag(
            "tev:Capabilities",
            WSSubscriptionPolicySupport=False,
            WSPullPointSupport=not self._state.quirks.event_flags_lie,
            MaxPullPoints=self._state.quirks.max_pull_points,
        )

    @staticmethod
    def _properties(_: SoapRequest) -> Xml:
        motion = Xml('<tns1:VideoSource><MotionAlarm wstop:topic="true"/></tns1:VideoSource>')
        return join(
            [
                tag("tev:TopicNamespaceLocation", "http://www.onvif.org/onvif/ver10/topics/topicns.xml"),
                tag("wsnt:FixedTopicSet", True),
                tag("wstop:TopicSet", motion),
                tag("wsnt:TopicExpressionDialect", _CONCRETE),
                tag("tev:MessageContentFilterDialect", _ITEM_FILTER),
                tag("tev:MessageContentSchemaLocation", "http://www.onvif.org/onvif/ver10/schema/onvif.xsd"),
            ]
        )

    def _create(self, request: SoapRequest) -> Xml:
        self._expire()
        life_s = self._life_s(request, "InitialTerminationTime")
        if len(self._points) >= self._state.quirks.max_pull_points:
            raise SoapFault("ResourceUnknown", "no pull point is free", receiver=True)
        key = secrets.token_hex(8)
        self._points[key] = PullPoint(self._state.clock.mono_ns() + round(life_s * 1e9))
        return join(
            [
                tag("tev:SubscriptionReference", *self._reference(key)),
                tag("wsnt:CurrentTime", self._stamp()),
                tag("wsnt:TerminationTime", self._stamp(life_s)),
            ]
        )

    def _reference(self, key: str) -> list[Xml]:
        if not self._state.quirks.echoed_subscription:
            return [tag("wsa:Address", self._state.url(SUBSCRIPTION_PATH + key))]
        address = tag("wsa:Address", self._state.url(SUBSCRIPTION_PATH))
        return [address, tag("wsa:ReferenceParameters", tag("vuon:SubscriptionId", key))]

    def _point(self, request: SoapRequest) -> tuple[str, PullPoint]:
        self._expire()
        key = request.path.removeprefix(SUBSCRIPTION_PATH) or request.subscription
        found = self._points.get(key)
        if found is None or found.ends_ns <= self._state.clock.mono_ns():
            raise SoapFault("ResourceUnknown", "no such subscription", detail="ResourceUnknown")
        return key, found

    async def _pull(self, request: SoapRequest) -> Xml:
        _, point = self._point(request)
        limit = request.value("MessageLimit")
        wait_s = min(duration_s(request.value("Timeout", "PT1S")) or 0.0, MOST_WAIT_S)
        if not point.waiting and wait_s > 0 and not self._state.quirks.pull_at_once:
            point.arrived.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await point.arrived.wait()
            except TimeoutError:
                pass  # nothing happened: the answer is an empty list
        count = min(len(point.waiting), int(limit) if limit.isascii() and limit.isdigit() and len(limit) < 10 else 10)
        out = [point.waiting.popleft() for _ in range(count)]
        left_s = max(0.0, (point.ends_ns - self._state.clock.mono_ns()) / 1e9)
        head = [tag("tev:CurrentTime", self._stamp()), tag("tev:TerminationTime", self._stamp(left_s))]
        return join(head + out)

    def _renew(self, request: SoapRequest) -> Xml:
        _, point = self._point(request)
        if self._state.quirks.no_renew:
            raise SoapFault("ActionNotSupported", "Renew is not implemented", receiver=True)
        life_s = self._life_s(request, "TerminationTime")
        point.ends_ns = self._state.clock.mono_ns() + round(life_s * 1e9)
        return join([tag("wsnt:TerminationTime", self._stamp(life_s)), tag("wsnt:CurrentTime", self._stamp())])

    def _unsubscribe(self, request: SoapRequest) -> Xml:
        key = request.path.removeprefix(SUBSCRIPTION_PATH) or request.subscription
        point = self._points.get(key)
        if point is None:
            raise SoapFault("ResourceUnknown", "no such subscription", detail="ResourceUnknown")
        if self._state.quirks.unsubscribe_kills_all:
            self.forget()
        else:
            point.arrived.set()
            del self._points[key]
        return Xml("")

    def _synchronise(self, request: SoapRequest) -> Xml:
        self._point(request)
        self.emit(value="false", change="Initialized")
        return Xml("")
