"""Stream addresses hold no secrets and nothing that could break a request line."""

from __future__ import annotations

import pytest

from drivers.rtsp.source import RtspSource
from gateway.core.errors import BadInput


@pytest.mark.parametrize(
    ("source", "url"),
    [
        (
            RtspSource("10.0.0.5", 554, "/cam/realmonitor?channel=1&subtype=0"),
            "rtsp://10.0.0.5:554/cam/realmonitor?channel=1&subtype=0",
        ),
        (RtspSource("fe80::1%eth0", 8554, "/x"), "rtsp://[fe80::1%eth0]:8554/x"),
        (RtspSource("cam.local", 554, "/"), "rtsp://cam.local:554/"),
    ],
)
def test_urls(source: RtspSource, url: str) -> None:
    """Host, port and path with its query; IPv6 in brackets."""
    assert source.url() == url


@pytest.mark.parametrize(
    ("host", "port", "path"),
    [
        ("", 554, "/"),
        ("a:b@c", 554, "/"),
        ("user@host", 554, "/"),
        ("host/path", 554, "/"),
        ("ho st", 554, "/"),
        ("host", 0, "/"),
        ("host", 65536, "/"),
        ("host", 554, "no-slash"),
        ("host", 554, ""),
        ("host", 554, "/a b"),
        ("host", 554, "/a\r\nX: y"),
        ("host", 554, "/é"),
        ("host", 554, "/" + "a" * 3000),
    ],
)
def test_what_is_no_source(host: str, port: int, path: str) -> None:
    """User info, blanks, line breaks and lengths that no camera has are refused."""
    with pytest.raises(BadInput):
        RtspSource(host, port, path)
