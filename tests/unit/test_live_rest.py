"""Media rests while a link carries not even the least stream, and comes again by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.core.model import Role, StreamRole
from gateway.live import pagetalk
from gateway.live.link import FIRST_TRIAL_WAIT_S, JITTER_SHARE, LONGEST_TRIAL_WAIT_S, Link, Wish
from gateway.live.rtcp import PSFB, RR, RTPFB
from gateway.live.switch import DRAIN_AGAIN_S
from tests.fakes.connection import FakeConnection
from tests.fakes.live_scene import Scene, play
from tests.unit.test_live_switch import MAIN, SUB, SUB_ONLY
from tests.unit.test_live_switch import Scene as Streams
from tests.unit.test_live_switch import play as watch

SSRC = 7
"""Of every fake connection's stream."""
RECOVERS_WITHIN_S = 60.0


def lossy(second: int) -> bytes:
    """Return the receiver report of a second of half the packets lost; each second has a hundred."""
    head = bytes([0x81, RR, 0, 7]) + (1).to_bytes(4, "big") + SSRC.to_bytes(4, "big")
    return head + (128 << 24 | 50 * second).to_bytes(4, "big") + (100 * second).to_bytes(4, "big") + bytes(12)


def at_rest(scene: Streams) -> bool:
    return scene.switch.resting


def weak(scene: Streams) -> None:
    """Lose heavily until the queue was left to drain once, then again."""
    for _ in range(2):
        scene.lose()
        scene.tick(keys=(scene.switch.now.role,))


def rests(scene: Streams) -> None:
    scene.switch.can_rest = True
    weak(scene)
    assert at_rest(scene)


def test_a_link_too_weak_for_the_least_stream_gets_none() -> None:
    """Drained once and full again: nothing more is sent, the hold stays, and it is no end."""

    async def scenario(scene: Streams) -> None:
        rests(scene)
        before = len(scene.sink.sent)
        scene.tick(40, keys=(SUB,))
        assert len(scene.sink.sent) == before
        assert (scene.switch.rests, scene.switch.pauses) == (1, 1)
        assert not scene.viewer.stopped

    scene = watch(scenario, Streams(SUB, SUB_ONLY))
    assert scene.holds[SUB] == 1


def test_main_then_sub_then_nothing() -> None:
    """The whole way down, in this order; and up again: sub first, main after it has run calmly."""

    async def scenario(scene: Streams) -> None:
        scene.switch.can_rest = True
        scene.lose()
        scene.tick(keys=(SUB,))
        assert scene.switch.now.role is SUB
        weak(scene)
        assert at_rest(scene)
        scene.calm(FIRST_TRIAL_WAIT_S)
        assert not at_rest(scene)
        scene.tick(keys=(SUB,))
        assert scene.sent()[-1][0] is SUB
        scene.tick()
        scene.calm(FIRST_TRIAL_WAIT_S)
        scene.tick(keys=(MAIN,))
        assert scene.sent()[-1][0] is MAIN

    assert watch(scenario).whole()


def test_a_second_queue_long_after_the_first_is_another_trouble() -> None:
    """Half a minute of video in between: the link carries it, a rest would only take it away."""

    async def scenario(scene: Streams) -> None:
        scene.switch.can_rest = True
        scene.lose()
        scene.tick(keys=(SUB,))
        scene.calm(DRAIN_AGAIN_S)
        scene.lose()
        assert (scene.switch.resting, scene.switch.pauses) == (False, 2)

    watch(scenario, Streams(SUB, SUB_ONLY))


def test_who_cannot_show_stills_is_left_to_drain() -> None:
    """A foreign player has no stills: the next key frame is better than none."""

    async def scenario(scene: Streams) -> None:
        weak(scene)
        weak(scene)
        assert (scene.switch.resting, scene.switch.pauses) == (False, 4)

    watch(scenario, Streams(SUB, SUB_ONLY))


def test_video_comes_again_at_a_key_frame_without_a_hole() -> None:
    """After the wait the next key frame begins it; numbers go on, and RTP time as much as time did."""

    async def scenario(scene: Streams) -> None:
        rests(scene)
        scene.calm(FIRST_TRIAL_WAIT_S)
        scene.tick(3)
        before = len(scene.sent())
        scene.tick(keys=(SUB,))
        scene.tick(3)
        assert len(scene.sent()) == before + 4

    scene = watch(scenario, Streams(SUB, SUB_ONLY))
    assert scene.whole()
    (_, last), (_, first) = scene.sent()[-5:-3]
    assert first.ts - last.ts == (FIRST_TRIAL_WAIT_S + 5 * 0.05) * 90_000


