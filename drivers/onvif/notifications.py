"""What a camera reports: notification messages read tolerantly, and what their topics mean.

Owns the reading of PullMessages answers (ONVIF Core §9.5) and of the times around a subscription; pure.
Invariants: topics are kept as the camera wrote them, cut and printable; a message without a topic or a
time is kept if anything can be made of it; at most `MOST_MESSAGES` are read; a time that is none is None.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from lxml import etree

from drivers import xml
from drivers.base import CameraEvent, EventKind
from drivers.onvif.soap import printable

MOST_MESSAGES = 100
"""Asked for are fewer; what a camera sends beyond is not read."""
_TRUE, _FALSE = frozenset({"true", "1", "on", "active"}), frozenset({"false", "0", "off", "inactive"})
_STATES = ("State", "IsMotion", "LogicalState", "IsTamper", "Motion", "Value", "Active", "Failed")
"""Names under which cameras hide the one boolean that matters; the first that is there counts."""
_SOURCES = ("Source", "VideoSource", "VideoSourceToken")
_CONFIGURATIONS = ("VideoSourceConfigurationToken", "VideoSourceConfiguration")
"""Names under which a message names its picture. An input's token is none, though it may be the same text."""
_KINDS: tuple[tuple[str, EventKind], ...] = (
    ("videosource/motionalarm", EventKind.MOTION),
    ("cellmotiondetector/motion", EventKind.MOTION),
    ("motionregiondetector/motion", EventKind.MOTION),
    ("videoanalytics/motion", EventKind.MOTION),
    ("videosource/globalscenechange", EventKind.TAMPER),
    ("tamperdetector/tamper", EventKind.TAMPER),
    ("videosource/imagetoo", EventKind.TAMPER),
    ("videosource/signalloss", EventKind.TAMPER),
    ("trigger/digitalinput", EventKind.INPUT),
    ("hardwarefailure/", EventKind.HARDWARE),
)
"""Parts of topics without their namespaces (ONVIF topicns; Core §9.8, Imaging §6, Device IO)."""


def kind_of(topic: str) -> EventKind:
    """Return what a topic is about; `OTHER` for those that nobody here acts on."""
    path = "/".join(part.rsplit(":", 1)[-1] for part in topic.lower().split("/"))
    return next((kind for part, kind in _KINDS if part in f"{path}/"), EventKind.OTHER)


def moment(text: str) -> datetime | None:
    """Read an xs:dateTime, without a zone as UTC; None for what is none."""
    cut = re.sub(r"(\.\d{6})\d+", r"\1", text.strip()[:64])  # some count nanoseconds
    try:
        found = datetime.fromisoformat(cut)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def life_s(answer: etree._Element) -> float | None:
    """Return how long the subscription lives from now, by the camera's own clock; None if it does not say."""
    now, end = moment(xml.text_of(answer, "CurrentTime", 64)), moment(xml.text_of(answer, "TerminationTime", 64))
    return (end - now).total_seconds() if now is not None and end is not None else None


def events_in(answer: etree._Element, received_ms: int, skew_ms: int) -> tuple[CameraEvent, ...]:
    """Read the messages of an answer to PullMessages.

    Args:
        answer: the answer's element.
        received_ms: our time, UTC ms: stands in for a time the camera did not give.
        skew_ms: the camera's clock minus ours: its times are turned into ours with it.

    """
    found: list[CameraEvent] = []
    for message in xml.all_named(answer, "NotificationMessage"):
        if len(found) == MOST_MESSAGES:
            break
        topic = xml.first(message, "Topic")
        name = printable("".join(str(part) for part in topic.itertext()) if topic is not None else "", 256)
        inner = next((item for item in xml.all_named(message, "Message") if item.get("UtcTime") is not None), None)
        body = message if inner is None else inner
        at = moment(body.get("UtcTime", ""))
        data, sources = _items(body, "Data"), _items(body, "Source")
        if not name and not data:
            continue
        found.append(
            CameraEvent(
                topic=name,
                state=_state(data),
                camera_ms=received_ms if at is None else int(at.timestamp() * 1000) - skew_ms,
                received_ms=received_ms,
                kind=kind_of(name),
                source=next(iter(sources.values()), ""),
                initial=body.get("PropertyOperation", "") == "Initialized",
                video_source=_first(sources, _SOURCES),
                video_configuration=_first(sources, _CONFIGURATIONS),
            )
        )
    return tuple(found)


def _items(body: etree._Element, part: str) -> dict[str, str]:
    """Return the SimpleItems of a part as name -> value, the first of each name."""
    parent, found = xml.first(body, part), dict[str, str]()
    for item in [] if parent is None else list(xml.all_named(parent, "SimpleItem"))[:16]:
        found.setdefault(printable(item.get("Name", ""), 64), printable(item.get("Value", ""), 64))
    return found


def _first(items: dict[str, str], names: tuple[str, ...]) -> str:
    return next((items[name] for name in names if items.get(name)), "")


def _state(data: dict[str, str]) -> bool | None:
    """Return the message's boolean: that of a known name, else of the only item there is."""
    named = [data[name] for name in _STATES if name in data]
    if not named and len(data) == 1:
        named = list(data.values())
    value = named[0].lower() if named else ""
    return True if value in _TRUE else False if value in _FALSE else None
