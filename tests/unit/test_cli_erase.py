"""`vuon xoa`: nothing goes by one word, the proof is whole, and a changed proof is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.erasureproof import sign_proof
from tests.fakes.cli_box import Answer, CliBox, cli_box, is_private

KEY = Ed25519PrivateKey.generate()
A, ORDER = "a" * 16, "e" * 16
CAMERAS: dict[str, Answer] = {"camera.list": {"cameras": [{"id": A, "name": "Sân chơi"}]}}
FACTS: dict[str, Any] = {
    "erasure": ORDER, "scope": "camera", "camera": A, "who": "console", "holds_lifted": 0, "not_there": [],
    "ordered_ms": 1_795_219_200_000, "done_ms": 1_795_219_260_000,
    "volumes": [{"volume": "v" * 16, "keys": 3, "files": 9, "bytes": 99, "done_ms": 1_795_219_260_000}],
}  # fmt: skip


def answers(
    *, holds: int = 0, confirm: str = "Sân chơi", facts: dict[str, Any] = FACTS
) -> dict[str, dict[str, Answer]]:
    """A box with one camera to erase."""
    plan = {"camera": A, "confirm": confirm, "keys": 3, "files": 9, "bytes": 5 << 20, "holds": holds}
    return {
        "recorder": CAMERAS,
        "gateway": {
            "erase.plan": plan,
            "erase.start": {"erasure": ORDER},
            "erase.status": {"state": "done", "facts": facts},
            "erase.proof": {"proof": sign_proof(facts, KEY)},
            "key.status": {"left_sealed": ["vuon-footage-tpm.key"]},
        },
    }


def erase(box: CliBox, *arguments: str, typed: str = "Sân chơi\n") -> Any:
    """Run the command with its proof beside the box."""
    return box.vuon("xoa", *arguments, "-o", str(box.folder / "xoa.json"), typed=typed)


def test_a_camera_is_erased_after_its_name_is_typed(tmp_path: Path) -> None:
    """Plan, name, order, proof as JSON and as a page; both the owner's alone; the check finds it whole."""
    with cli_box(tmp_path, answers()) as box:
        done = erase(box, "--camera", "Sân chơi")
        assert done.code == 0, done.err
        assert box.asked("erase.start") == [{"camera": A, "typed": "Sân chơi", "lift_holds": False}]
        assert "9 files" in done.out
        assert all(is_private(tmp_path / name) for name in ("xoa.json", "xoa.html"))
        page = (tmp_path / "xoa.html").read_text(encoding="utf-8")
        assert f"Sân chơi ({A})" in page
        assert "<td>9</td>" in page
        assert "http" not in page.replace("http-equiv", "")
        checked = box.vuon("xoa", "--kiem-tra", str(tmp_path / "xoa.json"))
        assert (checked.code, "whole" in checked.out) == (0, True)


def test_a_changed_proof_is_refused(tmp_path: Path) -> None:
    """One digit, another camera, no JSON at all: each is named as altered."""
    path = tmp_path / "proof.json"
    whole = json.dumps(sign_proof(FACTS, KEY))
    with cli_box(tmp_path, answers()) as box:
        for text in (whole.replace('"files": 9', '"files": 8'), whole.replace(A, "b" * 16), "{", "[]"):
            path.write_text(text, encoding="utf-8")
            done = box.vuon("xoa", "--kiem-tra", str(path))
            assert (done.code, "altered" in done.err) == (1, True)


def test_whose_signature_it_is_is_said(tmp_path: Path) -> None:
    """The key inside a proof proves nothing by itself: it is compared with this box's."""
    path, keys = tmp_path / "proof.json", tmp_path / "state" / "keys"
    keys.mkdir(parents=True)
    path.write_text(json.dumps(sign_proof(FACTS, KEY)), encoding="utf-8")
    with cli_box(tmp_path, answers()) as box:
        for key, words in ((KEY, "is this box's"), (Ed25519PrivateKey.generate(), "not this box's")):
            (keys / "gateway.key.pub").write_bytes(key.public_key().public_bytes_raw())
            assert words in box.vuon("xoa", "--kiem-tra", str(path)).out


def test_held_footage_stops_before_anything_is_asked(tmp_path: Path) -> None:
    """Without --bo-giu it refuses; with it the order says so."""
    with cli_box(tmp_path, answers(holds=2)) as box:
        assert erase(box, "--camera", "Sân chơi").code == 1
        assert box.asked("erase.start") == []
        assert erase(box, "--camera", "Sân chơi", "--bo-giu").code == 0
        assert box.asked("erase.start")[0]["lift_holds"] is True


def test_the_box_asks_for_its_id(tmp_path: Path) -> None:
    """The whole box is confirmed by sixteen characters nobody types by chance."""
    with cli_box(tmp_path, answers(confirm="q" * 16, facts=FACTS | {"scope": "box", "camera": ""})) as box:
        done = erase(box, "--hop", typed="q" * 16 + "\n")
        assert done.code == 0, done.err
        assert box.asked("erase.start") == [{"box": True, "typed": "q" * 16, "lift_holds": False}]
        assert "/etc/credstore.encrypted/vuon-footage-tpm.key" in done.out  # only root can end that key
        assert "the whole box" in box.vuon("xoa", "--kiem-tra", str(tmp_path / "xoa.json")).out


def test_an_order_is_followed_later(tmp_path: Path) -> None:
    """`--tiep` orders nothing new and fetches the proof."""
    with cli_box(tmp_path, answers()) as box:
        assert erase(box, "--tiep", ORDER).code == 0
        assert (box.asked("erase.start"), box.asked("erase.proof")) == ([], [{"erasure": ORDER}])


@pytest.mark.parametrize(
    "arguments", [(), ("--hop", "--camera", "Sân chơi"), ("--tiep", ORDER, "--hop")], ids=["nothing", "two", "three"]
)
def test_one_thing_at_a_time(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Nothing, or two things, is refused with an example."""
    with cli_box(tmp_path, answers()) as box:
        done = erase(box, *arguments)
        assert (done.code, "--camera" in done.err) == (1, True)
        assert box.calls == []


def test_an_older_proof_is_not_overwritten(tmp_path: Path) -> None:
    """It stops before the plan is asked."""
    (tmp_path / "xoa.html").write_text("mine")
    with cli_box(tmp_path, answers()) as box:
        done = erase(box, "--camera", "Sân chơi")
        assert (done.code, box.calls) == (1, [])
        assert "--out FILE" in done.err
        assert "--force" not in done.err  # erase has no such option
