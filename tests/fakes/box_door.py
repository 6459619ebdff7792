"""The box's pages and live video as a person's device uses them, without a browser."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
import struct
from collections.abc import AsyncIterator
from typing import Any

import httpx

from gateway.core.wire import ControlClient
from tests.fakes.demo_box import DemoBox
from tests.fakes.device import Browser
from tests.fakes.viewer import Viewer

SDP = "application/sdp"
PASSWORD = "cây bàng trước cổng trường"

GONE = frozenset({401, 404})
"""What a guardian without a child is told: the class is not there, and within seconds their login is over too."""


class BoxDoor(httpx.AsyncClient):
    """One device: its cookies, and requests as a page of the box makes them."""

    def __init__(self, url: str) -> None:
        headers = {"origin": url, "sec-fetch-site": "same-origin"}
        super().__init__(base_url=url, headers=headers, timeout=30, trust_env=False)

    async def sign_in(self, code: str) -> httpx.Response:
        """Spend a one-use code, and choose a password where the person must have one."""
        reply = await self.post("/vao", data={"code": code})
        if reply.headers.get("location") == "/mat-khau":
            chosen = await self.post("/mat-khau", data={"new": PASSWORD, "repeat": PASSWORD})
            assert chosen.status_code == 303, chosen.text
        return reply

    async def redeem(self, slip_url: str, digits: str = "") -> httpx.Response:
        """Spend a slip with a key of this device, as the one tap on its page does."""
        challenge = (await self.post("/api/device/challenge")).json()["challenge"]
        key, secret = Browser(), slip_url.partition("#")[2]
        proof = {"key": key.point, "challenge": challenge, "signature": key.sign(challenge, "bind")}
        return await self.post("/api/slip", json={"secret": secret, "digits": digits, **proof})

    async def offer(self, viewer: Viewer, camera: str, stream: str = "sub") -> httpx.Response:
        """Send a viewer's offer by WHEP; on success the viewer begins to connect."""
        reply = await self.post(
            f"/whep/{camera}?stream={stream}", content=await viewer.offer(), headers={"content-type": SDP}
        )
        if reply.status_code == 201:
            await viewer.answered(reply.text)
        return reply


@contextlib.asynccontextmanager
async def watching(door: BoxDoor, camera: str, stream: str = "sub") -> AsyncIterator[Viewer]:
    """Watch a camera until the block ends; pictures flow when it begins."""
    async with Viewer() as viewer:
        reply = await door.offer(viewer, camera, stream)
        assert reply.status_code == 201, reply.text
        await viewer.seen(3)
        yield viewer


async def until(check: Any, *, seconds: float = 60.0, what: str = "") -> Any:
    """Wait until an (async) look gives something true."""
    async with asyncio.timeout(seconds):
        while True:
            seen = check()
            seen = await seen if asyncio.iscoroutine(seen) else seen
            if seen:
                return seen
            await asyncio.sleep(0.05)
    raise AssertionError(what)


async def silence(viewer: Viewer, *, quiet_s: float = 0.3) -> int:
    """Read what is under way until nothing comes for a while; returns how many packets came in all."""
    count = -1
    async with asyncio.timeout(30):
        while count != len(viewer.rtp):
            count = len(viewer.rtp)
            await asyncio.sleep(quiet_s)
    return count


def media_90k(packet: bytes) -> int:
    """Return a packet's RTP timestamp (RFC 3550 5.1)."""
    return int(struct.unpack_from("!I", packet, 4)[0])


async def ask(box: DemoBox, daemon: str, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
    """Call a daemon's control socket: recorder, live, gateway, or the simulated cameras."""
    path, service = box.data / "run", daemon
    if daemon == "cameras":
        service = "simulated"
    async with ControlClient(path / f"{daemon}.sock", service) as client:
        return dict((await client.call(method, params or {}, timeout_s=60)).result)


async def add_guardian(box: DemoBox, name: str, class_name: str = "Lớp Mầm 1") -> str:
    """Add a guardian with a child and consent; returns the slip's address."""
    child = {"name": name, "kind": "ba", "child": f"Bé của {name}", "class": class_name, "consent": True}
    await ask(box, "gateway", "guardian.add", child)
    return str((await ask(box, "gateway", "slip.new", {"guardian": name, "checked": True}))["url"])


async def endings(box: DemoBox, name: str) -> list[str]:
    """Return why a person's streams ended, as the audit has it."""
    people = (await ask(box, "gateway", "people.list"))["people"]
    person = next(row["id"] for row in people if row["name"] == name)
    (path,) = box.data.rglob("gateway.db")
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute("SELECT body FROM audit_body WHERE person = ? ORDER BY seq", (person,)).fetchall()
    bodies = [json.loads(body) for (body,) in rows]
    return [str(body["reason"]) for body in bodies if "ended" in body.values()]


def steps(viewer: Viewer, since: int) -> int:
    """Return how far the media clock of what arrived went on after packet number `since`."""
    return (media_90k(viewer.rtp[-1]) - media_90k(viewer.rtp[since - 1])) & 0xFFFFFFFF
