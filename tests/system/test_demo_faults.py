"""Bad input to the running product: each harms only itself and says what to do about it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.box_door import BoxDoor, ask
from tests.fakes.demo_box import HERE, DemoBox, demo_box, eventually
from tests.fakes.hub_door import sign_in_hub

pytestmark = pytest.mark.system

FIRST, SECOND, THIRD = "Lớp Mầm 1", "Lớp Mầm 2", "Lớp Chồi 1"
ONVIF_PORT = "8899"
LONG_AFTER_S = 20.0
"""A box that tried a refused password again would have done so by then."""


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoBox]:
    with demo_box(tmp_path_factory.mktemp("faults")) as running:
        running.well()
        yield running


def cli(box: DemoBox, *arguments: str, password: str = "", good: bool = True) -> str:
    """Run a command that asks for a camera's password; returns what it said."""
    command = [sys.executable, "-m", "gateway", *arguments, "--data", str(box.data)]
    env = HERE | {"VUON_CAMERA_PASSWORD": password}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == (0 if good else 1), said
    assert "Traceback" not in said
    return said


def true_password(box: DemoBox) -> str:
    """Return the password the demo gave its cameras."""
    return (box.data / "state" / "demo-camera.key").read_bytes().hex()


def call(box: DemoBox, daemon: str, method: str, **params: Any) -> dict[str, Any]:
    """Call a control socket."""
    return asyncio.run(ask(box, daemon, method, params))


def counters(box: DemoBox, name: str) -> dict[str, Any]:
    """Return what a simulated camera counted."""
    return next(row for row in call(box, "cameras", "counters")["cameras"] if row["name"] == name)


def fault(box: DemoBox, name: str, switch: str, value: object) -> None:
    """Switch a fault of one camera."""
    names = [row["name"] for row in call(box, "cameras", "counters")["cameras"]]
    call(box, "cameras", "fault", camera=names.index(name), name=switch, value=value)


def camera(box: DemoBox, name: str) -> dict[str, Any]:
    """Return a camera as the recorder sees it; empty if it is not ours."""
    rows = call(box, "recorder", "status")["cameras"]
    return next((row for row in rows if row["name"] == name), {})


def recording(box: DemoBox, *names: str) -> list[Any]:
    """Return what must not change for cameras that nothing happened to: runs and gaps."""
    rows = [camera(box, name) for name in names]
    assert all(row["recording"] for row in rows)
    return [[row["gaps_today"], *(stream["run"] for stream in row["streams"])] for row in rows]


def test_a_wrong_camera_password_is_sent_exactly_once(box: DemoBox) -> None:
    """Adopting and re-setting with a wrong password: one try each, a clear remedy, none after a restart or later."""
    address, footage = camera(box, THIRD)["address"], box.files()
    box.vuon("go-camera", THIRD)
    said = cli(box, "nhan", address, "--port", ONVIF_PORT, "--name", THIRD, password="wrong-1", good=False)
    assert "Wrong camera password" in said
    assert "→ Type the command again with the right password" in said
    assert "wrong-1" not in said
    assert counters(box, THIRD)["bad_logins"] == 1
    assert camera(box, THIRD) == {}
    cli(box, "mat-khau-camera", SECOND, password="wrong-2")
    eventually(lambda: camera(box, SECOND)["state"] == "login_refused", what="the refusal is shown")
    table = box.vuon("status", good=False)
    assert "Wrong camera" in table
    assert counters(box, SECOND)["bad_logins"] == 1
    old = box.kill("recorder")
    box.back("recorder", old)
    eventually(lambda: camera(box, FIRST).get("recording"), what="the first camera records")
    time.sleep(LONG_AFTER_S)
    assert [counters(box, name)["bad_logins"] for name in (FIRST, SECOND, THIRD)] == [0, 1, 1]
    assert camera(box, SECOND)["state"] == "login_refused"
    cli(box, "mat-khau-camera", SECOND, password=true_password(box))
    cli(box, "nhan", address, "--port", ONVIF_PORT, "--name", THIRD, password=true_password(box))
    box.well()
    assert [counters(box, name)["bad_logins"] for name in (FIRST, SECOND, THIRD)] == [0, 1, 1]
    assert footage <= box.files()
    secrets = [b"wrong-1", b"wrong-2", true_password(box).encode()]
    for log in (box.data / "log").iterdir():
        assert not [secret for secret in secrets if secret in log.read_bytes()]


@contextlib.contextmanager
def farm(tmp_path: Path, *arguments: str) -> Iterator[dict[str, Any]]:
    """Run a camera of another make beside the demo."""
    command = [sys.executable, "-m", "drivers.simulated", "--cameras", "1", "--quick", "--base", "127.0.233.7"]
    env = HERE | {"VUON_SIM_PASSWORD": "pw-of-foreign"}
    with (tmp_path / "farm.log").open("wb") as log:
        process = subprocess.Popen([*command, *arguments], stdout=subprocess.PIPE, stderr=log, env=env)
    try:
        assert process.stdout is not None
        yield dict(json.loads(process.stdout.readline())["cameras"][0])
    finally:
        process.terminate()
        process.communicate(timeout=30)


