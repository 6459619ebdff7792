"""`vuon in-phieu`: a class's slips in a file for the printer."""

from __future__ import annotations

import stat
from pathlib import Path

from gateway.core.errors import BadInput
from tests.fakes.cli_box import cli_box

SLIP = {
    "child": "An Nhiên",
    "class": "Mầm 1",
    "kind": "mother",
    "url": "HTTPS://HOP.LOCAL/P/MOI#ABCDEFGHIJKLMNOPQRSTUVWX23",
    "code": "ABCD-EFGH-JKLM",
    "until_ms": 1_790_800_000_000,
}


def test_the_sheet_is_private_whole_and_loads_nothing(tmp_path: Path) -> None:
    """Every slip with its code, QR, class and day; nobody else on the machine may read it; no secret on the screen."""
    out = tmp_path / "phieu.html"
    with cli_box(tmp_path, {"gateway": {"slip.sheet": {"slips": [SLIP, SLIP | {"child": "<b>", "kind": ""}]}}}) as box:
        done = box.vuon("slips", "Mầm 1", "--out", str(out), "--checked")
        assert box.calls == [("gateway", "slip.sheet", {"class": "Mầm 1", "checked": True})]
    text = out.read_text(encoding="utf-8")
    assert (done.code, stat.S_IMODE(out.stat().st_mode)) == (0, 0o600)
    assert text.count("ABCD-EFGH-JKLM") == text.count('class="qr"') == 2
    assert "https://hop.local/p/moi" in text
    assert "default-src 'none'" in text
    assert "&lt;b&gt;" in text
    assert "ABCD-EFGH" not in done.out


def test_nothing_is_made_where_no_file_may_be_written(tmp_path: Path) -> None:
    """A file that is there stays, and no slip is spent for it; a class without anybody to invite says so."""
    out = tmp_path / "phieu.html"
    out.write_text("mine", encoding="utf-8")
    nobody = BadInput("nobody", case="slips_nobody", key="class")
    with cli_box(tmp_path, {"gateway": {"slip.sheet": nobody}}) as box:
        assert box.vuon("in-phieu", "Mầm 1", "--ra", str(out)).code == 1
        assert box.calls == []
        done = box.vuon("in-phieu", "Mầm 1", "--ra", str(out), "--ghi-de")
    assert (done.code, out.read_text(encoding="utf-8")) == (1, "mine")
    assert "No guardian of this class needs a slip" in done.err
