"""Discovery on a box with two network cards, in namespaces joined to nothing else."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from tests.fakes.spaces import ROOT, ip, python_in

pytestmark = [pytest.mark.system, pytest.mark.netns]

SEARCH = """
import asyncio, json, sys
from tests.fakes.searched import discover_all
async def main():
    found = await discover_all(sys.argv[1:], 1.0)
    print(json.dumps([[f.endpoint, f.address, f.interface, f.on_subnet, bool(f.mac)] for f in found]))
asyncio.run(main())
"""
LISTEN = """
import asyncio, json
from drivers.discovery import multicast as discovery
async def main():
    async with discovery.Listener(()) as listener:
        print("listening", flush=True)
        async for heard in listener.heard():
            found = heard.found
            print(json.dumps([str(heard.kind), found.address, found.interface, found.on_subnet]), flush=True)
            return
asyncio.run(main())
"""


@dataclass
class Lab:
    """A box with eth0 (uplink, default route) and eth1 (cameras), and a camera at each end."""

    box: str
    ends: dict[str, str]
    cameras: list[subprocess.Popen[str]] = field(default_factory=list)

    def camera(self, interface: str, address: str, endpoint: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            python_in(self.ends[interface], "-m", "tests.fakes.wsd_camera", address, endpoint),
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.cameras.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    def search(self, *interfaces: str) -> list[list[object]]:
        done = subprocess.run(
            python_in(self.box, "-c", SEARCH, *interfaces),
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        found: list[list[object]] = json.loads(done.stdout)
        return found


@pytest.fixture
def lab() -> Iterator[Lab]:
    mark = f"vu{os.getpid()}"
    box, ends = f"{mark}box", {"eth0": f"{mark}up", "eth1": f"{mark}cam"}
    made = []
    try:
        try:
            for name in (box, *ends.values()):
                ip("netns", "add", name)
                made.append(name)
            for (interface, end), (ours, theirs) in zip(
                ends.items(), (("10.78.0.2", "10.78.0.9"), ("192.168.1.2", "192.168.1.64")), strict=True
            ):
                ip("-n", box, "link", "add", interface, "type", "veth", "peer", "name", "eth0", "netns", end)
                for namespace, device, address in ((box, interface, ours), (end, "eth0", theirs)):
                    ip("-n", namespace, "addr", "add", f"{address}/24", "dev", device)
                    ip("-n", namespace, "link", "set", device, "up")
                    ip("-n", namespace, "link", "set", "lo", "up")
                ip("-n", end, "route", "add", "default", "via", ours)
            ip("-n", box, "route", "add", "default", "via", "10.78.0.9")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        lab = Lab(box, ends)
        yield lab
        for process in lab.cameras:
            process.communicate(timeout=20)
    finally:
        for name in made:
            ip("netns", "del", name)


def test_each_network_card_is_probed(lab: Lab) -> None:
    """Cameras behind both cards are found, each through its own, whatever the default route says."""
    lab.camera("eth0", "10.78.0.9", "urn:uuid:up")
    lab.camera("eth1", "192.168.1.64", "urn:uuid:cam")
    assert lab.search() == [
        ["urn:uuid:up", "10.78.0.9", "eth0", True, True],
        ["urn:uuid:cam", "192.168.1.64", "eth1", True, True],
    ]


def test_nothing_is_sent_through_the_other_card(lab: Lab) -> None:
    """A search on one card is not heard on the other."""
    outside = lab.camera("eth0", "10.78.0.9", "urn:uuid:up")
    assert lab.search("eth1") == []
    heard, _ = outside.communicate(timeout=20)
    lab.cameras.remove(outside)
    assert heard.split() == ["0"]


def test_a_factory_default_camera_is_heard(lab: Lab) -> None:
    """A camera on a foreign subnet, plugged into our card, is caught by its Hello and marked so."""
    ip("-n", lab.ends["eth1"], "addr", "add", "192.168.55.64/24", "dev", "eth0")
    stranger = lab.camera("eth1", "192.168.55.64", "urn:uuid:new")
    with subprocess.Popen(python_in(lab.box, "-c", LISTEN), cwd=ROOT, stdout=subprocess.PIPE, text=True) as listener:
        assert listener.stdout is not None
        assert stranger.stdin is not None
        assert listener.stdout.readline() == "listening\n"
        stranger.stdin.write("hello\n")
        stranger.stdin.flush()
        assert json.loads(listener.stdout.readline()) == ["hello", "192.168.55.64", "eth1", False]
