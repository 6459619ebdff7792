"""Servers of a session through the whole gateway: set at the console, named to a player, asked by the live daemon."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import re
from pathlib import Path

import httpx
import pytest

from tests.fakes.h264 import clip
from tests.fakes.whole_gateway import WholeGateway, whole_gateway
from tests.unit.test_live_offers import FIREFOX

pytestmark = pytest.mark.system
SHARED = "north-of-the-river-1"
NOBODY = "turn:127.0.0.1:9?transport=tcp"
MORE = f'[live]\nstun = ["stun:127.0.0.1:9"]\nturn = ["{NOBODY}"]\nrelay = true\n'


async def opened(box: WholeGateway, token: str) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60) as client:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/sdp"}
        return await client.post(f"{box.url}/whep/{box.camera}", content=FIREFOX, headers=headers)


def test_servers_reach_player_and_daemon_with_one_sessions_password(tmp_path: Path) -> None:
    """No secret: STUN only. With it: a password that the TURN server would count out alike, anew for each session."""

    async def scenario(box: WholeGateway) -> None:
        made = await box.call("player.new", person="Cô Hà", label="TV", days=1)
        first = await opened(box, made["token"])
        assert first.status_code == 201
        assert first.headers.get_list("link") == ['<stun:127.0.0.1:9>; rel="ice-server"']
        await box.control.call("turn.secret", {}, SHARED.encode())
        names = set()
        for _ in range(2):
            answer = await opened(box, made["token"])
            link = answer.headers.get_list("link")[1]
            found = re.fullmatch(
                rf'<{re.escape(NOBODY)}>; rel="ice-server"; username="(\d+:[a-z2-7]{{16}})"; '
                r'credential="([^"]+)"; credential-type="password"',
                link,
            )
            assert found is not None, link
            digest = hmac.new(SHARED.encode(), found[1].encode(), hashlib.sha1).digest()
            assert found[2] == base64.b64encode(digest).decode()
            assert made["id"] not in found[1]
            names.add(found[1])
        assert len(names) == 2
        dropped = box.live.sessions.dropped()
        assert dropped["no_relay"] == 2, "the live daemon asked the relay where a password had been made"
        assert dropped["no_stun"] == 3
        refused = await opened(box, "nobody")
        assert (refused.status_code, refused.headers.get_list("link")) == (401, [])

    async def body() -> None:
        async with whole_gateway(tmp_path, clip(640, 360), more=MORE) as box:
            await scenario(box)
        assert box.live.faults == []

    asyncio.run(body())
