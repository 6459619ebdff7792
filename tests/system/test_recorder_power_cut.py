"""Power cuts while a recorder writes to a real disk: below FUSE, and ext4 with the real syncfs(2)."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from recorder.school import SchoolKey
from recorder.syncer import FdatasyncSyncer, SyncfsSyncer, syncer_for
from tests.fakes.cutdisk import CutDisk, loop_mounted, make_ext4, need_mounts
from tests.fakes.footage import school_key
from tests.fakes.lockstep import GOP_MS, GRAIN_MS, OPTIONS, Lockstep, lost_ms
from tests.fakes.proof import prove_start

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]
LONGEST_LOSS_MS = int(OPTIONS.sync_s * 1000) + GOP_MS + GRAIN_MS
SEEDS = range(5)
SOAK_SEEDS = range(100, 150)


def prove_cut(tree: Path, school: SchoolKey, recorder: Lockstep, disk: CutDisk, seed: int, dice: random.Random) -> None:
    """Cut the power at some call, start on what is left, prove what is promised. `tree` is a folder on a disk."""
    acknowledged, now_ms = list(recorder.slot.acknowledged), recorder.clock.now_ms()
    disk.cut(tree, seed, after=dice.randrange(150))
    rows = prove_start(tree, school, acknowledged, fresh=tree.with_suffix(".db"))
    assert max(lost_ms(now_ms, rows).values()) <= LONGEST_LOSS_MS


def cut_below_fuse(tmp_path: Path, seed: int, cuts: int) -> None:
    school, dice = school_key(tmp_path / "keys"), random.Random(seed)
    with CutDisk(tmp_path / "disk") as disk, Lockstep(disk.mount, school) as recorder:
        assert isinstance(syncer_for(recorder.slot.require().volume.files), FdatasyncSyncer)
        recorder.until_recorded(10)
        for number in range(cuts):
            prove_cut(tmp_path / f"cut-{number}", school, recorder, disk, seed * 1000 + number, dice)
        assert disk.set()["syncs"] > 20
        assert len(recorder.slot.acknowledged) > 4


def cut_below_ext4(tmp_path: Path, seed: int, cuts: int) -> None:
    school, dice = school_key(tmp_path / "keys"), random.Random(seed)
    with CutDisk(tmp_path / "disk") as disk:
        image = disk.mount / f"image-{seed}"
        make_ext4(image)
        for path in (image, disk.mount):
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
        with loop_mounted(image, tmp_path / "ext4") as mount, Lockstep(mount, school) as recorder:
            assert isinstance(syncer_for(recorder.slot.require().volume.files), SyncfsSyncer)
            recorder.until_recorded(10)
            for number in range(cuts):
                acknowledged, now_ms = list(recorder.slot.acknowledged), recorder.clock.now_ms()
                left = tmp_path / f"cut-{number}"
                disk.cut(left, seed * 1000 + number, after=dice.randrange(60))
                # A loop device reuses what it cached of a name: every image gets one of its own.
                with loop_mounted(left / image.name, tmp_path / f"after-{number}") as after:
                    rows = prove_start(after, school, acknowledged, fresh=tmp_path / f"cut-{number}.db")
                assert max(lost_ms(now_ms, rows).values()) <= LONGEST_LOSS_MS
                (left / image.name).unlink()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_power_cut_below_fuse_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    """Promise 1: 7 cuts at any call of a disk that forgets what was not synced, fdatasync per file.

    No segment with a row is lost, at most 5 s and a GOP a stream, all files play after the ordinary start, and a
    second start changes nothing.
    """
    need_mounts()
    cut_below_fuse(tmp_path, seed, 7)


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_a_power_cut_below_ext4_loses_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    """Promise 1: 5 cuts at any write of the device below ext4, with its cache lost, one syncfs for all files.

    The same promises; the file system replays its journal when it is mounted, nobody repairs it.
    """
    need_mounts(loop=True)
    cut_below_ext4(tmp_path, seed, 5)


@pytest.mark.soak
@pytest.mark.parametrize("seed", SOAK_SEEDS)
def test_hundreds_of_power_cuts(tmp_path: Path, seed: int) -> None:
    """Promise 1: 350 cuts below FUSE and 150 below ext4."""
    need_mounts(loop=True)
    (tmp_path / "fuse").mkdir()
    cut_below_fuse(tmp_path / "fuse", seed, 7)
    (tmp_path / "ext4").mkdir()
    cut_below_ext4(tmp_path / "ext4", seed, 3)


def test_the_cut_disk_forgets_and_fails_as_told(tmp_path: Path) -> None:
    """The injector itself: unsynced bytes and names go at some cut, synced ones at none."""
    need_mounts()
    with CutDisk(tmp_path / "disk") as disk:
        kept, lost = disk.mount / "kept", disk.mount / "lost"
        for path in (kept, lost):
            path.write_bytes(b"x" * 10_000)
        for path in (kept, disk.mount):
            fd = os.open(path, os.O_RDONLY)
            os.fsync(fd)
            os.close(fd)
        (disk.mount / "unnamed").write_bytes(b"")
        sizes, names = set[int](), set[bool]()
        for seed in range(30):
            disk.cut(tmp_path / str(seed), seed)
            assert (tmp_path / str(seed) / "kept").read_bytes() == b"x" * 10_000
            sizes.add((tmp_path / str(seed) / "lost").stat().st_size)
            names.add((tmp_path / str(seed) / "unnamed").exists())
        assert {0, 10_000} < sizes
        assert names == {True, False}
