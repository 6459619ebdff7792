"""Cameras nobody here wrote, as processes on loopback: PyPI's ipycam and a GStreamer RTSP server."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.fakes.films import FPS, film
from tests.foreign.places import HANG_S, HERE, PYTHON, environment, need, program

USER, PASSWORD = "admin", "Mat-khau-1"
DEBIAN = "gir1.2-gst-rtsp-server-1.0 python3-gi gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly"


@dataclass(frozen=True)
class Foreign:
    """Where a foreign camera is."""

    address: str
    onvif_port: int
    rtsp_port: int
    process: subprocess.Popen[str]


def free_port() -> int:
    """Return a port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def started(command: list[str], ready: str, log: Path, cwd: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a camera until left; yields when a line of its output begins with `ready`."""
    with (
        log.open("w") as complaints,
        subprocess.Popen(
            command, cwd=cwd, env=environment(PASSWORD=PASSWORD, PYTHONUNBUFFERED="1"),
            stdout=subprocess.PIPE, stderr=complaints, text=True,
        ) as process,
    ):  # fmt: skip
        try:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith(ready):
                    break
            else:
                raise AssertionError(log.read_text()[-4000:])
            yield process
        finally:
            process.kill()
            process.communicate(timeout=HANG_S)


@contextlib.contextmanager
def ipycam(root: Path) -> Iterator[Foreign]:
    """Run ipycam: WS-Discovery, ONVIF with WS-Security even for the clock, RTSP without a login."""
    need((PYTHON / "ipycam").exists(), "ipycam")
    program("ffmpeg")
    root.mkdir()
    film(root / "film.mp4", pictures=30, size=(640, 360))
    onvif, rtsp = free_port(), free_port()
    settings = {
        "name": "La", "local_ip": "127.0.0.1", "username": USER, "password": PASSWORD, "hw_accel": "cpu",
        "onvif_port": onvif, "rtsp_port": rtsp, "rtmp_port": free_port(), "web_port": free_port(),
        "go2rtc_api_port": free_port(), "main_width": 640, "main_height": 360, "main_fps": FPS, "main_bitrate": "500K",
        "sub_width": 320, "sub_height": 180, "sub_fps": FPS, "sub_bitrate": "200K",
    }  # fmt: skip
    (root / "config.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "ipycam", "--config", "config.json", "--source", "film.mp4", "--hw", "cpu"]
    with started(command, "IP Camera is running", root / "log", root) as process:
        yield Foreign("127.0.0.1", onvif, rtsp, process)


@contextlib.contextmanager
def gstreamer(root: Path, address: str) -> Iterator[Foreign]:
    """Run GStreamer's RTSP server: /main and /sub, by Digest login only."""
    system = "/usr/bin/python3"
    probe = [system, "-c", "import gi; gi.require_version('GstRtspServer', '1.0')"]
    there = Path(system).exists() and subprocess.run(probe, capture_output=True, check=False).returncode == 0
    need(there, "GStreamer's RTSP server", f"apt-get install {DEBIAN}")
    root.mkdir()
    port = free_port()
    command = [system, str(HERE / "gst_camera.py"), address, str(port), USER]
    with started(command, "ready", root / "log", root) as process:
        yield Foreign(address, 0, port, process)
