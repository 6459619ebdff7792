"""`vuon ban-giao`: the acceptance sheet has every camera, no secret, and is never half there."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import handover, printing
from gateway.cli.printing import find_browser, pdf_of
from gateway.cli.sheet import Handover, Sheet, Visit
from gateway.cli.stills import Still
from gateway.core.config import parse_config
from gateway.core.errors import BadInput, CameraUnreachable, Denied, NotFound
from gateway.core.i18n import catalogue
from tests.fakes.cli_box import Answer, camera, cli_box, daemon, is_private, vuon
from tests.fakes.clock import NOON_MS
from tests.fakes.still import answer, jpeg

A, B = camera("Cam a", gaps_today=2, gap_seconds_today=7.0), camera("Cam b", recording=False)
ABOUT = {
    "manufacturer": "Hikvision",
    "model": "DS-2CD2143",
    "firmware": "V5.7",
    "serial": "SN-1",
    "mac": "44:19:b6:00:00:01",
}
STREAMS = [
    {"stream": "main", "width": 1920, "height": 1080, "fps": 15.0, "codec": "h264", "bitrate_bps": 2_000_000},
    {"stream": "sub", "width": 640, "height": 360, "fps": 0, "codec": "", "bitrate_bps": 0},
]
REPORT = {
    "faults": [
        {"code": "no_mask", "severity": "red", "figures": {}},
        {"code": "strange", "severity": "yellow", "figures": {"seconds": 4.5}},
    ],
    "unknown": ["firmware"],
    "fine": [],
}


def answers(still: Answer | None = None, report: Answer | None = None) -> dict[str, dict[str, Answer]]:
    cameras = [{"id": row["id"], "name": row["name"], **ABOUT} for row in (A, B)]
    status = [{**row, "address": f"192.168.10.{n}", "streams": STREAMS} for n, row in enumerate((A, B), 21)]
    volume = {"path": "/disk", "state": "ok", "free_bytes": 30 << 30, "total_bytes": 100 << 30}
    recorder: dict[str, Answer] = {
        "camera.list": {"cameras": cameras},
        "status": {"daemon": daemon("recorder"), "cameras": status, "volumes": [volume], "time_trusted": True},
        "segments": lambda asked: {"segments": [{"start_ms": NOON_MS}] if asked["camera"] == A["id"] else []},
    }
    if report is not None:
        recorder["doctor.camera"] = report
        recorder["doctor.box"] = {"faults": [{"code": "uplink", "severity": "yellow", "figures": {}}], "unknown": []}
    classes = [{"id": "c" * 16, "name": "Mầm <1>", "cameras": [A["id"]]}]
    return {
        "recorder": recorder,
        "gateway": {"people.list": {"people": [], "classes": classes}, "still": answer() if still is None else still},
    }


def text_of(page: str) -> str:
    """The text a person reads."""
    found: list[str] = []

    class Reader(HTMLParser):
        style = False

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.style = tag == "style"

        def handle_data(self, data: str) -> None:
            if not self.style:
                found.append(data)

    Reader().feed(page)
    return " ".join(" ".join(found).split())


def test_the_sheet_has_every_camera_with_everything_known(tmp_path: Path) -> None:
    """Class, device, address, streams, since when, gaps, mask, faults, and both names to sign; a private file."""
    out = tmp_path / "s.html"
    with cli_box(tmp_path, answers(report=REPORT)) as box:
        done = box.vuon("handover", "--out", str(out))
        asked = sorted(box.asked("still"), key=lambda call: str(call["camera"]))  # both are asked at once
        assert asked == [{"camera": row["id"], "width": 640, "after_acceptance": False} for row in (A, B)]
    assert (done.code, is_private(out)) == (0, True)
    page = out.read_text(encoding="utf-8")
    text = text_of(page)
    for part in (
        "Trường Hoa Sen", "1. Cam a", "2. Cam b", "Mầm <1>", "no class yet", "Hikvision DS-2CD2143", "V5.7", "SN-1",
        "192.168.10.21 / 44:19:b6:00:00:01", "1920×1080, 15 fps, H.264, 2.0 Mb/s", "640×360",
        "21/11/2026 12:00:00", "2 times, 7 seconds", "missing", "30 days", "100 GiB (/disk)", "1 of 2",
        "every camera was examined", "strange", "Not known: firmware", "uplink", "Principal", "Installer",
    ):  # fmt: skip
        assert part in text, part
    assert page.count('src="data:image/jpeg;base64,') == 2


def test_without_a_doctor_nothing_is_called_well(tmp_path: Path) -> None:
    """The sheet says that faults were not examined, and the mask is unknown."""
    out = tmp_path / "s.html"
    with cli_box(tmp_path, answers()) as box:
        box.vuon("ban-giao", "--ra", str(out))
    text = text_of(out.read_text(encoding="utf-8"))
    assert text.count("faults were not examined") == 3
    assert "No fault was found" not in text
    assert "in order" not in text


def test_a_camera_that_cannot_be_examined_says_why(tmp_path: Path) -> None:
    """And one without a fault says that none was found, with a mask in order."""
    out = tmp_path / "s.html"
    with cli_box(tmp_path, answers(report=CameraUnreachable("gone"))) as box:
        box.vuon("handover", "--out", str(out))
        text = text_of(out.read_text(encoding="utf-8"))
        assert f"faults were not examined: {catalogue('en').error('camera_unreachable')[0]}" in text
    with cli_box(tmp_path, answers(report={"faults": [], "unknown": [], "fine": ["no_mask"]})) as box:
        box.vuon("handover", "--out", str(out), "--force")
    text = text_of(out.read_text(encoding="utf-8"))
    assert text.count("No fault was found") == text.count("in order: masked") == 2


@pytest.mark.parametrize(("still", "says"), [
    (Denied("no", reason="box.accepted"), "No picture: the box is accepted"),
    (Denied("no", reason="camera.private"), "No picture: the camera is hidden for privacy"),
    (NotFound("not yet"), "No picture"),
    (answer(b"nonsense"), "No picture"),
])  # fmt: skip
def test_a_still_that_may_not_or_cannot_be_had_is_said(tmp_path: Path, still: Answer, says: str) -> None:
    """The sheet is made all the same; after acceptance the command names the option."""
    out = tmp_path / "s.html"
    with cli_box(tmp_path, answers(still)) as box:
        done = box.vuon("handover", "--out", str(out))
        box.vuon("handover", "--out", str(out), "--force", "--after-acceptance")
        assert box.asked("still")[-1]["after_acceptance"] is True
    page = out.read_text(encoding="utf-8")
    assert says in text_of(page)
    assert "<img" not in page
    assert ("--after-acceptance" in done.out) == ("accepted" in says)


def test_a_sheet_is_never_written_over_another(tmp_path: Path) -> None:
    """Only when that is asked for; a PDF counts too, and a place that is none is named before anything is asked."""
    out = tmp_path / "s.html"
    out.write_text("signed")
    with cli_box(tmp_path, answers()) as box:
        assert box.vuon("handover", "--out", str(out)).code == 1
        (tmp_path / "t.pdf").write_text("signed")
        for wrong in (
            ["--out", str(tmp_path / "t.html"), "--pdf"],
            ["--out", str(tmp_path / "no" / "s.html")],
            ["--out", str(tmp_path / "u.pdf"), "--pdf"],
        ):
            assert box.vuon("handover", *wrong).code == 1
        assert box.calls == []
        assert out.read_text() == "signed"
        assert box.vuon("handover", "--out", str(out), "--force").code == 0
    assert "Cam a" in out.read_text(encoding="utf-8")


def test_the_language_is_the_papers_not_the_terminals(tmp_path: Path) -> None:
    """`--lang vi` for the school while the installer works in English."""
    out = tmp_path / "s.html"
    with cli_box(tmp_path, answers()) as box:
        box.vuon("handover", "--out", str(out), "--lang", "vi")
    page = out.read_text(encoding="utf-8")
    assert '<html lang="vi">' in page
    assert "Độc lập – Tự do – Hạnh phúc" in page
    assert "Hiệu trưởng" in page


def test_without_a_browser_the_pdf_is_left_to_the_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sheet is there, and the command says how a browser makes a PDF of it."""
    monkeypatch.setattr(printing, "BROWSERS", ("no-such-browser",))
    out = tmp_path / "s.html"
    with cli_box(tmp_path, answers()) as box:
        done = box.vuon("handover", "--out", str(out), "--pdf")
    assert (done.code, out.exists(), (tmp_path / "s.pdf").exists()) == (0, True, False)
    assert "Ctrl+P" in done.out


