"""Bench `record`: cameras onto the disk, the recorder against ffmpeg.

Owns the variants: our daemon as it is shipped (encrypted, synced, indexed), with and without its vision child,
and one `ffmpeg -c copy -f segment` per camera, all reading the same source process. Invariant: a round counts
only if every picture the source sent was stored; sent and stored are counted on both sides.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import av

from bench.harness import Options, Reading, Table, Variant, compare
from bench.schedstat import Meter, descendants, memory_of
from gateway.core.clock import SystemClock
from gateway.core.db import Database
from gateway.core.model import StreamRole
from gateway.core.secrets import load_seal_key
from gateway.core.wire import ControlClient
from recorder.identity import Identity
from recorder.journal import Journal
from recorder.registry import MIGRATIONS, NewCamera, Registry, StreamSpec

Counts: TypeAlias = dict[tuple[int, str], int]
"""Pictures by camera and stream."""
IN_FLIGHT = 2
"""Pictures of a stream that may be between the two counts when a round ends."""
LOOK_S = 0.5
START_S = 60.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How a round is run."""

    cameras: int = 32
    seconds: float = 60.0
    warm_s: float = 32.0
    """Before the window. In 60 s from then every segment is closed once: the first ones close from 30 s on."""
    scratch: Path | None = None


class SourceProcess:
    """`bench.sources` as a child: its port, and what it sent."""

    def __init__(self, cameras: int, shape: str, *, sub: bool) -> None:
        command = [sys.executable, "-m", "bench.sources", "--cameras", str(cameras), "--shape", shape]
        self.child = subprocess.Popen(
            command + ["--sub"] * sub, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self._line()["port"])

    def _line(self) -> dict[str, Any]:
        assert self.child.stdout is not None
        line: dict[str, Any] = json.loads(self.child.stdout.readline())
        return line

    def report(self) -> dict[str, Any]:
        """Return the open connections with the pictures sent on each, and how punctual the source was."""
        assert self.child.stdin is not None
        self.child.stdin.write("report\n")
        self.child.stdin.flush()
        return self._line()

    def close(self) -> None:
        """End it."""
        assert self.child.stdin is not None
        self.child.stdin.close()
        self.child.wait()
        assert self.child.stdout is not None
        self.child.stdout.close()


@contextmanager
def source_process(cameras: int, shape: str, *, sub: bool) -> Iterator[SourceProcess]:
    """Run a source while entered."""
    source = SourceProcess(cameras, shape, sub=sub)
    try:
        yield source
    finally:
        source.close()


def missing(sent: Counts, stored: Counts) -> str:
    """Say what was sent and is not stored; empty if nothing."""
    lost = sum(max(0, count - IN_FLIGHT - stored.get(key, 0)) for key, count in sent.items())
    return f"{lost} pictures lost" if lost else ""


def window(source: SourceProcess, pids: list[int], plan: Plan, streams: int) -> tuple[Reading, Counts]:
    """Measure processes over the plan's window; returns the reading and what was sent until its end."""
    time.sleep(plan.warm_s)
    before = source.report()
    meter = Meter([*pids, *(child for pid in pids for child in descendants(pid))], time.monotonic)
    meter.look()
    end_s = time.monotonic() + plan.seconds
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(LOOK_S, left_s))
        meter.look()
    after = source.report()
    used, memory = meter.used(), memory_of([*pids, *(child for pid in pids for child in descendants(pid))])
    segments, late = after["segments"] - before["segments"], after["late"] - before["late"]
    figures = {
        "CPU, % of a core": used.cpu_percent,
        "a stream, %": used.cpu_percent / streams,
        "PSS, MB": memory.pss_bytes / 1e6,
        "RSS, MB": memory.rss_bytes / 1e6,
        "turns/s": used.turns_per_s,
        "sends/s": segments / used.wall_s,
        "late sends, %": 100 * late / max(1, segments),
    }
    sent = {(row["camera"], row["role"]): row["sent"] for row in after["connections"]}
    invalid = "" if len(sent) == streams else f"{streams - len(sent)} streams not connected"
    return Reading(figures, invalid), sent


Watch: TypeAlias = Callable[[SourceProcess, list[int], Plan, int], tuple[Reading, Counts]]
"""What is measured while a daemon records: `window`, or something longer."""