def test_a_camera_without_onvif_is_found_at_its_makers_path_or_the_given_one(box: DemoBox, tmp_path: Path) -> None:
    """No ONVIF: it records from a path of the table, and from one the installer gives; other servers are no camera."""
    before = recording(box, FIRST, SECOND)
    said = cli(box, "nhan", "127.0.0.1", "--port", box.ready["web"].rpartition(":")[2], password="x", good=False)
    assert "✘ Camera" in said
    assert "\n  → " in said
    with farm(tmp_path, "--rtsp-only") as foreign:
        address, place = foreign["address"], f":{foreign['rtsp_port']}/Streaming/Channels/101"
        for where in ((), ("--rtsp", place)):
            cli(box, "nhan", address, *where, "--name", "Kho", password="pw-of-foreign")
            eventually(lambda: camera(box, "Kho").get("recording"), what="it records")
            box.vuon("go-camera", "Kho")
    assert "✘" in cli(box, "nhan", "127.0.233.8", password="x", good=False)
    assert recording(box, FIRST, SECOND) == before


def test_garbage_from_one_camera_harms_only_its_own_picture(box: DemoBox) -> None:
    """A camera that answers with garbage is down, with the reason; the others lose nothing; it comes back by itself."""
    before, logins = recording(box, FIRST, SECOND), counters(box, THIRD)["bad_logins"]
    gaps = camera(box, THIRD)["gaps_today"]
    fault(box, THIRD, "garbage", True)
    fault(box, THIRD, "drop_connections", True)
    try:
        bad = eventually(lambda: (c := camera(box, THIRD))["why"] == "camera_bad_reply" and c, what="the reason")
        assert (bad["connected"], bad["recording"]) == (False, False)
        assert box.status()["ok"] is False
        table = box.vuon("status", good=False)
        assert "✘" in table
        assert "Camera answers" in table
    finally:
        fault(box, THIRD, "garbage", False)
    box.well()
    assert recording(box, FIRST, SECOND) == before
    assert camera(box, THIRD)["gaps_today"] > gaps
    assert counters(box, THIRD)["bad_logins"] == logins


def test_used_and_unknown_codes_are_refused_alike(box: DemoBox) -> None:
    """A used code, a wrong one and nonsense get the same page, no session, and a hint."""

    async def pages() -> list[httpx.Response]:
        used = str(box.json("ma")["code"])
        async with BoxDoor(box.ready["web"]) as door:
            assert (await door.sign_in(used)).status_code == 303
        found = []
        for code in (used, "aaaa-bbbb-cccc-dddd", "x" * 64, "'; --", "mã"):
            async with BoxDoor(box.ready["web"]) as door:
                found.append(await door.sign_in(code))
        return found

    replies = asyncio.run(pages())
    assert {reply.status_code for reply in replies} == {403}
    assert not [reply for reply in replies if "set-cookie" in reply.headers]
    texts = {reply.text.partition('data-now="')[0] + reply.text.partition('data-now="')[2][13:] for reply in replies}
    assert len(texts) == 1
    address, _, slip = box.ready["guardian_slip"].rpartition("#")

    async def redeemed() -> list[httpx.Response]:
        async with BoxDoor(box.ready["web"]) as door:
            return [await door.redeem(f"{address}#{secret}") for secret in (slip, slip, "A" * 26)]

    answers = asyncio.run(redeemed())
    assert [answer.status_code for answer in answers] == [200, 403, 403]
    for answer in answers[1:]:
        assert answer.json()["error"]["why"]
        assert answer.json()["error"]["reason"] in {"slip.used", "slip.unknown"}


def test_a_hub_that_hangs_costs_nothing(box: DemoBox) -> None:
    """The hub stands still: recording, pages and commands go on, events wait; then all of them arrive."""
    box.well()
    before = recording(box, FIRST, SECOND, THIRD)
    eventually(lambda: (box.status()["upstream"] or {}).get("connected"), what="the hub is connected")
    (hub,) = [pid for pid, line in processes(str(box.data)) if "gateway.roofs.hub" in line]
    os.kill(hub, signal.SIGSTOP)
    try:
        box.vuon("chia-se", "dung")
        box.vuon("chia-se", "mo")
        assert sum(box.status()["upstream"]["waiting"].values()) > 0
        assert recording(box, FIRST, SECOND, THIRD) == before
        assert httpx.get(box.ready["web"] + "/vao").status_code == 200
    finally:
        os.kill(hub, signal.SIGCONT)
    eventually(
        lambda: (u := box.status()["upstream"]) and u["connected"] and not any(u["waiting"].values()),
        seconds=120,
        what="everything is sent",
    )
    with sign_in_hub(box.ready["hub"], box.ready["hub_code"]) as door:
        assert len(door.board()["sites"]) == 1
    assert recording(box, FIRST, SECOND, THIRD) == before


def processes(marker: str) -> list[tuple[int, str]]:
    """Return id and command line of the processes that mention `marker`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            if marker in line:
                found.append((int(folder.name), line))
    return found
