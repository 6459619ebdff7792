"""What pages are told when a session ends."""

from __future__ import annotations

import json

import pytest

from gateway.live.ends import REPLACED, End, message


@pytest.mark.parametrize("end", list(End))
def test_what_the_daemon_ends_by_itself_makes_the_page_ask_again(end: End) -> None:
    """No reason for people in it: the policy answers the page's next request."""
    assert json.loads(message(end)) == {"end": "", "code": end.value}


@pytest.mark.parametrize("reason", ["plan.nap", "consent.missing", REPLACED])
def test_what_somebody_decided_is_said(reason: str) -> None:
    """The gateway's reason reaches the page as it was given."""
    assert json.loads(message(reason)) == {"end": reason, "code": reason}
