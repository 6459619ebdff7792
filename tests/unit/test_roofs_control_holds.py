"""Holds placed at the box's own console: decided, told to the recorder, listed, lifted."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.errors import BadInput, DaemonUnavailable, NotFound
from gateway.core.model import new_public_id
from gateway.roofs.export_port import CONSOLE_ID
from tests.fakes.clock import NOON_MS
from tests.fakes.gateway_console import CAMERA, desk

pytestmark = pytest.mark.anyio
SPAN = {"from_ms": NOON_MS - 60_000, "to_ms": NOON_MS}


async def test_a_hold_of_the_console_is_told_and_audited(tmp_path: Path) -> None:
    """Placed by the console: the recorder hears it without the reason, the audit says who, the list says why."""
    async with desk(tmp_path) as box:
        await box.school()
        placed = await box.call("hold.place", camera=CAMERA, why="Bé ngã", days=5, **SPAN)
        assert placed["confirmed"] is True
        (told,) = box.recorder.holds
        assert (told["method"], told["hold"], told["who"], told["why"]) == (
            "hold.place",
            placed["hold"],
            CONSOLE_ID,
            "",
        )
        assert told["until_ms"] == placed["until_ms"]
        row = next(row for row in box.rows() if row["what"] == "hold.place")
        assert (row["person"], row["device"], row["object"]) == (None, "console", CAMERA)
        assert [(item["why"], item["by"]) for item in (await box.call("hold.list"))["holds"]] == [("Bé ngã", "")]
        await box.call("hold.lift", hold=placed["hold"], why="xong")
        assert box.recorder.holds[-1] == {"method": "hold.lift", "hold": placed["hold"]}
        assert (await box.call("hold.list"))["holds"] == []


async def test_what_cannot_be_held_is_refused(tmp_path: Path) -> None:
    """An unknown camera or hold, no reason, a span that runs backwards, an id that is none."""
    async with desk(tmp_path) as box:
        await box.school()
        good = {"camera": CAMERA, "why": "x", **SPAN}
        for wrong in ({"why": ""}, {"to_ms": 1}, {"days": 0}, {"days": 1000}, {"why": "x" * 300}):
            with pytest.raises(BadInput):
                await box.call("hold.place", **good | wrong)
        with pytest.raises(NotFound):
            await box.call("hold.place", **good | {"camera": new_public_id()})
        with pytest.raises(NotFound):
            await box.call("hold.lift", hold=new_public_id(), why="x")
        with pytest.raises(BadInput):
            await box.call("hold.lift", hold="x", why="x")
        assert box.recorder.holds == []


async def test_a_recorder_that_is_away_or_says_no(tmp_path: Path) -> None:
    """Away: the hold is said not to be confirmed and stays due. A camera it does not know: the wish is over."""
    async with desk(tmp_path) as box:
        await box.school()
        box.recorder.error = DaemonUnavailable("away")
        placed = await box.call("hold.place", camera=CAMERA, why="Bé ngã", **SPAN)
        assert placed["confirmed"] is False
        assert len(await box.parts.copying.holds.due()) == 1
        box.recorder.error = BadInput("no such camera")
        with pytest.raises(NotFound):
            await box.call("hold.place", camera=CAMERA, why="Bé ngã", **SPAN)
        assert await box.parts.copying.holds.due() == []
