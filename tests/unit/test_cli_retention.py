"""`vuon luu-tru`: what would go, what is kept, and the days there really are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.fakes.cli_box import cli_box
from tests.fakes.clock import NOON_MS

GATE = {"camera": "a" * 16, "name": "Cổng [1]", "stream": "main", "removed": False}
SUB = GATE | {"stream": "sub"}
GONE = {"camera": "b" * 16, "name": "Sân", "stream": "main", "removed": True}
NOBODY = {"camera": "", "name": "", "stream": "9", "removed": True}
SPAN = {"count": 3, "bytes": 7 << 20, "from_ms": NOON_MS, "to_ms": NOON_MS + 60_000}


def stream(owner: dict[str, Any], rule: int, real: float | None, from_days: int | None = 7) -> dict[str, Any]:
    rate = None if real is None else 20 << 30
    return owner | {"rule_days": rule, "real_days": real, "bytes_a_day": rate, "from_days": from_days}


def answer(**more: Any) -> dict[str, Any]:
    """A trial run of a box with one camera."""
    days = {"disk_days": None, "enough": True, "streams": [stream(GATE, 30, 30.0)]}
    return {
        "plan": [], "count": 0, "bytes": 0, "complete": True, "would_go": [], "kept": [], "days": days, "unknown": [],
        "by_age": True, "calm_s": 0, "disks": [{"path": "/disk", "full_by_hold": False, "short_bytes": 0}],
    } | more  # fmt: skip


def said(tmp_path: Path, result: dict[str, Any]) -> str:
    tmp_path.mkdir(exist_ok=True)
    with cli_box(tmp_path, {"recorder": {"retention": result}}) as box:
        return box.vuon("luu-tru", "--chay-thu", VUON_LANG="vi").out


def test_a_trial_run_asks_for_the_plan_only_and_speaks_in_the_future(tmp_path: Path) -> None:
    """And JSON is the whole answer."""
    result = answer(count=3, bytes=7 << 20, would_go=[GATE | {"reason": "age"} | SPAN])
    with cli_box(tmp_path, {"recorder": {"retention": result}}) as box:
        would, did = box.vuon("retention", "--dry-run").out, box.vuon("luu-tru").out
        assert box.vuon("retention", "--json").json() == result
        assert [params["dry_run"] for params in box.asked("retention")] == [True, False, False]
    assert would.splitlines()[0] != did.splitlines()[0]
    assert "3" in would
    assert "7.0 MiB" in would


def test_everything_that_would_go_is_named_with_its_reason(tmp_path: Path) -> None:
    """Each reason in words of its own; footage of events stands out; removed and unknown cameras have a name, too."""
    owners = {"age": GATE, "quota": SUB, "space": GONE, "event": NOBODY}
    rows = [owner | {"reason": reason} | SPAN for reason, owner in owners.items()]
    lines = said(tmp_path, answer(would_go=rows, count=12, complete=False)).splitlines()
    assert ["Cổng [1]" in line for line in lines[1:3]] == [True, True]
    assert "(đã gỡ)" in lines[3]
    assert lines[4].startswith("! ")
    assert "SỰ VIỆC" in lines[4]
    assert "21/11/2026 12:00:00 – 21/11/2026 12:01:00" in lines[1]
    assert "…" in lines[5]
    assert len({line.split(":")[0] for line in lines[1:5]}) == 4


def test_what_is_kept_is_told(tmp_path: Path) -> None:
    """By hold and as an event."""
    out = said(tmp_path, answer(kept=[GATE | {"held_bytes": 3 << 30, "pinned_bytes": 5 << 20}]))
    assert "3,0 GiB" in out
    assert "5,0 MiB" in out


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ({"disk_days": None, "enough": True, "streams": [stream(GATE, 30, 30.0)]}, ("✔ Các ổ đủ chỗ", "✔ Cổng [1]")),
        ({"disk_days": 12.34, "enough": False, "streams": [stream(GATE, 30, 12.3)]}, ("12,3 ngày", "! Cổng [1]")),
        ({"disk_days": None, "enough": False, "streams": [stream(GATE, 30, None)]}, ("Chưa biết", "chưa biết")),
        ({"disk_days": None, "enough": True, "streams": [stream(GATE, 30, 30.0, 0)]}, ("ước từ chưa đầy một ngày",)),
    ],
    ids=["enough", "short", "unknown", "guess"],
)
def test_the_days_there_really_are(tmp_path: Path, days: dict[str, Any], expected: tuple[str, ...]) -> None:
    """Of the disks and of each stream; what is not known is written so, and a guess is called one."""
    out = said(tmp_path, answer(days=days))
    for text in expected:
        assert text in out
    assert "None" not in out


def test_what_is_wrong_is_said(tmp_path: Path) -> None:
    """Names that mean nothing, a clock in doubt, disks without room."""
    unknown = [{"kind": "camera", "name": "Cổng cũ"}, {"kind": "class", "name": "Lá"}]
    disks = [
        {"path": "/a", "full_by_hold": True, "short_bytes": 5},
        {"path": "/b", "full_by_hold": False, "short_bytes": 2 << 30},
    ]
    out = said(tmp_path, answer(unknown=unknown, by_age=False, calm_s=3_600, disks=disks))
    for text in ("camera Cổng cũ", "lớp Lá", "1:00:00", "/a: chỉ còn hình đang giữ", "/b: còn thiếu 2,0 GiB"):
        assert text in out
    assert "Giờ của hộp chưa đúng" in said(tmp_path / "again", answer(by_age=False))
