"""Hikvision's ISAPI: what we make of its answers, of strange ones and of refusals."""

from __future__ import annotations

import base64
import os
from functools import partial

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drivers import xml as xmltree
from drivers.gate import GateState
from drivers.vendors import hikvision
from gateway.core.errors import CameraBadReply, CameraError, CameraLoginRefused, CameraUnsupported
from gateway.core.model import Login, Secret
from tests.fakes.vendor_http import Answer, Asked, Script, vendor_camera, verdict, xml

PASSWORD = "A1b2C3d4E5f6G7h8"
LOGIN = Login("admin", Secret(PASSWORD))
camera = partial(vendor_camera, LOGIN)
INACTIVE = xml("<ActivateStatus><Activated>false</Activated></ActivateStatus>")
OFF = (
    '<Integrate version="2.0" xmlns="http://www.hikvision.com/ver20/XMLSchema">\r\n<CGI>\r\n<enable>false</enable>\r\n'
    "</CGI>\r\n<ONVIF>\r\n<enable>false</enable>\r\n<certificateType>digest/WSSE</certificateType>\r\n</ONVIF>\r\n"
    "<ISAPI>\r\n<enable>true</enable>\r\n</ISAPI>\r\n</Integrate>\r\n"
)
ON = OFF.replace("<ONVIF>\r\n<enable>false", "<ONVIF>\r\n<enable>true")


@pytest.mark.parametrize(
    ("text", "active", "version"),
    [
        ("<ActivateStatus><Activated>true</Activated></ActivateStatus>", True, 0),
        ("<ActivateStatus><isActivated>false</isActivated></ActivateStatus>", False, 0),
        (
            '<a:Status xmlns:a="x"><a:Activated> False </a:Activated><supportVersion>3</supportVersion></a:Status>',
            False,
            3,
        ),
        ("<A><Activated>true</Activated><supportVersion>99999</supportVersion></A>", True, 0),
    ],
)
def test_the_state_is_read_in_its_spellings(text: str, active: bool, version: int) -> None:
    """Name, case, namespace and an absurd version do not matter; no login is sent."""
    with camera({"GET /SDK/activateStatus": xml(text)}) as (web, http, _):
        assert hikvision.status(http) == hikvision.Status(active, version)
        assert web.logins == 0


@pytest.mark.parametrize(
    "answer",
    [
        Answer(404),
        Answer(200, b""),
        Answer(200, b"<html>router</html>"),
        xml("<A/>", 500),
        Answer(302, b"", (("Location", "http://10.0.0.1/"),)),
    ],
)
def test_other_devices_are_told_from_cameras(answer: Answer) -> None:
    """A router's page, an error, a redirect: a typed refusal and no second request."""
    with camera({"GET /SDK/activateStatus": answer}) as (web, http, _):
        with pytest.raises((CameraUnsupported, CameraBadReply)):
            hikvision.status(http)
        assert len(web.asked) == 1


def test_an_active_camera_is_not_activated_again() -> None:
    """Asked right before: whatever was known earlier, a camera with a password is left alone."""
    with camera({"GET /SDK/activateStatus": xml("<A><Activated>true</Activated></A>")}) as (web, http, _):
        with pytest.raises(CameraUnsupported):
            hikvision.activate(http, LOGIN.password, random_bytes=os.urandom)
        assert [asked.method for asked in web.asked] == ["GET"]


def test_a_camera_that_refuses_the_key_is_told_no_password() -> None:
    """The reason's short word is kept, and nothing more is sent."""
    answers: dict[str, Script] = {
        "GET /SDK/activateStatus": INACTIVE,
        "POST /ISAPI/Security/challenge": verdict(4, "badParameters", 400),
    }
    with camera(answers) as (web, http, _):
        with pytest.raises(CameraUnsupported) as caught:
            hikvision.activate(http, LOGIN.password, random_bytes=os.urandom)
        assert caught.value.fields == {"status": 400, "why": "badParameters"}
        assert [asked.method for asked in web.asked] == ["GET", "POST"]


def test_a_yes_without_a_password_is_no_refusal() -> None:
    """A camera that says yes and shows none yet may have taken it: whoever calls must keep it."""

    def challenge(asked: Asked) -> Answer:
        modulus = int(base64.b64decode(xmltree.text_of(xmltree.parse(asked.body, 8192), "key", 8192)), 16)
        cipher = rsa.RSAPublicNumbers(65_537, modulus).public_key().encrypt(b"0" * 32, padding.PKCS1v15()).hex()
        return xml(f"<Challenge><key>{base64.b64encode(cipher.encode()).decode()}</key></Challenge>")

    answers: dict[str, Script] = {
        "GET /SDK/activateStatus": INACTIVE,
        "POST /ISAPI/Security/challenge": challenge,
        "PUT /ISAPI/System/activate": verdict(1),
    }
    with camera(answers) as (_, http, _), pytest.raises(CameraBadReply, match="still inactive"):
        hikvision.activate(http, LOGIN.password, random_bytes=os.urandom)


@pytest.mark.parametrize("key", ["", "AAAA", "!!"])
def test_a_challenge_of_garbage_ends_it(key: str) -> None:
    """A key we cannot open is no key: the password stays here."""
    answers: dict[str, Script] = {
        "GET /SDK/activateStatus": INACTIVE,
        "POST /ISAPI/Security/challenge": xml(f"<Challenge><key>{key}</key></Challenge>"),
    }
    with camera(answers) as (web, http, _):
        with pytest.raises(CameraBadReply):
            hikvision.activate(http, LOGIN.password, random_bytes=os.urandom)
        assert len(web.asked) == 2


