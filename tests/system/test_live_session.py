"""Live over real sockets: DTLS, SRTP, a real decoder, and people who mean harm."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import signal
import socket
import struct
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import ticket
from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable, LiveFull
from gateway.core.model import Role, StreamRole
from gateway.live.client import LiveClient
from tests.fakes.depacketizer import depacketize
from tests.fakes.feed import FakeFeed
from tests.fakes.h264 import clip
from tests.fakes.live_box import LiveBox, make_grant
from tests.fakes.viewer import Viewer
from tests.fakes.wire import read_packet

pytestmark = pytest.mark.system

BIG = clip(640, 360, noise=24)
LEASE_MS = 5_000


def play(folder: Path, scenario: Callable[[LiveBox], Awaitable[None]], *, max_viewers: int = 10) -> None:
    """Run a scenario against a live daemon in this process; nothing in it may have failed."""

    async def body() -> None:
        async with LiveBox(folder, BIG, max_viewers=max_viewers) as box:
            await scenario(box)
        assert box.faults == []

    asyncio.run(body())


def address_of(answer: str) -> tuple[str, int]:
    """Return the daemon's media address in an answer."""
    found = re.search(r"a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", answer)
    assert found is not None
    return found[1], int(found[2])


def test_a_viewer_decodes_every_picture(tmp_path: Path) -> None:
    """Thirty pictures of the right size, nothing lost, first the key frame, and the daemon's figures agree."""

    async def scenario(box: LiveBox) -> None:
        async with Viewer() as viewer:
            await viewer.watch(box.client, box.ticket(make_grant(box.clock)))
            await viewer.seen(30)
            assert {(item.width, item.height) for item in viewer.pictures} == {(640, 360)}
            assert await viewer.lost() == 0
            packets = [read_packet(data) for data in viewer.rtp]
            assert depacketize([packets[0].payload])[:2] == [BIG.config.sps, BIG.config.pps]
            (state,) = await box.client.sessions()
            assert (state.state, state.lost) == ("live", 0)
            assert state.frames >= 30

    play(tmp_path, scenario)


def test_a_late_viewer_gets_the_cached_gop_first(tmp_path: Path) -> None:
    """Joining amid a GOP, the first unit is its key frame and the sequence has no hole from burst to live."""

    async def scenario(box: LiveBox) -> None:
        async with Viewer() as first, Viewer() as second:
            await first.watch(box.client, box.ticket(make_grant(box.clock)))
            await first.seen(2)
            async with asyncio.timeout(20):
                while len(box.feed._gop) < 10:  # noqa: ASYNC110 - the clip plays on
                    await asyncio.sleep(0.01)
            await second.watch(box.client, box.ticket(make_grant(box.clock)))
            await second.seen(25)
            packets = [read_packet(data) for data in second.rtp]
            assert depacketize([packets[0].payload])[:2] == [BIG.config.sps, BIG.config.pps]
            seqs = [packet.seq for packet in packets if packet.ssrc == packets[0].ssrc]
            assert seqs == [(seqs[0] + n) & 0xFFFF for n in range(len(seqs))]
            assert await second.lost() == 0
            assert len(box.feed.subscribed) == 1

    play(tmp_path, scenario)


def test_after_close_grants_returns_no_packet_arrives(tmp_path: Path) -> None:
    """A revoked viewer is told why and gets not one RTP packet more; the other one goes on."""

    async def scenario(box: LiveBox) -> None:
        async with Viewer() as cut, Viewer() as kept:
            grant = make_grant(box.clock)
            await cut.watch(box.client, box.ticket(grant))
            await kept.watch(box.client, box.ticket(make_grant(box.clock)))
            await cut.seen(5)
            await kept.seen(5)
            assert await box.client.close_grants([grant.id], "consent.withdrawn") == 1
            sent = box.sessions.facts()
            assert [item["grant"] for item in sent] != [grant.id]
            await cut.caught_up()
            count, others = len(cut.rtp), len(kept.pictures)
            await kept.seen(others + 10)
            assert len(cut.rtp) == count
            assert [json.loads(item) for item in cut.told] == [
                {"end": "consent.withdrawn", "code": "consent.withdrawn"}
            ]

    play(tmp_path, scenario)


