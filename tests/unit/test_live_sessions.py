"""All sessions: opening, renewing, ending, with connections that have no network."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from aiortc.rtp import RtcpPsfbPacket, RtcpReceiverInfo, RtcpRrPacket

from gateway.core.errors import GrantRefused, LiveFull, NotFound, OfferRefused
from gateway.core.model import PublicId, Role, StreamRole, new_public_id
from gateway.live.ends import REPLACED, End, message
from gateway.live.session import CONNECT_TIMEOUT_S
from gateway.live.sessions import FOLLOWED_EACH, TICK_S
from tests.fakes.live_box import CAMERA, make_grant
from tests.fakes.live_scene import OFFER, Scene, play


def test_a_session_goes_from_offer_to_pictures(tmp_path: Path) -> None:
    """Opened it is connecting, connected it is live and gets what the stream takes."""

    async def scenario(scene: Scene) -> None:
        session, answer = await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        assert answer == "answer"
        assert [item["state"] for item in scene.sessions.facts()] == ["connecting"]
        scene.connections.made[0].connect()
        await scene.settle()
        (stream,) = scene.feeds.streams
        scene.picture(stream, key=True)
        (facts,) = scene.sessions.facts()
        assert (facts["session"], facts["state"], facts["frames"], facts["camera"]) == (session, "live", 1, CAMERA)
        assert scene.sessions.viewers() == {CAMERA: 1}

    play(tmp_path, scenario)


def test_the_reason_reaches_the_page_before_media_stops_and_the_connection_closes(tmp_path: Path) -> None:
    """Told first, then no packet, then heard out and shut: in this order."""

    async def scenario(scene: Scene) -> None:
        connection, stream, session = await scene.watching()
        await scene.sessions.close(session, "pause.class")
        assert scene.connections.log[-1] == 'say {"end": "pause.class", "code": "pause.class"}'
        count = len(connection.sink.sent)
        assert connection.sent_when_told == count
        scene.picture(stream)
        assert len(connection.sink.sent) == count
        await scene.settle()
        assert scene.connections.log == ["accept", 'say {"end": "pause.class", "code": "pause.class"}', "heard", "shut"]
        assert scene.sessions.ended == {"pause.class": 1}

    play(tmp_path, scenario)


def test_a_lost_consent_is_counted_under_the_way_it_was_lost_on(tmp_path: Path) -> None:
    """ICE has no path any more when it says so: the last one known counts, and none that never was."""

    async def scenario(scene: Scene) -> None:
        connection, _, _ = await scene.watching()
        connection.vanish()
        await scene.settle()
        assert scene.sessions.totals.paths() == {"host": 1}
        await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        scene.connections.made[-1].vanish()
        await scene.settle()
        assert scene.sessions.totals.paths() == {"host": 1, "none": 1}

    play(tmp_path, scenario)


def test_a_page_that_does_not_take_the_word_keeps_no_picture(tmp_path: Path) -> None:
    """Media stops though the word of its end never leaves, and the others of the same order end too."""

    async def scenario(scene: Scene) -> None:
        grants = [make_grant(scene.clock) for _ in range(2)]
        for grant in grants:
            await scene.sessions.open(grant, None, OFFER)
        deaf, other = scene.connections.made
        deaf.deaf = asyncio.Event()
        for connection in (deaf, other):
            connection.connect()
        await scene.settle()
        (stream,) = scene.feeds.streams
        scene.picture(stream, key=True)
        assert deaf.sink.sent
        assert other.sink.sent
        assert await scene.sessions.close_grants([grant.id for grant in grants], "pause.class") == 2
        counts = len(deaf.sink.sent), len(other.sink.sent)
        scene.picture(stream)
        assert (len(deaf.sink.sent), len(other.sink.sent)) == counts

    play(tmp_path, scenario)


def test_a_close_that_fails_holds_up_no_other(tmp_path: Path) -> None:
    """One connection raises when it is told; the fault is named, and both pictures stop."""

    async def scenario(scene: Scene) -> None:
        grants = [make_grant(scene.clock) for _ in range(2)]
        for grant in grants:
            await scene.sessions.open(grant, None, OFFER)
        for connection in scene.connections.made:
            connection.connect()
            connection.breaks = True
        await scene.settle()
        (stream,) = scene.feeds.streams
        scene.picture(stream, key=True)
        assert await scene.sessions.close_grants([grant.id for grant in grants], "pause.class") == 2
        counts = [len(connection.sink.sent) for connection in scene.connections.made]
        scene.picture(stream)
        assert [len(connection.sink.sent) for connection in scene.connections.made] == counts
        assert len(scene.faults) == 2
        scene.faults.clear()

    play(tmp_path, scenario)


def test_closing_grants_ends_exactly_theirs(tmp_path: Path) -> None:
    """Of three viewers the two named ones are cut; unknown ids are nothing."""

    async def scenario(scene: Scene) -> None:
        grants = [make_grant(scene.clock) for _ in range(3)]
        for grant in grants:
            await scene.sessions.open(grant, None, OFFER)
        ids = [grants[0].id, grants[2].id, new_public_id()]
        assert await scene.sessions.close_grants(ids, "revoked") == 2
        assert [item["grant"] for item in scene.sessions.facts()] == [grants[1].id]

    play(tmp_path, scenario)


def test_a_lease_that_is_not_renewed_ends_the_session(tmp_path: Path) -> None:
    """Five seconds after the gateway fell silent the guardian's media has stopped, and says why."""

    async def scenario(scene: Scene) -> None:
        grant = make_grant(scene.clock, role=Role.GUARDIAN, lease_ms=5000)
        await scene.sessions.open(grant, None, OFFER)
        scene.connections.made[0].connect()
        for _ in range(4):
            await scene.clock.advance(4)
            assert scene.sessions.renew(grant)
        await scene.clock.advance(4.9)
        assert len(scene.sessions) == 1
        await scene.clock.advance(0.1 + TICK_S)
        assert len(scene.sessions) == 0
        assert scene.sessions.ended == {"live.lease": 1}
        assert not scene.sessions.renew(grant)

    play(tmp_path, scenario)


