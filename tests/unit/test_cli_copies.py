"""`vuon giu` and `vuon trich-xuat --xac-minh` from the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import BadInput
from recorder.manifest import MANIFEST_NAME, SIGNATURE_NAME, fingerprint
from tests.fakes.cli_box import cli_box, vuon
from tests.fakes.clock import NOON_MS
from tests.fakes.copies import KEY, copy_over_a_gap

A, HOLD = "a" * 16, "h" * 16
CAMERAS: dict[str, Any] = {"cameras": [{"id": A, "name": "Mầm 1"}]}
SHOWN = {
    "hold": HOLD, "camera": A, "from_ms": NOON_MS, "to_ms": NOON_MS + 60_000, "until_ms": NOON_MS + 86_400_000,
    "by": "", "why": "Bé [bold]ngã[/bold]", "confirmed": True,
}  # fmt: skip
MARK = fingerprint(KEY.public_key().public_bytes_raw())


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_over_a_gap(tmp_path_factory.mktemp("copy"))


def test_a_whole_copy_is_called_whole_without_any_box(copy: Path, tmp_path: Path) -> None:
    """Status 0, what it shows, where footage is missing and why, the mark to compare; also by the English name."""
    for verb, option in (("trich-xuat", "--xac-minh"), ("export", "--verify")):
        done = vuon(verb, option, str(copy), "--data", str(tmp_path / "no-box"))
        assert (done.code, done.err) == (0, "")
        assert "Intact: 14 files" in done.out
        assert "Lớp Mầm 1, 21/11/2026, 07:00:00–07:01:00" in done.out
        assert "missing 07:00:12–07:00:19: The camera could not be reached" in done.out
        assert MARK in done.out
    assert vuon("trich-xuat", "--xac-minh", str(copy), "--dau", MARK).code == 0
    assert "Nguyên vẹn" in vuon("trich-xuat", "--xac-minh", str(copy), VUON_LANG="vi").out


def test_each_bad_file_is_named(copy: Path) -> None:
    """Altered, missing, strange, renamed, another box: status 1 and a line for the file."""
    film, strange = copy / "phim-01.mp4", copy / "la\x1b[31m.txt"
    whole = film.read_bytes()
    film.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    strange.write_text("x")
    done = vuon("trich-xuat", "--xac-minh", str(copy))
    assert done.code == 1
    assert "✘ phim-01.mp4 was altered after it was signed." in done.out
    assert "✘ la?[31m.txt does not belong to this copy." in done.out
    assert "\x1b" not in done.out
    strange.unlink()
    film.unlink()
    assert "✘ phim-01.mp4 is missing." in vuon("trich-xuat", "--xac-minh", str(copy)).out
    (copy / "khac.mp4").write_bytes(whole)
    assert "✘ khac.mp4 is phim-01.mp4 under another name." in vuon("trich-xuat", "--xac-minh", str(copy)).out
    (copy / "khac.mp4").rename(film)
    other = vuon("trich-xuat", "--xac-minh", str(copy), "--dau", "0" * 64)
    assert (other.code, "not this box that signed" in other.out) == (1, True)
    for name in (MANIFEST_NAME, SIGNATURE_NAME):
        kept = (copy / name).read_bytes()
        (copy / name).write_bytes(kept.replace(b"vuon", b"vu0n", 1))
        done = vuon("trich-xuat", "--xac-minh", str(copy))
        assert (done.code, f"✘ {name} was altered" in done.out) == (1, True)
        (copy / name).write_bytes(kept)
    assert vuon("trich-xuat", "--xac-minh", str(film)).code == 1


def test_a_span_is_held_at_the_box(tmp_path: Path) -> None:
    """Camera by name, times in the school's zone, days and reason; unconfirmed is said so."""
    answers: dict[str, Any] = {"recorder": {"camera.list": CAMERAS}, "gateway": {"hold.place": SHOWN}}
    span = ("--camera", "mầm 1", "--tu", "2026-11-21T12:00", "--den", "2026-11-21T12:01", "--ly-do", "Bé ngã")
    with cli_box(tmp_path, answers) as box:
        done = box.vuon("giu", *span, "--ngay", "7")
        assert done.code == 0
        assert HOLD in done.out
        (asked,) = box.asked("hold.place")
        assert (asked["camera"], asked["why"], asked["days"]) == (A, "Bé ngã", 7)
        assert asked["to_ms"] - asked["from_ms"] == 60_000
        assert box.vuon("hold", *span, "--json").json() == SHOWN
        for wrong in (span[:4], span[2:], (*span[:2], *span[2:4], "--den", "2026-11-20T12:00", *span[6:])):
            assert box.vuon("giu", *wrong).code == 1
    answers["gateway"]["hold.place"] = SHOWN | {"confirmed": False}
    with cli_box(tmp_path, answers) as box:
        assert "did not answer yet" in box.vuon("giu", *span).out


def test_holds_are_listed_and_lifted(tmp_path: Path) -> None:
    """Without options: every hold with its id and reason as it was written; lifting names it and needs a reason."""
    answers: dict[str, Any] = {
        "recorder": {"camera.list": CAMERAS},
        "gateway": {"hold.list": {"holds": [SHOWN]}, "hold.lift": {}},
    }
    with cli_box(tmp_path, answers) as box:
        listed = box.vuon("giu")
        assert f"{HOLD}  Mầm 1 · " in listed.out
        assert "Bé [bold]ngã[/bold]" in listed.out
        assert box.vuon("giu", "--json").json() == {"holds": [SHOWN]}
        assert box.vuon("giu", "--bo", HOLD, "--ly-do", "xong", "--json").json() == {"hold": HOLD}
        assert box.asked("hold.lift") == [{"hold": HOLD, "why": "xong"}]
    answers["gateway"] = {"hold.list": {"holds": []}, "hold.lift": BadInput("used", key="hold", case="hold_used")}
    with cli_box(tmp_path, answers) as box:
        assert "Nothing is held." in box.vuon("giu").out
        refused = box.vuon("giu", "--bo", HOLD, "--ly-do", "xong")
        assert (refused.code, "cancel the order first" in refused.err.lower()) == (1, True)