def test_media_ends_with_its_lease(tmp_path: Path) -> None:
    """A gateway that falls silent takes the guardian's pictures with it; renewed ones go on."""

    async def scenario(box: LiveBox) -> None:
        async with Viewer() as guardian, Viewer() as teacher:
            opened = make_grant(box.clock, role=Role.GUARDIAN, streams=frozenset({StreamRole.SUB}))
            long = make_grant(box.clock, lease_ms=60_000)
            await guardian.watch(box.client, box.ticket(opened))
            await teacher.watch(box.client, box.ticket(long))
            await guardian.seen(5)
            short, begun_ms = replace(opened, lease_ms=LEASE_MS), box.clock.now_ms()
            while box.clock.now_ms() < begun_ms + LEASE_MS + 1_500:
                await box.client.renew([box.ticket(short)])
                await asyncio.sleep(0.25)
            assert guardian.told == []
            await guardian.seen(len(guardian.pictures) + 5)
            async with asyncio.timeout(20):
                while not guardian.told:  # noqa: ASYNC110 - arrives on the data channel
                    await asyncio.sleep(0.02)
            assert json.loads(guardian.told[0]) == {"end": "", "code": "live.lease"}
            await guardian.caught_up()
            ended, others = len(guardian.rtp), len(teacher.pictures)
            await teacher.seen(others + 10)
            assert len(guardian.rtp) == ended
            assert [state.grant for state in await box.client.sessions()] == [long.id]

    play(tmp_path, scenario)


def test_a_forged_client_hello_does_not_break_the_handshake(tmp_path: Path) -> None:
    """A stranger races the viewer's handshake with ClientHellos on the media port: they never reach DTLS."""

    async def scenario(box: LiveBox) -> None:
        body = b"\xfe\xfd" + bytes(32) + b"\0\0\0\x02\xc0\x2b\x01\0"
        handshake = b"\x01" + len(body).to_bytes(3, "big") + bytes(5) + len(body).to_bytes(3, "big") + body
        hello = b"\x16\xfe\xfd" + bytes(8) + len(handshake).to_bytes(2, "big") + handshake
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stranger.bind(("127.0.0.1", 0))
        with stranger:
            async with Viewer() as viewer:
                opened = await box.client.open(box.ticket(make_grant(box.clock)), await viewer.offer())
                target = address_of(opened.answer)
                for _ in range(50):
                    stranger.sendto(hello, target)
                await viewer.answered(opened.answer)
                for _ in range(50):
                    stranger.sendto(hello, target)
                    await asyncio.sleep(0.002)
                await viewer.seen(5)
            assert box.sessions.dropped()["stranger"] >= 50

    play(tmp_path, scenario)


