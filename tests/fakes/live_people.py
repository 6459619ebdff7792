"""People at `vuon-live` as a process of its own, run inside a network namespace: viewers, or somebody who means harm.

`python -m tests.fakes.live_people RUN_DIR ADDRESS`: prints "ready", then answers each line of JSON with one.
watch {tickets}: so many viewers see their pictures -> {targets, sources, sessions, packets}; count {}: what they got -> a list
of {pictures, packets, holes, lost, told}; attack {name, ...}: what `People._attack_<name>` does -> {sent}.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import sys
from pathlib import Path
from typing import Any

from gateway.core.errors import LiveFull, OfferRefused
from gateway.live.client import LiveClient
from gateway.live.transport import quiet_libraries
from tests.fakes import live_attacks as attacks
from tests.fakes.live_attacks import Insider
from tests.fakes.viewer import Viewer
from tests.fakes.wire import read_packet


def holes(viewer: Viewer) -> int:
    """Return how many numbers are missing in the media a viewer got, in order of arrival."""
    packets = [read_packet(item) for item in list(viewer.rtp)]
    seqs = [item.seq for item in packets if item.ssrc == packets[0].ssrc]
    return sum((after - before) & 0xFFFF != 1 for before, after in itertools.pairwise(seqs))


class People:
    """What the process can do."""

    def __init__(self, client: LiveClient, address: str) -> None:
        self.client, self.address = client, address
        self.viewers: list[Viewer] = []
        self.kept: list[bytes] = []
        """The first datagrams the viewers sent once pictures flowed: what somebody on the wire could replay."""

    async def watch(self, tickets: list[dict[str, str]]) -> dict[str, Any]:
        for ticket in tickets:
            viewer = Viewer(self.address)
            self.viewers.append(viewer)
            await viewer.watch(self.client, ticket)
            await viewer.seen(3)
            await viewer.can_hear()
            self._listen(viewer)
        async with asyncio.timeout(30):
            while len(self.kept) < 3:  # noqa: ASYNC110 - reports and consent checks come by themselves
                await asyncio.sleep(0.05)
        paths = [Insider(viewer).target for viewer in self.viewers]
        own = [viewer.link._nominated[1].local_addr for viewer in self.viewers]
        known = [viewer.session for viewer in self.viewers]
        return {"targets": paths, "sources": own, "sessions": known, "packets": [item.hex() for item in self.kept]}

    def _listen(self, viewer: Viewer) -> None:
        transport: Any = viewer.link._nominated[1].protocol.transport
        honest = transport.sendto

        def sendto(data: bytes, address: Any = None) -> None:
            if len(self.kept) < 12:
                self.kept.append(data)
            honest(data, address)

        transport.sendto = sendto

    async def count(self) -> list[dict[str, Any]]:
        return [
            {
                "pictures": len(viewer.pictures),
                "packets": len(viewer.rtp),
                "holes": holes(viewer),
                "lost": await viewer.lost(),
                "told": viewer.told,
            }
            for viewer in self.viewers
        ]

    async def attack(self, name: str, **order: Any) -> dict[str, int]:
        return {"sent": await getattr(self, f"_attack_{name}")(**order)}

    # strangers

    async def _attack_noise(self, target: list[Any], sources: list[Any], packets: list[str]) -> int:
        return await attacks.stranger(
            (target[0], target[1]), [(host, port) for host, port in sources], map(bytes.fromhex, packets)
        )

    async def _attack_offers(self, ticket: dict[str, str]) -> int:
        refused = 0
        async with Viewer(self.address) as viewer:
            offer = await viewer.offer()
            for text in attacks.long_offers(offer).values():
                with contextlib.suppress(OfferRefused):
                    await self.client.open(ticket, text)
                    refused -= 1
                refused += 1
        return refused

    # viewers who were let in

    async def _attack_insider(self, ticket: dict[str, str], forged: list[Any]) -> int:
        async with Viewer(self.address) as viewer:
            await viewer.watch(self.client, ticket)
            await viewer.seen(2)
            await viewer.can_hear()
            insider = Insider(viewer)
            await attacks.storm(insider)
            await attacks.dtls_storm(insider)
            await attacks.channel_storm(insider)
            spent = await attacks.check_storm(insider, [(host, port) for host, port in forged])
            await attacks.another_handshake(insider)
            await self.client.close(viewer.session, "viewer.left")  # while DTLS is as it is now
            viewer._RTCPeerConnection__sctp = None  # type: ignore[attr-defined]  # no goodbye in a broken handshake
            return spent

    async def _attack_candidates(self, ticket: dict[str, str], hosts: list[str]) -> int:
        refused = 0
        async with Viewer(self.address) as viewer:
            offer = await viewer.offer()
            lines = attacks.foreign_candidates(hosts, 18)
            opened = await self.client.open(ticket, attacks.with_candidates(offer, lines))
            await viewer.answered(opened.answer)
            for line in attacks.foreign_candidates(hosts, 400):
                with contextlib.suppress(OfferRefused):
                    await self.client.candidate(opened.session, line)
                    refused -= 1
                refused += 1
            await viewer.seen(2)
        return refused

    async def _attack_half_open(self, tickets: list[dict[str, str]]) -> int:
        """Offers that are answered and never connected; returns how many were let in."""
        opened = 0
        for ticket in tickets:
            async with Viewer(self.address) as viewer:
                with contextlib.suppress(LiveFull):
                    await self.client.open(ticket, await viewer.offer())
                    opened += 1
        return opened

    async def close(self) -> None:
        for viewer in self.viewers:
            await viewer.__aexit__(None, None, None)


def say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def main(run: Path, address: str) -> None:
    reader = asyncio.StreamReader(limit=1 << 20)
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async with LiveClient(run / "live.sock") as client:
        people = People(client, address)
        say("ready")
        while line := await reader.readline():
            order = json.loads(line)
            say(await getattr(people, order.pop("do"))(**order))
        await people.close()


if __name__ == "__main__":
    quiet_libraries()
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
