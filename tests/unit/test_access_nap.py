"""11:30, the nap begins: guardians' tracks end, the principal's goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.reasons import Reason
from gateway.core.i18n import catalogue
from tests.fakes.access_world import World, school
from tests.fakes.school import local

pytestmark = pytest.mark.anyio
NAP = local(19, 11, 30)


async def second_phone(w: World) -> str:
    """The other family's phone."""
    return (await w.join_for_good(w.father_of_mate, "Android")).session.id


async def test_the_nap_ends_every_guardians_track_and_no_other(tmp_path: Path) -> None:
    """Both families' pictures end at 11:30 by the next beat, with the nap's words; the principal's goes on."""
    async with school(tmp_path) as w:
        phone = await second_phone(w)
        w.clock.step_wall(NAP - 2000 - w.clock.now_ms())
        await w.beats()
        mother = await w.look()
        father, _ = await w.access.open.open(w.father_of_mate, phone, w.camera, "offer")
        principal, _ = await w.access.open.open(w.principal, w.actor.device, w.camera, "offer")
        assert {watch.grant.until_ms for watch in w.access.open.watches()} == {NAP, None}
        await w.until(lambda: w.clock.now_ms() >= NAP, step_s=0.25)
        before = len(w.media.renewals)
        await w.until(lambda: not {mother, father.id} & w.media.sessions.keys(), step_s=0.25)
        assert len(w.media.renewals) <= before + 1
        assert {w.media.why(mother), w.media.why(father.id)} == {Reason.PLAN_NAP}
        await w.beats(3)
        assert list(w.media.sessions) == [principal.id]
        assert catalogue("vi").text(f"reason.{Reason.PLAN_NAP}").startswith("Giờ ngủ trưa")
        assert w.faults == []


async def test_the_reaper_alone_ends_them_too(tmp_path: Path) -> None:
    """Without the timer, as if it had failed, the nap's beat of the reaper ends them all the same."""
    async with school(tmp_path) as w:
        w.clock.step_wall(NAP - 600 - w.clock.now_ms())
        grant = await w.look()
        held = w.access.open._held[grant]
        w.clock.step_wall(600)
        await w.access.open.reap()
        assert (held.ended, w.media.why(grant)) == (Reason.PLAN_NAP, Reason.PLAN_NAP)
