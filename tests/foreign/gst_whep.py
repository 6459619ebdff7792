"""A foreign WHEP player: GStreamer's webrtcbin and a bearer token; run by the system's own Python (python3-gi).

`gst_whep.py URL TOKEN FRAMES`: plays until so many pictures were decoded, then ends the session. Prints JSON lines:
{"status", "location", "patch"}, {"frames", "width", "height"}, {"deleted"}. Knows nothing of the box but WHEP.
"""

from __future__ import annotations

import itertools
import json
import ssl
import sys
import threading
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urljoin

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402 - which versions must be said before

SOUND = "application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111,encoding-params=(string)2"
"""Asked for as players do; the box has none."""
CAPS = (
    "application/x-rtp,media=video,encoding-name=H264,clock-rate=90000,payload=96,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f"
)


def say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def ask(method: str, url: str, token: str, body: str | None = None, kind: str = "application/sdp") -> Any:
    """Send one request; a box has a certificate of its own authority, which this player was not given."""
    headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": kind} if body is not None else {})
    request = urllib.request.Request(url, body.encode() if body is not None else None, headers, method=method)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        return urllib.request.urlopen(request, timeout=30, context=context)
    except urllib.error.HTTPError as error:
        return error


class Player:
    """One session."""

    def __init__(self, url: str, token: str, frames: int) -> None:
        self.url, self.token, self.wanted, self.frames = url, token, frames, 0
        self.location, self.failed = "", False
        self.loop = GLib.MainLoop()
        self.pipe = Gst.Pipeline.new("player")
        self.rtc = Gst.ElementFactory.make("webrtcbin", "rtc")
        self.rtc.set_property("bundle-policy", "max-bundle")
        self.pipe.add(self.rtc)
        self.rtc.connect("pad-added", self.pad_added)
        self.rtc.connect("notify::ice-gathering-state", self.gathered)
        direction = GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY
        self.rtc.emit("add-transceiver", direction, Gst.Caps.from_string(SOUND))
        self.rtc.emit("add-transceiver", direction, Gst.Caps.from_string(CAPS))
        bus = self.pipe.get_bus()
        bus.add_signal_watch()
        bus.connect("message::error", self.error)

    def run(self) -> int:
        self.pipe.set_state(Gst.State.PLAYING)
        self.rtc.emit("create-offer", None, Gst.Promise.new_with_change_func(self.offered))
        self.loop.run()
        if self.location:
            say(deleted=ask("DELETE", self.location, self.token).status)
        self.pipe.set_state(Gst.State.NULL)
        return int(self.failed)

    def offered(self, promise: Any) -> None:
        reply = promise.get_reply()  # kept: the offer lives in it
        self.offer = reply.get_value("offer")
        self.rtc.emit("set-local-description", self.offer, None)

    def gathered(self, rtc: Any, _spec: Any) -> None:
        if rtc.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
            threading.Thread(target=self.post, daemon=True).start()

    def post(self) -> None:
        offer = self.rtc.get_property("local-description").sdp.as_text()
        answer = ask("POST", self.url, self.token, offer)
        text = answer.read().decode()
        say(status=answer.status, location=answer.headers["Location"], patch=answer.headers["Accept-Patch"])
        if answer.status != 201:
            sys.stderr.write(offer + text)
            self.stop(failed=True)
            return
        self.location = urljoin(self.url, answer.headers["Location"])
        _, message = GstSdp.SDPMessage.new_from_text(text)
        kind = GstWebRTC.WebRTCSDPType.ANSWER
        self.rtc.emit("set-remote-description", GstWebRTC.WebRTCSessionDescription.new(kind, message), None)

    def pad_added(self, _rtc: Any, pad: Any) -> None:
        if pad.get_direction() != Gst.PadDirection.SRC:
            return
        parts = [Gst.ElementFactory.make(name) for name in ("rtph264depay", "h264parse", "avdec_h264", "fakesink")]
        for part in parts:
            self.pipe.add(part)
        for left, right in itertools.pairwise(parts):
            left.link(right)
        parts[-1].set_property("signal-handoffs", True)
        parts[-1].set_property("sync", False)
        parts[-1].connect("handoff", self.frame)
        for part in parts:
            part.sync_state_with_parent()
        pad.link(parts[0].get_static_pad("sink"))

    def frame(self, _sink: Any, _buffer: Any, pad: Any) -> None:
        self.frames += 1
        if self.frames == self.wanted:
            shape = pad.get_current_caps().get_structure(0)
            say(frames=self.frames, width=shape.get_value("width"), height=shape.get_value("height"))
            self.stop(failed=False)

    def error(self, _bus: Any, message: Any) -> None:
        sys.stderr.write(f"{message.parse_error()}\n")
        self.stop(failed=True)

    def stop(self, *, failed: bool) -> None:
        self.failed = failed
        GLib.idle_add(self.loop.quit)


if __name__ == "__main__":
    Gst.init(None)
    sys.exit(Player(sys.argv[1], sys.argv[2], int(sys.argv[3])).run())
