"""Dahua's web interface: what we make of its answers, of notices in their place and of refusals."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers.gate import GateState
from drivers.vendors import dahua
from gateway.core.errors import CameraBadReply, CameraError, CameraLoginRefused, CameraUnsupported
from gateway.core.model import Login, Secret
from tests.fakes.vendor_http import Answer, Asked, Script, vendor_camera

PASSWORD = "A1b2C3d4E5f6G7h8"
LOGIN = Login("admin", Secret(PASSWORD))
camera = partial(vendor_camera, LOGIN)
KEY = rsa.generate_private_key(65_537, 2048)
NOTICE: dict[str, Any] = {"NotifyMethod": "1.2"}
CONFIG = "/cgi-bin/configManager.cgi"


def answer(told: object, status: int = 200) -> Answer:
    return Answer(status, json.dumps(told).encode() + b"\n\0")


class Device:
    """Speaks `/OutsideCmd` as a test tells it to."""

    def __init__(self, *, takes: bool = True, notices: int = 0) -> None:
        self.active, self.takes, self.notices = False, takes, notices
        self.methods: list[str] = []
        self.override: dict[str, object] = {}

    def __call__(self, asked: Asked) -> Answer:
        call = json.loads(asked.body)
        self.methods.append(call["method"])
        told = self.said(call["method"])
        if self.notices:
            self.notices -= 1
            return answer(NOTICE)
        return answer(self.override.get(call["method"], told))

    def said(self, method: str) -> dict[str, Any]:
        if method == "DevInit.getStatus":
            return {"result": True, "params": {"Init": 2 if self.active else 1}}
        if method == "Security.getEncryptInfo":
            numbers = KEY.public_key().public_numbers()
            return {"result": True, "params": {"pub": f"N:{numbers.n:X},E:{numbers.e:06X}"}}
        if method == "DevInit.account":
            self.active = self.takes
        return {"result": self.takes, "error": None if self.takes else {"code": 268959743}}

    def script(self) -> dict[str, Script]:
        speak: Callable[[Asked], Answer] = self
        return {"POST /OutsideCmd": speak, "POST /RPC2": speak}


def test_a_first_password_is_given_in_the_makers_order() -> None:
    """State, agreement, key, account, state, key, access; the password is nowhere to be read."""
    device = Device()
    with camera(device.script()) as (web, http, _):
        assert dahua.initialise(http, LOGIN) is True
        assert device.methods == [
            "DevInit.getStatus",
            "DevInit.setProtocolAgree",
            "Security.getEncryptInfo",
            "DevInit.account",
            "DevInit.getStatus",
            "Security.getEncryptInfo",
            "DevInit.access",
        ]
        assert all(PASSWORD.encode() not in asked.body for asked in web.asked)
        assert web.logins == 0


@pytest.mark.parametrize("notices", [1, 3, 5])
def test_notices_in_place_of_answers_are_passed_over(notices: int) -> None:
    """Some firmware pushes one out as the next answer; the state decides what became of the account."""
    device = Device(notices=notices)
    with camera(device.script()) as (_, http, _):
        dahua.initialise(http, LOGIN)
    assert device.active


def test_the_account_is_asked_for_once() -> None:
    """When its answer was lost to a notice it is not sent again: the camera has taken it."""
    device = Device()
    device.override["DevInit.account"] = NOTICE
    with camera(device.script()) as (_, http, _):
        dahua.initialise(http, LOGIN)
    assert device.methods.count("DevInit.account") == 1


def test_a_camera_that_only_sends_notices_is_given_up() -> None:
    """After a few a typed error ends it."""
    with camera(Device(notices=99).script()) as (web, http, _):
        with pytest.raises(CameraBadReply):
            dahua.status(http)
        assert len(web.asked) < 10


def test_a_refusal_is_told_with_the_cameras_code() -> None:
    """A camera that wants a telephone number refuses: nothing is claimed, its code is in the error."""
    device = Device(takes=False)
    with camera(device.script()) as (_, http, _), pytest.raises(CameraUnsupported) as caught:
        dahua.initialise(http, LOGIN)
    assert caught.value.fields["why"] == 268959743
    assert PASSWORD not in str(caught.value) + str(caught.value.fields)
    assert "DevInit.access" not in device.methods


@pytest.mark.parametrize("said", [{"result": True}, NOTICE])
def test_a_yes_without_a_password_is_no_refusal(said: dict[str, Any]) -> None:
    """A camera that says yes, or nothing, and shows none yet may have taken it: whoever calls must keep it."""
    device = Device(takes=False)
    device.override["DevInit.account"] = said
    with camera(device.script()) as (_, http, _), pytest.raises(CameraBadReply):
        dahua.initialise(http, LOGIN)


def test_a_camera_with_a_password_is_not_initialised_again() -> None:
    """Asked right before."""
    device = Device()
    device.active = True
    with camera(device.script()) as (_, http, _), pytest.raises(CameraUnsupported):
        dahua.initialise(http, LOGIN)
    assert device.methods == ["DevInit.getStatus"]


def test_a_cloud_that_stays_on_is_not_called_off() -> None:
    """The last step may fail: the password stands, and the step is not claimed."""
    device = Device()
    device.override["DevInit.access"] = {"result": False}
    with camera(device.script()) as (_, http, _):
        assert dahua.initialise(http, LOGIN) is False
    assert device.active


@pytest.mark.parametrize(
    "status",
    [
        Answer(404),
        Answer(401),
        Answer(200, b"<html/>"),
        answer([1]),
        answer({"result": True}),
        answer({"params": {"Init": "1"}}),
    ],
)
def test_other_devices_are_told_from_cameras(status: Answer) -> None:
    """Not found, a login asked for, no JSON, no state: a typed refusal."""
    with camera({"POST /OutsideCmd": status}) as (web, http, _):
        with pytest.raises((CameraUnsupported, CameraBadReply)):
            dahua.status(http)
        assert web.logins == 0


def config(name: str, *states: str) -> dict[str, Script]:
    shown = [Answer(200, f"table.{name}.Enable={state}\r\ntable.{name}.Port=80\r\n".encode()) for state in states]
    return {
        f"GET {CONFIG}?action=getConfig&name={name}": shown,
        f"GET {CONFIG}?action=setConfig&{name}.Enable=true": Answer(200, b"OK\r\n"),
    }


@pytest.mark.parametrize("name", dahua.ONVIF_NAMES)
def test_the_switch_the_camera_shows_is_set(name: str) -> None:
    """Whatever its firmware calls it; the others are not touched."""
    with camera(config(name, "false", "true"), wants_login=True) as (web, http, gate):
        assert dahua.enable_onvif(http) is True
        assert [asked.path.partition("&")[2] for asked in web.asked if "setConfig" in asked.path] == [
            f"{name}.Enable=true"
        ]
        assert gate.state is GateState.PROVEN


def test_onvif_that_is_on_is_left_alone() -> None:
    """Nothing is set."""
    with camera(config("Onvif", "true"), wants_login=True) as (web, http, _):
        assert dahua.enable_onvif(http) is False
        assert not any("setConfig" in asked.path for asked in web.asked)


def test_a_camera_that_shows_no_switch_gets_none_set() -> None:
    """Nothing is set blind."""
    with camera({f"GET {CONFIG}": Answer(400, b"Error\r\nBad Request!\r\n")}) as (web, http, _):
        with pytest.raises(CameraUnsupported):
            dahua.enable_onvif(http)
        assert not any("setConfig" in asked.path for asked in web.asked)


@pytest.mark.parametrize("told", [Answer(200, b"Error\r\n"), Answer(500), Answer(200, b"")])
def test_a_switch_that_is_refused_is_told(told: Answer) -> None:
    """Only OK is a yes."""
    answers = config("Onvif", "false") | {f"GET {CONFIG}?action=setConfig&Onvif.Enable=true": told}
    with camera(answers) as (_, http, _), pytest.raises(CameraUnsupported):
        dahua.enable_onvif(http)


def test_a_switch_that_does_not_stay_is_told() -> None:
    """OK proves nothing: it is read back."""
    with camera(config("Onvif", "false")) as (_, http, _), pytest.raises(CameraUnsupported):
        dahua.enable_onvif(http)


def test_a_refused_password_is_sent_once() -> None:
    """One bad login, whatever is called; the password is in no address."""
    with camera({}, wants_login=True, refuses=True) as (web, http, _):
        for _ in range(3):
            with pytest.raises(CameraLoginRefused):
                dahua.enable_onvif(http)
        assert web.logins == 1
        assert all(PASSWORD not in asked.path for asked in web.asked)


@given(st.binary(max_size=300))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_garbage_in_any_answer_is_a_typed_error(data: bytes) -> None:
    """Whatever bytes come: no other exception, and nothing is set."""
    answers: dict[str, Script] = {"POST /OutsideCmd": Answer(200, data), f"GET {CONFIG}": Answer(200, data)}
    with camera(answers) as (web, http, _):
        for call in (dahua.status, dahua.enable_onvif):
            try:
                call(http)
            except CameraError:
                continue
        assert not any("setConfig" in asked.path for asked in web.asked) or b".Enable=" in data
