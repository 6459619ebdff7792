"""`vuon segments`, `export`, `reindex`: footage from the terminal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.footage import parse_time
from gateway.core.errors import BadInput, SegmentCorrupt
from tests.fakes.cli_box import Answer, cli_box, columns_of, is_private, vuon
from tests.fakes.clock import NOON_MS

HANOI = "Asia/Ho_Chi_Minh"
A, B = "a" * 16, "b" * 16
CAMERAS: dict[str, Any] = {"cameras": [{"id": A, "name": "Lớp [Mầm] 1"}, {"id": B, "name": "Sân"}]}


def row(camera: str, stream: str = "main", *, minute: int = 0) -> dict[str, Any]:
    start = NOON_MS + minute * 60_000
    path = f"3/2026-11-21/05/{start}-{minute + 2}.seg"
    return {
        "camera": camera,
        "stream": stream,
        "path": path,
        "start_ms": start,
        "duration_ms": 60_000,
        "bytes": 5 << 20,
    }


WHOLE = {"parts": [{"start_ms": NOON_MS, "end_ms": NOON_MS + 300_000, "size_bytes": 1}]}


def recorder(plan: Answer = WHOLE) -> dict[str, Answer]:
    rows = {A: [row(A, minute=1), row(A), row(A, "sub")], B: [row(B)]}

    def page(params: Mapping[str, Any]) -> dict[str, Any]:
        """One row a page."""
        mine, at = rows[params["camera"]], int(params.get("after", "0"))
        more = {"next": str(at + 1)} if at + 1 < len(mine) else {}
        return {"segments": mine[at : at + 1], "more": bool(more), **more}

    return {"camera.list": CAMERAS, "segments": page, "export.plan": plan}


# times

NAIVE = st.datetimes(*map(dt.datetime.fromisoformat, ("1971-01-01", "2200-01-01"))).map(
    lambda at: at.replace(microsecond=0)
)


@given(NAIVE, st.sampled_from([HANOI, "UTC", "Europe/Berlin"]))
def test_a_time_is_the_sites_unless_it_says_otherwise(at: dt.datetime, zone: str) -> None:
    """Without an offset it is the wall clock of the school; with one the offset wins."""
    naive = parse_time(at.isoformat(), zone)
    assert naive == int(at.replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)
    assert parse_time(at.isoformat() + "+02:00", zone) == parse_time(at.isoformat() + "+02:00", "UTC")


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_bad_input(text: str) -> None:
    """Nothing else than BadInput comes out, with the text in it."""
    try:
        parse_time(text, HANOI)
    except BadInput as error:
        assert error.fields["value"] == text


@pytest.mark.parametrize("text", ["", "gestern", "10:15", "2026-13-01", "2026-11-21T25:00", "0001-01-01T00:00"])
def test_what_is_no_time_is_named(text: str) -> None:
    """Also a year that the arithmetic cannot hold is BadInput, not a crash."""
    try:
        parse_time(text, HANOI)
    except BadInput as error:
        assert error.fields["case"] == "time"
    else:
        assert text.startswith("0001")


@pytest.mark.parametrize(("text", "hour", "minute"), [("11:30", 11, 30), (" 7:05 ", 7, 5), ("00:00", 0, 0)])
def test_a_time_alone_is_today_where_a_day_is_known(text: str, hour: int, minute: int) -> None:
    """As the help of `quyen` says; without a day it stays no time, and no hour of a day is 25."""
    at = dt.datetime(2026, 11, 21, hour, minute, tzinfo=ZoneInfo(HANOI))
    assert parse_time(text, HANOI, dt.date(2026, 11, 21)) == at.timestamp() * 1000
    for wrong, day in ((text, None), ("25:00", dt.date(2026, 11, 21)), ("11:75", dt.date(2026, 11, 21))):
        with pytest.raises(BadInput):
            parse_time(wrong, HANOI, day)


def test_dates_and_short_forms_are_times() -> None:
    """A date is its midnight; minutes without seconds and a space for the T are fine."""
    midnight = parse_time("2026-11-21", HANOI)
    assert parse_time("2026-11-21T12:00", HANOI) == parse_time(" 2026-11-21 12:00:00 ", HANOI) == NOON_MS
    assert NOON_MS - midnight == 12 * 3_600_000


# segments


def test_segments_are_listed_under_camera_stream_and_day(tmp_path: Path) -> None:
    """Each head once, rows in order of time, paths whole, nothing over 80 columns."""
    with cli_box(tmp_path, {"recorder": recorder()}) as box:
        done = box.vuon("segments", COLUMNS="80")
    heads = [line for line in done.out.splitlines() if "·" in line]
    assert heads == [
        "Lớp [Mầm] 1 · main · 21/11/2026",
        "Lớp [Mầm] 1 · sub · 21/11/2026",
        "Sân · main · 21/11/2026",
    ]
    starts = [line.split()[0] for line in done.out.splitlines() if line.startswith("  ")]
    assert starts == ["12:00:00", "12:01:00", "12:00:00", "12:00:00"]
    assert row(A)["path"] in done.out.split()
    assert f"vuon trich-xuat {row(B)['path']}" in done.out
    assert columns_of(done.out) <= 80


def test_segments_of_one_camera_only(tmp_path: Path) -> None:
    """`--camera` takes a name; an unknown one lists the known."""
    with cli_box(tmp_path, {"recorder": recorder()}) as box:
        found = box.vuon("segments", "--camera", "sân", "--json").json()["segments"]
        assert box.asked("segments") == [{"camera": B, "closed_only": True}]
        unknown = box.vuon("segments", "--camera", "Bếp")
    assert [item["camera"] for item in found] == [B]
    assert (unknown.code, "Lớp [Mầm] 1, Sân" in unknown.err) == (1, True)


def test_no_footage_yet_is_said(tmp_path: Path) -> None:
    """An empty list is a sentence for people and an empty list for programs."""
    answers: dict[str, Answer] = {"camera.list": {"cameras": []}}
    with cli_box(tmp_path, {"recorder": answers}) as box:
        assert "No segment" in box.vuon("segments").out
        assert box.vuon("segments", "--json").json() == {"segments": []}


# export


def test_an_export_is_whole_private_and_told(tmp_path: Path) -> None:
    """The file holds all chunks, is for its owner, and the person hears that it is audited and reported."""
    out = tmp_path / "x.mp4"
    with cli_box(tmp_path, {"gateway": {"export": [b"ftyp", b"moof" * 1000]}}) as box:
        done = box.vuon("export", "3/a.seg", "-o", str(out))
        assert box.asked("export") == [{"segment": "3/a.seg"}]
    assert done.code == 0
    assert out.read_bytes() == b"ftyp" + b"moof" * 1000
    assert is_private(out)
    assert "audit" in done.out
    assert "reported to the authority" in done.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["config.toml", "run", "x.mp4"]


def test_the_help_says_that_an_export_is_not_quiet() -> None:
    """Before anybody exports they can read who will know."""
    text = " ".join(vuon("export", "--help", COLUMNS="200").out.split())
    assert "nhật ký" in text
    assert "báo lên cấp trên" in text
    assert "reported to the authority" in text


def test_a_span_of_a_camera_goes_through_the_gateway(tmp_path: Path) -> None:
    """Camera by name, times in the school's zone, the chosen stream."""
    answers: dict[str, dict[str, Answer]] = {"recorder": recorder(), "gateway": {"export": [b"x"]}}
    span = ["--camera", "Sân", "--from", "2026-11-21T12:00", "--to", "2026-11-21T12:05"]
    with cli_box(tmp_path, answers) as box:
        assert box.vuon("export", *span, "--stream", "sub", "-o", str(tmp_path / "x")).code == 0
        expected = {"camera": B, "stream": "sub", "from_ms": NOON_MS, "to_ms": NOON_MS + 300_000}
        assert box.asked("export") == [expected]


