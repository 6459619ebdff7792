"""Bench `login`: people sign in while strangers guess a hundred passwords a second.

Owns what is counted: from the button to the answer for a browser that is known and for one that is new, how many hashes
were computed, and how late the gateway's own loop is. The gateway is the real one with its hashing process; live
sessions run in its loop here, which is worse for them than the daemon of their own that they have on a box.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench.harness import Options, Reading, Table, Variant, compare
from tests.fakes.h264 import clip
from tests.fakes.whole_gateway import WholeGateway, whole_gateway

PASSWORD = "cây bàng trước cổng"
PER_S = 100
TICK_S = 0.01
WITHIN_S = 60.0


def browser(box: WholeGateway, address: str) -> httpx.AsyncClient:
    """Return a browser of its own network."""
    headers = {"Origin": box.url, "Sec-Fetch-Site": "same-origin"}
    transport = httpx.AsyncHTTPTransport(verify=False, local_address=address)  # plain HTTP: no store to load
    return httpx.AsyncClient(base_url=box.url, headers=headers, transport=transport, timeout=WITHIN_S)


async def enter(client: httpx.AsyncClient, name: str) -> tuple[float, int]:
    """Sign in, coming back as told; returns seconds and how often it was told so."""
    began_s, told = time.monotonic(), 0
    while time.monotonic() - began_s < WITHIN_S:
        answer = await client.post("/vao", data={"name": name, "password": PASSWORD})
        if answer.status_code == 303:
            return time.monotonic() - began_s, told
        told += 1
        await asyncio.sleep(float(answer.headers.get("retry-after", "1")))
    return WITHIN_S, told


async def settle(box: WholeGateway, known: httpx.AsyncClient) -> str:
    """Give the principal a password the way people get one; returns the sign-in name."""
    code = (await box.call("code.new"))["code"]
    await known.post("/vao", data={"code": code})
    await known.post("/mat-khau", data={"new": PASSWORD, "repeat": PASSWORD})
    return str((await box.call("signin.list"))["staff"][0]["sign_in"])


async def ticks(late_ms: list[float]) -> None:
    """Note how late the loop is each ten milliseconds."""
    while True:
        began_s = time.monotonic()
        await asyncio.sleep(TICK_S)
        late_ms.append((time.monotonic() - began_s - TICK_S) * 1000)


async def measure(seconds: float, per_s: int) -> Reading:
    """Run one round."""
    with tempfile.TemporaryDirectory() as folder:
        async with whole_gateway(Path(folder), clip(640, 360)) as box, browser(box, "127.9.9.9") as known:
            name = await settle(box, known)
            attacker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bench.login_client", box.url, name, str(per_s)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            late_ms: list[float] = []
            ticking = asyncio.create_task(ticks(late_ms))
            await asyncio.sleep(2)
            known_s: list[float] = []
            new_s: list[float] = []
            ends_s, n = time.monotonic() + seconds, 0
            late_ms.clear()
            while time.monotonic() < ends_s:
                known_s.append((await enter(known, name))[0])
                if n % 5 == 0:
                    async with browser(box, f"127.20.{n % 250}.1") as fresh:
                        new_s.append((await enter(fresh, name))[0])
                n += 1
                await asyncio.sleep(0.2)
            ticking.cancel()
            out, _ = await attacker.communicate(b"")
            return reading(known_s, new_s, late_ms, json.loads(out), seconds)


def reading(
    known_s: list[float], new_s: list[float], late_ms: list[float], said: dict[str, Any], seconds: float
) -> Reading:
    """Return the figures of a round."""
    return Reading(
        {
            "known browser p95, ms": share(known_s, 0.95) * 1000,
            "known browser p50, ms": share(known_s, 0.5) * 1000,
            "new browser p95, ms": share(new_s, 0.95) * 1000,
            "loop late p99, ms": share(late_ms, 0.99),
            "guesses a second": sum(said.values()) / (seconds + 2),
            "of them hashed, %": 100 * said.get("403", 0) / max(1, sum(said.values())),
        }
    )


def share(values: list[float], part: float) -> float:
    """Return the value below which this part lies."""
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def run(options: Options) -> list[Table]:
    """Measure with and without strangers, in turn."""
    seconds = min(options.seconds, 20.0)
    rows = [
        Variant(f"{PER_S} wrong passwords a second", lambda: asyncio.run(measure(seconds, PER_S))),
        Variant("nobody guesses", lambda: asyncio.run(measure(seconds, 0)), control=True),
    ]
    note = (
        "Strangers come from 200 networks, half of them try the name that signs in. A known browser signed in before "
        "and has a lane of its own; a new one comes from its own network and comes back when it is told to wait. The "
        "strangers' process, the gateway and live sessions share the machine."
    )
    return [compare(f"login: people sign in while {PER_S} a second guess", rows, options, (note,))]
