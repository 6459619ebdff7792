"""`vuon nhat-ky`: what was done to the audit is named in both languages, also in a copy far from the box."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access import audit
from gateway.access.migrations import MIGRATIONS
from gateway.core.db import Database
from gateway.upstream import outbox
from tests.fakes.access_world import KEY
from tests.fakes.audit_tampering import ATTACKS, filled, opened, write_points
from tests.fakes.cli_box import Answer, cli_box, vuon

POINT = {"seq": 12, "head": "ab" * 32, "signature": base64.b64encode(bytes(64)).decode(), "at_ms": 1_795_237_200_000}
WHOLE: dict[str, Answer] = {
    "audit.verify": {"ok": True, "rows": 12, "checkpoints": 3, "erased": 0, "problem": None, "findings": []},
    "audit.points": {"points": [POINT], "key": "cd" * 32},
}
SAID = {
    "row_edited": ("Dòng 17 đã bị sửa.", "Row 17 was edited."),
    "row_missing": ("Dòng 17 đã bị xóa.", "Row 17 was removed."),
    "tail_cut": ("còn 16 dòng, mà mốc đã ký cho biết từng có ít nhất 30 dòng", "16 rows are left"),
    "rewritten": ("viết lại ở đâu đó trong các dòng 11-20", "rewritten somewhere in rows 11-20"),
}


@pytest.mark.parametrize("form", ["lines", "hub"])
@pytest.mark.parametrize("attack", sorted(ATTACKS))
def test_each_of_the_four_attacks_is_found_and_named(tmp_path: Path, attack: str, form: str) -> None:
    """In a copy of the file, with the box's public key and checkpoints kept elsewhere, in both languages."""
    copy = tmp_path / "gateway.db"
    kept = write_points(tmp_path / "moc.txt", filled(copy), form=form)
    arguments = ("audit", "verify", "--copy", str(copy), "--kept", str(kept))
    assert vuon(*arguments).code == 0
    with opened(copy) as conn:
        ATTACKS[attack](conn, 17)
    for language, said in zip(("vi", "en"), SAID[attack], strict=True):
        done = vuon(*arguments, VUON_LANG=language)
        assert done.code == 1
        assert said in done.out
    found = vuon(*arguments, "--json").json()
    assert found["findings"][0]["problem"] == found["problem"] == attack


@pytest.mark.parametrize(("attack", "found"), [("row_edited", True), ("tail_cut", False), ("rewritten", False)])
def test_without_kept_checkpoints_less_is_known_and_that_is_said(tmp_path: Path, attack: str, found: bool) -> None:
    """A cut end and a rewritten history fit in themselves once the box's own checkpoints went too."""
    copy, key = tmp_path / "gateway.db", tmp_path / "box.pub"
    filled(copy)
    key.write_bytes(KEY.public_key().public_bytes_raw())
    with opened(copy) as conn:
        ATTACKS[attack](conn, 17)
    done = vuon("nhat-ky", "xac-minh", "--ban-sao", str(copy), "--khoa", str(key))
    assert done.code == (1 if found else 0)
    assert ("Not compared with checkpoints kept elsewhere" in done.out) is not found


@pytest.mark.parametrize("write", ["raw", "hex", "base64"])
def test_the_key_is_read_in_each_form_and_another_boxs_is_named(tmp_path: Path, write: str) -> None:
    """As the box keeps it, or as somebody wrote it down; with a foreign key every checkpoint is forged."""
    copy, key = tmp_path / "gateway.db", tmp_path / "box.pub"
    filled(copy)

    def written(raw: bytes) -> bytes:
        return {"raw": raw, "hex": raw.hex().encode(), "base64": base64.b64encode(raw)}[write]

    key.write_bytes(written(KEY.public_key().public_bytes_raw()))
    assert vuon("audit", "verify", "--copy", str(copy), "--key", str(key)).code == 0
    key.write_bytes(written(Ed25519PrivateKey.generate().public_key().public_bytes_raw()))
    done = vuon("audit", "verify", "--copy", str(copy), "--key", str(key), "--json")
    assert done.code == 1
    assert {item["problem"] for item in done.json()["findings"]} == {"checkpoint_forged"}


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda folder: (folder / "moc.txt").write_text("12 zz zz"), "line 1 is no checkpoint"),
        (lambda folder: (folder / "moc.txt").write_text('{"data": [1]}'), "line 1 is no checkpoint"),
        (lambda folder: (folder / "moc.txt").write_text("# box-key xx"), "holds no public key"),
        (lambda folder: (folder / "gateway.db").write_text("not a database at all" * 100), "no copy of gateway.db"),
        (lambda folder: (folder / "gateway.db").unlink(), "no copy of gateway.db"),
    ],
    ids=["line", "json", "key", "garbage", "nothing"],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, break_it: object, said: str) -> None:
    """With the line or the file, and what to do; never a traceback."""
    copy = tmp_path / "gateway.db"
    kept = write_points(tmp_path / "moc.txt", filled(copy))
    assert callable(break_it)
    break_it(tmp_path)
    done = vuon("audit", "verify", "--copy", str(copy), "--kept", str(kept))
    assert done.code == 1
    assert said in done.err.replace("\n", " ")


