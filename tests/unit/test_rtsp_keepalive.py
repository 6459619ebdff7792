"""Keep-alive in the way the camera understands."""

from __future__ import annotations

import pytest

from drivers.rtsp.keepalive import KeepAlive


@pytest.mark.parametrize(
    ("public", "method"),
    [
        ("", "OPTIONS"),
        ("OPTIONS, DESCRIBE, SETUP, PLAY", "OPTIONS"),
        ("OPTIONS, GET_PARAMETER, PLAY", "GET_PARAMETER"),
        ("options,get_parameter", "GET_PARAMETER"),
    ],
)
def test_the_method_follows_public(public: str, method: str) -> None:
    """GET_PARAMETER only for those who say they know it."""
    keepalive = KeepAlive()
    keepalive.offered(public)
    keepalive.offered("")
    assert keepalive.method == method


@pytest.mark.parametrize(
    ("parameter", "interval_s"),
    [
        ("", 30),
        ("timeout=60", 30),
        ("timeout=10", 5),
        ("Timeout = 20", 10),
        ("timeout=0", 30),
        ("timeout=1", 1),
        ("timeout=999999", 30),
        ("timeout=99999999999", 30),
        ("timeout=x", 30),
    ],
)
def test_half_the_timeout(parameter: str, interval_s: float) -> None:
    """Default 60 s, never faster than each second, never slower than each 30 s."""
    keepalive = KeepAlive()
    keepalive.timeout([parameter])
    assert keepalive.interval_s == interval_s


def test_due_at_the_interval() -> None:
    """Not before, then until the camera was asked."""
    keepalive = KeepAlive()
    keepalive.began(1_000)
    assert not keepalive.due(29_999_999_999)
    assert keepalive.due(30_000_001_000)
    assert keepalive.ask(30_000_001_000) == "OPTIONS"
    assert not keepalive.due(30_000_001_001)


def test_a_refusal_exchanges_the_method() -> None:
    """Back and forth; success changes nothing."""
    keepalive = KeepAlive()
    methods = []
    for status in (200, 405, 200, 551, 400):
        keepalive.answered(status)
        methods.append(keepalive.method)
    assert methods == ["OPTIONS", "GET_PARAMETER", "GET_PARAMETER", "OPTIONS", "GET_PARAMETER"]


@pytest.mark.parametrize(("deadly", "taken"), [("GET_PARAMETER", "OPTIONS"), ("OPTIONS", "GET_PARAMETER")])
def test_what_a_camera_hangs_up_on_is_avoided(deadly: str, taken: str) -> None:
    """Neither `Public:` nor a refusal of the other one brings it back."""
    keepalive = KeepAlive(avoid=deadly)
    keepalive.offered("OPTIONS, GET_PARAMETER")
    assert keepalive.ask(1) == taken
    keepalive.answered(405)
    assert keepalive.ask(2) == taken


def test_a_question_is_open_until_it_is_answered() -> None:
    """Within the seconds given, and any answer settles it."""
    keepalive = KeepAlive()
    assert not keepalive.unanswered(0, 3)
    keepalive.ask(1_000_000_000)
    assert keepalive.unanswered(4_000_000_000, 3)
    assert not keepalive.unanswered(4_000_000_001, 3)
    keepalive.answered(405)
    assert not keepalive.unanswered(2_000_000_000, 3)
