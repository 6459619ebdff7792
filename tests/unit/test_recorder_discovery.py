"""Searching over the recorder's socket, and following cameras of ours that moved."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import anyio
import pytest

from gateway.core.errors import BadInput, CameraUnreachable, NotPermitted
from recorder.discovery import FoundCamera, SearchOrder, SearchStep
from recorder.identity import Identity
from recorder.service_discovery import MOST_TOLD, identity_among
from tests.fakes.recorder_box import RecorderBox, adopt, recorder_box
from tests.fakes.recording import new_camera

pytestmark = pytest.mark.anyio
MOVED = FoundCamera("urn:uuid:1", "10.0.0.99", 8080, "", "")


async def run(box: RecorderBox, **params: Any) -> list[dict[str, Any]]:
    return [json.loads(chunk) async for chunk in box.client.stream("discover.run", params)]


async def test_a_search_says_what_is_ours(tmp_path: Path) -> None:
    """By identity, not by address."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box)
        box.found = [
            FoundCamera("urn:uuid:1", "10.0.0.1", 80, "Lớp 1", "SIM", "02:00:00:00:00:01"),
            FoundCamera("urn:uuid:2", "10.0.0.2", 80, "Lớp 2", "SIM"),
        ]
        found = (await box.call("discover", seconds=2))["found"]
        assert [item["adopted_as"] for item in found] == [camera, None]
        assert {"endpoint", "address", "port", "name", "hardware", "mac"} <= set(found[0])


async def test_a_camera_of_ours_at_another_address_is_followed(tmp_path: Path) -> None:
    """It is stopped there and started here; an address outside our networks is not followed."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)
        await box.player.wait_for(1)
        box.found = [FoundCamera("urn:uuid:1", "192.168.1.2", 80, "", "", reachable=False)]
        await box.call("discover")
        box.found = [FoundCamera("urn:uuid:1", "10.0.0.99", 8080, "", "")]
        await box.call("discover")
        await box.player.wait_for(2)
        assert box.player.left == 1
        (row,) = (await box.call("camera.list"))["cameras"]
        assert (row["id"], row["address"], row["port"]) == (camera, "10.0.0.99", 8080)


@pytest.mark.parametrize(
    ("driver", "endpoint", "mac", "port"),
    [("onvif", "urn:uuid:1", "", 8080), ("onvif", "", "02:00:00:00:00:01", 80), ("rtsp", "urn:uuid:1", "", 80)],
)
async def test_a_moved_camera_keeps_its_port_unless_onvif_names_another(
    tmp_path: Path, driver: str, endpoint: str, mac: str, port: int
) -> None:
    """What a maker's own discovery calls the port is the web page's; RTSP has its own."""
    async with recorder_box(tmp_path) as box:
        box.learnable["10.0.0.1"] = replace(new_camera(1, streams=1), driver=driver)
        await box.call("adopt", address="10.0.0.1", port=80, username="admin", password="x")
        box.found = [FoundCamera(endpoint, "10.0.0.99", 8080, "", "", mac)]
        await box.call("discover")
        (row,) = (await box.call("camera.list"))["cameras"]
        assert (row["address"], row["port"]) == ("10.0.0.99", port)


async def test_a_camera_that_is_taken_away_while_it_is_followed_ends_no_search(tmp_path: Path) -> None:
    """The question whether it is at home takes a while: by then it may be nobody's."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)

        async def taken_away(address: str, endpoint: str) -> bool:
            del address, endpoint
            await box.call("camera.remove", camera=camera)
            return False

        box.discovery.is_at = taken_away  # type: ignore[method-assign]  # what happens while the camera is asked
        box.found = [MOVED]
        assert len((await box.call("discover"))["found"]) == 1
        assert (await box.call("camera.list"))["cameras"] == []


@pytest.mark.parametrize("seconds", [0, -1, 61, "long", True])
async def test_a_search_has_a_sensible_length(tmp_path: Path, seconds: object) -> None:
    """Anything else is refused by name."""
    async with recorder_box(tmp_path) as box:
        with pytest.raises(BadInput) as refusal:
            await box.call("discover", seconds=seconds)
        assert refusal.value.fields["key"] == "seconds"


