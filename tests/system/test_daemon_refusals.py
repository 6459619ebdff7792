"""Daemons that cannot start as told, and disks that are not as told: two lines for a person, nothing lost."""

from __future__ import annotations

import contextlib
import json
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.core.model import PublicId, new_public_id
from recorder.volume import initialise
from tests.fakes.demo_box import HERE, eventually

pytestmark = pytest.mark.system


CONFIG = """
[site]
name = "T"
code = "t"
[paths]
state = "{folder}/state"
run = "{folder}/run"
[[volumes]]
path = "{volume}"
[cameras]
interfaces = ["127.0.0.1"]
loopback = true
[live]
addresses = ["127.0.0.1"]
allow_loopback = true
[web]
listen = "127.0.0.1"
port = {port}
insecure_loopback = true
[clock]
require_ntp = false
[hub]
name = "H"
listen = "127.0.0.1"
port = {port}
insecure_loopback = true
"""
DAEMONS = ("recorder", "live", "gateway", "hub")


def config(folder: Path, *, port: int = 1, more: str = "") -> Path:
    """Write a box's configuration; its footage belongs into `folder`/footage."""
    path = folder / "config.toml"
    path.write_text(CONFIG.format(folder=folder, volume=folder / "footage", port=port) + more)
    return path


def daemon(name: str, path: Path, *, before: Sequence[str] = ()) -> list[str]:
    """Return a daemon's command line."""
    return [*before, sys.executable, "-m", f"gateway.roofs.{name}", "--config", str(path)]


def refused(command: list[str]) -> str:
    """Run a program that must end by itself with status 1; returns its two lines for a person."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=HERE, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert "Traceback" not in said
    at = said.index("✘")
    assert "\n  → " in said[at:]
    return said[at:]


@pytest.mark.parametrize("name", DAEMONS)
def test_an_unknown_key_is_named_with_its_remedy(name: str, tmp_path: Path) -> None:
    """An unknown key, a wrong value and a missing file: named, with the remedy, before anything is made."""
    assert " web.prot" in (said := refused(daemon(name, config(tmp_path, more="[web.prot]\n"))))
    assert " port?" in said
    assert "web.port" in refused(daemon(name, config(tmp_path, port=70_000)))
    assert "config.toml" in refused(daemon(name, tmp_path / "no" / "config.toml"))
    assert [item.name for item in tmp_path.iterdir()] == ["config.toml"]


@pytest.mark.parametrize("name", ["gateway", "hub"])
def test_a_port_in_use_is_named(name: str, tmp_path: Path) -> None:
    """The port is named with the way out; what the daemon keeps is whole when it starts again."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        path = config(tmp_path, port=(port := int(taken.getsockname()[1])))
        for _ in range(2):
            assert f"127.0.0.1:{port}" in refused(daemon(name, path))


@contextlib.contextmanager
def recorder(path: Path, *, before: Sequence[str] = ()) -> Iterator[Callable[[], dict[str, Any]]]:
    """Run a recorder that must start, whatever its disk is like; gives a look at its only volume."""
    with (path.parent / "recorder.log").open("ab") as log:
        process = subprocess.Popen(daemon("recorder", path, before=before), stdout=log, stderr=log, env=HERE)

    def look() -> dict[str, Any]:
        command = [sys.executable, "-m", "gateway", "status", "--json", "--config", str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=HERE, check=False)
        return dict((json.loads(done.stdout)["volumes"] or [{}])[0])

    try:
        eventually(look, what="the recorder answers")
        yield look
    finally:
        process.terminate()
        assert process.wait(30) == 0
    assert "Traceback" not in (path.parent / "recorder.log").read_text()


def status(path: Path) -> str:
    """Return what `vuon status` says of a box where something is wrong."""
    command = [sys.executable, "-m", "gateway", "status", "--config", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=HERE, check=False)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


def test_a_missing_disk_is_a_state_with_a_remedy(tmp_path: Path) -> None:
    """Without its disk the recorder runs and says so; nothing is written where the disk should be; it takes it later."""
    path, volume = config(tmp_path), tmp_path / "footage"
    with recorder(path) as look:
        assert look()["state"] == "missing"
        said = status(path)
        assert "Footage disk is missing" in said
        assert str(volume) in said
        assert not volume.exists()
        box = marker_box(tmp_path)
        initialise(volume, box, time.time_ns() // 1_000_000)
        eventually(lambda: look()["state"] == "ok", what="the disk is taken into use")


def marker_box(folder: Path) -> PublicId:
    """Return the id of the box whose recorder keeps its data in `folder`."""
    with contextlib.closing(sqlite3.connect(folder / "state" / "cameras.db")) as db:
        rows = [row[0] for row in db.execute("SELECT value FROM fact WHERE name = 'box_id'")]
    return PublicId(str(rows[0]))


def test_another_boxes_disk_is_refused_and_untouched(tmp_path: Path) -> None:
    """A disk of another box, and a folder with other files, are named; not one byte on them changes."""
    path, volume = config(tmp_path), tmp_path / "footage"
    initialise(volume, new_public_id(), 1)
    (volume / "letter.txt").write_text("mine")
    before = {item: item.read_bytes() for item in volume.rglob("*") if item.is_file()}
    with recorder(path) as look:
        assert look()["state"] == "wrong"
        assert "The disk belongs to another box" in status(path)
    assert {item: item.read_bytes() for item in volume.rglob("*") if item.is_file()} == before


@pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0,
    reason="needs a mount namespace of its own",
)
def test_a_read_only_disk_is_named(tmp_path: Path) -> None:
    """A disk that cannot be written is a state with its remedy, and the recorder goes on without it."""
    path, volume = config(tmp_path), tmp_path / "footage"
    with recorder(path):
        pass
    initialise(volume, marker_box(tmp_path), 1)
    mount = f'mount --bind {volume} {volume} && mount -o remount,ro,bind {volume} && exec "$@"'
    with recorder(path, before=["unshare", "-m", "sh", "-c", mount, "sh"]) as look:
        assert look()["state"] == "read_only"
        assert "Footage disk is read-only" in status(path)


def test_the_recorder_without_any_disk_says_which_key(tmp_path: Path) -> None:
    """No [[volumes]] at all is a mistake of the configuration."""
    path = config(tmp_path)
    path.write_text(path.read_text().replace("[[volumes]]", "").replace(f'path = "{tmp_path / "footage"}"', ""))
    assert "add [[volumes]]" in refused(daemon("recorder", path))
