"""Notifications of cameras: topics kept, times turned, nonsense survived."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import xml
from drivers.base import EventKind
from drivers.onvif.notifications import MOST_MESSAGES, events_in, kind_of, life_s, moment
from gateway.core.errors import CameraBadReply

NOW_MS = 1_795_237_200_000
"""2026-11-21 05:00 UTC."""


def message(topic: str = "tns1:VideoSource/MotionAlarm", data: str = "", at: str = "2026-11-21T05:00:00Z") -> str:
    items = data or '<tt:SimpleItem Name="State" Value="true"/>'
    return (
        "<wsnt:NotificationMessage>"
        f'<wsnt:Topic Dialect="http://x">{topic}</wsnt:Topic><wsnt:Message>'
        f'<tt:Message UtcTime="{at}" PropertyOperation="Changed"><tt:Source>'
        '<tt:SimpleItem Name="VideoSourceConfigurationToken" Value="vsc0"/></tt:Source>'
        f"<tt:Data>{items}</tt:Data></tt:Message></wsnt:Message></wsnt:NotificationMessage>"
    )


def answer(*messages: str, times: str = "") -> bytes:
    return (
        '<r xmlns:wsnt="http://docs.oasis-open.org/wsn/b-2" xmlns:tt="http://www.onvif.org/ver10/schema">'
        f"{times}{''.join(messages)}</r>"
    ).encode()


def read(data: bytes, skew_ms: int = 0) -> tuple[object, ...]:
    return events_in(xml.parse(data, 1 << 20), NOW_MS + 500, skew_ms)


def test_a_message_is_read_whole() -> None:
    """Topic, state, source and time come out as the camera wrote them."""
    (event,) = events_in(xml.parse(answer(message()), 1 << 20), NOW_MS + 500, 0)
    assert event.topic == "tns1:VideoSource/MotionAlarm"
    assert (event.state, event.kind, event.source, event.initial) == (True, EventKind.MOTION, "vsc0", False)
    assert (event.camera_ms, event.received_ms) == (NOW_MS, NOW_MS + 500)
    assert (event.video_source, event.video_configuration) == ("", "vsc0")


@pytest.mark.parametrize(
    ("name", "source", "configuration"),
    [
        ("Source", "vsc0", ""),
        ("VideoSourceToken", "vsc0", ""),
        ("VideoSourceConfigurationToken", "", "vsc0"),
        ("InputToken", "", ""),
        ("VideoAnalyticsConfigurationToken", "", ""),
    ],
)
def test_a_picture_is_named_by_its_source_or_its_configuration(name: str, source: str, configuration: str) -> None:
    """And by nothing else: an input may have the token of a lens."""
    told = message().replace("VideoSourceConfigurationToken", name)
    (event,) = events_in(xml.parse(answer(told), 1 << 20), NOW_MS, 0)
    assert (event.source, event.video_source, event.video_configuration) == ("vsc0", source, configuration)


def test_the_cameras_clock_is_set_right() -> None:
    """A camera a day ahead reports a motion of now."""
    data = answer(message(at="2026-11-22T05:00:00Z"))
    (event,) = events_in(xml.parse(data, 1 << 20), NOW_MS, 86_400_000)
    assert event.camera_ms == NOW_MS


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        ("tns1:VideoSource/MotionAlarm", EventKind.MOTION),
        ("tns1:RuleEngine/CellMotionDetector/Motion", EventKind.MOTION),
        ("tns1:VideoAnalytics/tnsaxis:Motion", EventKind.MOTION),
        ("tns1:VideoSource/GlobalSceneChange/ImagingService", EventKind.TAMPER),
        ("tns1:RuleEngine/TamperDetector/Tamper", EventKind.TAMPER),
        ("tns1:VideoSource/ImageTooDark/ImagingService", EventKind.TAMPER),
        ("tns1:VideoSource/ImageTooBlurry/AnalyticsService", EventKind.TAMPER),
        ("tns1:Device/Trigger/DigitalInput", EventKind.INPUT),
        ("tns1:Device/tns1:HardwareFailure/tns1:StorageFailure", EventKind.HARDWARE),
        ("tns1:Monitoring/ProcessorUsage", EventKind.OTHER),
        ("tns1:UserAlarm/IVA/HumanShapeDetect", EventKind.OTHER),
        ("", EventKind.OTHER),
    ],
)
def test_what_topics_are_about(topic: str, kind: EventKind) -> None:
    """Topics are known by their path, whatever the namespaces are called."""
    assert kind_of(topic) is kind


@pytest.mark.parametrize(
    ("items", "state"),
    [
        ('<tt:SimpleItem Name="IsMotion" Value="false"/>', False),
        ('<tt:SimpleItem Name="LogicalState" Value="1"/>', True),
        ('<tt:SimpleItem Name="Count" Value="3"/><tt:SimpleItem Name="State" Value="FALSE"/>', False),
        ('<tt:SimpleItem Name="Whatever" Value="true"/>', True),
        ('<tt:SimpleItem Name="Value" Value="0.7"/>', None),
        ('<tt:SimpleItem Name="A" Value="true"/><tt:SimpleItem Name="B" Value="false"/>', None),
        ("<tt:ElementItem/>", None),
    ],
)
def test_the_one_boolean(items: str, state: bool | None) -> None:
    """The boolean is found by its name, or when it stands alone; anything else has no state."""
    (event,) = events_in(xml.parse(answer(message(data=items)), 1 << 20), NOW_MS, 0)
    assert event.state is state


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-21T05:00:00Z", datetime(2026, 11, 21, 5, tzinfo=UTC)),
        ("2026-11-21T12:00:00+07:00", datetime(2026, 11, 21, 5, tzinfo=UTC)),
        ("2026-11-21T05:00:00", datetime(2026, 11, 21, 5, tzinfo=UTC)),
        ("2026-11-21T05:00:00.123456789Z", datetime(2026, 11, 21, 5, 0, 0, 123_456, tzinfo=UTC)),
        ("yesterday", None),
        ("", None),
        ("0001-01-01T00:00:00+14:00", None),
    ],
)
def test_times(text: str, expected: datetime | None) -> None:
    """Times with Z, with an offset and without any are UTC; what is no time is none."""
    assert moment(text) == expected


def test_how_long_it_lives() -> None:
    """The life is measured between the camera's own two times."""
    times = "<CurrentTime>2020-01-01T00:00:00Z</CurrentTime><TerminationTime>2020-01-01T00:01:30Z</TerminationTime>"
    assert life_s(xml.parse(answer(times=times), 1 << 20)) == 90.0
    assert life_s(xml.parse(answer(), 1 << 20)) is None


