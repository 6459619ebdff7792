"""What the cameras of one device share, in a whole recorder: gate, password, sessions, and who answers."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import (
    CameraClosed,
    CameraLoginRefused,
    CameraOverloaded,
    CameraUnreachable,
)
from gateway.core.model import Login, Secret
from recorder.adoption import Device
from recorder.identity import Identity
from recorder.registry import Camera
from tests.fakes.recorder_box import RecorderBox, recorder_box
from tests.fakes.recording import Session, new_camera, new_recorder

pytestmark = pytest.mark.anyio
FULL = CameraOverloaded("no room", status=453)
LOGIN = {"username": "admin", "password": "Mat-khau 1"}


class Onlooker:
    """A witness: what the device tells, what its serial is, and how often it was asked."""

    def __init__(self, seen: Identity | Exception, serial: str | Exception = "") -> None:
        self.seen, self.told = seen, serial
        self.looks = self.logins = 0

    async def look(self, camera: Camera) -> Identity:
        self.looks += 1
        if isinstance(self.seen, Exception):
            raise self.seen
        return self.seen

    async def serial(self, camera: Camera, gate: Any) -> str:
        self.logins += 1
        if isinstance(self.told, Exception):
            raise self.told
        return self.told


async def adopt(box: RecorderBox, device: Device, **params: object) -> dict[str, Any]:
    address = device.cameras[0].address
    box.learnable[address] = device
    return await box.call("adopt", **{"address": address, "port": 80, **LOGIN, **params})


async def until_state(box: RecorderBox, *states: str) -> list[dict[str, Any]]:
    """Wait until the cameras are in these states, in order of adoption."""

    async def so() -> list[dict[str, Any]]:
        cameras = (await box.call("status"))["cameras"]
        return list(cameras) if [camera["state"] for camera in cameras] == list(states) else []

    return list(await box.until(so))


@contextlib.asynccontextmanager
async def recorder(root: Path, witness: Onlooker | None = None, *, accepts: bool = True) -> AsyncIterator[RecorderBox]:
    """A recorder whose cameras take every session, until the test says otherwise."""
    async with recorder_box(root, witness) as box:
        box.player.plays_at_once = accepts
        yield box


async def poke(box: RecorderBox, sessions: int) -> None:
    """End the first stream's pauses until it has opened another session."""
    stream = box.recorder.cameras.all()[0].streams[0]

    async def more() -> bool:
        if len(box.player.sessions) < sessions:
            stream.again()
        return len(box.player.sessions) >= sessions

    await box.until(more)


async def has_open(box: RecorderBox, count: int) -> dict[str, Session]:
    """Wait until so many sessions are open."""

    async def so() -> dict[str, Session]:
        found = open_sessions(box)
        return found if len(found) == count else {}

    return dict(await box.until(so))


def open_sessions(box: RecorderBox) -> dict[str, Session]:
    return {session.path: session for session in box.player.sessions if not session.ended}


# adoption


async def test_every_channel_becomes_a_camera(tmp_path: Path) -> None:
    """Each with its name, its number, main and sub; channels without a picture are told."""
    async with recorder(tmp_path) as box:
        device = replace(new_recorder(3), empty=(4, 5))
        answer = await adopt(box, device, name="Đầu ghi")
        await box.player.wait_for(6)
        assert [camera["name"] for camera in answer["cameras"]] == [f"Đầu ghi kênh {n}" for n in (1, 2, 3)]
        assert [camera["channel"] for camera in answer["cameras"]] == [1, 2, 3]
        assert answer["empty"] == [4, 5]
        assert {len(camera["streams"]) for camera in answer["cameras"]} == {2}


async def test_channels_that_are_ours_are_not_adopted_again(tmp_path: Path) -> None:
    """The others are; when none is left the answer names one of ours, and nothing is stored."""
    async with recorder(tmp_path) as box:
        await adopt(box, Device(new_recorder(3).cameras[1:2]))
        answer = await adopt(box, new_recorder(3))
        assert [camera["channel"] for camera in answer["cameras"]] == [1, 3]
        assert answer["already"] == 1
        with pytest.raises(Exception, match="adopted already"):
            await adopt(box, new_recorder(3))
        assert len((await box.call("camera.list"))["cameras"]) == 3


