"""`vuon khoa` from the terminal: nothing secret in an argument or a parameter, every state in plain words."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import PassphraseRefused
from gateway.core.keysheet import RecoveryKey, decode_sheet, encode_sheet
from gateway.core.wire import Reply, Request
from recorder.school import public_of
from tests.fakes import cli_box as fake
from tests.fakes.cli_box import Answer, CliBox, cli_box, is_private

OLD, NEW = "hoa phượng nở đỏ sân", "ve kêu suốt cả mùa hè"
IN_BOX: dict[str, Any] = {
    "encrypted": True, "mode": "box", "unlocked": True, "place": "file", "disk": "apart", "passphrase_set": False,
    "since_ms": 1, "former": 0, "holders": [],
}  # fmt: skip
UNDER_WORDS = IN_BOX | {"mode": "passphrase", "place": "passphrase", "passphrase_set": True, "unlocked": False}
ACTS = ("unlock", "lock", "passphrase", "rotate", "handover", "holder")


@pytest.fixture
def blobs(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What travelled beside the parameters, in order."""
    seen: list[bytes] = []
    real = fake._handler

    def handler(box: CliBox, name: str, method: str, answer: Answer) -> Any:
        inner = real(box, name, method, answer)

        async def handle(request: Request) -> Any:
            if method != "key.status":
                seen.append(request.blob)
            return await inner(request)

        return handle

    monkeypatch.setattr(fake, "_handler", handler)
    return seen


def gateway(state: dict[str, Any], **acts: Answer) -> dict[str, dict[str, Answer]]:
    """A gateway that says this of the key and does what it is asked."""
    return {"gateway": {"key.status": state, **{f"key.{name}": acts.get(name, state) for name in ACTS}}}


PLACES = ("tpm", "host", "file", "passphrase", "nowhere")


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("place", PLACES)
def test_status_says_who_could_open_it(tmp_path: Path, place: str, language: str) -> None:
    """Where the key lies, and what a thief of the disk and of the box could do: one line each."""
    state = IN_BOX | {"place": place, "unlocked": place not in {"passphrase", "nowhere"}}
    with cli_box(tmp_path, gateway(state)) as box:
        done = box.vuon("khoa", "tinh-trang", VUON_LANG=language)
        assert done.code == 0
        assert len(done.out.strip().splitlines()) == 5
        assert box.vuon("key", "status", "--json").json() == state


@pytest.mark.parametrize(("place", "disk", "said"), [
    ("file", "apart", "it shows nothing\n"), ("file", "same", "on one disk"), ("file", "unknown", "unless"),
    ("host", "same", "on one disk"), ("tpm", "same", "it shows nothing\n"), ("passphrase", "same", "it shows nothing\n"),
])  # fmt: skip
def test_one_disk_for_key_and_footage_is_said(tmp_path: Path, place: str, disk: str, said: str) -> None:
    """A disk that carries the key too is not called worthless, unless a chip or a passphrase is needed as well."""
    with cli_box(tmp_path, gateway(IN_BOX | {"place": place, "disk": disk})) as box:
        assert said in box.vuon("khoa", "tinh-trang").out


def test_the_sheet_that_is_missing_is_named(tmp_path: Path) -> None:
    """One made: the command for the other, and when the first was made; two made: no command."""
    holders = [{"place": place, "since_ms": 1_795_237_200_000} for place in (1, 2)]
    for made, next_place in ((holders[:0], 1), (holders[:1], 2), (holders[1:], 1), (holders, None)):
        with cli_box(tmp_path, gateway(IN_BOX | {"holders": made})) as box:
            out = box.vuon("khoa", "tinh-trang").out
        assert out.count("made 21/11/2026") == len(made)
        assert ("vuon key holder" in out) is (next_place is not None)
        assert next_place is None or f"vuon key holder {next_place}" in out


def test_what_is_open_needs_no_passphrase(tmp_path: Path) -> None:
    """Nothing is asked for and nothing is called: a box that opens by itself has none to type."""
    with cli_box(tmp_path, gateway(IN_BOX)) as box:
        done = box.vuon("khoa", "mo")
        assert (done.code, box.asked("key.unlock")) == (0, [])


def test_a_missing_passphrase_and_no_encryption_are_said(tmp_path: Path) -> None:
    """Both are marked, not hidden."""
    with cli_box(tmp_path, gateway(IN_BOX | {"mode": "passphrase"})) as box:
        assert "vuon key passphrase" in box.vuon("khoa", "tinh-trang").out
    with cli_box(tmp_path, gateway({"encrypted": False})) as box:
        assert "not encrypted" in box.vuon("khoa", "tinh-trang").out


def test_unlocking_sends_the_words_beside_the_parameters(tmp_path: Path, blobs: list[bytes]) -> None:
    """Typed without echo, in the blob, in no parameter and not on the screen."""
    with cli_box(tmp_path, gateway(UNDER_WORDS)) as box:
        done = box.vuon("khoa", "mo", typed=f"{OLD}\n")
        assert done.code == 0, done.err
        assert OLD not in done.out + done.err
        assert box.asked("key.unlock") == [{}]
    assert [bytes(item).decode("unicode_escape") for item in blobs] == [f'{{"passphrase": "{OLD}"}}']


def test_a_new_passphrase_is_typed_twice(tmp_path: Path, blobs: list[bytes]) -> None:
    """Two different entries change nothing; equal ones do, and the warning follows."""
    with cli_box(tmp_path, gateway(UNDER_WORDS)) as box:
        done = box.vuon("khoa", "mat-khau", typed=f"{OLD}\n{NEW}\n{NEW}x\n")
        assert (done.code, box.asked("key.passphrase")) == (1, [])
        done = box.vuon("khoa", "mat-khau", typed=f"{OLD}\n{NEW}\n{NEW}\n")
        assert done.code == 0
        assert "both sheets" in done.out
    assert len(blobs) == 1