# --- ours ----------------------------------------------------------------------------------------


CONFIG = """
[paths]
state = "{root}/state"
run = "{root}/run"
[[volumes]]
path = "{root}/footage"
create = true
min_free_bytes = 100000000
[cameras]
loopback = true
max_connects_per_s = 100
[vision]
enabled = {vision}
[recording]
sub_streams = {sub}
[clock]
require_ntp = false
"""


async def adopt(root: Path, plan: Plan, port: int, roles: tuple[StreamRole, ...]) -> None:
    """Write the cameras into the registry, as adoption by RTSP path would."""
    clock = SystemClock()
    seal = load_seal_key(root / "state" / "keys" / "recorder-seal.key")
    async with Database(root / "state" / "cameras.db", [MIGRATIONS]) as db:
        journal = Journal(db, clock)
        await journal.load()
        registry = Registry(db, seal, journal, clock)
        for camera in range(plan.cameras):
            streams = tuple(StreamSpec(role, "127.0.0.1", port, f"/{camera}/{role.value}") for role in roles)
            await registry.add(NewCamera(f"bench {camera}", "rtsp", "127.0.0.1", port, Identity(), streams=streams))


def stored_by_us(root: Path, roles: tuple[StreamRole, ...]) -> tuple[Counts, str]:
    """Return the frames in the closed segments by stream, and what is wrong with them."""
    index = sqlite3.connect(f"file:{root / 'footage' / 'index.db'}?mode=ro", uri=True)
    frames = dict(index.execute("SELECT stream, sum(frames) FROM segment GROUP BY stream"))
    index.close()
    open_parts = len(list((root / "footage").rglob("*.part")))
    cameras = sqlite3.connect(root / "state" / "cameras.db")
    rows = cameras.execute("SELECT id, path, role FROM stream").fetchall()
    cameras.close()
    stored = {(int(path.split("/")[1]), role): frames.get(stream, 0) for stream, path, role in rows}
    assert {role for _, role in stored} == {role.value for role in roles}
    return stored, f"{open_parts} segments not closed" if open_parts else ""


async def _status(root: Path) -> dict[str, Any]:
    async with ControlClient(root / "run" / "recorder.sock", "recorder") as client:
        return (await client.call("status")).result


def lost_by_us(status: dict[str, Any]) -> str:
    """Say what the daemon itself counted as lost."""
    lost = sum(stream["lost_packets"] for camera in status["cameras"] for stream in camera["streams"])
    return f"{lost} packets lost" if lost else ""


def wait_recording(root: Path, cameras: int) -> None:
    """Wait until all cameras are recorded; TimeoutError with the daemon's last words after `START_S`."""
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        if (root / "run" / "recorder.sock").exists():
            status = asyncio.run(_status(root))
            if status["totals"]["recording"] == cameras:
                return
        time.sleep(0.5)
    said = (root / "log").read_text(encoding="utf-8", errors="replace")[-1000:]
    raise TimeoutError(f"the recorder does not record all cameras: {said}")


def measure_ours(source: SourceProcess, plan: Plan, *, vision: bool, sub: bool, watch: Watch = window) -> Reading:
    """Measure the recorder daemon: encryption, sync every 5 s, index."""
    roles = (StreamRole.MAIN, StreamRole.SUB) if sub else (StreamRole.MAIN,)
    with tempfile.TemporaryDirectory(prefix="vuon-bench-", dir=plan.scratch) as folder:
        root = Path(folder)
        config = root / "config.toml"
        switch = {False: "false", True: "true"}
        config.write_text(CONFIG.format(root=root, vision=switch[vision], sub=switch[sub]))
        (root / "state" / "keys").mkdir(parents=True, mode=0o700)
        asyncio.run(adopt(root, plan, source.port, roles))
        with (root / "log").open("w") as log:
            command = [sys.executable, "-m", "gateway.roofs.recorder", "--config", str(config)]
            daemon = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            wait_recording(root, plan.cameras)
            reading, sent = watch(source, [daemon.pid], plan, plan.cameras * len(roles))
            status = asyncio.run(_status(root))
        finally:
            daemon.send_signal(signal.SIGTERM)
            code = daemon.wait()
        stored, unclosed = stored_by_us(root, roles)
        failed = f"the recorder ended with status {code}" if code else ""
        wrong = reading.invalid or lost_by_us(status) or missing(sent, stored) or unclosed or failed
        return Reading(reading.figures, wrong)