async def test_the_ranges_are_named_before_they_are_asked(tmp_path: Path) -> None:
    """Interface, network and how many hosts."""
    async with recorder_box(tmp_path) as box:
        assert (await box.call("discover.ranges"))["ranges"] == [
            {"interface": "eth0", "network": "10.0.0.0/24", "hosts": 253}
        ]


async def test_a_search_streams_its_steps_and_then_its_result(tmp_path: Path) -> None:
    """Each step names interface and range; the result has them again, with what failed and what did not fit."""
    steps = [SearchStep("passive", "eth0", "10.0.0.0/24"), SearchStep("sweep", "eth0", "10.0.0.0/24", 16, 506)]
    async with recorder_box(tmp_path) as box:
        box.discovery.steps = steps
        box.found = [FoundCamera("", "10.0.0.7", 0, "", "", maker="Dahua", rtsp_port=554, how=("ports",))]
        *told, result = await run(box, sweep=["10.0.0.0/24"], ports=["10.0.0.0/25"], temporary="eth1", seconds=2)
    assert box.discovery.orders == [SearchOrder(2.0, ("10.0.0.0/24",), ("10.0.0.0/25",), "eth1")]
    assert [item["step"]["step"] for item in told] == ["passive", "sweep"]
    assert told[1]["step"] == {
        "step": "sweep", "interface": "eth0", "network": "10.0.0.0/24", "done": 16, "every": 506,
    }  # fmt: skip
    (row,) = result["found"]
    assert (row["maker"], row["rtsp_port"], row["how"], row["adopted_as"]) == ("Dahua", 554, ["ports"], None)
    assert [step["step"] for step in result["steps"]] == ["passive", "sweep"]
    assert result["failed"] == [{"step": "sadp", "code": "config"}]
    assert result["dropped"] == 3


async def test_a_failed_search_is_told_as_its_error(tmp_path: Path) -> None:
    """With code and fields, also after steps were shown."""
    async with recorder_box(tmp_path) as box:
        box.discovery.steps = [SearchStep("passive", "eth0", "10.0.0.0/24")]
        box.discovery.error = NotPermitted("no", case="net_admin", address="192.168.1.250/24", interface="eth1")
        with pytest.raises(NotPermitted) as refusal:
            await run(box, temporary="eth1")
        assert refusal.value.fields["address"] == "192.168.1.250/24"


async def test_one_search_at_a_time(tmp_path: Path) -> None:
    """A second one waits: it might take away the first one's temporary address."""
    async with recorder_box(tmp_path) as box:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(box.call, "discover")
        assert (len(box.discovery.orders), box.discovery.most_searches) == (3, 1)


async def test_a_slow_reader_sees_the_latest_steps(tmp_path: Path) -> None:
    """What waits is bounded; the result always comes."""
    async with recorder_box(tmp_path) as box:
        box.discovery.steps = [SearchStep("ports", "eth0", "10.0.0.0/24", n, 500) for n in range(500)]
        *told, result = await run(box)
        assert len(told) <= MOST_TOLD
        assert told[-1]["step"]["done"] == 499
        assert result["found"] == []


async def test_who_stops_watching_blocks_nobody(tmp_path: Path) -> None:
    """A reader that goes away in the middle leaves the search usable for the next one."""
    async with recorder_box(tmp_path) as box:
        box.discovery.steps = [SearchStep("ports", "eth0", "10.0.0.0/24", n, 500) for n in range(500)]
        box.discovery.hold = asyncio.Event()
        stream = cast("AsyncGenerator[bytes, None]", box.client.stream("discover.run", {}))
        await anext(stream)
        await stream.aclose()
        box.discovery.hold.set()
        assert (await box.call("discover"))["found"] == []


@pytest.mark.parametrize(
    "params",
    [{"sweep": "10.0.0.0/24"}, {"ports": [1]}, {"sweep": ["x"] * 17}, {"temporary": 1}, {"temporary": "x" * 65}],
)
async def test_a_malformed_order_is_refused_by_name(tmp_path: Path, params: dict[str, Any]) -> None:
    """Before anything is searched."""
    async with recorder_box(tmp_path) as box:
        with pytest.raises(BadInput) as refusal:
            await run(box, **params)
        assert refusal.value.fields["key"] in params
        assert box.discovery.orders == []


