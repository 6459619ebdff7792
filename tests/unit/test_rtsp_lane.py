"""The Transport header: what we ask for, and whom a camera may send to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.lane import Lane, granted, wish
from gateway.core.errors import CameraBadReply, CameraError, CameraUnsupported

OURS = "10.0.0.2"


def test_what_we_ask_for() -> None:
    """Unicast to ourselves, two channels or two ports."""
    assert wish(0, udp=False) == "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert wish(50_000, udp=True) == "RTP/AVP;unicast;client_port=50000-50001"


@pytest.mark.parametrize(
    ("header", "udp", "lane"),
    [
        ("", False, Lane(False, 2, 3)),
        ("RTP/AVP/TCP;unicast;interleaved=4-9", False, Lane(False, 4, 9)),
        ("RTP/AVP/TCP; Interleaved = 6", False, Lane(False, 6, 7)),
        ("", True, Lane(True, 0, 0)),
        ("RTP/AVP;unicast;client_port=2-3;server_port=6970-6971", True, Lane(True, 6970, 6971)),
        ("RTP/AVP/UDP;unicast;server_port=7000;ssrc=1", True, Lane(True, 7000, 7001)),
        ("RTP/AVP;unicast;destination=10.0.0.2;source=10.9.9.9;server_port=8-9", True, Lane(True, 8, 9)),
        ('RTP/AVP/TCP;destination="0.0.0.0";interleaved=2-3', False, Lane(False, 2, 3)),
        ("RTP/AVP;unicast;destination=;server_port=8-9", True, Lane(True, 8, 9)),
    ],
)
def test_what_is_granted(header: str, lane: Lane, *, udp: bool) -> None:
    """As the camera writes it; a `source=` of another host changes nothing, we hear the one we reached."""
    assert granted(header, 2, udp=udp, ours=OURS) == lane


@pytest.mark.parametrize(
    ("header", "udp", "kind"),
    [
        ("RTP/AVP;unicast;client_port=0-1", False, CameraUnsupported),
        ("RTP/AVP/TCP;interleaved=0-1", True, CameraUnsupported),
        ("RTP/AVP;multicast;destination=239.1.1.1", True, CameraUnsupported),
        ("RTP/AVP;unicast;destination=10.9.9.9;server_port=8-9", True, CameraBadReply),
        ("RTP/AVP/TCP;unicast;destination=10.9.9.9;interleaved=0-1", False, CameraBadReply),
        ("RTP/AVP/TCP;interleaved=256-257", False, CameraBadReply),
        ("RTP/AVP;server_port=65535", True, CameraBadReply),
        ("RTP/AVP;server_port=99999-3", True, CameraBadReply),
    ],
)
def test_what_is_refused(header: str, kind: type[CameraError], *, udp: bool) -> None:
    """Another way, a group, another host, numbers out of range: nothing will be played."""
    with pytest.raises(kind):
        granted(header, 0, udp=udp, ours=OURS)


@given(st.text(max_size=200) | st.from_regex(r"RTP/AVP(/TCP)?(;[a-z_]{1,12}=[0-9.:-]{0,12}){0,4}"), st.booleans())
def test_any_header_is_read_or_refused(header: str, udp: bool) -> None:
    """Numbers that come out fit; only `CameraError` comes out otherwise."""
    try:
        lane = granted(header, 0, udp=udp, ours=OURS)
    except CameraError:
        return
    assert 0 <= lane.rtp <= (65_535 if udp else 255)
    assert 0 <= lane.rtcp <= (65_535 if udp else 255)
