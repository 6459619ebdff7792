"""A simulated camera on a LAN address, as a process: run inside a network namespace.

`python -m tests.fakes.lan_camera INDEX ADDRESS [rtsp-only]`: prints "ready" when it answers. Each line on its
input is a command: `hello` says Hello again, `counters` prints its counters as JSON. The end of its input
ends it as pulling the plug does: without a Bye.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import replace
from pathlib import Path

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.discovery import Responder
from drivers.simulated.farm import QUICK_MAIN, QUICK_SUB
from drivers.simulated.faults import Quirks
from drivers.simulated.live import Pacer
from drivers.simulated.options import CameraOptions, CameraWorld
from drivers.simulated.scene import SHARED
from gateway.core.clock import SystemClock
from gateway.core.model import Login, Secret

CARD = Path("/sys/class/net/eth0/address")
USER, PASSWORD = "admin", "Mam-non-2026"


def options(index: int, address: str, *, onvif: bool) -> CameraOptions:
    return CameraOptions(
        index,
        f"Lớp {index}",
        address,
        Login(USER, Secret(PASSWORD)),
        onvif_port=80,
        rtsp_port=554,
        seed="lan",
        main=QUICK_MAIN,
        sub=QUICK_SUB,
        loop_s=2,
        quirks=Quirks(onvif=onvif),
    )


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


async def main(index: str, address: str, kind: str = "") -> None:
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()
    onvif = kind != "rtsp-only"
    responder = Responder(address)
    async with Pacer(SystemClock()) as pacer, responder:
        world = CameraWorld(SHARED, pacer, SystemClock(), responder if onvif else None)
        made = SimulatedCamera(options(int(index), address, onvif=onvif), world)
        made.state.identity = replace(made.state.identity, mac=CARD.read_text().strip())
        async with made as camera:
            loop.add_reader(sys.stdin, lambda: lines.put_nowait(sys.stdin.readline()))
            say("ready")
            while command := (await lines.get()).strip():
                if command == "hello":
                    responder.vanish(camera._announced)
                    responder.add(camera._announced)
                elif command == "counters":
                    say(json.dumps(camera.statistics()))
            os._exit(0)  # unplugged


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
