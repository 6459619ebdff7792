"""The TLS certificate of a device, known to all its cameras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

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
