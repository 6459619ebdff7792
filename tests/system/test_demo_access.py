"""Who sees what in the running product, and how fast a right ends: real HTTP, real DTLS and SRTP."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from gateway.access.reasons import told
from gateway.core.model import new_public_id
from tests.fakes.box_door import GONE, BoxDoor, add_guardian, ask, endings, silence, steps, until, watching
from tests.fakes.demo_box import DemoBox, demo_box
from tests.fakes.viewer import Viewer

pytestmark = [pytest.mark.system, pytest.mark.anyio]

LEASE_90K = 5 * 90_000
"""A guardian's lease on the media clock."""
SLACK_90K = 3 * 90_000
"""How much later a starved machine may notice that a lease is over."""
PROMPT_90K = 27_000
"""Three pictures of the sub stream: what may be under way while a command ends."""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoBox]:
    with demo_box(tmp_path_factory.mktemp("access")) as running:
        running.well()
        yield running


def camera_of(box: DemoBox, name: str) -> str:
    """Return a camera's id."""
    return next(str(row["id"]) for row in box.status()["cameras"] if row["name"] == name)


@asynccontextmanager
async def guardian(box: DemoBox, name: str, class_name: str = "Lớp Mầm 1") -> AsyncIterator[BoxDoor]:
    """A new guardian of a class, signed in by a slip."""
    slip = await add_guardian(box, name, class_name)
    async with BoxDoor(box.ready["web"]) as door:
        assert (await door.redeem(slip)).status_code == 200
        yield door


async def principal(box: DemoBox, door: BoxDoor) -> None:
    """Sign a device in as the principal, by a fresh code."""
    code = (await ask(box, "gateway", "code.new"))["code"]
    assert (await door.sign_in(code)).status_code == 303


async def knock(door: BoxDoor, camera: str) -> httpx.Response:
    """Send a real offer and hang up, whatever the answer is."""
    async with Viewer() as viewer:
        return await door.offer(viewer, camera)


async def over(viewer: Viewer) -> None:
    """No RTP packet arrives any more."""
    count = await silence(viewer)
    await asyncio.sleep(2)
    assert len(viewer.rtp) == count


async def test_a_revoked_guardians_last_packet_leaves_before_the_reaper(box: DemoBox) -> None:
    """Once `vuon thu-hoi` returns, nothing but what was under way arrives; the reason was told first."""
    camera = camera_of(box, "Lớp Mầm 1")
    async with guardian(box, "Ông Một") as door, watching(door, camera) as viewer:
        await asyncio.to_thread(box.vuon, "thu-hoi", "Ông Một")
        returned = len(viewer.rtp)
        await over(viewer)
        assert steps(viewer, returned) <= PROMPT_90K
        assert len(viewer.told) == 1
        assert '"end": ""' not in viewer.told[0]
        refused, nothing = await knock(door, camera), await knock(door, new_public_id())
        if refused.status_code != nothing.status_code:  # their login ended between the two
            refused = await knock(door, camera)
        assert (refused.status_code, refused.content) == (nothing.status_code, nothing.content)
        assert refused.status_code in GONE
        still = await door.get(f"/api/cameras/{camera}/still.jpg")
        assert still.status_code in GONE


@pytest.mark.parametrize(
    ("method", "params", "back", "reason"),
    [
        ("sharing", {"stop": True}, {"stop": False}, "sharing.stopped"),
        ("hours.set", {"start": "00:00", "end": "00:01", "days": "2"}, {"start": "00:00", "end": "24:00"}, "window"),
    ],
)
async def test_every_change_of_policy_ends_the_video_at_once(
    box: DemoBox, method: str, params: dict[str, Any], back: dict[str, Any], reason: str
) -> None:
    """Stopping all sharing and closing the hours end the running video before the reaper's beat, with the reason."""
    camera = camera_of(box, "Lớp Mầm 1")
    extra = {"class": "Lớp Mầm 1"} if method == "hours.set" else {}
    async with guardian(box, f"Bà {method}") as door, watching(door, camera) as viewer:
        await ask(box, "gateway", method, params | extra)
        returned = len(viewer.rtp)
        try:
            await over(viewer)
            assert steps(viewer, returned) <= PROMPT_90K
            assert reason in viewer.told[0]
            answer = await knock(door, camera)
            assert answer.status_code == 403
            assert reason in answer.json()["error"]["reason"]
            assert (await door.get(f"/api/cameras/{camera}/still.jpg")).status_code == 403
        finally:
            await ask(box, "gateway", method, {"days": "2,3,4,5,6,7,8"} | back | extra)
        async with watching(door, camera):
            pass


