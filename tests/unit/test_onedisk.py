"""What a thief of the footage disk has: told only of disks that are known to be different."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recorder.onedisk import media_of, shared


@pytest.fixture
def sys_block(tmp_path: Path) -> Path:
    """Two disks; the first has two partitions, the second carries a mapped volume; one volume spans both."""
    devices, links = tmp_path / "devices", tmp_path / "block"
    links.mkdir()
    for number, name in (
        ("8:1", "sda/sda1"),
        ("8:2", "sda/sda2"),
        ("8:16", "sdb"),
        ("254:0", "dm-0"),
        ("254:1", "dm-1"),
    ):
        (devices / name).mkdir(parents=True)
        (links / number).symlink_to(devices / name)
    for name in ("sda/sda1", "sda/sda2"):
        (devices / name / "partition").write_text("1")
    for name, below in (("dm-0", ["sdb"]), ("dm-1", ["sda/sda2", "sdb"])):
        (devices / name / "slaves").mkdir()
        for item in below:
            (devices / name / "slaves" / Path(item).name).symlink_to(devices / item)
    return links


@pytest.mark.parametrize(
    ("major", "minor", "disks"),
    [(8, 1, {"sda"}), (8, 16, {"sdb"}), (254, 0, {"sdb"}), (254, 1, {"sda", "sdb"}), (0, 40, set())],
)
def test_a_device_is_traced_to_its_disks(sys_block: Path, major: int, minor: int, disks: set[str]) -> None:
    """A partition is its disk's, a mapped volume is on each disk below it, tmpfs and btrfs name none."""
    assert media_of(os.makedev(major, minor), sys_block) == disks


def test_one_file_system_is_one_disk(tmp_path: Path) -> None:
    """Key and footage beside each other, as on a box with a single disk: same, whatever else is there."""
    folders = [tmp_path / name for name in ("keys", "footage")]
    for folder in folders:
        folder.mkdir()
    assert shared(folders[0], [folders[1]]) == "same"
    assert shared(folders[0], [tmp_path / "gone", folders[1]]) == "same"


def test_what_is_not_known_is_not_called_apart(tmp_path: Path, sys_block: Path) -> None:
    """A folder that is away, no folder, a file system without a device: unknown."""
    assert shared(tmp_path, [tmp_path / "gone"]) == "unknown"
    assert shared(tmp_path, []) == "unknown"
    assert shared(tmp_path, [Path("/proc")], sys_block) == "unknown"


def test_other_disks_are_apart(monkeypatch: pytest.MonkeyPatch, sys_block: Path) -> None:
    """Two partitions of one disk are one thing to steal; two disks are two."""
    numbers = {"keys": (8, 1), "part": (8, 2), "other": (8, 16), "mapped": (254, 0), "both": (254, 1)}
    monkeypatch.setattr("recorder.onedisk._device", lambda path: os.makedev(*numbers[path.name]))
    told = {name: shared(Path("keys"), [Path(name)], sys_block) for name in numbers if name != "keys"}
    assert told == {"part": "same", "other": "apart", "mapped": "apart", "both": "same"}
    assert shared(Path("keys"), [Path("other"), Path("part")], sys_block) == "same"