def test_a_trial_that_fails_rests_at_once_and_the_next_comes_later() -> None:
    """No second queue is needed to see it; waits double up to the longest, and with the jitter stay below a minute."""

    async def scenario(scene: Streams) -> None:
        rests(scene)
        for wait_s in (FIRST_TRIAL_WAIT_S, 2 * FIRST_TRIAL_WAIT_S, LONGEST_TRIAL_WAIT_S, LONGEST_TRIAL_WAIT_S):
            scene.calm(wait_s - 1)
            assert at_rest(scene)
            scene.calm(1)
            assert not at_rest(scene)
            scene.tick(keys=(SUB,))
            scene.lose()
            assert at_rest(scene)
        assert scene.switch.rests == 5

    watch(scenario, Streams(SUB, SUB_ONLY))
    assert LONGEST_TRIAL_WAIT_S * (1 + JITTER_SHARE) < RECOVERS_WITHIN_S - DRAIN_AGAIN_S / 2


@pytest.mark.parametrize(("dice", "share"), [(0.0, 0.8), (0.5, 1.0), (0.999, 1.2)])
def test_waits_differ_from_viewer_to_viewer(dice: float, share: float) -> None:
    """Twenty phones that lost one access point do not all come back in the same moment."""
    link = Link(0, lambda: dice)
    wait_s = FIRST_TRIAL_WAIT_S * share
    assert link.wish(int((wait_s - 0.1) * 1e9), can_more=True) is Wish.STAY
    assert link.wish(int((wait_s + 0.1) * 1e9), can_more=True) is Wish.MORE


def test_a_viewer_that_leaves_while_media_rests_leaves_nothing() -> None:
    """Holds are given back, and no key frame is sent to it any more."""

    async def scenario(scene: Streams) -> None:
        rests(scene)
        scene.calm(FIRST_TRIAL_WAIT_S)
        scene.switch.release()
        scene.switch.leave(scene.viewer)
        before = len(scene.sink.sent)
        scene.feed(SUB, key=True)
        assert len(scene.sink.sent) == before

    assert watch(scenario, Streams(SUB, SUB_ONLY)).holds[SUB] == 0


# which stream a picture's size asks for


def test_a_picture_that_grows_gets_main_at_once() -> None:
    """Opened small, then large: main at its next key frame, sub until then; small again: the same way back."""

    async def scenario(scene: Streams) -> None:
        scene.tick(2)
        assert scene.switch.want(MAIN, scene.grant)
        scene.tick(2)
        scene.tick(keys=(MAIN,))
        scene.tick()
        assert scene.switch.want(SUB, scene.grant)
        scene.tick(2)
        scene.tick(keys=(SUB,))
        scene.tick()

    scene = watch(scenario, Streams(SUB))
    # both streams have a picture in the same moment: where sub's is a key frame, main's was sent a tick before
    assert [role for role, _ in scene.sent()] == [SUB] * 5 + [MAIN] * 5 + [SUB] * 2
    assert scene.whole()
    assert scene.switch.switched == 2


def test_a_small_picture_is_no_failed_trial() -> None:
    """Going down because the picture is small makes no later way up slower."""

    async def scenario(scene: Streams) -> None:
        for wanted in (MAIN, SUB, MAIN, SUB, MAIN):
            scene.switch.want(wanted, scene.grant)
            scene.tick()
            scene.tick(keys=(wanted,))
            assert scene.switch.now.role is wanted

    watch(scenario, Streams(SUB))


def test_a_large_picture_on_a_weak_link_waits() -> None:
    """Moved to sub by loss: asking for main again changes nothing before the link was calm."""

    async def scenario(scene: Streams) -> None:
        scene.lose()
        scene.tick(keys=(SUB,))
        scene.switch.want(MAIN, scene.grant)
        scene.tick(20)
        assert scene.switch.coming is None
        scene.calm(FIRST_TRIAL_WAIT_S)
        assert scene.switch.coming is scene.streams[MAIN]

    watch(scenario)