def test_a_grants_end_ends_the_session_on_time(tmp_path: Path) -> None:
    """Viewing hours end at `until_ms` though the lease was just renewed."""

    async def scenario(scene: Scene) -> None:
        grant = make_grant(scene.clock, until_ms=scene.clock.now_ms() + 10_000)
        await scene.sessions.open(grant, None, OFFER)
        scene.connections.made[0].connect()
        await scene.clock.advance(9.9)
        scene.sessions.renew(grant)
        assert len(scene.sessions) == 1
        await scene.clock.advance(0.1 + TICK_S)
        assert scene.sessions.ended == {"live.until": 1}

    play(tmp_path, scenario)


def test_a_viewer_that_never_connects_gives_its_place_back(tmp_path: Path) -> None:
    """After the connect time-out the session is gone, whatever its lease."""

    async def scenario(scene: Scene) -> None:
        await scene.sessions.open(make_grant(scene.clock, lease_ms=600_000), None, OFFER)
        await scene.clock.advance(CONNECT_TIMEOUT_S + TICK_S)
        assert scene.sessions.ended == {"live.no_path": 1}
        assert scene.connections.log[-1] == "shut"

    play(tmp_path, scenario)


def test_a_viewer_that_vanishes_is_cleared_away(tmp_path: Path) -> None:
    """Lost consent or a closed tab frees place, stream and sockets."""

    async def scenario(scene: Scene) -> None:
        connection, _, _ = await scene.watching()
        connection.vanish()
        await scene.settle()
        assert len(scene.sessions) == 0
        assert scene.feeds.streams == ()
        assert scene.connections.log[-1] == "shut"
        assert scene.sessions.ended == {"live.gone": 1}

    play(tmp_path, scenario)