# --- the control -----------------------------------------------------------------------------------


def measure_ffmpeg(source: SourceProcess, plan: Plan, *, sub: bool) -> Reading:
    """Measure one ffmpeg per stream: no re-encoding, a file a minute, no encryption, no sync, no index."""
    roles = ("main", "sub") if sub else ("main",)
    streams = [(camera, role) for camera in range(plan.cameras) for role in roles]
    with tempfile.TemporaryDirectory(prefix="vuon-bench-", dir=plan.scratch) as folder:
        root = Path(folder)
        children, logs = [], []
        for camera, role in streams:
            log = (root / f"{camera}-{role}.log").open("w+")
            logs.append(log)
            command = ffmpeg_command(source.port, camera, role, root)
            children.append(subprocess.Popen(command, stdout=log, stderr=log))
        try:
            _wait_connected(source, len(streams))
            reading, sent = window(source, [child.pid for child in children], plan, len(streams))
        finally:
            for child in children:
                child.send_signal(signal.SIGINT)
            for child in children:
                child.wait()
        said = ""
        for log in logs:
            log.seek(0)
            said = said or log.read().strip()[:200]
            log.close()
        stored = {(camera, role): _frames(root, camera, role) for camera, role in streams}
        return Reading(reading.figures, reading.invalid or missing(sent, stored) or said)


def ffmpeg_command(port: int, camera: int, role: str, root: Path) -> list[str]:
    """Return the usual recording command."""
    place = f"rtsp://127.0.0.1:{port}/{camera}/{role}"
    return [
        *("ffmpeg", "-nostdin", "-hide_banner", "-loglevel", "error", "-rtsp_transport", "tcp", "-i", place),
        *("-an", "-c", "copy", "-f", "segment", "-segment_time", "60", "-segment_format", "mp4"),
        *("-reset_timestamps", "1", str(root / f"{camera}-{role}-%03d.mp4")),
    ]


def _wait_connected(source: SourceProcess, count: int) -> None:
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        rows = source.report()["connections"]
        if len(rows) == count and all(row["sent"] for row in rows):
            return
        time.sleep(0.5)
    raise TimeoutError("not all ffmpeg are connected")


def _frames(root: Path, camera: int, role: str) -> int:
    total = 0
    for path in root.glob(f"{camera}-{role}-*.mp4"):
        with av.open(str(path)) as container:
            total += container.streams.video[0].frames
    return total


def variants(source: SourceProcess, plan: Plan, *, sub: bool, vision: bool) -> list[Variant]:
    """Return the rows of the bench, the control last; with sub streams and with the vision child, if so asked."""
    ours = "recorder, vision on" if vision else "recorder"
    theirs = f"ffmpeg -c copy, one per {'stream' if sub else 'camera'}"
    return [
        Variant(ours, lambda: measure_ours(source, plan, vision=vision, sub=sub)),
        Variant(theirs, lambda: measure_ffmpeg(source, plan, sub=sub), control=True),
    ]


NOTES = (
    "Source: 1080p15, 2 Mbit/s, GOP 2 s each; sub 640x360, 400 kbit/s. All variants read the same process in turn.",
    "Recorder: AES-256-GCM, sync of the disk every 5 s, index row per segment; ffmpeg does none of these.",
    "A round counts only if every picture sent was stored (sent and stored are compared stream by stream).",
    "late sends: the source was more than 2 ms behind its clock; the same process serves all variants.",
)
SHAPES = {
    "lan": "as a 100 Mbit/s port sends (1460 bytes every 120 us)",
    "burst": "a picture at once (loopback burst)",
}


def run(options: Options, *, sub: bool = False, vision: bool = False) -> list[Table]:
    """Run the bench for both ways of arriving."""
    plan = Plan(options.cameras, options.seconds, options.warm_s)
    name = "everything" if vision else "streams" if sub else "record"
    what = f"{name}: {plan.cameras} cameras{', main and sub' if sub else ''}"
    tables = []
    for shape in options.shapes:
        with source_process(plan.cameras, shape, sub=sub) as source:
            rows = variants(source, plan, sub=sub, vision=vision)
            tables.append(compare(f"{what}, {SHAPES[shape]}", rows, options, NOTES))
    return tables
