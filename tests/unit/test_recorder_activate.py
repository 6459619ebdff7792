"""`camera.activate`: said first, done on request, and no password is ever lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.errors import (
    BadInput,
    CameraBadReply,
    CameraLoginRefused,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.secrets import SealKey
from recorder.pending import PendingLogins
from tests.fakes.recorder_box import RecorderBox, adopt, recorder_box
from tests.fakes.recording import new_camera

pytestmark = pytest.mark.anyio
ADDRESS = "10.0.0.9"


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[RecorderBox]:
    async with recorder_box(tmp_path) as running:
        yield running


async def test_without_a_yes_nothing_is_done(box: RecorderBox) -> None:
    """What is lacking is told; the device was looked at and nothing else; no password exists."""
    told = await box.call("camera.activate", address=ADDRESS)
    assert told == {
        "vendor": "hikvision",
        "address": ADDRESS,
        "port": 80,
        "needs": ["password", "onvif"],
        "kept": False,
        "done": [],
    }
    assert box.activator.told == ["look"]
    assert box.activator.made == 0


@pytest.mark.parametrize("go", [False, 1, "true", None])
async def test_only_true_is_a_yes(box: RecorderBox, go: object) -> None:
    """Nothing but `go: true` changes a camera."""
    await box.call("camera.activate", address=ADDRESS, go=go)
    assert box.activator.told == ["look"]


async def test_a_new_camera_gets_a_password_and_onvif(box: RecorderBox) -> None:
    """Both are done, the password is told, and adoption without a login uses it; then it is forgotten."""
    told = await box.call("camera.activate", address=ADDRESS, go=True)
    assert told["done"] == ["password", "onvif"]
    assert (told["username"], told["password"]) == ("admin", box.activator.password)
    box.learnable[ADDRESS] = replace(new_camera(9), address=ADDRESS)
    await box.call("adopt", address=ADDRESS, port=80)
    login = box.orders[-1].login
    assert login is not None
    assert login.password.reveal() == box.activator.password
    box.learnable["10.0.0.7"] = new_camera(7)
    await box.call("adopt", address="10.0.0.7", port=80)
    assert box.orders[-1].login is None
    with pytest.raises(BadInput):
        await box.call("camera.activate", address=ADDRESS, go=True)


async def test_a_login_that_is_given_goes_before_the_one_that_is_kept(box: RecorderBox) -> None:
    """Somebody may have changed the password on the camera's own page meanwhile."""
    await box.call("camera.activate", address=ADDRESS, go=True)
    box.learnable[ADDRESS] = replace(new_camera(9), address=ADDRESS)
    await box.call("adopt", address=ADDRESS, port=80, username="admin", password="Von mir 1")
    login = box.orders[-1].login
    assert login is not None
    assert login.password.reveal() == "Von mir 1"
    pending = PendingLogins(box.books.db, SealKey(b"k" * 32), box.clock)
    assert await pending.find(ADDRESS) is not None  # it may be another camera's that was there before


async def test_a_refusal_at_adoption_names_what_to_do(box: RecorderBox) -> None:
    """No login, the kept one and a given one: each refusal has its own remedy, and nothing kept is lost."""
    box.learnable[ADDRESS] = CameraLoginRefused("no")
    cases = []
    for login in ({}, {"username": "admin", "password": "falsch"}):
        with pytest.raises(CameraLoginRefused) as refusal:
            await box.call("adopt", address=ADDRESS, port=80, **login)
        cases.append(refusal.value.fields["case"])
    await box.call("camera.activate", address=ADDRESS, go=True)
    with pytest.raises(CameraLoginRefused) as refusal:
        await box.call("adopt", address=ADDRESS, port=80)
    assert [*cases, refusal.value.fields["case"]] == ["login_wanted", "login_first", "login_kept"]
    assert (await box.call("camera.activate", address=ADDRESS))["kept"] is True


@pytest.mark.parametrize("error", [CameraUnreachable("gone"), CameraBadReply("garbage")])
async def test_a_password_that_may_have_arrived_is_kept(box: RecorderBox, error: CameraUnreachable) -> None:
    """The connection broke in the middle: the camera has it, and the next call goes on with the same one."""
    activator = box.activator
    activator.fails_giving, activator.takes_it_all_the_same = error, True
    with pytest.raises(type(error)):
        await box.call("camera.activate", address=ADDRESS, go=True)
    told = await box.call("camera.activate", address=ADDRESS)
    assert (told["needs"], told["kept"]) == (["onvif"], True)
    activator.fails_giving = None
    told = await box.call("camera.activate", address=ADDRESS, go=True)
    assert (told["done"], told["password"]) == (["onvif"], activator.password)
    assert activator.made == 1


