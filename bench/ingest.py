"""Bench `ingest`: what it costs to take main and sub of a camera from the network, and nothing else.

Owns the variants: the native engine, the second engine (PyAV in one caged child a stream), and one
`ffmpeg -c copy -f null` per stream as the control, all reading the same source process. Invariant: a round counts
only if every picture the source sent was counted on the other side.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from bench.harness import Options, Reading, Table, Variant, compare
from bench.ingest_client import ROLES, read_report
from bench.record import SHAPES, START_S, Counts, Plan, SourceProcess, missing, source_process, window

SIZES = (8, 16, 32)
WARM_S = 8.0
"""Nothing is written, so nothing has to settle but the connections."""
HELD = 1
"""Pictures that FFmpeg's parser holds back: it ends one when the next begins."""

NOT_CONNECTED = Reading({}, f"not all streams played within {START_S:.0f} s")


def sizes_up_to(cameras: int) -> tuple[int, ...]:
    """Return how many cameras are measured: the usual numbers below, and the one asked for."""
    return (*(size for size in SIZES if size < cameras), cameras)


def per_camera(figures: Mapping[str, float], cameras: int) -> dict[str, float]:
    """Return the figures of a camera, then those of all."""
    cpu, pss, rss = (figures[name] for name in ("CPU, % of a core", "PSS, MB", "RSS, MB"))
    return {
        "CPU a camera, % of a core": cpu / cameras,
        "PSS a camera, MB": pss / cameras,
        "CPU, % of a core": cpu,
        "PSS, MB": pss,
        "RSS, MB": rss,
        "turns/s": figures["turns/s"],
        "late sends, %": figures["late sends, %"],
    }


def connected(source: SourceProcess, count: int) -> bool:
    """Wait until all streams have sent something; False after `START_S`."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        rows = source.report()["connections"]
        if len(rows) == count and all(row["sent"] for row in rows):
            return True
        time.sleep(0.5)
    return False


def report_of(client: subprocess.Popen[str]) -> tuple[Counts, str]:
    """Ask our client for its pictures by stream, and for what failed."""
    assert client.stdin is not None
    assert client.stdout is not None
    client.stdin.write("report\n")
    client.stdin.flush()
    return read_report(client.stdout.readline())


def all_seen(client: subprocess.Popen[str]) -> bool:
    """Wait until each stream has shown a picture; False after `START_S`, or if one failed."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        counted, failed = report_of(client)
        if failed or all(counted.values()):
            return not failed
        time.sleep(0.5)
    return False


def lacking(sent: Counts, counted: Counts) -> str:
    """Say what was sent and not counted; what FFmpeg still holds is not lacking."""
    return missing({key: count - HELD for key, count in sent.items()}, counted)


def measure_ours(source: SourceProcess, plan: Plan, engine: str) -> Reading:
    """Measure one of our engines."""
    command = [sys.executable, "-m", "bench.ingest_client", "--engine", engine]
    command += ["--port", str(source.port), "--cameras", str(plan.cameras)]
    client = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdin is not None
    assert client.stdout is not None
    try:
        streams, sent = plan.cameras * len(ROLES), Counts()
        reading = NOT_CONNECTED
        if connected(source, streams) and all_seen(client):
            reading, sent = window(source, [client.pid], plan, streams)
        counted, failed = report_of(client)
    finally:
        client.stdin.close()
        client.wait()
        client.stdout.close()
    if wrong := failed or reading.invalid or lacking(sent, counted):
        return Reading({}, wrong)
    return Reading(per_camera(reading.figures, plan.cameras))


def ffmpeg_command(port: int, camera: int, role: str, progress: Path) -> list[str]:
    """Return the command that takes a stream and keeps nothing; it writes at its end how many pictures came."""
    place = f"rtsp://127.0.0.1:{port}/{camera}/{role}"
    return [
        *("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-stats_period", "3600"),
        *("-progress", str(progress), "-rtsp_transport", "tcp", "-i", place, "-an", "-c", "copy", "-f", "null", "-"),
    ]


def frames_in(progress: str) -> int:
    """Return the last count of pictures in what ffmpeg wrote."""
    counts = [line.partition("=")[2] for line in progress.splitlines() if line.startswith("frame=")]
    return int(counts[-1]) if counts else 0


def measure_ffmpeg(source: SourceProcess, plan: Plan) -> Reading:
    """Measure one ffmpeg per stream."""
    streams = [(camera, role) for camera in range(plan.cameras) for role in ROLES]
    with tempfile.TemporaryDirectory(prefix="vuon-bench-", dir=plan.scratch) as folder:
        places = {stream: Path(folder) / f"{stream[0]}-{stream[1]}" for stream in streams}
        children = []
        for (camera, role), place in places.items():
            command = ffmpeg_command(source.port, camera, role, place)
            children.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        try:
            if not connected(source, len(streams)):
                return NOT_CONNECTED
            reading, sent = window(source, [child.pid for child in children], plan, len(streams))
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait()
        counted = {stream: frames_in(place.read_text(encoding="utf-8")) for stream, place in places.items()}
        return Reading(per_camera(reading.figures, plan.cameras), reading.invalid or lacking(sent, counted))


def variants(source: SourceProcess, plan: Plan) -> list[Variant]:
    """Return the rows, the control last."""
    return [
        Variant("native", lambda: measure_ours(source, plan, "native")),
        Variant("PyAV, one caged child a stream", lambda: measure_ours(source, plan, "pyav")),
        Variant("ffmpeg -c copy, one a stream", lambda: measure_ffmpeg(source, plan), control=True),
    ]


NOTES = (
    "Main (1080p15, 2 Mbit/s) and sub (640x360, 400 kbit/s) of each camera, GOP 2 s; nothing is recorded or decoded.",
    "PyAV: the camera is spoken to by the native client in the recorder's process; the row counts both sides.",
    "A round counts only if every picture sent was counted (stream by stream).",
)


def run(options: Options) -> list[Table]:
    """Run the bench for each number of cameras and way of arriving."""
    tables = []
    for shape in options.shapes:
        for cameras in sizes_up_to(options.cameras):
            plan = Plan(cameras, options.seconds, min(options.warm_s, WARM_S))
            with source_process(cameras, shape, sub=True) as source:
                title = f"ingest: {cameras} cameras, main and sub, {SHAPES[shape]}"
                tables.append(compare(title, variants(source, plan), options, NOTES))
    return tables
