"""New cameras with the real recorder daemon: found, named, given what they lack, recorded."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.simulated.farm import Farm
from tests.fakes.recorderd import PASSWORD, SMALL, recorderd

pytestmark = [pytest.mark.anyio, pytest.mark.system]
ODD = ("hikvision:inactive", "dahua:inactive", "hikvision:onvif_off", "dahua:onvif_off")


def odd_farm(root: Path, odd: tuple[str, ...]) -> Farm:
    number = zlib.crc32(str(root).encode())
    base = f"127.{number % 200 + 20}.{number // 200 % 250}.51"
    return Farm(len(odd), password=PASSWORD, options=replace(SMALL, seed=str(root), odd=odd), base=base)


async def test_new_cameras_are_found_named_made_ready_and_recorded(tmp_path: Path) -> None:
    """Inactive and ONVIF-off cameras of both makers: named with their command, made ready by one call each, recorded.

    Adoption needs no password where the box gave it; no camera saw a bad login; no password is in the log.
    """
    async with odd_farm(tmp_path, ODD) as farm, recorderd(tmp_path) as daemon:
        found = {item["address"]: item for item in (await daemon.call("discover"))["found"]}
        given = [PASSWORD]
        rows = [found[camera.address] for camera in farm.cameras]
        assert [row["state"] for row in rows] == ["inactive", "uninitialised", "no_onvif", "no_onvif"]
        assert [row["remedy"] for row in rows] == ["activate", "activate", "onvif_on", "onvif_on"]
        for camera, row in zip(farm.cameras, rows, strict=True):
            assert row["command"] == f"vuon kich-hoat {camera.address} --port {camera.onvif_port}"
            assert (row["serial"], row["mac"]) == (camera.state.identity.serial, camera.state.identity.mac)
            login = {"username": "admin", "password": PASSWORD} if row["state"] == "no_onvif" else {}
            told = await daemon.call("camera.activate", address=camera.address, go=True, **login)
            assert told["port"] == camera.onvif_port
            if not login:
                given.append(told["password"])
                assert camera.book.password_of("admin") == told["password"] != PASSWORD
            await daemon.call("adopt", address=camera.address, port=told["port"], **login)
        await daemon.until_recording(4)
        assert [camera.bad_logins for camera in farm.cameras] == [0, 0, 0, 0]
        again = {item["address"]: item for item in (await daemon.call("discover"))["found"]}
        assert all(again[camera.address]["adopted_as"] for camera in farm.cameras)
        assert all(again[camera.address]["state"] == "ready" for camera in farm.cameras)
        log = (tmp_path / "recorder.log").read_text()
        assert all(password not in log for password in given)


async def test_a_recorder_killed_in_between_knows_the_password(tmp_path: Path) -> None:
    """Killed after the camera got its password and before it was adopted: the next run adopts it all the same."""
    async with odd_farm(tmp_path, ODD[:1]) as farm, recorderd(tmp_path) as daemon:
        (camera,) = farm.cameras
        place = {"address": camera.address, "port": camera.onvif_port}
        password = (await daemon.call("camera.activate", **place, go=True))["password"]
        await daemon.stop(9)
        await daemon.start()
        assert (await daemon.call("camera.activate", **place))["kept"] is True
        await daemon.call("adopt", **place)
        assert camera.book.password_of("admin") == password
        assert camera.bad_logins == 0