async def test_a_password_that_did_not_arrive_is_tried_again(box: RecorderBox) -> None:
    """The same one: whichever of the two tries reached the camera, we know its password."""
    activator = box.activator
    activator.fails_giving = CameraUnreachable("gone")
    with pytest.raises(CameraUnreachable):
        await box.call("camera.activate", address=ADDRESS, go=True)
    activator.fails_giving = None
    told = await box.call("camera.activate", address=ADDRESS, go=True)
    assert told["password"] == activator.password == "Password1Abcdefg"


async def test_a_refused_password_is_forgotten(box: RecorderBox) -> None:
    """The camera said no and is still without: nothing is kept."""
    activator = box.activator
    activator.fails_giving = CameraUnsupported("the camera refused: the activation")
    with pytest.raises(CameraUnsupported):
        await box.call("camera.activate", address=ADDRESS, go=True)
    assert (await box.call("camera.activate", address=ADDRESS))["kept"] is False


async def test_a_refusal_after_the_fact_keeps_it(box: RecorderBox) -> None:
    """The camera said no but has a password now: ours, probably, so it is kept."""
    activator = box.activator
    activator.fails_giving, activator.takes_it_all_the_same = CameraUnsupported("no"), True
    with pytest.raises(CameraUnsupported):
        await box.call("camera.activate", address=ADDRESS, go=True)
    assert (await box.call("camera.activate", address=ADDRESS))["kept"] is True


async def test_onvif_that_fails_does_not_hide_the_password(box: RecorderBox) -> None:
    """The password was given: it is told, with what went wrong afterwards, and told again on the next call."""
    activator = box.activator
    activator.fails_onvif = CameraUnsupported("the camera has no switch for ONVIF")
    told = await box.call("camera.activate", address=ADDRESS, go=True)
    assert told["done"] == ["password"]
    assert told["password"] == activator.password
    assert told["trouble"] == {"code": "camera_unsupported", "message": "the camera has no switch for ONVIF"}
    again = await box.call("camera.activate", address=ADDRESS, go=True)
    assert (again["done"], again["password"]) == ([], activator.password)
    assert again["trouble"] == told["trouble"]
    activator.fails_onvif = None
    assert (await box.call("camera.activate", address=ADDRESS, go=True))["password"] == activator.password


async def test_a_camera_with_a_password_needs_it(box: RecorderBox) -> None:
    """ONVIF is switched on with the login a person gives; that one is neither kept nor told."""
    activator = box.activator
    activator.device, activator.password = replace(activator.device, active=True), "Von mir 1"
    with pytest.raises(BadInput):
        await box.call("camera.activate", address=ADDRESS, go=True)
    with pytest.raises(CameraLoginRefused):
        await box.call("camera.activate", address=ADDRESS, go=True, username="admin", password="falsch")
    told = await box.call("camera.activate", address=ADDRESS, go=True, username="admin", password="Von mir 1")
    assert told["done"] == ["onvif"]
    assert "password" not in told
    assert (await box.call("camera.activate", address=ADDRESS))["kept"] is False


async def test_a_kept_password_of_another_camera_is_no_trap(box: RecorderBox) -> None:
    """New cameras share an address: the kept login is refused once and named so, another one may be given."""
    activator = box.activator
    await box.call("camera.activate", address=ADDRESS, go=True)
    activator.device, activator.password = replace(activator.device, active=True, onvif=False), "Von mir 1"
    with pytest.raises(CameraLoginRefused) as refusal:
        await box.call("camera.activate", address=ADDRESS, go=True)
    assert (refusal.value.fields["case"], refusal.value.fields["address"]) == ("login_kept", ADDRESS)
    with pytest.raises(CameraLoginRefused) as refusal:
        await box.call("camera.activate", address=ADDRESS, go=True, username="admin", password="falsch")
    assert refusal.value.fields["case"] == "login_first"
    told = await box.call("camera.activate", address=ADDRESS, go=True, username="admin", password="Von mir 1")
    assert told["done"] == ["onvif"]
    assert "password" not in told
    assert (await box.call("camera.activate", address=ADDRESS))["kept"] is True


async def test_our_own_cameras_are_left_alone(box: RecorderBox) -> None:
    """An adopted camera is not even looked at, and named."""
    await adopt(box, 9)
    with pytest.raises(BadInput) as refusal:
        await box.call("camera.activate", address=ADDRESS, go=True)
    assert refusal.value.fields["case"] == "adopted"
    assert refusal.value.fields["name"]
    assert box.activator.told == []


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"address": "camera.local"},
        {"address": "::1"},
        {"address": "10.0.0.9; reboot"},
        {"address": ADDRESS, "port": "80"},
        {"address": ADDRESS, "go": True, "username": "a" * 257, "password": "x"},
        {"address": ADDRESS, "go": True, "username": "admin", "password": "x" * 257},
    ],
)
async def test_what_is_no_request_is_refused(box: RecorderBox, params: dict[str, object]) -> None:
    """Anything but an IPv4 address, a number and short texts: refused, nothing done."""
    with pytest.raises(BadInput):
        await box.call("camera.activate", **params)
    assert "password" not in box.activator.told
