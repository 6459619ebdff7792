"""The box on a network of cameras alone, in namespaces: it gives them addresses and the time.

The clients are foreign: busybox's udhcpc asks for addresses, its udhcpd is the other server.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.core.errors import DaemonUnavailable
from gateway.core.wire import ControlClient
from tests.fakes.netlab import Netlab
from tests.fakes.spaces import HANG_S, ROOT, NoNamespaces, python_in

pytestmark = [pytest.mark.system, pytest.mark.netns]

CONFIG = """
[paths]
state = "{root}/state"
run = "{root}/run"
[[volumes]]
path = "{root}/footage"
min_free_bytes = 1048576
create = true
[cameras]
interfaces = ["eth1"]
[camera_lan]
interface = "{card}"
range = "192.168.10.20-192.168.10.22"
[clock]
require_ntp = false
[vision]
enabled = false
"""
CARDS = {"eth0": "10.78.0.34/28", "eth1": "192.168.10.18/27"}
A, B = "44:19:b6:00:00:01", "3c:ef:8c:00:00:02"
SCRIPT = """#!/bin/sh
[ "$1" = bound ] && echo "$ip $mask ${{router:-none}} ${{dns:-none}} ${{ntpsrv:-none}} $serverid $lease" > {told}
exit 0
"""


class NoLease(Exception):
    """Nobody gave an address."""


@dataclass
class Box:
    """The box in its lab."""

    root: Path
    lab: Netlab

    @contextmanager
    def recorder(self, *, card: str = "eth1") -> Iterator[None]:
        """Run the recorder until the block ends."""
        config = self.root / "config.toml"
        config.write_text(CONFIG.format(root=self.root, card=card))
        with (self.root / "recorder.log").open("ab") as log:
            process = subprocess.Popen(
                python_in(self.lab.box, "-m", "gateway.roofs.recorder", "--config", str(config)),
                cwd=ROOT, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        try:
            self.until(lambda: process.poll() is not None or self.lan() is not None)
            assert process.poll() is None, self.log()
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(HANG_S)
            finally:
                process.kill()

    def log(self) -> str:
        return (self.root / "recorder.log").read_text()[-4000:]

    def lan(self) -> dict[str, Any] | None:
        """What the status says of the cameras' network; None while the recorder is not up."""

        async def ask() -> dict[str, Any]:
            async with ControlClient(self.root / "run" / "recorder.sock", "recorder") as client:
                return (await client.call("status", timeout_s=HANG_S)).result

        try:
            return dict(anyio.run(ask)["lan"])
        except DaemonUnavailable:
            return None

    def addresses(self) -> dict[str, Any]:
        lan = self.lan()
        return dict(lan["addresses"]) if lan else {}

    def until(self, check: Callable[[], Any]) -> Any:
        """Repeat a check until it is true."""
        deadline = time.monotonic() + HANG_S
        while time.monotonic() < deadline:
            if found := check():
                return found
            time.sleep(0.1)
        raise AssertionError(f"never became true\n{self.log()}")

    def lease(self, space: str, *arguments: str) -> list[str]:
        """Let a machine ask for an address once, as a camera does at its start; returns what it was told."""
        told, script = self.root / "told", self.root / "script"
        told.unlink(missing_ok=True)
        script.write_text(SCRIPT.format(told=told))
        script.chmod(0o755)
        command = [
            "ip",
            "netns",
            "exec",
            space,
            "busybox",
            "udhcpc",
            "-i",
            "eth0",
            "-f",
            "-n",
            "-q",
            "-t",
            "8",
            "-T",
            "2",
        ]
        options = ["-O", "ntpsrv", "-s", str(script), *arguments]
        done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=HANG_S, check=False)
        if done.returncode != 0:
            raise NoLease(done.stderr + self.log())
        return told.read_text().split()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    if shutil.which("busybox") is None:
        pytest.skip("Debian's busybox is not installed")
    root = tmp_path_factory.mktemp("box")
    try:
        lab = Netlab(CARDS).__enter__()
    except NoNamespaces as error:
        pytest.skip(f"no network namespaces here: {error}")
    try:
        yield Box(root, lab)
    finally:
        lab.__exit__(None, None, None)


def test_cameras_get_addresses_for_ever_and_the_time(box: Box) -> None:
    """Address, mask and time server, no gateway; the same after a restart; nobody else's; and the time."""
    first, second = box.lab.guest("eth1", "a", A), box.lab.guest("eth1", "b", B)
    with box.recorder():
        box.until(lambda: box.addresses().get("serving"))
        told = box.lease(first)
        assert told == ["192.168.10.20", "27", "none", "none", "192.168.10.18", "192.168.10.18", "86400"]
        assert box.lease(second)[0] == "192.168.10.21"
        assert box.addresses()["leases"] == 2
    with box.recorder():
        box.until(lambda: box.addresses().get("serving"))
        assert box.lease(second, "-r", "192.168.10.22")[0] == "192.168.10.21"
        assert box.lease(first)[0] == "192.168.10.20"
        lan = box.lan()
        assert lan is not None
        assert lan["time"]["served"] == ["192.168.10.18"]
        box.lab.give(first, "192.168.10.20/27")
        question = "import socket; u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
        question += (
            f"u.settimeout({HANG_S}); u.sendto(b'\\x23' + bytes(47), ('192.168.10.18', 123)); print(len(u.recv(99)))"
        )
        answer = subprocess.run(
            python_in(first, "-c", question), capture_output=True, text=True, timeout=HANG_S * 2, check=True
        )
        assert answer.stdout.strip() == "48"
        # A camera with a fixed address inside the range keeps it alone, and the range is full then.
        box.lab.guest("eth1", "c", "44:19:b6:00:00:03", "192.168.10.22/27")
        late = box.lab.guest("eth1", "d", "44:19:b6:00:00:04")
        with pytest.raises(NoLease):
            box.lease(late, "-t", "2", "-T", "1")
        assert box.addresses()["full"] is True


def test_beside_another_server_ours_is_silent(box: Box, tmp_path: Path) -> None:
    """It names the other one and its remedy, and nobody is given an address; recording is not touched."""
    other = box.lab.guest("eth1", "e", "44:19:b6:00:00:05", "192.168.10.30/27")
    (tmp_path / "leases").touch()
    (tmp_path / "udhcpd.conf").write_text(
        f"start 192.168.10.25\nend 192.168.10.26\ninterface eth0\nlease_file {tmp_path}/leases\npidfile {tmp_path}/pid\n"
        "option subnet 255.255.255.224\n"
    )
    serving = subprocess.Popen(["ip", "netns", "exec", other, "busybox", "udhcpd", "-f", str(tmp_path / "udhcpd.conf")])
    try:
        with box.recorder():
            error = box.until(lambda: box.addresses().get("errors"))[0]
            assert (error["code"], error["fields"]["case"]) == ("address_taken", "dhcp_other")
            assert error["fields"]["server"] == "192.168.10.30"
            assert box.addresses()["serving"] is False
    finally:
        serving.kill()
        serving.wait(HANG_S)


def test_on_the_card_to_the_internet_it_never_serves(box: Box) -> None:
    """The card with the default route is the school's network."""
    with box.recorder(card="eth0"):
        error = box.until(lambda: box.addresses().get("errors"))[0]
        assert (error["code"], error["fields"]["case"]) == ("config", "camera_lan_route")
