"""Whether the footage and the box's key lie on the same medium: what a thief of "the footage disk" really has.

Owns the answer. Invariant: "apart" is said only of media that are known to be different; what cannot be known
(a file system without a block device, a missing folder) is "unknown", never "apart".
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

SYS_BLOCK = Path("/sys/dev/block")
Shared = Literal["apart", "same", "unknown"]


def media_of(device: int, sys_block: Path = SYS_BLOCK) -> frozenset[str]:
    """Return the names of the whole disks below a device number (`st_dev`), empty where the kernel names none.

    A partition is its disk's; a mapped device (LVM, LUKS, RAID) is on every disk below it. Reads sysfs.
    """
    link = sys_block / f"{os.major(device)}:{os.minor(device)}"
    return _disks(link.resolve()) if link.exists() else frozenset()


def _disks(node: Path) -> frozenset[str]:
    if (node / "partition").exists():
        return frozenset({node.parent.name})
    below = sorted((node / "slaves").iterdir()) if (node / "slaves").is_dir() else []
    if not below:
        return frozenset({node.name})
    return frozenset().union(*(_disks(item.resolve()) for item in below))


def shared(key_folder: Path, footage: Iterable[Path], sys_block: Path = SYS_BLOCK) -> Shared:
    """Say whether any of the footage folders is on a medium that the key's folder is on too."""
    answers = {_pair(key_folder, folder, sys_block) for folder in footage} or {"unknown"}
    if "same" in answers:
        return "same"
    return "unknown" if "unknown" in answers else "apart"


def _device(path: Path) -> int:
    return path.stat().st_dev


def _pair(first: Path, second: Path, sys_block: Path) -> Shared:
    try:
        one, two = _device(first), _device(second)
        if one == two:
            return "same"
        media = media_of(one, sys_block), media_of(two, sys_block)
    except OSError:
        return "unknown"
    if not all(media):
        return "unknown"
    return "same" if media[0] & media[1] else "apart"