def test_the_last_place_is_kept_for_the_principal(tmp_path: Path) -> None:
    """With three places guardians fill two, the third refuses them and takes the principal."""

    async def scenario(scene: Scene) -> None:
        guardian = {"role": Role.GUARDIAN, "streams": frozenset({StreamRole.SUB})}
        for _ in range(2):
            await scene.sessions.open(make_grant(scene.clock, **guardian), None, OFFER)  # type: ignore[arg-type]  # fixed
        with pytest.raises(LiveFull):
            await scene.sessions.open(make_grant(scene.clock, **guardian), None, OFFER)  # type: ignore[arg-type]  # fixed
        await scene.sessions.open(make_grant(scene.clock, role=Role.PRINCIPAL), None, OFFER)
        with pytest.raises(LiveFull):
            await scene.sessions.open(make_grant(scene.clock, role=Role.PRINCIPAL), None, OFFER)
        assert len(scene.sessions) == 3

    play(tmp_path, scenario, max_viewers=3)


def test_a_second_offer_on_a_grant_replaces_the_first(tmp_path: Path) -> None:
    """A reloaded page takes its own place again, also when the house is full."""

    async def scenario(scene: Scene) -> None:
        grant = make_grant(scene.clock)
        first, _ = await scene.sessions.open(grant, None, OFFER)
        second, _ = await scene.sessions.open(grant, None, OFFER)
        assert [item["session"] for item in scene.sessions.facts()] == [second]
        assert first != second
        assert scene.sessions.ended == {REPLACED: 1}

    play(tmp_path, scenario, max_viewers=2)


def test_a_refused_offer_leaves_nothing_behind(tmp_path: Path) -> None:
    """No session, no subscription, no open connection, and the place is free."""

    async def scenario(scene: Scene) -> None:
        with pytest.raises(OfferRefused):
            await scene.sessions.open(make_grant(scene.clock), None, "v=0\nnonsense")
        assert scene.connections.made == []
        scene.connections.refuse_next = True
        with pytest.raises(OfferRefused):
            await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        assert len(scene.sessions) == 0
        assert scene.feeds.streams == ()
        assert scene.connections.log == ["shut"]

    play(tmp_path, scenario)


def test_a_grant_that_does_not_cover_the_stream_opens_nothing(tmp_path: Path) -> None:
    """A guardian's wish for the main stream is refused before anything is built."""

    async def scenario(scene: Scene) -> None:
        grant = make_grant(scene.clock, role=Role.GUARDIAN, streams=frozenset({StreamRole.SUB}))
        with pytest.raises(GrantRefused):
            await scene.sessions.open(grant, StreamRole.MAIN, OFFER)
        assert scene.connections.made == []

    play(tmp_path, scenario)


def test_a_renewal_for_something_else_is_refused(tmp_path: Path) -> None:
    """The same grant id with another camera does not keep a session alive."""

    async def scenario(scene: Scene) -> None:
        grant = make_grant(scene.clock)
        await scene.sessions.open(grant, None, OFFER)
        with pytest.raises(GrantRefused):
            scene.sessions.renew(replace(grant, camera=PublicId("othercameraother")))

    play(tmp_path, scenario)


def test_viewers_of_one_stream_share_one_subscription(tmp_path: Path) -> None:
    """The stream is held by the first and let go by the last."""

    async def scenario(scene: Scene) -> None:
        opened = [(await scene.sessions.open(make_grant(scene.clock), None, OFFER))[0] for _ in range(3)]
        assert len(scene.feeds.streams) == 1
        counts = []
        for session in opened:
            await scene.sessions.close(session, "bye")
            counts.append(len(scene.feeds.streams))
        assert counts == [1, 1, 0]

    play(tmp_path, scenario)


def test_a_stream_that_cannot_be_shown_ends_its_sessions(tmp_path: Path) -> None:
    """H.265 or a removed camera: every session of it ends, counted by why."""

    async def scenario(scene: Scene) -> None:
        _, stream, _ = await scene.watching()
        stream.ended = End.CODEC
        await scene.clock.advance(TICK_S)
        assert scene.sessions.ended == {"live.codec": 1}

    play(tmp_path, scenario)


