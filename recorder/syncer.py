"""The sync of a volume every few seconds: what bounds the loss at a power cut.

Owns the choice between one syncfs(2) for all files and one fdatasync(2) per open file. Invariant: after
`sync` returned no failure, everything written before it is on the medium. File systems in user space (an
NTFS disk, the one of a power-cut test) are never told of syncfs: they get `FdatasyncSyncer`. Called in the
writer's thread only.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Protocol

from recorder.files import VolumeFiles


class Syncer(Protocol):
    """Makes the running files of a volume durable."""

    def sync(self, files: VolumeFiles, running: Collection[int], folders: Collection[str]) -> Mapping[int, OSError]:
        """Sync the descriptors in `running` and the entries of `folders`; return what failed by descriptor."""


class SyncfsSyncer:
    """One syncfs(2): 8 calls a minute instead of hundreds, and the fewest bytes to the device."""

    def sync(self, files: VolumeFiles, running: Collection[int], folders: Collection[str]) -> Mapping[int, OSError]:
        """Sync the whole file system; a failure concerns every running file."""
        del folders
        try:
            files.syncfs()
        except OSError as error:
            return dict.fromkeys(running, error)
        return {}


class FdatasyncSyncer:
    """One fdatasync(2) per file and one fsync per folder with a new entry."""

    def sync(self, files: VolumeFiles, running: Collection[int], folders: Collection[str]) -> Mapping[int, OSError]:
        """Sync file by file; a folder's failure concerns every running file."""
        failed: dict[int, OSError] = {}
        for fd in running:
            try:
                files.fdatasync(fd)
            except OSError as error:
                failed[fd] = error
        try:
            for folder in folders:
                files.fsync_dir(folder)
        except OSError as error:
            return dict.fromkeys(running, error)
        return failed


def file_system_type(device: tuple[int, int], mountinfo: str) -> str:
    """Return the type of the file system on (major, minor) by proc_pid_mountinfo(5); empty if not listed."""
    wanted = f"{device[0]}:{device[1]}"
    for line in mountinfo.splitlines():
        mount, _, rest = line.partition(" - ")
        if mount.split()[2:3] == [wanted] and rest:
            return rest.split()[0]
    return ""


def syncer_for(files: VolumeFiles, mountinfo: Path = Path("/proc/self/mountinfo")) -> Syncer:
    """Choose by the volume's file system: fdatasync below FUSE, or when the kernel does not say."""
    kind = file_system_type(files.device(), mountinfo.read_text(encoding="utf-8")) if mountinfo.exists() else ""
    return FdatasyncSyncer() if not kind or kind.startswith("fuse") else SyncfsSyncer()