def test_malformed_stun_is_dropped_in_silence(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Two thousand broken STUN packets write no line, raise nothing, and the viewer does not notice."""

    async def scenario(box: LiveBox) -> None:
        body = b"\x00\x24\x00\x02\x00\x00\x00\x00"
        packet = b"\x00\x01" + len(body).to_bytes(2, "big") + b"\x21\x12\xa4\x42" + b"x" * 12 + body
        noise = [packet, packet[:-3], packet + b"\0" * 40, b"\x00" * 20, b"", b"\x80" * 30, b"\x16" * 1300]
        async with Viewer() as viewer:
            opened = await box.client.open(box.ticket(make_grant(box.clock)), await viewer.offer())
            await viewer.answered(opened.answer)
            await viewer.seen(2)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                for n in range(2000):
                    stranger.sendto(noise[n % len(noise)], address_of(opened.answer))
                    if n % 50 == 0:
                        await asyncio.sleep(0)
            await viewer.seen(len(viewer.pictures) + 10)
            assert await viewer.lost() == 0
            dropped = box.sessions.dropped()
            assert dropped["malformed_stun"] > 0
            assert dropped["stranger"] > 0

    play(tmp_path, scenario)
    assert [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")] == []


def test_lost_packets_are_sent_again(tmp_path: Path) -> None:
    """Every twentieth packet vanishes on the way; NACK and RTX bring them back and the pictures stay whole."""

    async def scenario(box: LiveBox) -> None:
        async with Viewer() as viewer:
            await viewer.watch(box.client, box.ticket(make_grant(box.clock)))
            await viewer.seen(1)
            (session,) = box.sessions._by_id.values()
            assert session.viewer is not None
            honest, count = session.peer.outlet, iter(range(1 << 30))

            class Lossy:
                def sendto(self, data: bytes, flags: int, address: tuple[str, int], /) -> int:
                    if next(count) % 20 == 7:
                        return len(data)
                    way = honest()
                    assert way is not None
                    return way.socket.sendto(data, flags, address)

            lossy = Lossy()
            session.viewer._outlet = lambda: (way := honest()) and way._replace(socket=lossy)
            await viewer.seen(len(viewer.pictures) + 40)
            facts = session.facts()
            assert facts["resent"] > 0
            assert facts["nacks"] >= facts["resent"]

    play(tmp_path, scenario)


def test_a_camera_that_starts_over_is_followed(tmp_path: Path) -> None:
    """A new run with time from zero continues on the viewer's time line, with increasing RTP times."""

    async def scenario(box: LiveBox) -> None:
        async with Viewer() as viewer:
            await viewer.watch(box.client, box.ticket(make_grant(box.clock)))
            await viewer.seen(30)
            box.feed.number = 0
            box.feed.hang_up()
            before = len(viewer.pictures)
            await viewer.seen(before + 15)
            packets = [read_packet(data) for data in viewer.rtp]
            times = [packet.ts for packet in packets if packet.ssrc == packets[0].ssrc]
            steps = [(after - prior + (1 << 31)) % (1 << 32) - (1 << 31) for prior, after in itertools.pairwise(times)]
            assert min(steps) >= 0

    async def body() -> None:
        async with LiveBox(tmp_path, BIG) as box:
            await scenario(box)
        assert {type(error) for _, error in box.faults} <= {DaemonUnavailable}

    asyncio.run(body())


def test_many_join_at_once_and_the_principal_finds_a_place(tmp_path: Path) -> None:
    """Six guardians open at the same moment, five fit; the principal gets the place that was kept."""

    async def scenario(box: LiveBox) -> None:
        viewers = [Viewer() for _ in range(7)]
        grants = [make_grant(box.clock, role=Role.GUARDIAN, streams=frozenset({StreamRole.SUB})) for _ in range(6)]
        grants.append(make_grant(box.clock, role=Role.PRINCIPAL))

        async def join(viewer: Viewer, number: int) -> bool:
            try:
                await viewer.watch(box.client, box.ticket(grants[number]))
            except LiveFull:
                return False
            return True

        try:
            let_in = await asyncio.gather(*(join(viewer, n) for n, viewer in enumerate(viewers[:6])))
            assert sum(let_in) == 5
            assert await join(viewers[6], 6)
            for viewer, inside in zip(viewers, [*let_in, True], strict=True):
                if inside:
                    await viewer.seen(3)
            assert box.sessions.viewers() == {grants[0].camera: 6}
        finally:
            await asyncio.gather(*(viewer.close() for viewer in viewers))
            for viewer in viewers:
                await viewer.__aexit__(None, None, None)

    play(tmp_path, scenario, max_viewers=6)


def test_a_closed_tab_frees_its_place(tmp_path: Path) -> None:
    """When the viewer closes its connection the session, the subscription and the sockets go."""

    async def scenario(box: LiveBox) -> None:
        async with Viewer() as viewer:
            await viewer.watch(box.client, box.ticket(make_grant(box.clock)))
            await viewer.seen(2)
        await box.until("gone")
        async with asyncio.timeout(20):
            while box.feed.readers:  # noqa: ASYNC110 - the feed sees the hang-up
                await asyncio.sleep(0.01)
        assert box.sessions.ended == {"live.gone": 1}

    play(tmp_path, scenario)


CONFIG = """
[paths]
state = "{folder}/state"
run = "{folder}/run"
[live]
addresses = ["127.0.0.1"]
allow_loopback = true
"""


def test_the_daemon_itself_serves_and_stops(tmp_path: Path) -> None:
    """`vuon-live` starts before the gateway has a key, serves a viewer once it has, and ends on SIGTERM with 0."""

    async def body() -> None:
        (tmp_path / "state" / "keys").mkdir(parents=True)
        (tmp_path / "run").mkdir()
        (tmp_path / "config.toml").write_text(CONFIG.format(folder=tmp_path))
        daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.roofs.live", "--config", str(tmp_path / "config.toml")),
            stderr=asyncio.subprocess.PIPE,
        )
        key, clock = Ed25519PrivateKey.generate(), SystemClock()
        try:
            async with (
                FakeFeed(tmp_path / "run" / "feed.sock", BIG),
                LiveClient(tmp_path / "run" / "live.sock") as client,
            ):
                await _up(client)
                (tmp_path / "state" / "keys" / "gateway.key.pub").write_bytes(key.public_key().public_bytes_raw())
                async with Viewer() as viewer:
                    await viewer.watch(client, ticket.sign(make_grant(clock), key))
                    await viewer.seen(5)
                    await viewer.can_hear()
                    assert (await client.status())["sessions"] == 1
                    daemon.send_signal(signal.SIGTERM)
                    async with asyncio.timeout(30):
                        _, errors = await daemon.communicate()
                    assert daemon.returncode == 0, errors.decode()
                    assert [json.loads(item) for item in viewer.told] == [{"end": "", "code": "live.stopping"}]
        finally:
            if daemon.returncode is None:
                daemon.kill()
                await daemon.communicate()
        assert b"Traceback" not in errors
        assert not (tmp_path / "run" / "live.sock").exists()

    asyncio.run(body())