def test_the_box_is_asked_with_what_was_kept(tmp_path: Path) -> None:
    """Over the socket, as fields; the answer is counted in words."""
    kept = write_points(tmp_path / "moc.txt", filled(tmp_path / "far.db"))
    with cli_box(tmp_path, {"gateway": WHOLE}) as box:
        done, alone = box.vuon("nhat-ky", "xac-minh", "--moc", str(kept)), box.vuon("audit", "verify")
        assert [len(asked.get("kept", [])) for asked in box.asked("audit.verify")] == [3, 0]
        assert box.vuon("audit", "verify", "--json").json() == WHOLE["audit.verify"]
    assert "12 rows" in done.out
    assert "Not compared" not in done.out
    assert "Not compared" in alone.out


def test_a_broken_audit_is_status_one(tmp_path: Path) -> None:
    """A script that checks the audit each night notices; what another version found is shown by its code."""
    findings = [{"problem": "of_tomorrow", "seq": 3, "to_seq": 4}, {"problem": "body_missing", "seq": 5, "to_seq": 5}]
    broken: dict[str, Answer] = {
        "audit.verify": {"ok": False, "rows": 9, "checkpoints": 1, "problem": "of_tomorrow", "findings": findings}
    }
    with cli_box(tmp_path, {"gateway": broken}) as box:
        done, found = box.vuon("audit", "verify"), box.vuon("audit", "verify", "--json")
    assert (done.code, found.code) == (1, 1)
    assert "of_tomorrow 3-4" in done.out
    assert "What row 5 said was removed" in done.out
    assert "Change nothing on the box" in done.out


def test_checkpoints_are_written_for_somebody_else_to_keep(tmp_path: Path) -> None:
    """As lines with the box's key; the file is one that `--kept` reads."""
    with cli_box(tmp_path, {"gateway": WHOLE}) as box:
        printed = box.vuon("nhat-ky", "moc").out
        out = tmp_path / "moc.txt"
        assert box.vuon("audit", "points", "--all", "-o", str(out)).code == 0
        assert box.asked("audit.points") == [{"all": False}, {"all": True}]
        assert box.vuon("audit", "verify", "--kept", str(out)).code == 0
        assert box.asked("audit.verify") == [{"kept": [{key: POINT[key] for key in ("seq", "head", "signature")}]}]
        assert box.vuon("audit", "points", "--json").json() == WHOLE["audit.points"]
    assert printed == out.read_text(encoding="utf-8")
    assert f"# box-key {'cd' * 32}" in printed


def test_a_copy_taken_while_the_box_runs_is_verified_with_its_log(tmp_path: Path) -> None:
    """Rows that are still in the log beside the file count: a copy of the file alone would miss them."""
    live, copy = tmp_path / "gateway.db", tmp_path / "copy" / "gateway.db"
    copy.parent.mkdir()
    filled(live)
    database = Database(live, [MIGRATIONS, outbox.MIGRATIONS])
    database.open()
    try:
        database.write_sync(lambda conn: [audit.append(conn, {"at_ms": n, "what": "x"}) for n in range(5)])
        point = database.write_sync(lambda conn: audit.checkpoint(conn, KEY, 1))
        assert point is not None
        for name in ("gateway.db", "gateway.db-wal"):
            shutil.copy(tmp_path / name, copy.parent / name)
    finally:
        database.close()
    kept = write_points(tmp_path / "moc.txt", [point])
    arguments = ("audit", "verify", "--copy", str(copy), "--kept", str(kept), "--json")
    assert vuon(*arguments).json()["rows"] == 35