def test_reports_go_out_every_three_seconds(tmp_path: Path) -> None:
    """One within a second, for the viewer's clock, then one each three seconds, with its own counters."""

    async def scenario(scene: Scene) -> None:
        connection, _, _ = await scene.watching()
        await scene.clock.advance(7.5)  # a session is looked at once a second: the third comes by 7.0
        assert len(connection.reports) == 3
        ssrc, packets = struct.unpack_from("!4xI12xI", connection.reports[0])
        assert (ssrc, packets) == (7, 1)

    play(tmp_path, scenario)


def test_receiver_reports_become_figures(tmp_path: Path) -> None:
    """Loss and round trip of the newest report show in the session's facts; others' reports do not."""

    async def scenario(scene: Scene) -> None:
        connection, _, _ = await scene.watching()
        await scene.clock.advance(TICK_S * FOLLOWED_EACH)
        last_sr = struct.unpack_from("!8xQ", connection.reports[0])[0] >> 16 & 0xFFFFFFFF
        scene.clock.tick(0.5)
        mine = RtcpReceiverInfo(
            ssrc=7, fraction_lost=128, packets_lost=4, highest_sequence=1, jitter=0, lsr=last_sr, dlsr=65536 // 4
        )
        other = replace(mine, ssrc=99, packets_lost=1000)
        connection.feedback(bytes(RtcpRrPacket(ssrc=1, reports=[mine, other])))
        (facts,) = scene.sessions.facts()
        assert (facts["lost"], facts["loss_pct"]) == (4, 50.0)
        assert abs(facts["rtt_ms"] - 250) < 1 + TICK_S * 1000

    play(tmp_path, scenario)


def test_a_nack_is_answered_and_a_picture_loss_counted(tmp_path: Path) -> None:
    """The lost packet goes out again on the RTX stream; PLI is one count for the stream, no packet."""

    async def scenario(scene: Scene) -> None:
        connection, stream, _ = await scene.watching()
        before = len(connection.sink.sent)
        connection.feedback(struct.pack("!BBHIIHH", 0x81, 205, 3, 1, 7, 0, 0))
        assert [packet.ssrc for packet in connection.sink.packets()[before:]] == [8]
        connection.feedback(bytes(RtcpPsfbPacket(fmt=1, ssrc=1, media_ssrc=7)))
        assert stream.counters.picture_lost == 1
        assert len(connection.sink.sent) == before + 1
        assert scene.sessions.facts()[0]["resent"] == 1

    play(tmp_path, scenario)


def test_trickled_candidates_reach_the_connection_within_limits(tmp_path: Path) -> None:
    """Fragments are read and added; a client that never stops is refused; ended sessions are not found."""

    async def scenario(scene: Scene) -> None:
        session, _ = await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        line = "candidate:1 1 udp 1 192.0.2.7 9 typ host\n"
        await scene.sessions.add_candidates(session, line * 20)
        assert len(scene.connections.made[0].candidates) == 20
        with pytest.raises(OfferRefused):
            await scene.sessions.add_candidates(session, line * 20)
        await scene.sessions.close(session, "bye")
        with pytest.raises(NotFound):
            await scene.sessions.add_candidates(session, line)
        with pytest.raises(NotFound):
            await scene.sessions.close(session, "bye")

    play(tmp_path, scenario)


def test_stopping_tells_everybody_and_leaves_no_connection(tmp_path: Path) -> None:
    """When the daemon stops, each page hears it and each connection is shut before the exit."""

    async def scenario(scene: Scene) -> None:
        for _ in range(3):
            await scene.watching()

    scene = play(tmp_path, scenario)
    assert scene.connections.log.count(f"say {message(End.STOPPING)}") == 3
    assert scene.connections.log.count("shut") == 3
    assert scene.sessions.dropped() == {"stranger": 3}


def test_a_viewer_that_leaves_as_the_daemon_stops_leaves_no_connection(tmp_path: Path) -> None:
    """The task that closes it has not begun when the exit cancels all tasks: the exit closes it itself, once."""

    async def scenario(scene: Scene) -> None:
        connection, _, _ = await scene.watching()
        connection.vanish()

    scene = play(tmp_path, scenario)
    assert scene.connections.log.count("shut") == 1
    assert scene.sessions.ended == {End.GONE: 1}