# the sheet as a page

words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=30)


def sheet(name: str, *, code: str = "", still: Still | None = None) -> str:
    about = {**A, "name": name, "streams": [{"stream": "main", "codec": name}], "manufacturer": name, "serial": name}
    report = {"faults": [{"code": code, "severity": name, "figures": {"x": name}}], "unknown": [name], "fine": []}
    visit = Visit(about, name, NOON_MS, still, "", report if code else None, "")
    config = parse_config("")
    config = config.model_copy(update={"site": config.site.model_copy(update={"name": name})})
    return Sheet(
        Handover(config, NOON_MS, "1", False, [{"path": name, "total_bytes": 1}], [visit]), catalogue("vi")
    ).html()


class Tags(HTMLParser):
    """What a page is made of."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        assert not any(name.startswith("on") for name, _ in attrs)


@given(words)
def test_no_name_changes_the_page(name: str) -> None:
    """Whatever cameras, classes, makers and the school are called, the page has the same tags."""
    plain = Tags(sheet("x", code="strange")).tags
    assert Tags(sheet(name, code="strange")).tags == plain
    assert Tags(sheet(f"<script>{name}</script><img src=x onerror=y>{{{{ {name} }}}}", code="strange")).tags == plain


def test_the_page_loads_nothing() -> None:
    """No script, no link, no address; its own policy forbids them, and only pictures in the file are shown."""
    page = sheet("Mầm 1", still=Still(NOON_MS, 320, 180, jpeg()))
    assert not re.search(r"https?://|<script|<link|url\(", page)
    assert "default-src 'none'; img-src data:" in page
    assert "@page { size: A4" in page
    assert "đồng hồ của hộp chưa chắc đúng" in page


def test_a_fault_of_another_version_is_told_by_its_code() -> None:
    """A code without words here, and figures that do not fit."""
    assert "strange" in sheet("a", code="strange")
    assert "{0.__class__}" in sheet("{0.__class__}", code="strange")


# printing


@pytest.mark.skipif(find_browser() is None or shutil.which("pdftotext") is None, reason="needs chromium and pdftotext")
def test_chromium_prints_an_a4_page_with_the_names(tmp_path: Path) -> None:
    """The PDF has the sheet's words on A4."""
    browser = find_browser()
    assert browser is not None
    target = tmp_path / "s.pdf"
    target.write_bytes(pdf_of(sheet("Lớp Mầm 1", still=Still(NOON_MS, 320, 180, jpeg())), browser))
    text = subprocess.run(["pdftotext", target, "-"], capture_output=True, text=True, timeout=60, check=True).stdout
    about = subprocess.run(["pdfinfo", target], capture_output=True, text=True, timeout=60, check=True).stdout
    assert "Lớp Mầm 1" in text
    assert "Biên bản nghiệm thu" in text
    assert "(A4)" in about


@pytest.mark.parametrize("program", ["#!/bin/sh\nexit 3\n", "#!/bin/sh\nexit 0\n", "#!/bin/sh\nexec sleep 60\n"])
def test_a_browser_that_prints_nothing_is_an_error(tmp_path: Path, program: str) -> None:
    """It failed, it wrote nothing, it hangs: each is told with the way by hand."""
    browser = tmp_path / "browser"
    browser.write_text(program)
    browser.chmod(0o755)
    with pytest.raises(BadInput) as error:
        pdf_of("<p>x", str(browser), timeout_s=2)
    assert error.value.fields["case"] == "print"


def test_help_names_both_languages() -> None:
    """The command is in the list with its English name."""
    assert "handover" in vuon("--help").out
    assert handover.STILL_WIDTH == 640
