"""The GStreamer row of the live benches: RTP from one UDP port to all viewers, a `webrtcbin` each behind one `tee`.

    /usr/bin/python3 bench/webrtcbin.py ADDRESS HTTP_PORT RTP_PORT

Owns pipeline and signalling; it runs under Debian's Python, whose bindings it needs, and imports nothing of ours.
The server offers (`POST /offer`), the viewer answers (`POST /answer/N`). Media never touches Python.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402 - versions are chosen first

CAPS = (
    "application/x-rtp,media=video,encoding-name=H264,payload=96,clock-rate=90000,"
    "packetization-mode=(string)1,profile-level-id=(string)42e01f,ssrc=(uint)4660"
)
WAIT_S = 20.0


class Server:
    """The pipeline; called from HTTP's threads, works in GLib's."""

    def __init__(self, address: str, port: int) -> None:
        self._pipeline: Any = Gst.parse_launch(
            f'udpsrc address={address} port={port} buffer-size=4194304 caps="{CAPS}" '
            "! tee name=all allow-not-linked=true"
        )
        self._tee = self._pipeline.get_by_name("all")
        self._viewers: list[Any] = []
        self._pipeline.set_state(Gst.State.PLAYING)

    def offer(self) -> tuple[int, str]:
        """Add a viewer; returns its number and the offer with all candidates."""
        ready, found = threading.Event(), list[str]()

        def gathered(element: Any, _what: Any) -> None:
            if element.get_property("ice-gathering-state") == GstWebRTC.WebRTCICEGatheringState.COMPLETE:
                found.append(element.get_property("local-description").sdp.as_text())
                ready.set()

        def offered(promise: Any, element: Any) -> None:
            promise.wait()
            reply = promise.get_reply()  # holds what `get_value` points to
            element.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

        def needed(element: Any) -> None:
            element.emit("create-offer", None, Gst.Promise.new_with_change_func(offered, element))

        def add() -> bool:
            queue, element = Gst.ElementFactory.make("queue"), Gst.ElementFactory.make("webrtcbin")
            element.set_property("bundle-policy", GstWebRTC.WebRTCBundlePolicy.MAX_BUNDLE)
            element.connect("notify::ice-gathering-state", gathered)
            element.connect("on-negotiation-needed", needed)
            self._pipeline.add(queue)
            self._pipeline.add(element)
            queue.link_pads("src", element, None)
            element.emit("get-transceiver", 0).set_property(
                "direction", GstWebRTC.WebRTCRTPTransceiverDirection.SENDONLY
            )
            element.sync_state_with_parent()
            queue.sync_state_with_parent()
            self._tee.link(queue)
            self._viewers.append(element)
            return False

        GLib.idle_add(add)
        if not ready.wait(WAIT_S):
            raise TimeoutError("no offer was made")
        return len(self._viewers) - 1, found[0]

    def answer(self, viewer: int, sdp: str) -> None:
        """Take a viewer's answer."""
        _, message = GstSdp.SDPMessage.new_from_text(sdp)
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, message)
        self._viewers[viewer].emit("set-remote-description", described, Gst.Promise.new())


def handler(server: Server) -> type[BaseHTTPRequestHandler]:
    """Return the HTTP side."""
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            if self.path == "/offer":
                with one_at_a_time:
                    viewer, sdp = server.offer()
                text = json.dumps({"viewer": viewer, "sdp": sdp})
            else:
                server.answer(int(self.path.rpartition("/")[2]), body)
                text = ""
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

    return Handler


def main() -> int:
    """Serve until killed; with `--try`, say by the exit status whether this could run."""
    Gst.init(None)
    if not all(Gst.ElementFactory.find(name) for name in ("webrtcbin", "nicesink", "dtlsenc", "srtpenc")):
        return 1
    if sys.argv[1:] == ["--try"]:
        return 0
    address, http_port, rtp_port = sys.argv[1:]
    loop = GLib.MainLoop()
    http = ThreadingHTTPServer((address, int(http_port)), handler(Server(address, int(rtp_port))))
    threading.Thread(target=http.serve_forever, daemon=True).start()
    loop.run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
