"""Volumes: ours are opened once, everything else is refused and left alone."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.core.errors import (
    AddressTaken,
    SegmentCorrupt,
    StorageError,
    VolumeFailing,
    VolumeFull,
    VolumeMissing,
    VolumeReadOnly,
    VolumeWrong,
)
from gateway.core.model import PublicId, new_public_id
from recorder.files import VolumeFiles, storage_error
from recorder.layout import MARKER_NAME
from recorder.syncer import FdatasyncSyncer, SyncfsSyncer, file_system_type, syncer_for
from recorder.volume import Volume, initialise, open_or_initialise
from tests.fakes.disks import FaultyDisk

BOX = PublicId("a" * 16)
OTHER = PublicId("b" * 16)


def test_an_empty_folder_becomes_a_volume(tmp_path: Path) -> None:
    """The marker names volume and box; opening it again gives the same volume."""
    path = tmp_path / "disk"
    marker = initialise(path, BOX, 1234)
    with Volume.open(path, BOX, expected=marker.volume) as volume:
        assert volume.marker == marker
        assert (marker.box, marker.created_ms) == (BOX, 1234)
        free, total = volume.free_bytes()
        assert 0 < free <= total
        assert volume.still_there()
    assert [item.name for item in path.iterdir()] == [MARKER_NAME]


def test_a_fresh_file_system_counts_as_empty(tmp_path: Path) -> None:
    """Mkfs leaves lost+found; anything else is somebody's data."""
    (tmp_path / "lost+found").mkdir()
    initialise(tmp_path, BOX, 0)
    (tmp_path / MARKER_NAME).unlink()
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(VolumeWrong) as caught:
        initialise(tmp_path, BOX, 0)
    assert caught.value.fields["path"] == str(tmp_path)
    assert sorted(item.name for item in tmp_path.iterdir()) == ["holiday.jpg", "lost+found"]


def test_open_or_initialise_makes_a_volume_once(tmp_path: Path) -> None:
    """First start makes it, later starts open it; an absent parent, or the bare mount point of a known disk, is not made one."""
    with open_or_initialise(tmp_path / "disk", BOX, 0) as first:
        pass
    with open_or_initialise(tmp_path / "disk", BOX, 0) as second:
        assert first.marker == second.marker
    with pytest.raises(VolumeMissing):
        open_or_initialise(tmp_path / "not" / "mounted", BOX, 0)
    (tmp_path / "empty mount point").mkdir()
    with pytest.raises(VolumeMissing):
        open_or_initialise(tmp_path / "empty mount point", BOX, 0, known=first.marker.volume)
    assert list((tmp_path / "empty mount point").iterdir()) == []
    assert not (tmp_path / "not").exists()


def test_a_missing_disk_is_said_to_be_missing(tmp_path: Path) -> None:
    """No folder, a file in its place, and an empty mount point without marker."""
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "bare").mkdir()
    for name in ("absent", "file", "bare"):
        with pytest.raises(VolumeMissing) as caught:
            Volume.open(tmp_path / name, BOX)
        assert caught.value.fields["path"] == str(tmp_path / name)
    with pytest.raises(VolumeMissing):
        initialise(tmp_path / "file", BOX, 0)


def test_another_boxes_disk_is_refused(tmp_path: Path) -> None:
    """Neither another box's volume nor another of ours in the wrong place is opened; and nothing changes."""
    marker = initialise(tmp_path, OTHER, 0)
    before = (tmp_path / MARKER_NAME).read_bytes()
    with pytest.raises(VolumeWrong):
        Volume.open(tmp_path, BOX)
    with pytest.raises(VolumeWrong):
        Volume.open(tmp_path, OTHER, expected=new_public_id())
    with pytest.raises(VolumeWrong):
        initialise(tmp_path, BOX, 0)
    assert (tmp_path / MARKER_NAME).read_bytes() == before
    Volume.open(tmp_path, OTHER, expected=marker.volume).close()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        json.dumps({"format": 2, "volume": BOX, "box": BOX, "created_ms": 0}).encode(),
        json.dumps({"format": 1, "volume": "../x", "box": BOX, "created_ms": 0}).encode(),
        b"\xff\xfe",
    ],
)
def test_a_damaged_marker_is_refused(tmp_path: Path, content: bytes) -> None:
    """A marker we cannot read is not overwritten."""
    (tmp_path / MARKER_NAME).write_bytes(content)
    with pytest.raises(VolumeWrong):
        Volume.open(tmp_path, BOX)
    assert (tmp_path / MARKER_NAME).read_bytes() == content


def test_two_processes_do_not_share_a_volume(tmp_path: Path) -> None:
    """The second one is told that it is taken; after the first is gone it opens."""
    initialise(tmp_path, BOX, 0)
    code = (
        "import sys; from pathlib import Path; from recorder.volume import Volume; from gateway.core.model import PublicId\n"
        "Volume.open(Path(sys.argv[1]), PublicId(sys.argv[2])); print('open', flush=True); sys.stdin.read()"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path), BOX]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "open\n"
        with pytest.raises(AddressTaken):
            Volume.open(tmp_path, BOX)
        child.communicate()
    Volume.open(tmp_path, BOX).close()


def test_a_read_only_disk_is_said_to_be_read_only(tmp_path: Path) -> None:
    """Found at opening by writing, not at the first footage; a full disk still opens (retention frees it)."""
    initialise(tmp_path, BOX, 0)

    def failing(code: int) -> type[VolumeFiles]:
        class Failing(VolumeFiles):
            def create(self, path: str) -> int:
                raise OSError(code, os.strerror(code))

        return Failing

    with pytest.raises(VolumeReadOnly):
        Volume.open(tmp_path, BOX, files=failing(errno.EROFS))
    with pytest.raises(StorageError):
        Volume.open(tmp_path, BOX, files=failing(errno.EIO))
    Volume.open(tmp_path, BOX, files=failing(errno.ENOSPC)).close()
    Volume.open(tmp_path, BOX).close()