def test_one_word_of_the_description_is_changed() -> None:
    """ONVIF's switch and nothing else: the camera gets back its own bytes, line ends and all."""
    answers: dict[str, Script] = {
        "GET /ISAPI/System/Network/Integrate": [xml(OFF), xml(ON)],
        "PUT /ISAPI/System/Network/Integrate": verdict(1),
    }
    with camera(answers, wants_login=True) as (web, http, gate):
        assert hikvision.enable_onvif(http) is True
        (put,) = [asked for asked in web.asked if asked.method == "PUT"]
        assert put.body == xml(ON).body
        assert gate.state is GateState.PROVEN


def test_a_hostile_description_is_read_once() -> None:
    """64 KiB of openings that nothing closes are not read to the end for each of them (8 s of a busy processor)."""
    text = f"<Integrate>{'<ONVIF/>' * 8_000}</Integrate>"
    answers: dict[str, Script] = {"GET /ISAPI/System/Network/Integrate": xml(text)}
    with camera(answers) as (_, http, _), pytest.raises(CameraUnsupported):
        hikvision.enable_onvif(http)


def test_onvif_that_is_on_is_left_alone() -> None:
    """Nothing is written."""
    with camera({"GET /ISAPI/System/Network/Integrate": xml(ON)}, wants_login=True) as (web, http, _):
        assert hikvision.enable_onvif(http) is False
        assert {asked.method for asked in web.asked} == {"GET"}


@pytest.mark.parametrize(
    "text",
    ["<Integrate/>", "<Integrate><ONVIF/></Integrate>", "<Integrate><CGI><enable>false</enable></CGI></Integrate>"],
)
def test_a_camera_without_the_switch_says_so(text: str) -> None:
    """No other protocol's switch is touched in its place."""
    with camera({"GET /ISAPI/System/Network/Integrate": xml(text)}) as (web, http, _):
        with pytest.raises(CameraUnsupported):
            hikvision.enable_onvif(http)
        assert len(web.asked) == 1


def test_a_switch_that_does_not_stay_is_told() -> None:
    """A 200 proves nothing: it is read back."""
    answers: dict[str, Script] = {
        "GET /ISAPI/System/Network/Integrate": xml(OFF),
        "PUT /ISAPI/System/Network/Integrate": verdict(1),
    }
    with camera(answers) as (_, http, _), pytest.raises(CameraUnsupported):
        hikvision.enable_onvif(http)


USERS = "<UserList><User><id>{0}</id><userName>{1}</userName><userType>administrator</userType></User></UserList>"


def test_an_onvif_user_is_made_beside_the_others() -> None:
    """Next free number, an administrator, the login's name and password."""
    answers: dict[str, Script] = {
        "GET /ISAPI/Security/ONVIF/users": xml(USERS.format(4, "nvr")),
        "POST /ISAPI/Security/ONVIF/users": verdict(1),
    }
    with camera(answers, wants_login=True) as (web, http, _):
        assert hikvision.ensure_onvif_user(http, LOGIN) is True
        body = web.asked[-1].body.decode()
        assert "<id>5</id><userName>admin</userName>" in body
        assert f"<password>{PASSWORD}</password><userType>administrator</userType>" in body
        before = [asked for asked in web.asked if not asked.authorization]
        assert all(PASSWORD.encode() not in asked.body for asked in before)  # only the login that was proven carries it


def test_an_onvif_user_of_that_name_is_never_changed() -> None:
    """Another recorder may be using it."""
    with camera({"GET /ISAPI/Security/ONVIF/users": xml(USERS.format(1, "admin"))}) as (web, http, _):
        assert hikvision.ensure_onvif_user(http, LOGIN) is False
        assert len(web.asked) == 1


def test_older_firmware_has_one_list_of_users() -> None:
    """No such list: nothing to do."""
    with camera({}) as (_, http, _):
        assert hikvision.ensure_onvif_user(http, LOGIN) is False


def test_a_full_list_of_users_is_told() -> None:
    """The camera's short word is in the error, the password is not."""
    answers: dict[str, Script] = {
        "GET /ISAPI/Security/ONVIF/users": xml("<UserList/>"),
        "POST /ISAPI/Security/ONVIF/users": verdict(4, "userFull\r\nx" + "y" * 500, 400),
    }
    with camera(answers) as (_, http, _):
        with pytest.raises(CameraUnsupported) as caught:
            hikvision.ensure_onvif_user(http, LOGIN)
        told = str(caught.value) + str(caught.value.fields)
        assert "userFull x" in told
        assert len(told) < 200
        assert PASSWORD not in told


def test_a_refused_password_is_sent_once() -> None:
    """One bad login, over several calls."""
    with camera({}, wants_login=True, refuses=True) as (web, http, gate):
        for _ in range(3):
            with pytest.raises(CameraLoginRefused):
                hikvision.enable_onvif(http)
        assert web.logins == 1
        assert gate.state is GateState.REFUSED


@given(st.binary(max_size=300))
@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_garbage_in_any_answer_is_a_typed_error(data: bytes) -> None:
    """Whatever bytes come as state, description or users: no other exception, and nothing is written."""
    answers: dict[str, Script] = {
        "GET /SDK/activateStatus": Answer(200, data),
        "GET /ISAPI/System/Network/Integrate": Answer(200, b"<Integrate>" + data),
        "GET /ISAPI/Security/ONVIF/users": Answer(200, data),
    }
    with camera(answers) as (web, http, _):
        for call in (hikvision.status, hikvision.enable_onvif):
            try:
                call(http)
            except CameraError:
                continue
        try:
            hikvision.ensure_onvif_user(http, LOGIN)
        except CameraError as error:
            assert PASSWORD not in str(error) + str(error.fields)
        assert all(asked.method != "PUT" for asked in web.asked) or b"<ONVIF" in data
