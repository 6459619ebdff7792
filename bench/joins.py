"""Bench `joins`: many viewers come at once to a camera that others watch; when each sees its first picture.

Owns what is counted: from a viewer's having its offer (a server's asking, where the server offers) to its first whole
key picture, and how late pictures were meanwhile for those who watched before.
"""

from __future__ import annotations

import asyncio
import statistics
import time

from bench.harness import Options, Reading, Table, Variant, compare
from bench.live import LATE, VIEWERS, load, others_and_address
from bench.live_round import WARM_S, Running, counts, lateness, no_offers
from bench.live_servers import Servers
from bench.live_viewer import Counting
from gateway.core.model import PublicId

AT_ONCE = 25
WITHIN_S = 30.0


async def look(running: Running) -> Reading:
    """Let `AT_ONCE` viewers join together."""
    await asyncio.sleep(WARM_S)
    (camera,) = running.feed.cameras
    coming = [Counting(running.address) for _ in range(AT_ONCE)]
    _, holes = counts(running.everybody)
    for viewer in running.everybody:
        viewer.arrivals.clear()
    try:
        if running.open is not no_offers:
            for viewer in coming:
                await viewer.offer()
        began_s = time.monotonic()
        async with asyncio.timeout(WITHIN_S):
            waited = sorted(await asyncio.gather(*(_first_picture(running, viewer, camera) for viewer in coming)))
        late = lateness(running)
        lost = counts(running.everybody)[1] - holes
        figures = {
            "first picture p95, ms": waited[int(len(waited) * 0.95)],
            "first picture p50, ms": statistics.median(waited),
            "last one, ms": waited[-1],
            "all of them, s": time.monotonic() - began_s,
            "others late p99, ms": late[int(len(late) * 0.99)] if late else 0.0,
        }
        return Reading(figures, f"{lost} packets lost" if lost else "")
    finally:
        for viewer in coming:
            await viewer.close()


async def _first_picture(running: Running, viewer: Counting, camera: PublicId) -> float:
    began_s = time.monotonic()
    await running.join(viewer, camera)
    while viewer.first_s is None:  # noqa: ASYNC110 - found as packets are read
        await asyncio.sleep(0.005)
    return (viewer.first_s - began_s) * 1000


def run(options: Options) -> list[Table]:
    """Measure all servers in turn."""
    with others_and_address() as (others, address):
        servers = Servers(address, options.viewers, look)
        rows = [
            Variant("vuon-live", servers.ours),
            Variant("aiortc, MediaRelay", servers.plain, control=True),
            *(servers.peer_variant(name, found) for name, found in others.items()),
        ]
        title = f"joins: {AT_ONCE} at once, beside {options.viewers} viewers of the same camera"
        note = (
            "The viewers' handshakes run in one process, so much of the time is theirs. The first picture is the first "
            "whole key picture: before it nothing can be decoded. Key pictures come each 2 s; ours is sent from the "
            "cached GOP."
        )
        return [compare(title, rows, options, (VIEWERS, note, LATE, load()))]
