"""What pages are told when a session ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.live.ends import REPLACED, End, message, told
from gateway.live.sessions import TICK_S
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER, Scene, play


@pytest.mark.parametrize("end", list(End))
def test_what_the_daemon_ends_by_itself_makes_the_page_ask_again(end: End) -> None:
    """No reason for people in it: the policy answers the page's next request."""
    assert json.loads(message(end)) == {"end": "", "code": end.value}


@pytest.mark.parametrize("reason", ["plan.nap", "consent.missing", REPLACED])
def test_what_somebody_decided_is_said(reason: str) -> None:
    """The gateway's reason reaches the page as it was given."""
    assert json.loads(message(reason)) == {"end": reason, "code": reason}


def test_only_what_the_page_shows_waits_to_be_told() -> None:
    """Every other end comes at once, also while the session connects."""
    assert [end for end in End if told(end)] == [End.TRANSCODES]


@pytest.mark.parametrize("end", [End.TRANSCODES, End.CODEC])
def test_a_session_that_connects_is_told_why_there_is_no_video(tmp_path: Path, end: End) -> None:
    """It connects first where the page shows the code; else it ends before."""

    async def scenario(scene: Scene) -> None:
        await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        (stream,) = scene.feeds.streams
        stream.ended = end
        await scene.clock.advance(2 * TICK_S)
        assert len(scene.sessions) == told(end)
        connection = scene.connections.made[-1]
        connection.connect()
        await scene.clock.advance(2 * TICK_S)
        assert len(scene.sessions) == 0
        assert scene.sessions.ended == {end.value: 1}

    play(tmp_path, scenario)
