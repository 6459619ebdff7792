"""Loss and slow links, through a proxy of our own: repairs, budgets, the smaller stream, and everybody else."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from gateway.core.model import StreamRole
from gateway.live.retransmission import FIRST_ALLOWANCE_BYTES, SHARE
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox, make_grant
from tests.fakes.udp_proxy import UdpProxy, is_media
from tests.fakes.viewer import Viewer

HANG_S = 60.0


def facts_of(box: LiveBox, viewer: Viewer) -> dict[str, Any]:
    return next(item for item in box.sessions.facts() if item["session"] == viewer.session)


async def until(box: LiveBox, viewer: Viewer, name: str, value: object) -> None:
    async with asyncio.timeout(HANG_S):
        while facts_of(box, viewer)[name] != value:  # noqa: ASYNC110 - it follows reports
            await asyncio.sleep(0.05)


async def arrived(viewer: Viewer, count: int) -> None:
    """Wait for so many more packets: aiortc's own buffer takes long to give up the lost ones."""
    before = len(viewer.rtp)
    async with asyncio.timeout(HANG_S):
        while len(viewer.rtp) < before + count:  # noqa: ASYNC110 - filled by aiortc's own tasks
            await asyncio.sleep(0.05)


def test_two_percent_loss_is_repaired_within_the_budget(tmp_path: Path) -> None:
    """Every fiftieth packet is lost on the way: the viewer still decodes nineteen of twenty pictures or more."""

    async def body() -> None:
        number = itertools.count(1)
        media = 0

        def drops(data: bytes) -> bool:
            nonlocal media
            if not is_media(data):
                return False
            media += len(data)
            return next(number) % 50 == 0

        async with (
            LiveBox(tmp_path, clip(noise=24)) as box,
            UdpProxy(drops=drops) as link,
            Viewer() as viewer,
        ):
            await viewer.watch(box.client, box.ticket(make_grant(box.clock)), StreamRole.MAIN, link=link)
            await viewer.seen(120, HANG_S)
            facts = facts_of(box, viewer)
            assert link.dropped >= 5
            assert facts["resent"] >= link.dropped * 0.8
            assert len(viewer.pictures) >= 0.95 * (facts["frames"] - 20)  # some are still in the jitter buffer
            assert media <= facts["bytes"] * (1 + SHARE) + FIRST_ALLOWANCE_BYTES
            assert (facts["switched"], facts["full_socket"]) == (0, 0)

    asyncio.run(body())


def test_a_slow_link_gets_the_sub_stream_and_others_lose_nothing(tmp_path: Path) -> None:
    """300 kbit/s for a main stream several times that: the viewer is moved to sub and loses nothing more; the other one
    beside it gets every packet of main.
    """

    async def body() -> None:
        async with (
            LiveBox(tmp_path, clip(noise=24), sub=clip(160, 120)) as box,
            UdpProxy(rate_bps=300_000) as link,
            Viewer() as slow,
            Viewer() as other,
        ):
            await other.watch(box.client, box.ticket(make_grant(box.clock)), StreamRole.MAIN)
            await other.seen(1, HANG_S)
            await slow.watch(box.client, box.ticket(make_grant(box.clock)), StreamRole.MAIN, link=link)
            await until(box, slow, "stream", "sub")
            await arrived(slow, 40)  # what was queued on the way is through
            lost = link.dropped
            await arrived(slow, 40)
            assert link.dropped == lost > 0
            facts = facts_of(box, other)
            assert (facts["stream"], facts["skipped_frames"], facts["full_socket"]) == ("main", 0, 0)
            assert await other.lost() == 0
            assert box.faults == []

    asyncio.run(body())
