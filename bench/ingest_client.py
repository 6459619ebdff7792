"""Streams into nothing, as a process that can be measured: what one engine costs without any recording.

    python -m bench.ingest_client --engine pyav --port 5544 --cameras 8

Owns the process: main and sub of each camera are played into sinks that count. A line on stdin asks for the
pictures counted on each stream; the end of stdin ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys

from bench.record import Counts
from drivers.gate import LoginGate
from drivers.pyav.player import PyavPlayer
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import StreamPlayer
from gateway.core.clock import SystemClock
from gateway.core.media import AccessUnit, CodecConfig

ROLES = ("main", "sub")


class Counter:
    """A sink that counts pictures."""

    def __init__(self) -> None:
        self.units = 0

    def playing(self, config: CodecConfig | None) -> None:
        """Do nothing: what is counted is pictures."""

    def unit(self, unit: AccessUnit) -> None:
        self.units += bool(unit.nals)


async def serve(engine: str, port: int, cameras: int) -> None:
    """Play everything until stdin ends."""
    clock, counters = SystemClock(), dict[tuple[int, str], Counter]()
    async with RtspNetwork(clock) as network:
        player: StreamPlayer = network if engine == "native" else PyavPlayer(network, clock)
        tasks = []
        for camera in range(cameras):
            gate = LoginGate(None)
            for role in ROLES:
                counter = counters[camera, role] = Counter()
                source = RtspSource("127.0.0.1", port, f"/{camera}/{role}")
                tasks.append(asyncio.ensure_future(player.play(source, gate, counter)))
        while await asyncio.to_thread(sys.stdin.readline):
            failed = [str(task.exception()) for task in tasks if task.done() and not task.cancelled()]
            rows = [[camera, role, counter.units] for (camera, role), counter in counters.items()]
            print(json.dumps({"counts": rows, "failed": failed}), flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def read_report(line: str) -> tuple[Counts, str]:
    """Return the pictures by camera and stream, and what failed; empty if nothing."""
    told = json.loads(line)
    counts = {(int(camera), str(role)): int(units) for camera, role, units in told["counts"]}
    return counts, "; ".join(told["failed"][:1])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.ingest_client")
    parser.add_argument("--engine", choices=("native", "pyav"), required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--cameras", type=int, required=True)
    chosen = parser.parse_args()
    asyncio.run(serve(chosen.engine, chosen.port, chosen.cameras))


if __name__ == "__main__":
    main()
