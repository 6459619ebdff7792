"""The vendors' discovery on a box with two network cards, in namespaces joined to nothing else."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.fakes.spaces import ROOT, ip, python_in
from tests.system.test_discovery_netns import Lab, lab

pytestmark = [pytest.mark.system, pytest.mark.netns]
__all__ = ["lab"]

SEARCH = """
import asyncio, json, sys
from drivers.discovery.interfaces import choose, installed
from drivers.discovery.nextstep import next_step, settle
from drivers.discovery.vendorsearch import VendorStep
async def main():
    ours = choose(sys.argv[1:], installed())
    found = settle([item async for item in VendorStep(1.5).run(ours)])
    steps = [next_step(item) for item in found]
    rows = [[f.address, f.interface, f.on_subnet, s and s.command] for f, s in zip(found, steps)]
    print(json.dumps(sorted(rows)))
asyncio.run(main())
"""


def search(lab: Lab, *interfaces: str) -> list[list[object]]:
    done = subprocess.run(
        python_in(lab.box, "-c", SEARCH, *interfaces), cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    rows: list[list[object]] = json.loads(done.stdout)
    return rows


def camera(lab: Lab, interface: str, *arguments: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        python_in(lab.ends[interface], "-m", "tests.fakes.sadp_camera", *arguments),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    lab.cameras.append(process)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


ADD = "sudo ip address add 192.168.55.250/24 dev eth1"


def test_a_factory_default_camera_is_seen_and_its_step_named(lab: Lab) -> None:
    """On a foreign subnet, through the card that is not the default route, answering to the group only: it is found
    on that card, and the step gives this box an address beside it; nothing is sent through the other card.
    """
    ip("-n", lab.ends["eth1"], "addr", "flush", "dev", "eth0")
    ip("-n", lab.ends["eth1"], "addr", "add", "192.168.55.64/24", "dev", "eth0")
    camera(lab, "eth1", "192.168.55.64", "group")
    outside = camera(lab, "eth0", "10.78.0.9")
    assert search(lab, "eth1") == [["192.168.55.64", "eth1", False, f"{ADD} valid_lft 3600 preferred_lft 3600"]]
    heard, _ = outside.communicate(timeout=20)
    lab.cameras.remove(outside)
    assert heard.split() == ["0"]