def test_the_first_passphrase_needs_no_old_one(tmp_path: Path, blobs: list[bytes]) -> None:
    """Where none is set, none is asked for."""
    with cli_box(tmp_path, gateway(IN_BOX | {"mode": "passphrase"})) as box:
        assert box.vuon("khoa", "mat-khau", typed=f"{NEW}\n{NEW}\n").code == 0
    assert b"passphrase" not in blobs[0]


def test_hand_over_by_words_or_sheet(tmp_path: Path, blobs: list[bytes]) -> None:
    """The new principal's words, proven by the old ones or by a holder's seven lines."""
    lines = encode_sheet(decode_sheet("\n".join(_lines())))
    with cli_box(tmp_path, gateway(UNDER_WORDS)) as box:
        assert box.vuon("khoa", "ban-giao", typed=f"{OLD}\n{NEW}\n{NEW}\n").code == 0
        assert box.vuon("khoa", "ban-giao", "--to-khoi-phuc", typed="\n".join([*lines, NEW, NEW, ""])).code == 0
    assert [b'"sheet"' in item for item in blobs] == [False, True]
    assert all(b'"new"' in item for item in blobs)


def _lines() -> list[str]:
    return encode_sheet(RecoveryKey(1, bytes(range(32))))


def test_recovering_unlocks_and_sets_new_words(tmp_path: Path, blobs: list[bytes]) -> None:
    """Seven lines, or the scanned code alone; then a new passphrase in place of the lost one."""
    scanned = "VUON-KHOA-1:" + "".join(_lines()).replace(" ", "")
    with cli_box(tmp_path, gateway(UNDER_WORDS)) as box:
        for typed in ("\n".join(_lines()), scanned):
            done = box.vuon("khoa", "phuc-hoi", typed=f"{typed}\n{NEW}\n{NEW}\n")
            assert done.code == 0, done.err
            assert _lines()[0] not in done.out + done.err
    assert len(blobs) == 4


def test_a_mistyped_line_is_asked_for_again(tmp_path: Path, blobs: list[bytes]) -> None:
    """Named at once, not after the seventh; what goes to the box is the sheet as it is on paper."""
    lines = _lines()
    typed = [*lines[:2], lines[2][:-1] + ("0" if lines[2][-1] != "0" else "1"), lines[3], *lines[2:]]
    with cli_box(tmp_path, gateway(IN_BOX)) as box:
        done = box.vuon("khoa", "phuc-hoi", typed="\n".join([*typed, ""]))
        assert (done.code, done.err.count("line 3 of")) == (0, 2)
    assert json.loads(blobs[0]) == {"sheet": "\n".join(lines)}


def test_a_holders_sheet_is_printed_once(tmp_path: Path) -> None:
    """The file holds the key that the box got the public half of; it loads nothing and is the owner's alone."""
    out = tmp_path / "to.html"
    for language, words in (("vi", "két"), ("en", "safe")):
        with cli_box(tmp_path, gateway(UNDER_WORDS | {"holders": [{"place": 2, "since_ms": 1}]})) as box:
            done = box.vuon("khoa", "nguoi-giu", "2", "-o", str(out), "--lang", language, "--ghi-de", typed=f"{OLD}\n")
            assert done.code == 0, done.err
            assert "former sheet 2" in done.out
            ((sent),) = box.asked("key.holder")
        assert is_private(out)
        page = unescape(out.read_text(encoding="utf-8"))
        cells = re.findall(r"<td>([0-9A-Z]{2,4})</td>", page)
        key = decode_sheet("".join(cells))
        assert (key.place, public_of(key.private).hex(), sent["place"]) == (2, sent["public"], 2)
        assert words in page
        assert key.private.hex() not in page
        assert not re.search(r"(src|href)=\"(?!data:)", page)
        assert page.count("data:image/svg+xml") == 1


def test_a_sheet_that_the_box_refused_is_gone(tmp_path: Path) -> None:
    """A wrong passphrase leaves no file that would be believed."""
    out = tmp_path / "to.html"
    refused = PassphraseRefused("no", reason="wrong")
    with cli_box(tmp_path, gateway(UNDER_WORDS, holder=refused)) as box:
        assert box.vuon("khoa", "nguoi-giu", "1", "-o", str(out), typed=f"{OLD}\n").code == 1
    assert not out.exists()


def test_nothing_is_overwritten_unasked(tmp_path: Path) -> None:
    """An existing file stops the command before anything is asked or made."""
    out = tmp_path / "to.html"
    out.write_text("mine")
    with cli_box(tmp_path, gateway(UNDER_WORDS)) as box:
        assert box.vuon("khoa", "nguoi-giu", "1", "-o", str(out)).code == 1
        assert box.asked("key.holder") == []
    assert out.read_text() == "mine"


@pytest.mark.parametrize(("verb", "act"), [("dong", "lock"), ("doi-khoa", "rotate")])
def test_the_other_acts(tmp_path: Path, verb: str, act: str) -> None:
    """Lock and rotate do one call each and say what it means."""
    with cli_box(tmp_path, gateway(UNDER_WORDS, lock=Reply(UNDER_WORDS))) as box:
        done = box.vuon("khoa", verb, typed=f"{OLD}\n")
        assert (done.code, len(box.asked(f"key.{act}"))) == (0, 1)