async def address_of(box: RecorderBox) -> tuple[str, int]:
    (row,) = (await box.call("camera.list"))["cameras"]
    return row["address"], row["port"]


async def test_a_camera_that_announces_a_new_address_is_followed_at_once(tmp_path: Path) -> None:
    """Its old address was asked first and did not answer in its name; recording goes on at the new one."""
    async with recorder_box(tmp_path) as box:
        await adopt(box, streams=1)
        await box.player.wait_for(1)
        await box.discovery.announce(MOVED)
        await box.player.wait_for(2)
        assert await address_of(box) == ("10.0.0.99", 8080)
        assert box.discovery.asked == [("10.0.0.1", "urn:uuid:1")]


async def test_nobody_can_take_a_cameras_name(tmp_path: Path) -> None:
    """While the camera answers at its address, an announcement from another is not followed."""
    async with recorder_box(tmp_path) as box:
        await adopt(box, streams=1)
        await box.player.wait_for(1)
        box.discovery.at_home.add(("10.0.0.1", "urn:uuid:1"))
        await box.discovery.announce(MOVED)
        box.found = [MOVED]
        await box.call("discover")
        assert await address_of(box) == ("10.0.0.1", 80)
        assert box.player.left == 0


async def test_strangers_and_distant_addresses_move_nothing(tmp_path: Path) -> None:
    """A stranger, our camera where it is, and our camera outside our networks."""
    async with recorder_box(tmp_path) as box:
        await adopt(box, streams=1)
        await box.player.wait_for(1)
        for item in (
            FoundCamera("urn:uuid:7", "10.0.0.98", 80, "", ""),
            FoundCamera("urn:uuid:1", "10.0.0.1", 80, "", ""),
            FoundCamera("urn:uuid:1", "192.168.1.64", 80, "", "", reachable=False),
            FoundCamera("urn:uuid:1", "10.0.0.98", 80, "", "", mac="02:ff:00:00:00:00"),
        ):
            await box.discovery.announce(item)
        assert await address_of(box) == ("10.0.0.1", 80)
        assert box.discovery.asked == []


async def test_a_camera_known_by_its_mac_is_followed_only_when_it_does_not_play(tmp_path: Path) -> None:
    """It has no name to be asked by: while it plays it is where it is."""
    async with recorder_box(tmp_path) as box:
        new = new_camera(1, streams=1)
        mac = new.identity.mac
        box.learnable["10.0.0.1"] = replace(new, port=554, identity=Identity("", mac, ""))
        await box.call("adopt", address="10.0.0.1")
        session = await box.player.wait_for(1)
        session.sink.playing(None)
        await box.show(session, 1)

        async def plays() -> bool:
            return bool((await box.camera())["connected"])

        await box.until(plays)
        box.found = [FoundCamera("", "10.0.0.50", 0, "", "", mac=mac, rtsp_port=554)]
        await box.call("discover")
        assert await address_of(box) == ("10.0.0.1", 554)
        session.fail(CameraUnreachable("gone"))

        async def stopped() -> bool:
            return not (await box.camera())["connected"]

        await box.until(stopped)
        await box.call("discover")
        assert await address_of(box) == ("10.0.0.50", 554)


def test_a_mac_that_several_show_marks_none_of_them() -> None:
    """A repeater answers ARP for all behind it; by its endpoint a camera is still itself."""
    one = FoundCamera("urn:1", "10.0.0.1", 80, "", "", mac="44:19:b6:00:00:01")
    other = FoundCamera("", "10.0.0.2", 0, "", "", mac="44:19:b6:00:00:01")
    alone = FoundCamera("", "10.0.0.3", 0, "", "", mac="44:19:b6:00:00:02")
    found = (one, other, alone)
    assert identity_among(one, found) == Identity("urn:1")
    assert identity_among(other, found) == Identity()
    assert identity_among(alone, found) == Identity("", alone.mac)
    assert identity_among(one, (one, alone)) == Identity("urn:1", one.mac)
