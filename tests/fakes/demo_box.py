"""The whole product as a person starts it: `vuon demo` in a process of its own, and ways to ask it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

START_S = 120
"""Hang limit: the demo is up in about 10 s; two busy cores may need a minute."""
HERE = {**os.environ, "VUON_LANG": "en"}


def free_port_pair() -> int:
    """Return a port whose next one is free too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


def eventually(check: Callable[[], Any], *, seconds: float = 60, what: str = "") -> Any:
    """Repeat a look until it gives something true; fails with what it saw last."""
    end, seen = time.monotonic() + seconds, None
    while time.monotonic() < end:
        seen = check()
        if seen:
            return seen
        time.sleep(0.2)
    raise AssertionError(f"{what or check} did not come true; last seen: {seen!r}")


@dataclass
class DemoBox:
    """A running demo."""

    ready: dict[str, Any]
    process: subprocess.Popen[bytes]

    @property
    def data(self) -> Path:
        return Path(self.ready["data"])

    def vuon(self, *arguments: str, good: bool = True) -> str:
        """Run a command against this demo and return what it printed."""
        command = [sys.executable, "-m", "gateway", *arguments, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=HERE, check=False)
        assert (done.returncode == 0) == good, f"{arguments}: {done.stdout}{done.stderr}"
        assert "Traceback" not in done.stdout + done.stderr
        return done.stdout + ("" if good else done.stderr)

    def json(self, *arguments: str) -> dict[str, Any]:
        """Run a command with --json."""
        return dict(json.loads(self.vuon(*arguments, "--json")))

    def status(self) -> dict[str, Any]:
        """Return `vuon status --json`, whether all is well or not."""
        command = [sys.executable, "-m", "gateway", "status", "--json", "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=HERE, check=False)
        return dict(json.loads(done.stdout))

    def pid(self, daemon: str) -> int:
        """Return the process id of a daemon."""
        return int(self.status()["daemons"][daemon]["pid"])

    def kill(self, daemon: str) -> int:
        """SIGKILL a daemon by its own id and return that id."""
        pid = self.pid(daemon)
        os.kill(pid, signal.SIGKILL)
        return pid

    def back(self, daemon: str, old: int) -> None:
        """Wait until a daemon runs again under another id."""
        eventually(
            lambda: (d := self.status()["daemons"][daemon])["running"] and d["pid"] != old, what=f"{daemon} is back"
        )

    def well(self) -> dict[str, Any]:
        """Wait until everything runs and every camera records."""
        return dict(eventually(lambda: (s := self.status())["ok"] and s, what="all well"))

    def files(self) -> set[str]:
        """Return the segment files on the volume, by their relative path."""
        footage = self.data / "footage"
        return {str(path.relative_to(footage)) for path in footage.rglob("*.seg")}


@contextlib.contextmanager
def demo_box(folder: Path, *, cameras: int = 3) -> Iterator[DemoBox]:
    """Run `vuon demo` until the block ends; SIGTERM must end it, whole."""
    ready, log = folder / "ready.json", folder / "demo.log"
    arguments = ["demo", "--cameras", str(cameras), "--port", str(free_port_pair())]
    arguments += ["--data", str(folder / "d"), "--ready", str(ready)]
    with log.open("wb") as out:
        process = subprocess.Popen([sys.executable, "-m", "gateway", *arguments], stdout=out, stderr=out, env=HERE)
    try:
        eventually(lambda: ready.exists() or process.poll() is not None, seconds=START_S, what="the ready file")
        assert process.poll() is None, log.read_text()
        yield DemoBox(json.loads(ready.read_text()), process)
    finally:
        process.terminate()
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    assert "Traceback" not in log.read_text()
