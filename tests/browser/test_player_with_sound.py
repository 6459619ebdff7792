"""A page of somebody else's that asks for sound as well, as most WHEP players do."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.browser import test_live_whep

pytestmark = pytest.mark.browser
VIDEO = "pc.addTransceiver('video', {direction: 'recvonly'});"


def test_chromium_plays_the_picture_of_an_offer_that_has_sound_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sound line holds the path of all under max-bundle; it is answered inactive, the video plays without loss."""
    page = test_live_whep.PAGE.replace(VIDEO, f"pc.addTransceiver('audio', {{direction: 'recvonly'}}); {VIDEO}")
    page = page.replace("new RTCPeerConnection()", "new RTCPeerConnection({bundlePolicy: 'max-bundle'})")
    assert page.count("audio") == page.count("max-bundle") == 1
    monkeypatch.setattr(test_live_whep, "PAGE", page)
    after, facts = asyncio.run(test_live_whep._watch(tmp_path, 20))
    assert after["packetsLost"] == facts["lost"] == 0
