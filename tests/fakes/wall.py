"""A box and a viewer in networks of their own, and a wall between them that lets no UDP through.

Whatever happens, `Wall` takes its namespaces and processes away.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes import coturn
from tests.fakes.listening import until_listens
from tests.fakes.spaces import HANG_S, ROOT, Lab, ip, mark_of

BOX, VIEWER = "10.71.0.1", "10.71.0.2"
TURN_PORT = 3478
CHROMIUM = "/usr/bin/chromium"
_DROPPED = re.compile(r"counter packets (\d+)")


@dataclass
class Wall(Lab):
    """Entered = both networks exist and no UDP passes."""

    folder: Path
    mark: str = field(default_factory=lambda: mark_of("vw"))
    spaces: list[str] = field(default_factory=list)
    processes: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def box(self) -> str:
        return f"{self.mark}b"

    @property
    def viewer(self) -> str:
        return f"{self.mark}v"

    def _build(self) -> None:
        for space in (self.box, self.viewer):
            self._space(space)
        ip("-n", self.box, "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", self.viewer)
        for space, own, other in ((self.box, BOX, VIEWER), (self.viewer, VIEWER, BOX)):
            ip("-n", space, "address", "add", f"{own}/24", "dev", "eth0")
            ip("-n", space, "link", "set", "eth0", "up")
            ip("-n", space, "route", "add", "default", "via", other)  # WebRTC uses no machine without one
        for way in ("input", "output"):
            self._nft(f"add chain inet wall {way} {{ type filter hook {way} priority 0; }}")
            self._nft(f"add rule inet wall {way} meta l4proto udp iifname != lo oifname != lo counter drop")

    def _end(self) -> None:
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.communicate(timeout=HANG_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        self.processes.clear()

    def _nft(self, command: str) -> str:
        done = subprocess.run(
            ["ip", "netns", "exec", self.viewer, "nft", f"add table inet wall; {command}"],
            check=True, capture_output=True, text=True, timeout=HANG_S,
        )  # fmt: skip
        return done.stdout

    def dropped(self) -> int:
        """Return how many UDP datagrams the viewer's machine tried to send or was to get."""
        return sum(map(int, _DROPPED.findall(self._nft("list table inet wall"))))

    def browser(self) -> str:
        """Return a program that is Chromium on the viewer's machine."""
        script = self.folder / "chromium"
        script.write_text(f'#!/bin/sh\nexec ip netns exec {self.viewer} {CHROMIUM} "$@"\n')
        script.chmod(0o755)
        return str(script)

    def relay(self) -> None:
        """Start a TURN server on the box's machine, for TCP only, with passwords from the shared secret."""
        process = self._start(*coturn.command(self.folder, BOX, TURN_PORT, "--no-udp"))
        until_listens(process, BOX, TURN_PORT, self._log(coturn.TURNSERVER))

    def serve(self, *servers: str) -> dict[str, Any]:
        """Start a box that names these servers to its viewers; returns where its pages are."""
        process = self._start(sys.executable, "-m", "tests.fakes.walled_box", str(self.folder), BOX, *servers)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, "the box did not start"
        return dict(json.loads(line))

    def _log(self, program: str) -> Path:
        return self.folder / f"{Path(program).name}.log"

    def _start(self, *command: str) -> subprocess.Popen[str]:
        with self._log(command[0]).open("a") as log:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.box, *command],
                cwd=ROOT, stdout=subprocess.PIPE if "walled_box" in " ".join(command) else log, stderr=log, text=True,
            )  # fmt: skip
        self.processes.append(process)
        return process
