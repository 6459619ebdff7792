"""A GStreamer RTSP server as a camera; run by the system's own python3, which has Debian's python3-gi.

`/usr/bin/python3 gst_camera.py ADDRESS PORT USER`, the password in PASSWORD: serves a test picture at
/main (320x240) and /sub (160x120), ten pictures a second, by Digest login only; prints "ready".
"""

from __future__ import annotations

import os
import sys
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402 - versions are chosen before the import

PIPELINE = (
    "( videotestsrc is-live=true pattern=ball ! video/x-raw,width={0},height={1},framerate=10/1 "
    "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph264pay name=pay0 pt=96 )"
)


def login(username: str, password: str) -> Any:
    """Return what lets one user watch, by Digest."""
    auth = GstRtspServer.RTSPAuth()
    auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", username)
    auth.add_digest(username, password, token)
    return auth


def main(address: str, port: str, username: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service(port)
    server.set_auth(login(username, os.environ["PASSWORD"]))
    for path, size in (("/main", (320, 240)), ("/sub", (160, 120))):
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch(PIPELINE.format(*size))
        factory.set_shared(True)
        factory.add_role_from_structure(role(username))
        server.get_mount_points().add_factory(path, factory)
    assert server.attach(None)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


def role(username: str) -> Any:
    """Return the right to see and to play for a user."""
    made = Gst.Structure.new_empty(username)
    for right in ("media.factory.access", "media.factory.construct"):
        made.set_value(right, True)
    return made


if __name__ == "__main__":
    main(*sys.argv[1:4])