def test_a_leftover_probe_is_no_obstacle(tmp_path: Path) -> None:
    """A crash between making and removing it leaves a file that the next opening removes."""
    initialise(tmp_path, BOX, 0)
    (tmp_path / ".vuon-probe").write_bytes(b"")
    Volume.open(tmp_path, BOX).close()
    assert sorted(item.name for item in tmp_path.iterdir()) == [MARKER_NAME]


def test_an_unplugged_disk_is_noticed_and_never_written_around(tmp_path: Path) -> None:
    """When the path leads elsewhere, writes still go to the disk that was opened, not to what is there now."""
    path = tmp_path / "disk"
    with open_or_initialise(path, BOX, 0) as volume:
        path.rename(tmp_path / "gone")
        path.mkdir()
        assert not volume.still_there()
        volume.files.close(volume.files.create("probe"))
        assert list(path.iterdir()) == []
        assert (tmp_path / "gone" / "probe").exists()
        volume.close()
        with pytest.raises(StorageError):
            volume.free_bytes()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, VolumeFull),
        (errno.EDQUOT, VolumeFull),
        (errno.EROFS, VolumeReadOnly),
        (errno.ENODEV, VolumeMissing),
        (errno.EIO, VolumeFailing),
        (errno.EINVAL, StorageError),
    ],
)
def test_what_the_kernel_says_has_a_class(code: int, kind: type[StorageError]) -> None:
    """Each errno becomes the error people and alarms know; the name of the errno stays in the fields."""
    error = storage_error(OSError(code, os.strerror(code)), "1/x")
    assert type(error) is kind
    assert error.fields == {"path": "1/x", "errno": errno.errorcode[code]}


def test_writes_and_reads_are_complete(tmp_path: Path) -> None:
    """Parts are written one after the other; small files are read whole, long ones refused."""
    files = VolumeFiles(tmp_path)
    fd = files.create("x")
    assert files.write(fd, [b"abc", b"def" * 9], 2) == 30
    assert files.read(fd, 100, 2) == b"abc" + b"def" * 9
    assert files.size(fd) == 32
    files.truncate(fd, 5)
    assert files.read(fd, 100, 0) == b"\0\0abc"
    files.close(fd)
    with pytest.raises(SegmentCorrupt):
        files.read_small("x", 4)
    with pytest.raises(FileExistsError):
        files.create("x")
    files.close_root()
    files.close_root()


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A planted symbolic link does not lead the recorder out of its volume."""
    (tmp_path / "elsewhere").write_bytes(b"x")
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "link").symlink_to(tmp_path / "elsewhere")
    files = VolumeFiles(tmp_path / "disk")
    with pytest.raises(OSError, match="symbolic"):
        files.open_read("link")
    assert files.exists("link")
    assert files.names("link") == files.names("absent") == []
    files.close_root()


def test_both_syncers_report_by_file(tmp_path: Path) -> None:
    """Syncfs fails for all running files, fdatasync for the one, a folder for all."""
    disk = FaultyDisk(tmp_path)
    one, two = disk.create("1"), disk.create("2")
    for syncer in (SyncfsSyncer(), FdatasyncSyncer()):
        assert syncer.sync(disk, [one, two], ["."]) == {}
    assert disk.log[-4:] == ["syncfs", "fdatasync", "fdatasync", "fsync_dir"]
    disk.fault = lambda call, name: errno.EIO if name == "syncfs" else 0
    assert list(SyncfsSyncer().sync(disk, [one, two], [])) == [one, two]
    here = disk.calls
    disk.fault = lambda call, name: errno.EIO if call == here + 2 else 0
    assert list(FdatasyncSyncer().sync(disk, [one, two], [])) == [two]
    disk.fault = lambda call, name: errno.EIO if name == "fsync_dir" else 0
    assert list(FdatasyncSyncer().sync(disk, [one, two], ["."])) == [one, two]
    disk.close(one)
    disk.close(two)
    disk.close_root()


def test_the_real_syncfs_answers(tmp_path: Path) -> None:
    """syncfs(2) works on the file system the tests run on; on a closed descriptor it is an error."""
    files = VolumeFiles(tmp_path)
    files.syncfs()
    files.close_root()
    with pytest.raises(OSError, match="Bad file descriptor"):
        files.syncfs()


MOUNTS = """\
21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
35 21 0:44 / /mnt/usb rw,nosuid - fuseblk /dev/sdb1 rw,user_id=0
36 21 0:45 / /odd
"""


def test_a_disk_in_user_space_is_synced_file_by_file(tmp_path: Path) -> None:
    """FUSE (an NTFS disk) never hears of syncfs; neither is it trusted where the kernel says nothing."""
    assert file_system_type((8, 1), MOUNTS) == "ext4"
    assert file_system_type((0, 44), MOUNTS) == "fuseblk"
    assert file_system_type((0, 45), MOUNTS) == file_system_type((9, 9), MOUNTS) == ""
    files = VolumeFiles(tmp_path)
    major, minor = files.device()
    for kind, wanted in (("ext4", SyncfsSyncer), ("fuse.ntfs-3g", FdatasyncSyncer)):
        (tmp_path / "mounts").write_text(f"9 1 {major}:{minor} / / rw - {kind} /dev/x rw\n")
        assert type(syncer_for(files, tmp_path / "mounts")) is wanted
    assert type(syncer_for(files, tmp_path / "absent")) is FdatasyncSyncer
    files.close_root()