def test_an_export_that_is_not_everything_says_so_and_how_to_get_the_rest(tmp_path: Path) -> None:
    """The picture changed in between: the file ends there, and the command for the other part is given."""
    middle = NOON_MS + 60_007
    parts = [
        {"start_ms": NOON_MS, "end_ms": middle, "size_bytes": 1},
        {"start_ms": middle, "end_ms": NOON_MS + 300_000, "size_bytes": 1},
    ]
    answers: dict[str, dict[str, Answer]] = {"recorder": recorder({"parts": parts}), "gateway": {"export": [b"x"]}}
    span = ["--camera", "Sân", "--from", "2026-11-21T12:00", "--to", "2026-11-21T12:05"]
    with cli_box(tmp_path, answers) as box:
        done = box.vuon("export", *span, "-o", str(tmp_path / "x"))
        assert done.code == 0
        (command,) = [line.split() for line in done.out.splitlines() if "trich-xuat --camera" in line]
        assert "12:01:00" in done.out
        assert box.vuon(*command[1:-1], str(tmp_path / "y")).code == 0
        again = {"camera": B, "stream": "main", "from_ms": middle, "to_ms": NOON_MS + 300_000}
        assert box.asked("export")[-1] == again


@pytest.mark.parametrize("chunks", [[], [b""], [b"half", b"!"]])
def test_a_failed_export_leaves_nothing_behind(tmp_path: Path, chunks: list[bytes]) -> None:
    """No footage, or an error midway: no file, no part of one, status 1."""
    out = tmp_path / "out" / "x.mp4"
    out.parent.mkdir()
    with cli_box(tmp_path, {"gateway": {"export": chunks}}) as box:
        done = box.vuon("export", "3/a.seg", "-o", str(out))
    assert done.code == 1
    assert list(out.parent.iterdir()) == []
    assert done.out == ""


