"""Whatever a camera writes, requests name the host we reached."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.rtsp.source import RtspSource
from drivers.rtsp.urls import base_url, control_url
from gateway.core.errors import CameraBadReply

SOURCE = RtspSource("10.0.0.5", 8554, "/live?ch=1")
OWN = "rtsp://10.0.0.5:8554"


@pytest.mark.parametrize(
    ("stated", "base"),
    [
        ("", f"{OWN}/live?ch=1"),
        (f"{OWN}/live/", f"{OWN}/live/"),
        ("rtsp://192.168.1.64/Streaming/", f"{OWN}/Streaming/"),
        ("rtsp://0.0.0.0:554/x", f"{OWN}/x"),
        ("rtsp://admin:pw@10.0.0.5/x", f"{OWN}/x"),
        ("rtsp://10.0.0.5", f"{OWN}/"),
        ("rtsp://10.0.0.5?a=1", f"{OWN}/?a=1"),
        ("/x/", f"{OWN}/x/"),
        ("rubbish", f"{OWN}/live?ch=1"),
        ("rtsp://h/a b", f"{OWN}/live?ch=1"),
    ],
)
def test_the_base_always_has_our_host(stated: str, base: str) -> None:
    """A Content-Base of a private or empty address gives its path only."""
    assert base_url(SOURCE, stated) == base


@pytest.mark.parametrize(
    ("base", "control", "url"),
    [
        ("/live/", "", "/live/"),
        ("/live/", "*", "/live/"),
        ("/live/", "trackID=0", "/live/trackID=0"),
        ("/live", "trackID=0", "/live/trackID=0"),
        ("/live?ch=1", "trackID=0", "/live?ch=1/trackID=0"),
        ("/live/", "/trackID=0", "/live/trackID=0"),
        ("/live", "?track=0", "/live?track=0"),
        ("/live/", "rtsp://10.0.0.5:8554/live/track1", "/live/track1"),
        ("/live/", "rtsp://10.0.0.5/live/track1", "/live/track1"),
        ("/live/", "RTSP://0.0.0.0:554/t", "/t"),
        ("/live/", "rtsp://alias/t", "/t"),
        ("/live/", "rtsp:///t", "/t"),
    ],
)
def test_control_texts_are_joined_as_cameras_mean_them(base: str, control: str, url: str) -> None:
    """Relative texts extend the base by plain joining; absolute ones of the same host keep their path."""
    assert control_url(SOURCE, {"alias"}, OWN + base, control) == OWN + url


@pytest.mark.parametrize(
    "control",
    [
        "rtsp://10.0.0.6/t",
        "rtsp://evil.example/t",
        "rtsp://10.0.0.5@evil/t",
        "rtsp://[::1]/t",
        "http://10.0.0.5/t",
        "file:///etc/passwd",
        "track 0",
        "track\r\nX: y",
        "t" * 3000,
    ],
)
def test_control_texts_that_lead_elsewhere_are_refused(control: str) -> None:
    """Another host, another protocol, or a text that would break the request line."""
    with pytest.raises(CameraBadReply):
        control_url(SOURCE, set(), OWN + "/live/", control)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_text_leaves_our_host(stated: str, control: str) -> None:
    """Every URL that comes out begins with the host and port we reached, on one line."""
    base = base_url(SOURCE, stated)
    assert base.startswith(OWN + "/")
    try:
        url = control_url(SOURCE, set(), base, control)
    except CameraBadReply:
        return
    assert url.startswith(OWN + "/")
    assert not set(url) & set("\r\n ")
