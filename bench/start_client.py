"""The driver layer from nothing to streaming, as a process that can be measured.

    VUON_SIM_PASSWORD=… python -m bench.start_client --cameras 32 --logins 4

Owns the process: it searches on loopback and, while it still searches, learns each camera it hears of and opens
its main and then its sub stream, within the recorder's own budget. One line of JSON says how long after its
start each was reached; it then plays until stdin ends.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network

from drivers.adopt import Learned, Means, learn
from drivers.base import Found
from drivers.discovery.multicast import discover
from drivers.gate import LoginGate
from drivers.onvif.pace import CallPool
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.source import RtspSource
from gateway.core.clock import SystemClock
from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import Login, Secret, StreamRole
from recorder.budget import StartBudget

PASSWORD = "VUON_SIM_PASSWORD"
SEARCH_S = 20.0


@dataclass
class Reached:
    """Milliseconds after the start of the process at which each camera was found, learned, and seen."""

    began_ns: int
    """On the monotonic clock, which all processes share."""
    found: list[float] = field(default_factory=list)
    learned: list[float] = field(default_factory=list)
    main: list[float] = field(default_factory=list)
    sub: list[float] = field(default_factory=list)

    def now_ms(self) -> float:
        return (time.monotonic_ns() - self.began_ns) / 1e6


class FirstPicture:
    """A sink that gives its place back at PLAY, as the recorder does, and waits for the first picture."""

    def __init__(self, plays: Callable[[], None]) -> None:
        self._loop, self._plays = asyncio.get_running_loop(), plays
        self.seen = asyncio.Event()
        self._told = False

    def playing(self, config: CodecConfig | None) -> None:
        del config
        self._loop.call_soon_threadsafe(self._plays)

    def unit(self, unit: AccessUnit) -> None:
        if unit.is_key and not self._told:
            self._told = True
            self._loop.call_soon_threadsafe(self.seen.set)


class Starter:
    """Brings cameras up, `logins` at once."""

    def __init__(self, network: RtspNetwork, began_ns: int, logins: int, connects_per_s: int) -> None:
        self._network, self._clock = network, SystemClock()
        self._means = Means(self._clock, CallPool(), network)
        self._budget = StartBudget(self._clock, max_logins=logins, connects_per_s=connects_per_s)
        self._learning = asyncio.Semaphore(logins)
        self.reached = Reached(began_ns)
        self.playing: list[asyncio.Task[None]] = []

    async def bring_up(self, found: Found, login: Login) -> None:
        """Learn a camera and open its streams, main first."""
        gate, host, port = LoginGate(login), found.address, found.port
        async with self._learning:
            learned: Learned = await learn(host, port, gate, self._means, found=found)
        self.reached.learned.append(self.reached.now_ms())
        tried = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for stream in learned.streams:
                group.create_task(self._open(stream.role, stream.source, gate, tried))

    async def _open(self, role: StreamRole, source: RtspSource, gate: LoginGate, tried: asyncio.Event) -> None:
        """Open a stream and wait for its first picture; a sub stream lets its main stream log in first."""
        if role is StreamRole.SUB:
            await tried.wait()
        async with await self._budget.place() as place:

            def plays() -> None:
                place.give_back()
                tried.set()

            first = FirstPicture(plays)
            self.playing.append(asyncio.ensure_future(self._network.play(source, gate, first)))
            await first.seen.wait()
        marks = self.reached.main if role is StreamRole.MAIN else self.reached.sub
        marks.append(self.reached.now_ms())


async def start(cameras: int, began_ns: int, logins: int, connects_per_s: int, wanted: IPv4Network) -> None:
    """Bring up as many cameras as asked for, say how long it took, and play on until stdin ends."""
    login = Login("admin", Secret(os.environ[PASSWORD]))
    async with RtspNetwork() as network:
        starter = Starter(network, began_ns, logins, connects_per_s)
        tasks: dict[str, asyncio.Task[None]] = {}
        search = discover((), SEARCH_S, loopback=True)
        async for found in search:
            if found.address not in tasks and IPv4Address(found.address) in wanted:
                starter.reached.found.append(starter.reached.now_ms())
                tasks[found.address] = asyncio.ensure_future(starter.bring_up(found, login))
            if len(tasks) == cameras:
                break
        await asyncio.gather(*tasks.values())
        reached = starter.reached
        print(json.dumps({key: getattr(reached, key) for key in ("found", "learned", "main", "sub")}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        for task in starter.playing:
            task.cancel()
        await asyncio.gather(*starter.playing, return_exceptions=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.start_client")
    parser.add_argument("--cameras", type=int, default=32)
    parser.add_argument("--began-ns", type=int, default=time.monotonic_ns(), help="when it was started")
    parser.add_argument("--logins", type=int, default=4)
    parser.add_argument("--connects", type=int, default=10)
    parser.add_argument("--range", type=IPv4Network, default=IPv4Network("127.0.0.0/8"), help="whose cameras to take")
    chosen = parser.parse_args()
    asyncio.run(start(chosen.cameras, chosen.began_ns, chosen.logins, chosen.connects, chosen.range))


if __name__ == "__main__":
    main()
