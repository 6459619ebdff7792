"""A hostile camera as a process of its own: RTSP on 8554, ONVIF on 8899, a port with raw attacks, WS-Discovery.

`python -m tests.fakes.hostile_camera`, orders as JSON lines on its input, one answer a line:
{"address", "third", "password", "secrets"} first, answered by its ports; then {"rtsp": attack},
{"lie": name, "to": operation}, {"raw": name} (empty = good manners), or {} to only ask. Each answer
tells what was done, how many answers to logins came, and how often one of `secrets` was seen in what
it was sent.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from tests.fakes.hostile_rtsp import HostileRtsp, attacks
from tests.fakes.hostile_soap import RawServer, lies
from tests.fakes.hostile_wsd import HostileWsd
from tests.fakes.onvif_http import FakeOnvif

RTSP_PORT, ONVIF_PORT = 8554, 8899


class Process:
    """The servers and what they are told."""

    def __init__(self, first: dict[str, Any]) -> None:
        address, third = str(first["address"]), str(first["third"])
        self.secrets = [str(item).encode() for item in first["secrets"]]
        self.rtsp = HostileRtsp(address, str(first["password"]), attacks(third), port=RTSP_PORT)
        self.lies = lies(third)
        self.onvif = FakeOnvif(
            address=address,
            auth="digest",
            password=str(first["password"]),
            advertised_host=address,
            serial=f"SN-{address}",
            port=ONVIF_PORT,
        )
        self.raw = RawServer(address)
        self.wsd = HostileWsd(address, third)

    def told(self, order: dict[str, str]) -> dict[str, Any]:
        """Follow an order; returns what is to be said."""
        if "rtsp" in order:
            self.rtsp.mode = order["rtsp"]
            assert not self.rtsp.mode or self.rtsp.mode in self.rtsp.known
        if "lie" in order:
            self.onvif.scripted = {order["to"]: self.lies[order["lie"]]} if order["lie"] else {}
        self.raw.mode = order.get("raw", self.raw.mode)
        heard = bytes(self.rtsp.heard) + bytes(self.raw.heard) + b"".join(self.onvif.bodies + self.onvif.headers)
        return {
            "port": self.onvif.port,
            "raw_port": self.raw.port,
            "done": self.rtsp.done,
            "logins": self.rtsp.logins,
            "bad_logins": self.onvif.bad_logins,
            "heard_bytes": len(heard),
            "secrets_seen": sum(heard.count(secret) for secret in self.secrets),
        }


async def main() -> None:
    lines = iter(sys.stdin.readline, "")
    process = Process(json.loads(next(lines)))
    with process.onvif:
        async with process.rtsp.running(), process.raw.running(), process.wsd.running():
            order: dict[str, str] | None = {}
            while order is not None:
                sys.stdout.write(json.dumps(process.told(order)) + "\n")
                sys.stdout.flush()
                line = await asyncio.to_thread(next, lines, None)
                order = json.loads(line) if line else None


if __name__ == "__main__":
    asyncio.run(main())
