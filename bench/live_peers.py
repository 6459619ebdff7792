"""Other people's servers for the live benches: Janus and GStreamer from Debian, and a server of thirty lines on Pion.

Owns how they are built, configured and asked. Invariants: each runs as its makers' documents tune it for this
work (Janus with one event loop, one mountpoint, no other plugin); nothing is fetched but through Go's and
Debian's ordinary clients; one that is not there says so, its row is not left out in silence.
"""

from __future__ import annotations

import shutil
import subprocess
import urllib.request
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx

from bench.live_viewer import Counting

RTP_PORT, HTTP_PORT = 15_004, 18_088
PION = Path(__file__).parent / "pion"
WEBRTCBIN = Path(__file__).parent / "webrtcbin.py"
DEBIANS_PYTHON = "/usr/bin/python3"
"""GStreamer's bindings are Debian's (python3-gi), built for Debian's Python."""
BUILD_S = 600.0
JANUS_LIB = "libjanus_*.so"


@dataclass(frozen=True, slots=True)
class Peer:
    """A server to be measured: how to start it, and how a viewer joins it."""

    name: str
    command: Callable[[Path, str], list[str]]
    join: Callable[[Counting, str], Awaitable[None]]


def janus() -> Peer | str:
    """Return Janus, or why it is not run."""
    if shutil.which("janus") is None:
        return "not run: no janus (apt-get install janus)"
    return Peer("Janus, event_loops = 1", _janus_command, _join_janus)


def pion(folder: Path) -> Peer | str:
    """Build the Pion server into a folder and return it, or why it is not run."""
    if shutil.which("go") is None:
        return "not run: no go"
    made = folder / "pion"
    build = subprocess.run(
        ["go", "build", "-o", str(made), "."], cwd=PION, capture_output=True, text=True, timeout=BUILD_S, check=False
    )
    if build.returncode:
        return f"not run: {build.stderr.strip().splitlines()[-1] if build.stderr.strip() else 'go build failed'}"

    def command(_folder: Path, address: str) -> list[str]:
        return [str(made), address, str(HTTP_PORT), str(RTP_PORT)]

    return Peer("Pion", command, _join_pion)


def gstreamer() -> Peer | str:
    """Return a server around webrtcbin, or why it is not run."""
    try:
        subprocess.run([DEBIANS_PYTHON, str(WEBRTCBIN), "--try"], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        packages = "python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-bad gstreamer1.0-nice"
        return f"not run: no webrtcbin (apt-get install {packages})"

    def command(_folder: Path, address: str) -> list[str]:
        return [DEBIANS_PYTHON, str(WEBRTCBIN), address, str(HTTP_PORT), str(RTP_PORT)]

    return Peer("GStreamer webrtcbin", command, _join_webrtcbin)


async def _join_webrtcbin(viewer: Counting, address: str) -> None:
    root = f"http://{address}:{HTTP_PORT}"
    async with httpx.AsyncClient(timeout=30) as http:
        offered = (await http.post(f"{root}/offer")).json()
        answer = await viewer.answer(offered["sdp"])
        (await http.post(f"{root}/answer/{offered['viewer']}", content=answer)).raise_for_status()
    await viewer.connected()


def _janus_command(folder: Path, address: str) -> list[str]:
    found = sorted(Path("/usr/lib").glob("*/janus"))
    libraries = found[0] if found else Path("/usr/lib/janus")
    unwanted = {
        kind: ",".join(path.name for path in sorted((libraries / kind).glob(JANUS_LIB)) if keep not in path.name)
        for kind, keep in (("plugins", "streaming"), ("transports", "http"), ("events", "none"), ("loggers", "none"))
    }
    (folder / "janus.jcfg").write_text(f"""
general: {{ configs_folder = "{folder}", plugins_folder = "{libraries}/plugins",
  transports_folder = "{libraries}/transports", events_folder = "{libraries}/events",
  loggers_folder = "{libraries}/loggers", debug_level = 2, event_loops = 1, session_timeout = 0 }}
nat: {{ ice_lite = false }}
plugins: {{ disable = "{unwanted["plugins"]}" }}
transports: {{ disable = "{unwanted["transports"]}" }}
events: {{ disable = "{unwanted["events"]}" }}
loggers: {{ disable = "{unwanted["loggers"]}" }}
""")
    (folder / "janus.transport.http.jcfg").write_text(
        f'general: {{ json = "compact", base_path = "/janus", http = true, port = {HTTP_PORT}, ip = "{address}" }}\n'
    )
    (folder / "janus.plugin.streaming.jcfg").write_text(f"""
camera: {{ type = "rtp", id = 1, description = "camera", media = (
  {{ type = "video", mid = "v", port = {RTP_PORT}, pt = 96, codec = "h264",
     fmtp = "profile-level-id=42e01f;packetization-mode=1" }} ) }}
""")
    return ["janus", "-F", str(folder), "-C", str(folder / "janus.jcfg")]


async def _join_janus(viewer: Counting, address: str) -> None:
    root = f"http://{address}:{HTTP_PORT}/janus"
    async with httpx.AsyncClient(timeout=30) as http:

        async def ask(url: str, body: dict[str, Any]) -> dict[str, Any]:
            reply = await http.post(url, json={"transaction": "t", **body})
            found: dict[str, Any] = reply.json()
            return found

        session = f"{root}/{(await ask(root, {'janus': 'create'}))['data']['id']}"
        attached = await ask(session, {"janus": "attach", "plugin": "janus.plugin.streaming"})
        handle = f"{session}/{attached['data']['id']}"
        await ask(handle, {"janus": "message", "body": {"request": "watch", "id": 1}})
        offered = None
        while offered is None:
            event = (await http.get(session, params={"maxev": 1})).json()
            offered = event.get("jsep") if isinstance(event, dict) else None
        lines = (await viewer.answer(offered["sdp"])).splitlines()
        # Janus takes one fingerprint.
        sdp = "".join(f"{line}\r\n" for line in lines if "sha-384" not in line and "sha-512" not in line)
        body = {"janus": "message", "body": {"request": "start"}, "jsep": {"type": "answer", "sdp": sdp}}
        await ask(handle, body)
    await viewer.connected()


async def _join_pion(viewer: Counting, address: str) -> None:
    offer = (await viewer.offer()).encode()
    request = urllib.request.Request(f"http://{address}:{HTTP_PORT}/whep", data=offer, method="POST")

    def ask() -> str:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return str(reply.read().decode())

    await viewer.answered(await anyio.to_thread.run_sync(ask))