def test_a_guardian_may_ask_but_gets_no_main() -> None:
    """Neither a grant of sub alone nor a guardian's role is widened by a message of the page."""

    async def scenario(scene: Streams) -> None:
        assert not scene.switch.want(MAIN, scene.grant)
        scene.tick(5)
        assert scene.switch.coming is None

    watch(scenario, Streams(SUB, SUB_ONLY))


@pytest.mark.parametrize(
    "text",
    ["", "x", "[]", "7", '{"want": "all"}', '{"want": 1}', '{"want": ["main"]}', "[" * 60, b"\x00", None,
     '{"want": "main"}' + " " * 64],
    ids=range(11),
)  # fmt: skip
def test_what_is_no_wish_is_nothing(text: object) -> None:
    """A stranger's message is a wish or nothing."""
    assert pagetalk.wanted(text) is None


def test_a_wish_is_read() -> None:
    """Both streams by name."""
    assert [pagetalk.wanted(json.dumps({"want": role})) for role in ("main", "sub")] == [(MAIN, ""), (SUB, "")]
    assert pagetalk.wanted('{"want": "main", "session": "aaaabbbbccccdddd"}') == (MAIN, "aaaabbbbccccdddd")


# through a session


def session(tmp_path: Path, scenario: Callable[[Scene, FakeConnection], Awaitable[None]]) -> None:
    async def body(scene: Scene) -> None:
        connection, stream, _ = await scene.watching(role=Role.GUARDIAN, streams=SUB_ONLY)
        scene.stream = stream  # type: ignore[attr-defined]  # for `second`
        connection.hear('{"want": "sub"}')
        await scenario(scene, connection)

    play(tmp_path, body)


async def second(scene: Scene, connection: FakeConnection, *reports: bytes) -> None:
    """Let a second pass with these reports in it, and a key frame at its end."""
    for report in reports:
        connection.feedback(report)
    await scene.clock.advance(1)
    scene.picture(scene.stream, key=True)  # type: ignore[attr-defined]  # set above


def said(scene: Scene) -> list[str]:
    return [line.removeprefix("say ") for line in scene.connections.log if "link" in line]


def test_the_page_hears_that_media_rests_and_that_it_comes(tmp_path: Path) -> None:
    """One word each, and between them not a packet: not even for a NACK or a lost picture."""

    async def scenario(scene: Scene, connection: FakeConnection) -> None:
        for n in range(9):
            await second(scene, connection, lossy(n))
        assert said(scene) == ['{"link": "weak"}']
        quiet = len(connection.sink.sent)
        nack = bytes([0x81, RTPFB, 0, 3]) + bytes(4) + SSRC.to_bytes(4, "big") + b"\x00\x05\xff\xff"
        pli = bytes([0x81, PSFB, 0, 2]) + bytes(4) + SSRC.to_bytes(4, "big")
        for n in range(9, 13):
            await second(scene, connection, lossy(n), nack, pli)
        assert len(connection.sink.sent) == quiet == connection.sent_when_told
        (facts,) = scene.sessions.facts()
        assert (facts["resting"], facts["link_weak"], facts["state"]) == (True, True, "live")
        for _ in range(int(LONGEST_TRIAL_WAIT_S)):
            await second(scene, connection)
        assert said(scene) == ['{"link": "weak"}', '{"link": "video"}']
        assert len(connection.sink.sent) > quiet

    session(tmp_path, scenario)


def test_a_page_that_takes_no_words_holds_up_nobody(tmp_path: Path) -> None:
    """Its message hangs: leases and reports of everybody else go on."""

    async def scenario(scene: Scene, connection: FakeConnection) -> None:
        connection.deaf = asyncio.Event()
        for n in range(9):
            await second(scene, connection, lossy(n))
        assert said(scene) == ['{"link": "weak"}']
        assert scene.sessions.watched
        connection.deaf.set()

    session(tmp_path, scenario)


def test_the_last_wish_counts(tmp_path: Path) -> None:
    """However often a page changes its mind between two looks at it, one change follows."""

    async def body(scene: Scene) -> None:
        connection, stream, _ = await scene.watching()
        for n in range(200):
            connection.hear('{"want": "main"}' if n % 2 else '{"want": "sub"}')
        await scene.clock.advance(1.5)  # the places look once a second: it is judged first
        assert {item.role for item in scene.feeds.streams} == {stream.role, StreamRole.MAIN}
        (facts,) = scene.sessions.facts()
        assert facts["switched"] == 0

    play(tmp_path, body)