def test_holes_are_survived() -> None:
    """No time, no topic, no data, broken text: what is left is an event or nothing."""
    holes = [
        message(at="never"),
        "<wsnt:NotificationMessage/>",
        "<wsnt:NotificationMessage><wsnt:Topic>tns1:A/B</wsnt:Topic></wsnt:NotificationMessage>",
        message(topic="tns1:VideoSource/MotionAlarm\n\x07".replace("\x07", "&#9;")),
    ]
    events = events_in(xml.parse(answer(*holes), 1 << 20), NOW_MS, 0)
    assert [event.topic for event in events] == [
        "tns1:VideoSource/MotionAlarm",
        "tns1:A/B",
        "tns1:VideoSource/MotionAlarm",
    ]
    assert events[0].camera_ms == NOW_MS


def test_a_flood_is_cut() -> None:
    """A camera that answers with thousands of messages is read up to the bound."""
    assert len(read(answer(*[message()] * (MOST_MESSAGES * 3)))) == MOST_MESSAGES


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400), st.integers(0, 600), st.integers(0, 40))
def test_any_answer_is_read_or_refused(noise: bytes, at: int, cut: int) -> None:
    """Whatever bytes stand in an answer, events come out or a bad reply does, never anything else."""
    whole = answer(message(), message(topic="tns1:Device/Trigger/DigitalInput"))
    damaged = whole[:at] + noise + whole[at + cut :]
    try:
        root = xml.parse(damaged, 1 << 20)
    except CameraBadReply:
        return
    for event in events_in(root, NOW_MS, 1_000):
        assert len(event.topic) <= 256
        assert event.topic.isprintable()