async def test_the_channels_asked_for_reach_the_driver(tmp_path: Path) -> None:
    """As the installer wrote them."""
    async with recorder(tmp_path) as box:
        await adopt(box, new_recorder(1), channels="1,3-5")
        assert box.orders[0].channels == "1,3-5"


# one login


async def test_channels_log_in_through_one_gate(tmp_path: Path) -> None:
    """Main and sub of every channel; a camera at another address has its own."""
    async with recorder(tmp_path) as box:
        await adopt(box, new_recorder(3))
        await adopt(box, Device((new_camera(9),)))
        await box.player.wait_for(8)
        gates = {id(session.gate) for session in box.player.sessions if len(session.path.split("/")) > 2}
        assert len(gates) == 1
        assert len({id(session.gate) for session in box.player.sessions}) == 2


async def test_cameras_behind_one_forwarded_address_have_their_own_gates(tmp_path: Path) -> None:
    """Their marks say that they are not one device."""
    async with recorder(tmp_path) as box:
        await adopt(box, Device((new_camera(1, streams=1),)))
        other = replace(new_camera(2, streams=1), address="10.0.0.1")
        box.learnable["10.0.0.1"] = Device((other,))
        await box.call("adopt", address="10.0.0.1", port=81, **LOGIN)
        await box.player.wait_for(2)
        assert len({id(session.gate) for session in box.player.sessions}) == 2


async def test_a_new_password_is_for_all_channels(tmp_path: Path) -> None:
    """It is stored for each, sealed, and tried through one new gate; another device keeps its own."""
    async with recorder(tmp_path) as box:
        answer = await adopt(box, new_recorder(3, streams=1))
        await adopt(box, Device((new_camera(9, streams=1),)))
        await has_open(box, 4)
        old = box.player.sessions[0].gate
        await box.call("camera.login", camera=answer["cameras"][1]["id"], username="admin", password="Mới")
        await box.player.wait_for(7)
        fresh = box.player.sessions[4:]
        assert len({id(session.gate) for session in fresh}) == 1
        assert fresh[0].gate is not old
        logins = [camera.about.login for camera in await box.books.registry.cameras()]
        assert logins == [Login("admin", Secret("Mới"))] * 3 + [Login("admin", Secret("Mat-khau 1"))]


async def test_adopting_a_channel_with_the_new_password_heals_the_others(tmp_path: Path) -> None:
    """The device has just taken it: what the others of that user were refused for is past."""
    async with recorder(tmp_path) as box:
        await adopt(box, Device(new_recorder(3, streams=1).cameras[:2]))
        for number in (1, 2):
            (await box.player.wait_for(number)).fail(CameraLoginRefused("wrong"))
        await until_state(box, "login_refused", "login_refused")
        late = replace(new_recorder(3, streams=1).cameras[2], login=Login("admin", Secret("Mới")))
        await adopt(box, Device((late,)), password="Mới")
        opened = await has_open(box, 3)
        assert {camera.about.login for camera in await box.books.registry.cameras()} == {Login("admin", Secret("Mới"))}
        assert len({id(session.gate) for session in opened.values()}) == 1


# one session budget


async def test_streams_that_do_not_fit_say_so_and_harm_nobody(tmp_path: Path) -> None:
    """A sub stream refused by 453 waits with its reason; the camera counts as connected by its main stream."""
    async with recorder(tmp_path) as box:
        await adopt(box, new_recorder(2))
        await box.player.wait_for(4)
        for path, session in open_sessions(box).items():
            if path.startswith("/main"):
                await box.show(session, 2)
        await until_state(box, "up", "up")
        for path, session in open_sessions(box).items():
            if path.startswith("/sub"):
                session.fail(FULL)

        async def held() -> list[dict[str, Any]]:
            cameras = (await box.call("status"))["cameras"]
            subs = [stream for camera in cameras for stream in camera["streams"] if stream["stream"] == "sub"]
            return list(cameras) if {stream["why"] for stream in subs} == {"camera_session_limit"} else []

        cameras = await box.until(held)
        assert [camera["connected"] for camera in cameras] == [True, True]
        assert {stream["state"] for camera in cameras for stream in camera["streams"]} == {"up", "down"}
        gaps = (await box.call("gaps", camera=cameras[0]["id"], stream="sub"))["gaps"]
        assert [gap["cause"] for gap in gaps] == ["camera"]