async def test_a_guardian_has_one_stream(box: DemoBox) -> None:
    """A second device of the same guardian ends the first one's video, with the reason `device.other`."""
    camera, name = camera_of(box, "Lớp Mầm 1"), "Bà Hai"
    async with guardian(box, name) as first, BoxDoor(box.ready["web"]) as second:
        slip = (await ask(box, "gateway", "slip.new", {"guardian": name, "checked": True}))["url"]
        assert (await second.redeem(slip)).status_code == 200
        async with watching(first, camera) as old, watching(second, camera) as new:
            await over(old)
            assert "device.other" in old.told[0]
            count = len(new.rtp)
            await until(lambda: len(new.rtp) > count + 10, what="the second device goes on")
            assert new.told == []
            assert (await ask(box, "live", "status"))["viewers"] == {camera: 1}


async def recording(box: DemoBox) -> list[Any]:
    """Return what must not change while others die: runs and gaps of every stream."""
    cameras = (await ask(box, "recorder", "status"))["cameras"]
    assert all(camera["recording"] for camera in cameras)
    runs = [stream["run"] for camera in cameras for stream in camera["streams"]]
    return [runs, [camera["gaps_today"] for camera in cameras]]


async def test_without_the_gateway_video_ends_with_its_lease(box: DemoBox) -> None:
    """A gateway that stands still renews nothing: media ends with the lease, recording goes on; then WHEP works again."""
    camera, before = camera_of(box, "Lớp Mầm 1"), await recording(box)
    pid = box.pid("gateway")
    async with guardian(box, "Ông Ba") as door:
        async with watching(door, camera) as viewer:
            os.kill(pid, signal.SIGSTOP)
            try:
                stopped = len(viewer.rtp)
                async with asyncio.timeout(60):
                    await viewer_told(viewer)
                await over(viewer)
                assert 0 < steps(viewer, stopped) <= LEASE_90K + SLACK_90K
                assert '"code": "live.lease"' in viewer.told[0]
                assert '"end": ""' in viewer.told[0]
                assert (await ask(box, "live", "status"))["sessions"] == 0
                assert await recording(box) == before
            finally:
                os.kill(pid, signal.SIGCONT)
        async with watching(door, camera):
            assert box.pid("gateway") == pid


async def viewer_told(viewer: Viewer) -> None:
    while not viewer.told:  # noqa: ASYNC110 - filled by aiortc's own tasks
        await asyncio.sleep(0.05)


async def test_a_killed_gateway_decides_again_about_every_stream(box: DemoBox) -> None:
    """After `kill -9` a stream is held by the new gateway or ended by its lease; a revocation then ends it at once."""
    camera, before, name = camera_of(box, "Lớp Mầm 1"), await recording(box), "Ông Bốn"
    async with guardian(box, name) as door, watching(door, camera) as viewer:
        old = await asyncio.to_thread(box.kill, "gateway")
        killed = len(viewer.rtp)
        await asyncio.to_thread(box.back, "gateway", old)

        async def decided() -> bool:
            held = (await ask(box, "gateway", "status"))["watching"]
            return bool(viewer.told) or held == (await ask(box, "live", "status"))["sessions"] == 1

        await until(decided, what="the stream is held or ended")
        if viewer.told:
            await over(viewer)
            assert steps(viewer, killed) <= LEASE_90K + SLACK_90K
        else:
            count = len(viewer.rtp)
            await until(lambda: steps(viewer, count) > LEASE_90K + 90_000, what="its lease is renewed")
        await asyncio.to_thread(box.vuon, "thu-hoi", name)
        returned = len(viewer.rtp)
        await over(viewer)
        assert steps(viewer, returned) <= PROMPT_90K
        assert (await ask(box, "live", "status"))["sessions"] == 0
        assert (await knock(door, camera)).status_code in GONE
        assert await recording(box) == before


async def test_a_guardian_revoked_by_a_gateway_just_back_sees_nothing_more(box: DemoBox) -> None:
    """The first thing the new gateway hears is a revocation: the stream the old one opened is over."""
    camera, name = camera_of(box, "Lớp Mầm 1"), "Bà Năm"
    async with guardian(box, name) as door, watching(door, camera) as viewer:
        await asyncio.to_thread(box.kill, "gateway")
        killed = len(viewer.rtp)

        async def revoked() -> bool:
            try:
                await ask(box, "gateway", "revoke", {"guardian": name})
            except Exception as error:  # noqa: BLE001 - any refusal until the new one answers
                assert "Unavailable" in type(error).__name__, error
                return False
            return True

        await until(revoked, what="the new gateway answers")
        await until(lambda: viewer.told, what="the viewer is told")
        await over(viewer)
        assert steps(viewer, killed) <= 2 * LEASE_90K + SLACK_90K
        assert (await ask(box, "live", "status"))["sessions"] == 0


