"""Debian's onvif-util against simulated cameras: it finds cameras by multicast only, and none on its own machine.

So it lives in a namespace with the cameras, whose probes go out over a wire into another one and come
back by `probe_relay`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.core.wire import ControlClient
from tests.fakes.spaces import ip
from tests.foreign.places import HANG_S, ROOT, program

pytestmark = [pytest.mark.system, pytest.mark.netns]
PASSWORD = "Mat-khau-1"
CAMERA = "127.64.9.1"
WIRE = ("10.79.9.1", "10.79.9.2")
SESSION = (
    "get rtsp", "get capabilities", "get time", "get profiles", "get profile", "get video", "get video options",
    "get imaging", "get imaging options", "get network", "set brightness 60", "set gov_length 15", "get video",
    "sync_time", "quit",
)  # fmt: skip


def within(namespace: str, *command: str) -> list[str]:
    return ["ip", "netns", "exec", namespace, *command]


@pytest.fixture
def spaces() -> Iterator[tuple[str, str]]:
    """Two namespaces joined by one wire: the client's with the cameras, and the other end."""
    names = (f"vo{os.getpid()}here", f"vo{os.getpid()}far")
    try:
        try:
            for name in names:
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("-n", names[0], "link", "add", "eth0", "type", "veth", "peer", "name", "eth0", "netns", names[1])
            for name, address in zip(names, WIRE, strict=True):
                ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "route", "add", "default", "dev", "eth0")
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield names
    finally:
        for name in names:
            with contextlib.suppress(OSError, subprocess.CalledProcessError):  # one that was never made
                ip("netns", "del", name)


@contextlib.contextmanager
def process(command: list[str]) -> Iterator[str]:
    """Run a helper; yields its first line. It ends with its input or by SIGTERM."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "VUON_SIM_PASSWORD": PASSWORD},
    ) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline()
        finally:
            child.terminate()
            child.communicate(timeout=HANG_S)


async def control(socket: Path, method: str, **params: Any) -> dict[str, Any]:
    async with ControlClient(socket, "simulated") as client:
        return (await client.call(method, params)).result


def speak(namespace: str, *arguments: str, say: tuple[str, ...] = ()) -> str:
    """Run onvif-util to its end; returns all it printed."""
    done = subprocess.run(
        within(namespace, program("onvif-util", "onvif-tools"), *arguments),
        input="".join(f"{line}\n" for line in say),
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=True,
    )
    return done.stdout + done.stderr


def test_onvif_util_finds_reads_and_sets_a_camera(spaces: tuple[str, str], tmp_path: Path) -> None:
    """Discovery, login, every question of its manual, a brightness, a key-frame distance and the clock."""
    program("onvif-util", "onvif-tools")
    here, far = spaces
    door = tmp_path / "sim.sock"
    farm = [sys.executable, "-m", "drivers.simulated", "--cameras", "2", "--quick", "--base", CAMERA]
    relay = [sys.executable, "-m", "tests.foreign.probe_relay", WIRE[1], here]
    with process(within(here, *farm, "--control", str(door))) as ready, process(within(far, *relay)) as listening:
        assert json.loads(ready)["ready"]
        assert listening == "ready\n"
        # It sends one token for a whole second, as the cameras it was made for allow.
        asyncio.run(control(door, "fault", camera=0, name="takes_old_tokens", value=True))
        found = speak(here, "-a")
        assert "Found 2 cameras" in found
        assert f"{CAMERA} (" in found
        said = speak(here, "-u", "admin", "-p", PASSWORD, CAMERA, say=SESSION)
        counted = asyncio.run(control(door, "counters"))["cameras"][0]
    assert "ERROR" not in said
    assert "successfully connected to host" in said
    for line in (
        f"rtsp://{CAMERA}:8554/Streaming/Channels/101", "Token 0: main", "Token 1: sub", "320 x 180",
        f"IP Address: {CAMERA}", "Brightness was set to 60", "Gov Length was set to 15", "Gov Length: 15",
        "time has been synchronized",
    ):  # fmt: skip
        assert line in said
    assert counted["bad_logins"] == 2  # each of its searches asks the host name with an empty login
