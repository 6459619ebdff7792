"""Networks of cameras in namespaces: a box with two cards, a switch behind each, cameras at the switches.

Whatever happens, `Netlab` takes its namespaces and processes away.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from typing import Any

from tests.fakes.spaces import HANG_S, ROOT, Lab, ip, mark_of, python_in


@dataclass
class LanCamera:
    """A simulated camera at one switch."""

    space: str
    index: int
    address: str
    kind: str
    process: subprocess.Popen[str]

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()

    def counters(self) -> dict[str, Any]:
        self.tell("counters")
        return dict(json.loads(self.read()))

    def unplug(self) -> None:
        """End it without a goodbye."""
        self.process.communicate(timeout=HANG_S)


@dataclass
class Netlab(Lab):
    """Entered = the box and its two switches exist."""

    cards: dict[str, str]
    """Interface of the box -> its address with prefix; the first has the default route."""
    spaces: list[str] = field(default_factory=list)
    cameras: list[LanCamera] = field(default_factory=list)
    mark: str = field(default_factory=lambda: mark_of("vl"))

    @property
    def box(self) -> str:
        return f"{self.mark}box"

    def _build(self) -> None:
        self._space(self.box)
        for card, address in self.cards.items():
            switch = self._space(f"{self.mark}{card}")
            ip("-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
            ip("-n", switch, "link", "set", "br0", "up")
            self._plug(card, self.box, card, address)
        first = next(iter(self.cards.values())).split("/")[0].rpartition(".")[0]
        ip("-n", self.box, "route", "add", "default", "via", f"{first}.46")

    def _end(self) -> None:
        for camera in self.cameras:
            camera.process.kill()
            camera.process.communicate(timeout=HANG_S)
        self.cameras.clear()

    def _plug(self, card: str, space: str, device: str, address: str, mac: str = "") -> None:
        """Join a namespace to the switch behind a card of the box."""
        switch, port = f"{self.mark}{card}", f"p{len(self.spaces)}"
        ip("-n", switch, "link", "add", port, "type", "veth", "peer", "name", device, "netns", space)
        ip("-n", switch, "link", "set", port, "master", "br0", "up")
        if mac:
            ip("-n", space, "link", "set", device, "address", mac)
        if address:
            ip("-n", space, "addr", "add", address, "dev", device)
        ip("-n", space, "link", "set", device, "up")

    def guest(self, card: str, name: str, mac: str, address: str = "") -> str:
        """Join an empty machine to the switch behind a card; returns its namespace, its card is `eth0`."""
        space = self._space(f"{self.mark}{name}")
        self._plug(card, space, "eth0", address, mac)
        return space

    @staticmethod
    def give(space: str, address: str) -> None:
        """Give a guest an address."""
        ip("-n", space, "addr", "add", address, "dev", "eth0")

    def camera(self, card: str, index: int, address: str, mac: str, *, gateway: str, kind: str = "") -> LanCamera:
        """Start a camera; `wait` says when it answers."""
        space = self._space(f"{self.mark}c{index}")
        self._plug(card, space, "eth0", address, mac)
        ip("-n", space, "route", "add", "default", "via", gateway)
        return self._start(space, index, address.split("/", maxsplit=1)[0], kind)

    def _start(self, space: str, index: int, address: str, kind: str) -> LanCamera:
        process = subprocess.Popen(
            python_in(space, "-m", "tests.fakes.lan_camera", str(index), address, *([kind] if kind else [])),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        camera = LanCamera(space, index, address, kind, process)
        self.cameras.append(camera)
        return camera

    def wait(self) -> None:
        """Wait until every camera answers."""
        for camera in self.cameras:
            assert camera.read() == "ready\n"

    def renumber(self, camera: LanCamera, address: str, gateway: str) -> LanCamera:
        """Give a camera another address, as DHCP does after a power cut: it goes and comes back elsewhere."""
        camera.unplug()
        self.cameras.remove(camera)
        ip("-n", camera.space, "addr", "flush", "dev", "eth0")
        ip("-n", camera.space, "addr", "add", address, "dev", "eth0")
        ip("-n", camera.space, "route", "add", "default", "via", gateway)
        moved = self._start(camera.space, camera.index, address.split("/", maxsplit=1)[0], camera.kind)
        assert moved.read() == "ready\n"
        return moved

    def addresses(self, device: str) -> list[str]:
        """Return the IPv4 addresses of a card of the box."""
        done = subprocess.run(
            ["ip", "-n", self.box, "-j", "-4", "address", "show", "dev", device],
            check=True, capture_output=True, timeout=HANG_S,
        )  # fmt: skip
        return [item["local"] for link in json.loads(done.stdout) for item in link["addr_info"]]