MATRIX = {
    ("GET", "/"): (200, 303, 303),
    ("GET", "/camera/{mine}"): (200, 404, 303),
    ("GET", "/camera/{other}"): (200, 404, 303),
    ("GET", "/camera/{none}"): (404, 404, 303),
    ("GET", "/p/"): (404, 200, 401),
    ("GET", "/p/tai-khoan"): (404, 200, 401),
    ("GET", "/p/moi"): (200, 200, 200),
    ("GET", "/vao"): (303, 303, 200),
    ("GET", "/api/me"): (200, 200, 200),
    ("GET", "/api/cameras"): (200, 404, 401),
    ("GET", "/api/cameras/{mine}"): (200, 404, 401),
    ("GET", "/api/cameras/{other}"): (200, 404, 401),
    ("GET", "/api/class"): (404, 200, 401),
    ("GET", "/api/cameras/{mine}/still.jpg"): (200, 200, 401),
    ("GET", "/api/cameras/{other}/still.jpg"): (200, 404, 401),
    ("GET", "/api/cameras/{none}/still.jpg"): (404, 404, 401),
    ("GET", "/api/cameras/..%2f..%2fetc/still.jpg"): (404, 404, 404),
    ("POST", "/whep/{mine}"): (201, 201, 401),
    ("POST", "/whep/{other}"): (201, 404, 401),
    ("POST", "/whep/{none}"): (404, 404, 401),
    ("DELETE", "/whep/{mine}/{none}"): (404, 404, 401),
    ("POST", "/wall/{mine}"): (400, 404, 401),
    ("POST", "/wall/{none}"): (404, 404, 401),
    ("POST", "/wall/{other}/{none}/0"): (410, 404, 401),
    ("POST", "/api/sharing/stop"): (200, 403, 401),
    ("POST", "/api/sharing/resume"): (200, 403, 401),
    ("POST", "/ra"): (303, 303, 303),
    ("GET", "/docs"): (404, 404, 404),
    ("GET", "/openapi.json"): (404, 404, 404),
    ("GET", "/.env"): (404, 404, 404),
}
"""Route: what principal, guardian of Lớp Mầm 1 and nobody are answered."""


async def test_every_role_gets_exactly_what_the_table_says(box: DemoBox) -> None:
    """Principal, guardian and nobody: the status of each address, and no picture byte where it is not 200."""
    ids = {"mine": camera_of(box, "Lớp Mầm 1"), "other": camera_of(box, "Lớp Mầm 2"), "none": new_public_id()}
    wrong = []
    async with (
        guardian(box, "Bà Sáu") as parent,
        BoxDoor(box.ready["web"]) as head,
        BoxDoor(box.ready["web"]) as nobody,
    ):
        await principal(box, head)
        async with asyncio.timeout(30):  # a guardian of this second may see no still from before it
            still = f"/api/cameras/{ids['mine']}/still.jpg"
            while (await parent.request("GET", still)).status_code != 200:  # noqa: ASYNC110 - the box makes one every GOP
                await asyncio.sleep(0.2)
        for (method, route), expected in MATRIX.items():
            for door, status in zip((head, parent, nobody), expected, strict=True):
                path = route.format(**ids)
                if method == "POST" and path.startswith("/whep/"):
                    reply = await knock(door, path.removeprefix("/whep/"))
                else:
                    reply = await door.request(method, path)
                if reply.status_code != status:
                    wrong.append((method, route, status, reply.status_code))
                if status != 200:
                    assert b"\xff\xd8\xff" not in reply.content
                assert reply.headers["cache-control"] == "no-store"
    assert wrong == []


