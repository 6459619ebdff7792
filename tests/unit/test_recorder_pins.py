"""The TLS certificate of a device, known to all its cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.model import Login, Secret
from recorder.adoption import Device
from tests.fakes.clock import FakeClock
from tests.fakes.recorder_box import recorder_box
from tests.fakes.recording import books, new_recorder

pytestmark = pytest.mark.anyio
PIN = "ab" * 32


async def test_what_one_channel_saw_is_known_to_all_after_a_restart(tmp_path: Path) -> None:
    """The first channel never played over TLS: it must not take whatever certificate is shown now."""
    async with books(tmp_path, FakeClock()) as own:
        for number, new in enumerate(new_recorder(3, streams=1).cameras, start=1):
            await own.registry.add(replace(new, name=f"Kênh {number}", tls_pin=PIN if number == 2 else ""))
    async with recorder_box(tmp_path) as box:
        first = await box.player.wait_for(1)
        assert first.gate.pin == PIN
        assert {task.gate.pin for task in box.recorder.cameras.all()} == {PIN}


async def test_a_channel_adopted_with_another_password_keeps_the_certificate_it_was_adopted_with(
    tmp_path: Path,
) -> None:
    """The password is new for the other channels, too; the certificate that came with it is what all trust."""
    first, second = new_recorder(2, streams=1).cameras
    old, new = Login("admin", Secret("Mat-khau 1")), Login("admin", Secret("Mat-khau 2"))
    async with recorder_box(tmp_path) as box:
        for camera, login, pin in ((first, old, "01" * 32), (second, new, PIN)):
            box.learnable[camera.address] = Device((replace(camera, login=login, tls_pin=pin),))
            password = login.password.reveal()
            await box.call("adopt", address=camera.address, port=80, username="admin", password=password)
        assert {task.gate.pin for task in box.recorder.cameras.all()} == {PIN}
        assert {task.camera.about.login for task in box.recorder.cameras.all()} == {new}
