"""Networks of cameras in namespaces: a box with two cards, a switch behind each, cameras at the switches.

Nothing is joined to the machine's own network. Whatever happens, `Netlab` takes its namespaces and
processes away; one that cannot be removed does not keep the others.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[2]
HANG_S = 60
_NUMBERS = itertools.count()


def ip(*arguments: str) -> None:
    """Run `ip`; raises CalledProcessError."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=HANG_S)


class NoNamespaces(Exception):
    """This machine does not let us make them."""


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
class Netlab:
    """Entered = the box and its two switches exist."""

    cards: dict[str, str]
    """Interface of the box -> its address with prefix; the first has the default route."""
    spaces: list[str] = field(default_factory=list)
    cameras: list[LanCamera] = field(default_factory=list)
    mark: str = field(default_factory=lambda: f"vl{os.getpid()}x{next(_NUMBERS)}")

    @property
    def box(self) -> str:
        return f"{self.mark}box"

    def __enter__(self) -> Self:
        try:
            self._space(self.box)
            for card, address in self.cards.items():
                switch = self._space(f"{self.mark}{card}")
                ip("-n", switch, "link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
                ip("-n", switch, "link", "set", "br0", "up")
                self._plug(card, self.box, card, address)
            first = next(iter(self.cards.values())).split("/")[0].rpartition(".")[0]
            ip("-n", self.box, "route", "add", "default", "via", f"{first}.46")
        except (OSError, subprocess.CalledProcessError) as error:
            self._clear()
            raise NoNamespaces(str(error)) from error
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        for camera in self.cameras:
            camera.process.kill()
            camera.process.communicate(timeout=HANG_S)
        for name in reversed(self.spaces):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                ip("netns", "del", name)
        self.cameras.clear()
        self.spaces.clear()

    def _space(self, name: str) -> str:
        ip("netns", "add", name)
        self.spaces.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        return name

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
            self.inside(space, "-m", "tests.fakes.lan_camera", str(index), address, *([kind] if kind else [])),
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

    @staticmethod
    def inside(space: str, *arguments: str) -> list[str]:
        """Return the command that runs Python inside a namespace."""
        return ["ip", "netns", "exec", space, sys.executable, *arguments]

    def addresses(self, device: str) -> list[str]:
        """Return the IPv4 addresses of a card of the box."""
        done = subprocess.run(
            ["ip", "-n", self.box, "-j", "-4", "address", "show", "dev", device],
            check=True, capture_output=True, timeout=HANG_S,
        )  # fmt: skip
        return [item["local"] for link in json.loads(done.stdout) for item in link["addr_info"]]