async def test_a_change_from_another_origin_is_refused_before_the_cookie(box: DemoBox) -> None:
    """Another page's POST with the principal's own cookie changes nothing."""
    async with BoxDoor(box.ready["web"]) as head:
        await principal(box, head)
        for headers in ({"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}):
            reply = await head.post("/api/sharing/stop", headers=headers)
            assert reply.status_code == 403
        assert (await head.get("/api/cameras")).json()["sharing"]["stopped"] is False


LAST_90K = 90_000
ALL_DAY = {"start": "00:00", "end": "24:00", "days": "2,3,4,5,6,7,8"}


def spare(box: DemoBox) -> tuple[str, str]:
    """Return the camera no other test here needs, and the name of its class."""
    row = box.status()["cameras"][-1]
    return str(row["id"]), str(row["name"])


Act = Callable[[DemoBox, BoxDoor, str, str], Awaitable[object]]


async def disable(box: DemoBox, _door: BoxDoor, name: str, _camera: str) -> None:
    await ask(box, "gateway", "person.disable", {"person": name, "disabled": True})


async def sign_out(_box: DemoBox, door: BoxDoor, _name: str, _camera: str) -> None:
    assert (await door.post("/ra")).status_code == 303


async def move(box: DemoBox, _door: BoxDoor, _name: str, camera: str) -> None:
    await ask(box, "gateway", "camera.assign", {"camera": camera, "class": "Lớp Mầm 2"})


async def take_away(box: DemoBox, _door: BoxDoor, _name: str, camera: str) -> None:
    await ask(box, "gateway", "camera.assign", {"camera": camera})


async def new_child(box: DemoBox, _door: BoxDoor, name: str, _camera: str) -> None:
    child = {"name": f"{name} 2", "kind": "me", "child": "Bé Mới", "class": f"Lớp {name}", "consent": False}
    await ask(box, "gateway", "guardian.add", child)


ACTS: dict[str, tuple[Act, str]] = {
    "person disabled": (disable, "person.disabled"),
    "signed out": (sign_out, "session.ended"),
    "camera moved to another class": (move, "not_found"),
    "camera taken from its class": (take_away, "not_found"),
    "a child joins without an answer": (new_child, "class.not_open"),
}


@pytest.mark.parametrize("act", ACTS)
async def test_an_act_ends_the_running_stream(box: DemoBox, act: str) -> None:
    """Through the product's own door: the page is told why, then nothing comes; one row of the audit says so."""
    name, (run, reason) = f"Bà {act}", ACTS[act]
    camera, home = spare(box)
    await ask(box, "gateway", "class.add", {"name": f"Lớp {name}", "cameras": [camera], "plan": "open"})
    await ask(box, "gateway", "hours.set", ALL_DAY | {"class": f"Lớp {name}"})
    try:
        async with guardian(box, name, f"Lớp {name}") as door, watching(door, camera) as viewer:
            await viewer.can_hear()
            await run(box, door, name, camera)
            returned = len(viewer.rtp)
            await until(lambda: viewer.told, what="the page is told")
            await over(viewer)
            assert steps(viewer, returned) <= LAST_90K
            assert [json.loads(text)["end"] for text in viewer.told] == [told(reason)]
            await until(lambda: endings(box, name), what="the audit row")
            assert await endings(box, name) == [reason]
    finally:
        await ask(box, "gateway", "camera.assign", {"camera": camera, "class": home})


async def test_a_killed_gateway_takes_guardians_pictures_with_it(box: DemoBox) -> None:
    """`kill -9` and nobody starts it again: media ends with the lease, each recording goes on in its own run."""
    old = box.pid("gateway")
    camera, before = camera_of(box, "Lớp Mầm 1"), await recording(box)
    async with guardian(box, "Ông Chín") as door, watching(door, camera) as viewer:
        await viewer.can_hear()
        os.kill(box.process.pid, signal.SIGSTOP)  # who would start it again
        try:
            os.kill(old, signal.SIGKILL)
            killed = len(viewer.rtp)
            await until(lambda: viewer.told, seconds=60, what="the lease's end")
            await over(viewer)
            assert 0 < steps(viewer, killed) <= LEASE_90K + SLACK_90K
            assert json.loads(viewer.told[0]) == {"end": "", "code": "live.lease"}
            assert (await ask(box, "live", "status"))["sessions"] == 0
            assert await recording(box) == before
        finally:
            os.kill(box.process.pid, signal.SIGCONT)
        await asyncio.to_thread(box.back, "gateway", old)
        async with watching(door, camera):
            assert await recording(box) == before


async def test_a_camera_that_is_removed_is_gone_from_the_page(box: DemoBox) -> None:
    """The recorder forgets it: media ends, the page asks again and is told that there is no such camera."""
    camera, home = spare(box)
    async with guardian(box, "Bà Bảy", home) as door, watching(door, camera) as viewer:
        await viewer.can_hear()
        await ask(box, "recorder", "camera.remove", {"camera": camera})
        returned = len(viewer.rtp)
        await until(lambda: viewer.told, what="the page is told")
        await over(viewer)
        assert steps(viewer, returned) <= LAST_90K
        assert json.loads(viewer.told[0])["code"] in {"live.camera_gone", "not_found"}

        async def forgotten() -> bool:
            return (await knock(door, camera)).status_code == 404

        await until(forgotten, what="the gateway has heard of it")
        assert len(await endings(box, "Bà Bảy")) == 1