def test_an_older_export_is_not_overwritten_by_accident(tmp_path: Path) -> None:
    """What may be evidence stays unless --force says otherwise; a failing --force keeps it too."""
    out = tmp_path / "x.mp4"
    out.write_bytes(b"evidence")
    with cli_box(tmp_path, {"gateway": {"export": [b"new"]}}) as box:
        done = box.vuon("export", "3/a.seg", "-o", str(out))
        assert box.calls == []
        assert (done.code, out.read_bytes()) == (1, b"evidence")
        assert "--force" in done.err
        assert box.vuon("export", "3/a.seg", "-o", str(out), "--force").code == 0
        assert out.read_bytes() == b"new"
    with cli_box(tmp_path, {"gateway": {"export": SegmentCorrupt("torn")}}) as box:
        assert box.vuon("export", "3/a.seg", "-o", str(out), "--force").code == 1
    assert out.read_bytes() == b"new"


@pytest.mark.parametrize("place", [".", "no/such/folder/x.mp4", "config.toml/x.mp4"])
def test_a_place_that_takes_no_file_is_refused_before_anything_is_asked(tmp_path: Path, place: str) -> None:
    """No audit row for an export that could never be written."""
    with cli_box(tmp_path, {"gateway": {"export": [b"x"]}}) as box:
        done = box.vuon("export", "3/a.seg", "-o", str(tmp_path / place))
        assert box.calls == []
    assert (done.code, len(done.err.splitlines())) == (1, 2)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--camera", "Sân"],
        ["--camera", "Sân", "--from", "2026-11-21T12:00"],
        ["3/a.seg", "--camera", "Sân"],
        ["--camera", "Sân", "--from", "2026-11-21T12:00", "--to", "2026-11-21T12:00"],
        ["--camera", "Sân", "--from", "noon", "--to", "2026-11-21T12:00"],
    ],
)
def test_an_unclear_export_is_refused(tmp_path: Path, arguments: list[str]) -> None:
    """Neither a segment nor a whole span, both at once, or a span that runs backwards: nothing is exported."""
    answers: dict[str, dict[str, Answer]] = {"recorder": recorder(), "gateway": {"export": [b"x"]}}
    with cli_box(tmp_path, answers) as box:
        done = box.vuon("export", *arguments, "-o", str(tmp_path / "x"))
        assert box.asked("export") == []
    assert (done.code, len(done.err.splitlines())) == (1, 2)
    assert not (tmp_path / "x").exists()


def test_only_known_streams_can_be_named(tmp_path: Path) -> None:
    """`--stream third` is a usage error."""
    with cli_box(tmp_path, {}) as box:
        assert box.vuon("export", "3/a.seg", "--stream", "third").code == 2


# reindex


def test_reindex_tells_its_counts(tmp_path: Path) -> None:
    """What was counted, in words and as JSON."""
    result = {"segments": 9, "files": 10, "added": 1, "removed": 2, "closed": 3, "damaged": ["x", "y"]}
    with cli_box(tmp_path, {"recorder": {"reindex": result}}) as box:
        text = box.vuon("reindex").out
        assert box.vuon("reindex", "--json").json() == result
    assert all(number in text for number in ("9", "10", "1", "2"))
    assert "3 files" in text