async def _up(client: LiveClient) -> None:
    async with asyncio.timeout(60):
        while True:
            try:
                await client.status()
            except DaemonUnavailable:
                await asyncio.sleep(0.1)
            else:
                return


def test_a_wrong_configuration_ends_the_daemon_with_its_remedy(tmp_path: Path) -> None:
    """An unknown key is named with what was probably meant, and the status is 1."""

    async def body() -> None:
        (tmp_path / "config.toml").write_text("[live]\nadresses = []\n")
        daemon = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway.roofs.live", "--config", str(tmp_path / "config.toml")),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await daemon.communicate()
        assert daemon.returncode == 1
        assert "live.adresses" in errors.decode()
        assert " addresses?" in errors.decode()
        assert b"Traceback" not in errors

    asyncio.run(body())


def test_packets_carry_what_was_negotiated(tmp_path: Path) -> None:
    """Payload type, source and send time on the wire are those of the answer."""

    async def scenario(box: LiveBox) -> None:
        async with Viewer() as viewer:
            opened = await box.client.open(box.ticket(make_grant(box.clock)), await viewer.offer())
            await viewer.answered(opened.answer)
            await viewer.seen(3)
            packet = read_packet(viewer.rtp[0])
            assert f"a=ssrc:{packet.ssrc} " in opened.answer
            assert f"a=rtpmap:{packet.payload_type} H264/90000" in opened.answer
            assert packet.stamp is not None
            assert struct.pack("!I", packet.ssrc) == viewer.rtp[0][8:12]

    play(tmp_path, scenario)
