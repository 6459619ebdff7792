"""`vuon volumes`: the footage disks from the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.fakes.cli_box import cli_box

GOOD: dict[str, Any] = {
    "path": "/srv/a", "id": "a" * 16, "state": "ok", "why": "", "free_bytes": 5 << 30, "total_bytes": 10 << 30,
    "reserve_bytes": 1 << 30, "waiting_bytes": 0,
}  # fmt: skip
WRONG = {
    **GOOD,
    "path": "/srv/b",
    "id": "",
    "state": "wrong",
    "why": "/srv/b is another disk",
    "waiting_bytes": 3 << 20,
}


def test_disks_are_listed_with_what_is_wrong(tmp_path: Path) -> None:
    """A disk that works is one line; one that is refused says why, what waits for it, and how to accept it."""
    with cli_box(tmp_path, {"recorder": {"volumes": {"volumes": [GOOD, WRONG]}}}) as box:
        text = box.vuon("volumes").out
        assert box.vuon("volumes", "--json").json() == {"volumes": [GOOD, WRONG]}
        assert box.asked("volume.accept") == []
    lines = text.splitlines()
    assert lines[0].startswith("✔ 1. /srv/a")
    assert lines[1].startswith("✘ 2. /srv/b")
    assert "another disk" in lines[2]
    assert "3.0 MiB" in lines[3]
    assert lines[4].endswith("vuon volumes --accept 2")


def test_a_replacement_is_accepted_by_its_number(tmp_path: Path) -> None:
    """The order goes to the recorder, then the disks are listed as they are now; both languages' options work."""
    answers: dict[str, Any] = {"volume.accept": {"volume": GOOD}, "volumes": {"volumes": [GOOD]}}
    with cli_box(tmp_path, {"recorder": answers}) as box:
        assert box.vuon("volumes", "--accept", "1").out.splitlines()[0] == "Disk 1 is accepted."
        assert box.vuon("o-dia", "--chap-nhan", "1").code == 0
        assert box.asked("volume.accept") == [{"volume": 1}, {"volume": 1}]
