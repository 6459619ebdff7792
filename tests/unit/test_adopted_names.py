"""What a camera is called when it becomes ours: as somebody called it, else by maker and model, never like another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drivers.adopt import Learned
from drivers.base import LoginMode
from gateway.roofs.learning import Told, name_of
from recorder.adoption import Device
from tests.fakes.cli_box import cli_box
from tests.fakes.recording import new_camera
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
        assert (second["camera"]["name"], second["taken"]) == ("Lớp Lá 1 (2)", ["Lớp Lá 1"])
        assert second["numbered"]
        wished = await adopt(box, third, name="lớp lá 1")
        assert (wished["camera"]["name"], wished["taken"], wished["numbered"]) == ("lớp lá 1", ["lớp lá 1"], False)


@pytest.mark.parametrize(
    ("numbered", "name", "said"),
    [(True, "Lá 1 (2)", "the new one is called “Lá 1 (2)”"), (False, "Lá 1", "Two cameras are called “Lá 1” now")],
)
def test_a_name_that_another_camera_has_is_told(tmp_path: Path, numbered: bool, name: str, said: str) -> None:
    """Nobody finds out later by a command that asks which of the two is meant."""
    camera = {"id": "c" * 16, "name": name, "streams": []}
    answer = {"cameras": [camera], "taken": ["Lá 1"], "numbered": numbered}
    with cli_box(tmp_path, {"recorder": {"adopt": answer}}) as box:
        assert said in box.vuon("adopt", "10.0.0.9", typed="pw\n").out
