"""How often one device may open streams."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.opengrants import GUARDIAN_PACE, STAFF_PACE
from gateway.core.errors import LiveFull
from tests.fakes.access_world import school

pytestmark = pytest.mark.anyio


async def test_a_guardian_cannot_open_streams_without_pause(tmp_path: Path) -> None:
    """Each opening writes the audit and keeps the live daemon busy: beyond a burst none is begun, later one is."""
    async with school(tmp_path) as w:
        for _ in range(GUARDIAN_PACE.burst):
            await w.access.open.open(w.mother, w.phone, w.camera, "offer")
        rows = await w.db.read(lambda conn: conn.execute("SELECT count(*) FROM audit").fetchone()[0])
        with pytest.raises(LiveFull):
            await w.access.open.open(w.mother, w.phone, w.camera, "offer")
        assert await w.db.read(lambda conn: conn.execute("SELECT count(*) FROM audit").fetchone()[0]) == rows
        await w.access.open.open(w.principal, w.actor.device, w.camera, "offer")
        w.clock.tick(GUARDIAN_PACE.every_s)
        await w.access.open.open(w.mother, w.phone, w.camera, "offer")


async def test_staff_open_every_room_at_once(tmp_path: Path) -> None:
    """A wall of a hundred rooms, opened and reloaded, is within the pace of one device."""
    async with school(tmp_path) as w:
        for _ in range(100):
            await w.access.open.open(w.principal, w.actor.device, w.camera, "offer")
        assert len(w.access.open.watches()) == 100
        assert STAFF_PACE.burst >= 200