async def test_a_main_stream_takes_the_place_of_a_sub_stream(tmp_path: Path) -> None:
    """It is refused once; then the sub stream says goodbye, and the main stream opens at once."""
    async with recorder(tmp_path) as box:
        await adopt(box, Device(new_recorder(2).cameras[:1]))
        await box.player.wait_for(2)
        box.player.plays_at_once = False
        await adopt(box, Device(new_recorder(2, streams=1).cameras[1:]))
        await box.player.wait_for(3)
        open_sessions(box)["/main/2"].fail(FULL)

        async def held() -> bool:
            return box.recorder.cameras.all()[1].streams[0].why == "camera_session_limit"

        await box.until(held)
        await box.player.wait_for(4)
        assert box.player.sessions[3].path == "/main/2"
        assert box.player.left == 2  # the refused try and the sub stream that gave way


async def test_a_camera_taken_away_makes_room(tmp_path: Path) -> None:
    """The stream that waited opens without waiting for the end of its pause."""
    async with recorder(tmp_path) as box:
        first = await adopt(box, new_recorder(2, streams=1))
        await box.player.wait_for(2)
        await box.until(lambda: _plays(box, 2))
        box.player.plays_at_once = False
        open_sessions(box)["/main/2"].fail(FULL)
        await box.call("camera.remove", camera=first["cameras"][0]["id"])
        await box.player.wait_for(3)
        assert box.player.sessions[2].path == "/main/2"


async def _plays(box: RecorderBox, count: int) -> bool:
    return box.recorder.cameras.all()[0].host.sessions.playing == count


async def _why(box: RecorderBox, code: str) -> bool:
    return box.recorder.cameras.all()[0].streams[0].why == code


# who answers


async def test_a_stranger_gets_no_login_and_no_recording(tmp_path: Path) -> None:
    """After a restart another device answers: nothing plays, the state says so; the old one coming back ends it."""
    ours = new_camera(1).identity
    async with recorder(tmp_path) as box:
        await adopt(box, Device((new_camera(1),)))
    witness = Onlooker(Identity("urn:uuid:stranger", "02:ff:ff:ff:ff:ff"))
    async with recorder(tmp_path, witness) as box:

        async def all_stopped() -> list[dict[str, Any]]:
            cameras = (await box.call("status"))["cameras"]
            return list(cameras) if {stream["state"] for stream in cameras[0]["streams"]} == {"swapped"} else []

        (camera,) = await box.until(all_stopped)
        assert camera["why"] == "camera_swapped"
        assert camera["connected"] is False
        assert box.player.sessions == []
        assert witness.logins == 0
        witness.seen = Identity(ours.endpoint, ours.mac)
        box.recorder.cameras.all()[0].host._looked = (0, None)  # the pause for strangers is over
        await poke(box, 1)
        await has_open(box, 2)
        assert {session.path for session in box.player.sessions} == {"/main", "/sub?a=1"}
        events = (await box.call("journal", after=0))["events"]
        states = [event["data"]["state"] for event in events if event["type"] == "camera.state.v1"]
        assert "swapped" in states


async def test_all_streams_of_a_device_are_answered_by_one_look(tmp_path: Path) -> None:
    """Three channels, main and sub, one question; and none at all for what was just adopted."""
    witness = Onlooker(Identity("urn:uuid:1"))
    async with recorder(tmp_path, witness) as box:
        await adopt(box, new_recorder(3))
        await box.player.wait_for(6)
        assert witness.looks == 0
    async with recorder(tmp_path, witness) as box:
        await box.player.wait_for(6)
        assert witness.looks == 1
        assert witness.logins == 0


async def test_a_device_is_looked_at_after_an_outage_only(tmp_path: Path) -> None:
    """A refusal or a lack of room is none; a connection that ended is one."""
    witness = Onlooker(Identity("urn:uuid:1"))
    async with recorder(tmp_path, witness) as box:
        await adopt(box, Device((new_camera(1, streams=1),)))
        for number, (failure, looks) in enumerate(
            [(CameraOverloaded("busy"), 0), (CameraClosed("over"), 1), (CameraOverloaded("busy"), 1)], 1
        ):
            session = await box.player.wait_for(number)
            session.fail(failure)
            await box.until(partial(_why, box, failure.code))
            await poke(box, number + 1)
            assert witness.looks == looks


