"""What leaves the school: listed types, listed fields, values of the right shape, and never a name."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.events import EVENT_TYPES, Event, uuid7
from gateway.core.model import new_public_id
from gateway.health.conditions import CONDITIONS
from gateway.upstream.payload import _SHAPES, ALLOWED, document
from tests.fakes.clock import NOON_MS
from tests.fakes.events import CAMERA

STAYS = {"camera.found.v1", "camera.replaced.v1", "camera.reported.v1", "access.changed.v1"}
"""Types that stay in the school, on purpose: they speak of what the school arranges for itself."""
NAMES = (
    *("Nguyễn Thị Lan", "Bé Gia Huy", "Lớp Mầm 1", "lop mam 1", "Cô Hạnh", "Camera cửa lớp", "0912 345 678"),
    *("rtsp://admin:matkhau@192.168.1.20/1", "192.168.1.20", "me@example.vn", "../../etc/passwd", "<b>Lan</b>", "Lan"),
)


def event(kind: str, data: dict[str, Any], subject: str = "") -> Event:
    return Event(uuid7(NOON_MS), kind, NOON_MS, True, 5, data, subject)


def test_each_type_is_listed_or_stays_on_purpose() -> None:
    """A new event type needs a decision: the list and the registry cover each other."""
    assert set(ALLOWED) | STAYS == set(EVENT_TYPES)
    assert not set(ALLOWED) & STAYS


@pytest.mark.parametrize("kind", sorted(ALLOWED))
def test_listed_fields_are_fields_of_the_type_and_have_a_shape(kind: str) -> None:
    """Nothing is listed that does not exist or that could carry any text."""
    assert ALLOWED[kind] <= set(EVENT_TYPES[kind].fields)
    assert ALLOWED[kind] <= set(_SHAPES)


def test_what_is_between_school_and_families_stays_there() -> None:
    """Every condition about consent stays: that a family has a case at all is nobody's outside; others go on."""
    for code in CONDITIONS:
        for kind in ("condition.raised.v1", "condition.cleared.v1"):
            found = document(event(kind, {"condition": code, "about": "box"}))
            assert (found is None) is code.startswith("consent."), code
    assert any(code.startswith("consent.") for code in CONDITIONS)


def test_access_tells_no_camera_class_or_person() -> None:
    """Who watched what is the school's own: upstream goes the role and the outcome."""
    for kind in ALLOWED:
        if kind.startswith(("access.", "sharing.")):
            assert ALLOWED[kind] <= {"role", "action", "reason", "outcome", "sessions", "state"}
            found = document(event(kind, {}, subject=new_public_id()))
            assert found is not None
            assert "subject" not in found


def test_an_unlisted_type_has_no_document() -> None:
    """It stays in the school."""
    for kind in STAYS:
        assert document(event(kind, {"what": "x"})) is None
    assert document(event("made.up.v1", {})) is None


def test_the_document_is_a_cloudevent() -> None:
    """Attributes of CloudEvents 1.0 with its naming rule, no empty subject, no integer over 32 bits."""
    found = document(event("camera.state.v1", {"camera": CAMERA, "state": "down", "why": "camera_silent"}, CAMERA))
    assert found is not None
    assert found == {
        "specversion": "1.0",
        "id": found["id"],
        "source": "urn:vuon:box",
        "type": "vn.vuon.camera.state.v1",
        "subject": CAMERA,
        "time": "2026-11-21T05:00:00.000+00:00",
        "timetrusted": True,
        "monoms": "5",
        "data": {"camera": CAMERA, "state": "down", "why": "camera_silent"},
    }
    assert all(name.isalnum() and name.islower() for name in found)
    assert dt.datetime.fromisoformat(found["time"]).timestamp() * 1000 == NOON_MS


@pytest.mark.parametrize("at_ms", [-1, 0, 10**18])
def test_a_clock_of_any_year_has_a_time(at_ms: int) -> None:
    """A clock that is far off must not break the fact it dates."""
    found = document(Event(uuid7(1), "clock.step.v1", at_ms, False, 1, {"step_ms": 1}))
    assert found is not None
    assert dt.datetime.fromisoformat(found["time"]).tzinfo is not None
    assert found["timetrusted"] is False


@pytest.mark.parametrize("kind", sorted(ALLOWED))
@pytest.mark.parametrize("name", NAMES)
def test_planted_names_never_appear(kind: str, name: str) -> None:
    """Put into every field of every type, listed or not, and as the subject: nothing comes out."""
    fields = dict.fromkeys([*EVENT_TYPES[kind].fields, "name", "note"], name)
    text = json.dumps(document(event(kind, fields, subject=name)), ensure_ascii=False)
    assert name not in text


@given(
    st.sampled_from(sorted(ALLOWED)),
    st.dictionaries(
        st.sampled_from([*sorted({field for kind in EVENT_TYPES.values() for field in kind.fields}), "name", "text"]),
        st.one_of(
            st.text(), st.integers(), st.floats(), st.booleans(), st.none(), st.sampled_from(NAMES), st.just(CAMERA)
        ),
    ),
    st.text(),
)
def test_nothing_but_listed_fields_of_the_right_shape_leaves(kind: str, data: dict[str, Any], subject: str) -> None:
    """Whatever is in an event: fields are listed, text is a code, an id or a digest, numbers are finite."""
    found = document(event(kind, data, subject))
    assert found is not None
    assert set(found["data"]) <= ALLOWED[kind]
    json.dumps(found, allow_nan=False).encode()
    for value in found["data"].values():
        if isinstance(value, str):
            assert value.isascii()
            assert " " not in value
    assert set(found) - {"subject"} == {"specversion", "id", "source", "type", "time", "timetrusted", "monoms", "data"}
    assert found.get("subject", "") in ("", subject)


GOOD: dict[str, Any] = {
    "camera": CAMERA,
    "order": CAMERA,
    "driver": "onvif",
    "streams": 2,
    "applied": 7,
    "failed": 0,
    "state": "login_refused",
    "why": "camera_login",
    "stream": "main",
    "run": 7,
    "seconds": 1.5,
    "volume": "1",
    "free_pct": 12.5,
    "step_ms": -3600000,
    "version": "0.1.0",
    "boot": "0199aaaa-0000-7000-8000-000000000001",
    "cameras": 12,
    "recording": 12,
    "viewers": 0,
    "role": "guardian",
    "outcome": "ok",
    "action": "live",
    "reason": "hours.closed",
    "sessions": 3,
    "seq": 99,
    "head": "ab" * 32,
    "signature": "A" * 86 + "==",
    "lane": "routine",
    "documents": 5,
    "condition": "volume.missing",
    "about": "box",
    "what": "handover",
    "keys": 48,
    "files": 2880,
    "day": "2026-11-20",
    "percent": 99.9,
    "segments": 41,
    "expected": 39_600,
    "missing": 37.2,
}


@pytest.mark.parametrize("kind", sorted(ALLOWED))
def test_honest_values_do_leave(kind: str) -> None:
    """The shapes fit what the box really says: nothing of a well-formed event is cut."""
    found = document(event(kind, GOOD))
    assert found is not None
    assert found["data"] == {key: GOOD[key] for key in ALLOWED[kind]}
