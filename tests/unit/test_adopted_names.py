"""What a camera is called when it becomes ours: as somebody called it, else by maker and model, never like another."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.adopt import Learned
from drivers.base import LoginMode
from gateway.roofs.learning import Told, name_of
from recorder.adoption import Device
from recorder.discovery import FoundCamera
from recorder.identity import Identity
from tests.fakes.cli_box import cli_box
from tests.fakes.recording import new_camera, new_recorder
from tests.unit.test_recorder_hosts import adopt, recorder

ABOUT = Learned(
    driver="onvif", endpoint="", port=80, serial="DS-2CD2143G2-I20200101AAWRE1", mac=None, manufacturer="HIKVISION",
    model="DS-2CD2143G2-I", firmware="V5.7.3", name="HIKVISION DS-2CD2143G2-I", streams=(), clock_skew_ms=None,
    login_mode=LoginMode.WSSE,
)  # fmt: skip


@pytest.mark.parametrize(
    ("told", "name"),
    [
        (Told("Lớp Lá 1", "DS-2CD2143G2-I"), "Lớp Lá 1"),
        (Told("HIKVISION DS-2CD2143G2-I", "DS-2CD2143G2-I"), "HIKVISION DS-2CD2143G2-I"),
        (Told("10.0.0.9"), "HIKVISION DS-2CD2143G2-I"),
        (Told("Safire SF-1", "SF-1", "Safire"), "HIKVISION DS-2CD2143G2-I"),
        (Told(), "HIKVISION DS-2CD2143G2-I"),
    ],
)
def test_a_given_name_goes_before_maker_and_model(told: Told, name: str) -> None:
    """A seller's own maker and model, as discovery tells them, are no given name either."""
    assert name_of(ABOUT, "10.0.0.9", told) == name


@pytest.mark.anyio
async def test_a_second_device_of_one_name_is_told_apart(tmp_path: Path) -> None:
    """By a number, and whoever adopts it is told; a name that was wished for is kept, and told too."""
    async with recorder(tmp_path) as box:
        one, other, third = (Device((replace(new_camera(n), name="Lớp Lá 1"),)) for n in (1, 2, 3))
        first = await adopt(box, one)
        assert (first["camera"]["name"], first["taken"], first["numbered"]) == ("Lớp Lá 1", [], False)
        second = await adopt(box, other)
        assert (second["camera"]["name"], second["taken"]) == (
            "Lớp Lá 1 (2)",
            [{"taken": "Lớp Lá 1", "name": "Lớp Lá 1 (2)"}],
        )
        assert second["numbered"]
        wished = await adopt(box, third, name="lớp lá 1")
        assert (wished["camera"]["name"], wished["numbered"]) == ("lớp lá 1", False)
        assert wished["taken"] == [{"taken": "lớp lá 1", "name": "lớp lá 1"}]


@pytest.mark.anyio
async def test_a_name_is_taken_however_its_accents_are_written(tmp_path: Path) -> None:
    """Cameras write composed or decomposed letters: to whoever reads or types the name, both are one."""
    decomposed = unicodedata.normalize("NFD", "Lớp Lá 1")
    async with recorder(tmp_path) as box:
        await adopt(box, Device((replace(new_camera(1), name="Lớp Lá 1"),)))
        second = await adopt(box, Device((replace(new_camera(2), name=decomposed),)))
        assert (second["camera"]["name"], second["numbered"]) == (f"{decomposed} (2)", True)


@pytest.mark.anyio
async def test_the_channels_of_a_recorder_known_by_its_mac_are_named_alike(tmp_path: Path) -> None:
    """Adopted one after the other through the recorder, with the MAC that the search heard."""
    cameras = [
        replace(item, name="NVR", identity=Identity(channel=n)) for n, item in enumerate(new_recorder(2).cameras, 1)
    ]
    async with recorder(tmp_path) as box:
        box.found = [FoundCamera("", cameras[0].address, 80, "NVR", "", "02:aa:00:00:00:01")]
        await box.call("discover")
        await adopt(box, Device(tuple(cameras[:1])))
        second = await adopt(box, Device(tuple(cameras)))
    assert ([row["name"] for row in second["cameras"]], second["taken"], second["already"]) == (["NVR kênh 2"], [], 1)


@pytest.mark.parametrize(
    ("numbered", "name", "said"),
    [
        (
            True,
            "NVR (2)",
            "! There is a camera called “NVR kênh 3” already, so the new one is called “NVR (2) kênh 3”.",
        ),
        (False, "NVR", "! Two cameras are called “NVR kênh 3” now. A command that is given this name refuses it"),
    ],
)
def test_a_name_that_another_camera_has_is_told(tmp_path: Path, numbered: bool, name: str, said: str) -> None:
    """Of the very camera it is about, and that a command takes neither of two: nobody finds out later."""
    cameras = [{"id": str(n) * 16, "name": f"{name} kênh {n}", "streams": []} for n in (1, 3)]
    twin = {"taken": "NVR kênh 3", "name": f"{name} kênh 3"}
    answer = {"cameras": cameras, "taken": [twin], "numbered": numbered}
    with cli_box(tmp_path, {"recorder": {"adopt": answer}}) as box:
        assert said in box.vuon("adopt", "10.0.0.9", typed="pw\n").out
