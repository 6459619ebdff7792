"""The recorder daemon and its devices: a recorder with many channels, a camera that moved, one that was swapped."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import RECORDER, Farm
from gateway.health.conditions import Raised, read_status
from tests.fakes.recorderd import PASSWORD, SMALL, Recorderd, own_address, recorderd, small_farm

pytestmark = [pytest.mark.anyio, pytest.mark.system]
LOGIN = {"username": "admin", "password": PASSWORD}
ANOTHER = "Mat-khau-khac"
SOON = "away_s = 2\nsearch_every_s = 2"


async def conditions(daemon: Recorderd) -> set[Raised]:
    """Return what health reads out of the recorder's status."""
    return read_status({"recorder": await daemon.call("status"), "live": {}, "hub_ok": None, "clock_trusted": True})


@asynccontextmanager
async def stranger_at(camera: SimulatedCamera, root: Path) -> AsyncIterator[SimulatedCamera]:
    """Another device where a camera was, with the same ports."""
    options = replace(SMALL, seed=f"{root}/{camera.address}", onvif_port=camera.onvif_port, rtsp_port=camera.rtsp_port)
    async with Farm(1, password=ANOTHER, base=camera.address, options=options) as farm:
        yield farm.cameras[0]


async def test_sixteen_channels_record_where_only_sixteen_sessions_fit(tmp_path: Path) -> None:
    """Found once, adopted as 16 cameras; 32 sessions wanted, 16 main streams record, the others say why they do not.

    A wrong password set for one channel reaches the recorder once and stops all of them.
    """
    async with small_farm(1, tmp_path, RECORDER) as farm, recorderd(tmp_path) as daemon:
        (device,) = farm.cameras
        found = [item for item in (await daemon.call("discover"))["found"] if item["address"] == device.address]
        assert len(found) == 1
        answer = await daemon.call("adopt", address=device.address, port=found[0]["port"], **LOGIN)
        assert [camera["channel"] for camera in answer["cameras"]] == list(range(1, 17))
        assert answer["empty"] == []

        async def mains_record() -> list[dict[str, Any]]:
            cameras = await daemon.cameras()
            streams = [(camera["streams"][0], camera["streams"][1]) for camera in cameras]
            waiting = all(sub["why"] == "camera_session_limit" for _, sub in streams)
            return cameras if waiting and all(main["recording"] for main, _ in streams) else []

        cameras = await daemon.until(mains_record)
        assert {camera["state"] for camera in cameras} == {"up"}
        assert all(camera["connected"] and camera["recording"] for camera in cameras)
        assert await conditions(daemon) == set()
        assert device.sessions == 16
        assert device.bad_logins == 0
        again = [item for item in (await daemon.call("discover", seconds=1))["found"] if item["adopted_as"]]
        assert [item["channels"] for item in again] == [list(range(1, 17))]
        await daemon.call("camera.login", camera=answer["cameras"][5]["id"], username="admin", password="falsch")

        async def refused() -> bool:
            return {camera["state"] for camera in await daemon.cameras()} == {"login_refused"}

        await daemon.until(refused)
        assert device.bad_logins == 1


async def test_cameras_that_moved_or_were_swapped(tmp_path: Path) -> None:
    """A renumbered camera records again by itself; a stranger gets no password and no old name.

    The stranger's camera is replaced by order, or found again at another address while the stranger stays.
    """
    async with small_farm(3, tmp_path) as farm, recorderd(tmp_path, SOON) as daemon:
        ids = await daemon.adopt_all(farm)
        await daemon.until_recording(3)
        moved, replaced, returns = farm.cameras
        was = returns.address
        await moved.switch("address", own_address(tmp_path, 99))
        await replaced.switch("offline", True)
        await returns.switch("offline", True)
        async with stranger_at(replaced, tmp_path) as new, stranger_at(returns, tmp_path) as stranger:

            async def told() -> bool:
                return {(row["id"], row["state"]) for row in await daemon.cameras()} >= {
                    (ids[1], "swapped"),
                    (ids[2], "swapped"),
                }

            await daemon.until(told)
            found = await conditions(daemon)
            assert {Raised("camera.swapped", ids[1]), Raised("camera.swapped", ids[2])} <= found
            for camera in ids[1:]:
                gaps = (await daemon.call("gaps", camera=camera, stream="main"))["gaps"]
                assert gaps[-1]["open"] is True
            await returns.switch("address", own_address(tmp_path, 98))
            await returns.switch("offline", False)
            done = await daemon.call("camera.replace", camera=ids[1], username="admin", password=ANOTHER)
            assert [row["id"] for row in done["cameras"]] == [ids[1]]
            await daemon.until_recording(3)
            assert {row["id"]: row["address"] for row in await daemon.cameras()} == {
                ids[0]: moved.address, ids[1]: new.address, ids[2]: returns.address
            }  # fmt: skip
            assert await conditions(daemon) == set()
            assert (stranger.sessions, stranger.book.good_logins) == (0, 0)
            assert [camera.bad_logins for camera in (*farm.cameras, new, stranger)] == [0] * 5
            assert (new.address, stranger.address) == (replaced.address, was)
        events = (await daemon.call("journal", after=0))["events"]
        assert {row["subject"] for row in events if row["type"] == "camera.address.v1"} == {ids[0], ids[2]}
        assert [row["subject"] for row in events if row["type"] == "camera.replaced.v1"] == [ids[1]]
