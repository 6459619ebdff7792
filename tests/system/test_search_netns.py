"""`vuon tim` on a box with two network cards and the default route on the wrong one, in namespaces.

One recorder and eight simulated cameras serve the whole file; the tests go through it from top to bottom,
as an installer does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.core.errors import DaemonUnavailable
from gateway.core.wire import ControlClient
from tests.fakes.lan_camera import PASSWORD, USER
from tests.fakes.netlab import LanCamera, Netlab
from tests.fakes.spaces import HANG_S, ROOT, NoNamespaces, ip, python_in

pytestmark = [pytest.mark.system, pytest.mark.netns]

CONFIG = """
[paths]
state = "{root}/state"
run = "{root}/run"
[[volumes]]
path = "{root}/footage"
min_free_bytes = 1048576
create = true
[recording]
segment_s = 5
sync_s = 1.0
[cameras]
discovery_s = 2.0
[clock]
require_ntp = false
[vision]
enabled = false
"""
CARDS = {"eth0": "10.78.0.34/28", "eth1": "192.168.10.18/28"}
HIK, DAHUA, TPLINK = "44:19:b6:00:00", "3c:ef:8c:00:00", "1c:61:b4:00:00"
BORN = "192.168.1.64"


@dataclass
class Box:
    """The box in its lab, its recorder and its cameras by address."""

    root: Path
    lab: Netlab
    recorder: subprocess.Popen[bytes]

    def vuon(self, *arguments: str) -> Any:
        """Run a command and return what it printed as JSON."""
        done = subprocess.run(
            [sys.executable, "-m", "gateway", *arguments, "--json", "--config", str(self.root / "config.toml")],
            cwd=ROOT, capture_output=True, text=True, timeout=HANG_S, check=False, env={**os.environ, "VUON_LANG": "en"},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr + self.log()
        return json.loads(done.stdout)

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        async def ask() -> dict[str, Any]:
            async with ControlClient(self.root / "run" / "recorder.sock", "recorder") as client:
                return (await client.call(method, params, timeout_s=HANG_S)).result

        return anyio.run(ask)

    def until(self, check: Callable[[], Any]) -> Any:
        """Repeat a check until it is true."""
        deadline = time.monotonic() + HANG_S
        while time.monotonic() < deadline:
            if found := check():
                return found
            time.sleep(0.1)
        raise AssertionError(f"never became true\n{self.log()}")

    def answers(self) -> bool:
        assert self.recorder.poll() is None, self.log()
        try:
            self.call("status")
        except DaemonUnavailable:
            return False
        return True

    def log(self) -> str:
        return (self.root / "recorder.log").read_text()[-4000:]

    def camera(self, address: str) -> LanCamera:
        return next(camera for camera in self.lab.cameras if camera.address == address)


def build(lab: Netlab) -> None:
    """Two cameras behind the card with the default route, four behind the other, and one from the factory."""
    for index, last in ((1, 35), (2, 36)):
        lab.camera("eth0", index, f"10.78.0.{last}/28", f"{HIK}:0{index}", gateway="10.78.0.34")
    for index, last, mac in ((3, 20, DAHUA), (4, 21, TPLINK), (7, 23, HIK)):
        lab.camera("eth1", index, f"192.168.10.{last}/28", f"{mac}:0{index}", gateway="192.168.10.18")
    lab.camera("eth1", 5, "192.168.10.22/28", f"{DAHUA}:05", gateway="192.168.10.18", kind="rtsp-only")
    lab.camera("eth1", 6, f"{BORN}/24", f"{HIK}:06", gateway="192.168.1.1")
    lab.wait()


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    root = tmp_path_factory.mktemp("box")
    (root / "config.toml").write_text(CONFIG.format(root=root))
    try:
        lab = Netlab(CARDS).__enter__()
    except NoNamespaces as error:
        pytest.skip(f"no network namespaces here: {error}")
    try:
        build(lab)
        with (root / "recorder.log").open("ab") as log:
            recorder = subprocess.Popen(
                python_in(lab.box, "-m", "gateway.roofs.recorder", "--config", str(root / "config.toml")),
                cwd=ROOT, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT)},
            )  # fmt: skip
        try:
            made = Box(root, lab, recorder)
            made.until(made.answers)
            yield made
        finally:
            recorder.send_signal(signal.SIGTERM)
            try:
                recorder.wait(HANG_S)
            finally:
                recorder.kill()
    finally:
        lab.__exit__(None, None, None)


def logins(box: Box) -> dict[str, tuple[int, int]]:
    """Good and bad logins by camera."""
    told = {camera.address: camera.counters() for camera in box.lab.cameras}
    return {address: (one["good_logins"], one["bad_logins"]) for address, one in told.items()}


def test_all_cameras_are_found_once_and_none_by_a_password(box: Box) -> None:
    """Behind both cards, with ONVIF off, and off our subnets: each once, with maker, address and profiles."""
    box.camera(BORN).tell("hello")  # the installer plugs it in
    box.until(lambda: BORN in [row["address"] for row in box.call("discover", seconds=0.2)["found"]])
    result = box.vuon("tim", "--quet", "--cong", "--dong-y")
    rows = {row["address"]: row for row in result["found"]}
    assert len(rows) == len(result["found"]) == 7
    assert {address: (row["interface"], row["maker"], row["profiles"], row["port"], row["reachable"]) for address, row in rows.items()} == {
        "10.78.0.35": ("eth0", "Hikvision", ["S", "T"], 80, True),
        "10.78.0.36": ("eth0", "Hikvision", ["S", "T"], 80, True),
        "192.168.10.20": ("eth1", "Dahua", ["S", "T"], 80, True),
        "192.168.10.21": ("eth1", "TP-Link", ["S", "T"], 80, True),
        "192.168.10.22": ("eth1", "Dahua", [], 0, True),
        "192.168.10.23": ("eth1", "Hikvision", ["S", "T"], 80, True),
        BORN: ("eth1", "", ["S", "T"], 80, False),
    }  # fmt: skip
    assert len({row["endpoint"] for row in result["found"]}) == 7
    assert rows["192.168.10.22"]["rtsp_port"] == 554
    assert {"multicast", "sweep"} & set(rows["10.78.0.35"]["how"])
    assert (rows["192.168.10.22"]["how"], rows[BORN]["how"]) == (["ports"], ["passive"])
    assert rows["192.168.10.22"]["next"] == "vuon nhan 192.168.10.22 --user admin"
    assert rows[BORN]["next"] == "vuon tim --dia-chi-tam eth1"
    assert {(step["step"], step["interface"], step["network"]) for step in result["steps"]} == {
        (name, interface, network)
        for name in ("passive", "multicast", "vendor", "sweep", "ports")
        for interface, network in (("eth0", "10.78.0.32/28"), ("eth1", "192.168.10.16/28"))
    }
    assert result["failed"] == []
    assert logins(box) == dict.fromkeys(rows, (0, 0))


def test_a_temporary_address_reaches_the_factory(box: Box) -> None:
    """The camera answers for itself now, is told with its maker, and the address is gone again."""
    result = box.vuon("tim", "--dia-chi-tam", "eth1", "--seconds", "1")
    (row,) = [row for row in result["found"] if row["address"] == BORN]
    assert (row["maker"], row["reachable"], row["mac"]) == ("Hikvision", False, f"{HIK}:06")
    assert "sweep" in row["how"]
    assert row["rtsp_port"] == 554
    assert box.lab.addresses("eth1") == ["192.168.10.18"]
    assert not (box.root / "run" / "temporary-address.json").exists()
    assert logins(box)[BORN] == (0, 0)


def inside(box: Box, work: str) -> str:
    """Run a coroutine of the module `tempaddress` on the box and return what it gives."""
    code = f"import asyncio; from drivers.discovery.tempaddress import *; print(asyncio.run({work}))"
    done = subprocess.run(
        python_in(box.lab.box, "-c", code), cwd=ROOT, check=True, capture_output=True, text=True, timeout=HANG_S
    )
    return done.stdout.strip()


def test_the_wire_is_asked_who_has_an_address(box: Box) -> None:
    """By ARP, also for a network we are not in: somebody's is held, nobody's is not."""
    holder = box.camera("192.168.10.20").space
    ip("-n", holder, "addr", "add", "192.168.1.250/24", "dev", "eth0")
    try:
        assert inside(box, "Linux().is_held(IPv4Address('192.168.1.250'), 'eth1')") == "True"
    finally:
        ip("-n", holder, "addr", "del", "192.168.1.250/24", "dev", "eth0")
    assert inside(box, "Linux().is_held(IPv4Address('192.168.1.250'), 'eth1')") == "False"


def test_a_crash_leaves_no_address_behind(box: Box) -> None:
    """What a killed recorder left is taken away at the next start."""
    marker = box.root / "run" / "temporary-address.json"
    marker.write_text(json.dumps({"interface": "eth1", "address": "192.168.1.250/24"}))
    inside(box, "Linux().add(IPv4Interface('192.168.1.250/24'), 'eth1', 300)")
    assert box.lab.addresses("eth1") == ["192.168.10.18", "192.168.1.250"]
    inside(box, f"recover(Path({str(marker)!r}), Linux())")
    assert box.lab.addresses("eth1") == ["192.168.10.18"]
    assert not marker.exists()


def test_a_renumbered_camera_is_followed_by_its_hello(box: Box) -> None:
    """It goes, comes back elsewhere, says Hello, and records again without anybody searching."""
    camera = box.call("adopt", address="192.168.10.21", username=USER, password=PASSWORD)["camera"]

    def recording() -> bool:
        (row,) = box.call("status")["cameras"]
        return bool(row["recording"])

    box.until(recording)
    moved = box.lab.renumber(box.camera("192.168.10.21"), "192.168.10.27/28", "192.168.10.18")
    box.until(lambda: box.call("camera.list")["cameras"][0]["address"] == "192.168.10.27")
    box.until(lambda: recording() and moved.counters()["sessions"] > 0)
    assert box.call("camera.list")["cameras"][0]["id"] == camera["id"]
    assert moved.counters()["bad_logins"] == 0
    (row,) = [row for row in box.vuon("tim", "--seconds", "1")["found"] if row["adopted_as"]]
    assert (row["address"], row["adopted_as"], row["next"]) == ("192.168.10.27", camera["id"], "")


def test_a_camera_without_onvif_is_adopted_without_a_path(box: Box) -> None:
    """The path is guessed: one login a stream, none of them bad."""
    camera = box.call("adopt", address="192.168.10.22", username=USER, password=PASSWORD)["camera"]
    assert (camera["driver"], [stream["stream"] for stream in camera["streams"]]) == ("rtsp", ["main", "sub"])
    assert box.camera("192.168.10.22").counters()["bad_logins"] == 0
