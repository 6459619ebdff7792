"""Bench `cameras`: sixteen cameras with four viewers each, our data plane beside plain aiortc.

Owns its rows. The others are not in it: their configurations here know one camera.
"""

from __future__ import annotations

from bench.harness import Options, Reading, Table, Variant, compare
from bench.live import NOTES, load, others_and_address
from bench.live_round import Running, steady
from bench.live_servers import Servers
from gateway.core.model import new_public_id

CAMERAS, VIEWERS = 16, 4


def run(options: Options) -> list[Table]:
    """Measure both servers in turn."""
    with others_and_address() as (_, address):

        async def look(running: Running) -> Reading:
            return await steady(running, options.seconds)

        servers = Servers(address, VIEWERS, look, cameras=[new_public_id() for _ in range(CAMERAS)])
        rows = [
            Variant("vuon-live", servers.ours),
            Variant("aiortc, MediaRelay", servers.plain, control=True),
        ]
        title = f"cameras: {CAMERAS} with {VIEWERS} viewers each"
        return [compare(title, rows, options, (*NOTES[:3], "The cameras are out of step.", load()))]
