"""Bench `live`: viewers of one camera, our data plane beside plain aiortc, Janus, Pion and GStreamer.

    make bench ARGS="live --viewers 60 --seconds 15 --rounds 3"
    make bench ARGS="live --viewers 200"
    make bench ARGS="live --viewers 60 --recording 32"      # our recorder at work on the same machine
    make bench ARGS="live --viewers 60" PEERS="janus pion"  # some of the others only, or PEERS=none

Owns the rows and their notes. All get the same pictures and serve real ICE, DTLS and SRTP, in a network of this
bench's own where it may make one (root, iproute2).
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.harness import Options, Reading, Table, Variant, compare
from bench.live_peers import Peer, gstreamer, janus, pion
from bench.live_round import Running, steady
from bench.live_servers import Servers
from bench.record import Counts, Plan, SourceProcess, measure_ours, source_process
from tests.isolation import CARD, enter_own_network

VIEWERS = (
    "1080p15, 2 Mbit/s, in a network of its own; viewers are aiortc receivers in another process that "
    "count packets as they come off the socket, and send one report a second."
)
LATE = (
    "Late: from the picture's being handed to the server to its last packet's reaching the viewer's socket, by the "
    "kernel's clock. A sleeper: how late a process beside them woke that does nothing else; the machine's own part."
)
NOTES = (
    VIEWERS,
    "Only the server process is measured; the receiving half of loopback is charged to it, alike for all.",
    LATE,
    "Ours and aiortc get pictures over a Unix socket, the others as RTP.",
)
UNSERVED = "not run: Go's proxy serves no go2rtc and no MediaMTX here (both send through Pion)"


def asked_for(name: str) -> bool:
    """Say whether the environment's PEERS names a peer; all do while it is not set."""
    wanted = os.environ.get("PEERS", "").replace(",", " ").lower().split()
    return not wanted or name in wanted


def peers(folder: Path) -> dict[str, Peer | str]:
    """Return the others by row: how to run each, or why it is not run."""
    found: dict[str, Peer | str] = {}
    if asked_for("janus"):
        found["Janus, event_loops = 1"] = janus()
    if asked_for("pion"):
        found["Pion"] = pion(folder)
    if asked_for("gstreamer"):
        found["GStreamer webrtcbin"] = gstreamer()
    if asked_for("go2rtc") or asked_for("mediamtx"):
        found["go2rtc, MediaMTX"] = UNSERVED
    return found


@contextmanager
def others_and_address() -> Iterator[tuple[dict[str, Peer | str], str]]:
    """Move into an own network; give the peers and the address to serve on. Peers need that network."""
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        others = peers(Path(folder))  # Pion is built while the machine's own network is still there
        try:
            enter_own_network()
        except (OSError, subprocess.CalledProcessError) as error:
            yield dict.fromkeys(others, f"not run: no network of its own ({error})"), "127.0.0.1"
        else:
            yield others, CARD[0].partition("/")[0]


def load() -> str:
    """Return the note that says how busy the machine was."""
    return f"Load average at the start: {os.getloadavg()[0]:.1f}."


def beside_recorder(cameras: int, title: str, rows: Sequence[Variant], options: Options) -> Table:
    """Run a whole bench while our recorder records so many cameras, and say what it lost meanwhile."""
    tables: list[Table] = []

    def watch(source: SourceProcess, pids: list[int], plan: Plan, streams: int) -> tuple[Reading, Counts]:
        del pids, plan, streams
        tables.append(compare(title, rows, options, (*NOTES, load())))
        sent = {(row["camera"], row["role"]): row["sent"] for row in source.report()["connections"]}
        return Reading({}), sent

    with source_process(cameras, "lan", sub=False) as source:
        reading = measure_ours(source, Plan(cameras), vision=False, sub=False, watch=watch)
    (table,) = tables
    table.notes.append(f"The recorder beside: {cameras} cameras of 2 Mbit/s, {reading.invalid or 'nothing lost'}.")
    return table


def run(options: Options) -> list[Table]:
    """Measure all servers in turn."""
    with others_and_address() as (others, address):

        async def look(running: Running) -> Reading:
            return await steady(running, options.seconds)

        servers = Servers(address, options.viewers, look)
        rows = [
            Variant("vuon-live", servers.ours),
            Variant("aiortc, MediaRelay", servers.plain, control=True),
            *(servers.peer_variant(name, found) for name, found in others.items()),
        ]
        title = f"live: {options.viewers} viewers of one camera"
        if options.recording:
            title += f", {options.recording} cameras recorded beside"
            return [beside_recorder(options.recording, title, rows, options)]
        return [compare(title, rows, options, (*NOTES, load()))]