@pytest.mark.parametrize(
    ("serial", "state"),
    [("S1", "connecting"), ("S9", "swapped"), ("", "connecting"), (CameraUnreachable("no ONVIF"), "connecting"),
     (CameraLoginRefused("wrong"), "login_refused")],
    ids=["ours", "another", "not told", "not asked", "refused"],
)  # fmt: skip
async def test_the_serial_is_asked_when_nothing_else_is_told(
    tmp_path: Path, serial: str | Exception, state: str
) -> None:
    """By one login, through the device's gate; what it says decides, and its silence does not stop a recording."""
    async with recorder(tmp_path) as box:
        await adopt(box, Device((new_camera(1, streams=1),)))
    witness = Onlooker(Identity(), serial)
    async with recorder(tmp_path, witness) as box:
        if state == "connecting":
            await box.player.wait_for(1)
        await until_state(box, state)
        assert witness.logins == 1
        assert len(box.player.sessions) == (state == "connecting")


async def test_a_camera_that_is_away_is_unreachable(tmp_path: Path) -> None:
    """The look itself says so: no session is begun, nobody is taken for a stranger."""
    async with recorder(tmp_path) as box:
        await adopt(box, Device((new_camera(1, streams=1),)))
    async with recorder(tmp_path, Onlooker(CameraUnreachable("gone"))) as box:
        (camera,) = await until_state(box, "down")
        assert camera["why"] == "camera_unreachable"
        assert box.player.sessions == []
        gaps = (await box.call("gaps", camera=camera["id"]))["gaps"]
        assert gaps[-1]["cause"] in {"network", "recorder_stopped", "recorder_restart"}


# replacing


async def test_another_camera_takes_the_place_of_a_swapped_one(tmp_path: Path) -> None:
    """Name, id and streams stay, the device is the new one, and it plays."""
    async with recorder(tmp_path) as box:
        answer = await adopt(box, Device((new_camera(1),)), name="Lớp Lá")
        await box.player.wait_for(2)
        before = (await box.books.registry.cameras())[0]
        box.learnable["10.0.0.1"] = Device((replace(new_camera(7), address="10.0.0.1"),))
        done = await box.call("camera.replace", camera=answer["camera"]["id"], username="u", password="p2")
        (after,) = await box.books.registry.cameras()
        assert [row["id"] for row in done["cameras"]] == [before.public_id]
        assert after.name == "Lớp Lá"
        assert [stream.id for stream in after.streams] == [stream.id for stream in before.streams]
        assert after.about.identity == new_camera(7).identity
        assert box.orders[-1].address == "10.0.0.1"
        await box.player.wait_for(4)


async def test_a_replaced_recorder_keeps_its_channels(tmp_path: Path) -> None:
    """Channel by channel; one that the new recorder lacks stays what it was and is told."""
    async with recorder(tmp_path) as box:
        answer = await adopt(box, new_recorder(3, streams=1))
        ids = [camera["id"] for camera in answer["cameras"]]
        smaller = new_recorder(2, number=7, streams=1)
        box.learnable["10.0.0.1"] = Device(tuple(replace(item, address="10.0.0.1") for item in smaller.cameras))
        done = await box.call("camera.replace", camera=ids[0], **LOGIN)
        assert [row["id"] for row in done["cameras"]] == ids[:2]
        assert done["left"] == ids[2:]
        serials = [camera.about.identity.serial for camera in await box.books.registry.cameras()]
        assert serials == ["S7", "S7", "S1"]


@pytest.mark.parametrize("wrong", ["streams", "ours"])
async def test_a_replacement_that_cannot_be_changes_nothing(tmp_path: Path, wrong: str) -> None:
    """Fewer streams than before, or a camera that is ours under another name."""
    async with recorder(tmp_path) as box:
        answer = await adopt(box, Device((new_camera(1),)))
        await adopt(box, Device((new_camera(2),)))
        new = new_camera(7, streams=1) if wrong == "streams" else new_camera(2)
        box.learnable["10.0.0.1"] = Device((replace(new, address="10.0.0.1"),))
        before = await box.books.registry.cameras()
        with contextlib.suppress(Exception):
            await box.call("camera.replace", camera=answer["camera"]["id"], **LOGIN)
            pytest.fail("it was replaced")
        assert await box.books.registry.cameras() == before
