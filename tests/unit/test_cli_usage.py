"""A command line that cannot be understood: said in the reader's language, with the verb and the remedy, status 2."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from gateway.cli import context as ctx
from gateway.cli.app import COMMANDS, app
from gateway.cli.usage import Verb, Verbs, nearest
from tests.fakes.cli_box import Result, cli_box, vuon

ENGLISH = ("No such", "Missing", "Invalid", "Got unexpected", "Usage:", "Try ", "Error", "Did you mean", "Input")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(ctx.CONFIG_ENV, raising=False)
    monkeypatch.chdir(tmp_path)


def refused(*arguments: str, language: str = "vi") -> Result:
    """Run it; it must end with status 2 and two lines that say what is wrong and what to do."""
    done = vuon(*arguments, VUON_LANG=language)
    assert done.code == 2, arguments
    assert done.out == "", arguments
    what, remedy = done.err.splitlines()
    assert what.startswith("✘ "), arguments
    assert remedy.startswith("  → "), arguments
    assert "--help" in remedy, arguments
    return done


@pytest.mark.parametrize(
    ("line", "vietnamese", "english"),
    [
        (["quyenn"], ["không có lệnh “vuon quyenn”", "“vuon quyen”"], ["no command", "“vuon quyen”"]),
        (["tạm-ẩn"], ["“vuon tam-an”"], ["“vuon tam-an”"]),
        (["prevew"], ["“vuon preview”"], ["Did you mean “vuon preview”?"]),
        (["khoa", "moo"], ["“vuon khoa moo”", "“vuon khoa mo”", "vuon khoa --help"], ["“vuon khoa mo”"]),
        (["xac-minh"], ["“vuon nhat-ky xac-minh”"], ["“vuon nhat-ky xac-minh”"]),
        (["hub", "claimm"], ["“vuon hub claim”"], ["“vuon hub claim”"]),
        (["tam-an"], ["“vuon tam-an” còn thiếu: Tên lớp"], ["“vuon tam-an” lacks: class"]),
        (["tam-an", "Lớp", "Mầm"], ["không cần phần “Mầm”", "dấu nháy"], ["no use for “Mầm”", "quotes"]),
        (["tam-an", "x", "--phut", "0"], ["--phut / --minutes", "“0”", "từ 1 đến 1440"], ["from 1 to 1440"]),
        (["tam-an", "x", "--phut", "a"], ["“a”", "từ 1 đến 1440"], ["“a”", "from 1 to 1440"]),
        (["demo", "--for", "0.5"], ["--for", "“0.5”", "từ 1 trở lên"], ["1 or more"]),
        (["quy-dinh", "x", "--phut", "a"], ["“a”", "số nguyên"], ["whole number"]),
        (["ban-giao", "--lang", "fr"], ["“fr”", "một trong: vi, en"], ["one of: vi, en"]),
        (["trich-xuat", "x", "--stream", "y"], ["“y”", "một trong: main, sub"], ["one of: main, sub"]),
        (["khoa", "nguoi-giu", "3"], ["Tờ số 1 hay 2", "“3”", "từ 1 đến 2"], ["which of the two sheets"]),
        (["tim", "--jso"], ["“vuon tim” không có lựa chọn “--jso”", "“--json”"], ["“--json”"]),
        (["tim", "--json=1"], ["--json không đi với giá trị"], ["--json takes no value"]),
        (["lop", "--doi-ten", "a"], ["sau --doi-ten còn thiếu"], ["--doi-ten lacks its value"]),
        (["--hlp"], ["“--hlp”", "“--help”"], ["“--help”"]),
        (["zzzzzzzz"], ["“vuon zzzzzzzz”"], ["vuon --help"]),
    ],
)
def test_what_is_wrong_is_said_in_the_readers_language(
    line: list[str], vietnamese: list[str], english: list[str]
) -> None:
    """Verb, key, value and remedy, in Vietnamese without an English word of the parser's, and in English."""
    said = refused(*line).err
    assert all(part in said for part in vietnamese), said
    assert not any(part in said for part in ENGLISH), said
    said = refused(*line, language="en").err
    assert all(part in said for part in english), said


def test_the_language_is_chosen_as_for_every_other_error(tmp_path: Path) -> None:
    """$VUON_LANG, else the site's language from the configuration that the line names, else Vietnamese."""
    with cli_box(tmp_path, {}):
        path = tmp_path / "config.toml"
        path.write_text(path.read_text(encoding="utf-8").replace("[paths]", 'language = "en"\n[paths]'))
        for said in (("--data", str(tmp_path)), ("--config", str(path)), (f"--config={path}",)):
            assert "Did you mean" in refused("quyenn", *said, language="").err
            assert "has no option" in refused("quyen", *said, "--nope", language="").err
        assert "Có phải" in refused("quyenn", "--data", str(tmp_path), language="vi").err
        assert "Có phải" in refused("quyenn", language="").err
    assert "Có phải" in refused("quyenn", "--data", str(tmp_path / "nowhere"), language="").err


def commands(group: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every group and command with its path."""
    yield before, group
    for name, command in getattr(group, "commands", {}).items():
        yield from commands(command, (*before, name))


def test_every_command_and_group_answers_so() -> None:
    """None is left with the parser's own English: all are of our two classes."""
    found = list(commands(typer.main.get_command(app)))
    assert len(found) > 2 * len(COMMANDS)
    for path, command in found:
        assert type(command) in {Verb, Verbs}, path
        assert isinstance(command, Verbs) is hasattr(command, "commands"), path


def test_asking_for_help_is_no_mistake() -> None:
    """--help ends well; a group without a verb shows its verbs."""
    assert vuon("tam-an", "--help").code == 0
    assert vuon("khoa", "--help").code == 0
    assert "tam-an" in vuon().out + vuon().err
    assert "phuc-hoi" in vuon("khoa").out + vuon("khoa").err


def test_nothing_is_done_and_nothing_but_words_is_printed(tmp_path: Path) -> None:
    """No daemon is asked; what was typed cannot write onto the terminal."""
    with cli_box(tmp_path, {"gateway": {"class.hide": {}}}) as box:
        assert box.vuon("tam-an", "Mầm 1", "--phut", "0").code == 2
        assert box.vuon("tam-an", "Mầm", "1").code == 2
        assert box.calls == []
    assert "\x1b" not in refused("\x1b[31mred").err


VERBS = {name: name for pair in COMMANDS for name in pair[:2] if name is not None}


@given(st.sampled_from(sorted(VERBS)), st.data())
def test_a_slip_of_one_letter_finds_a_verb(verb: str, data: st.DataObject) -> None:
    """One letter left out, doubled or in capitals: some verb is proposed, and an exact one is itself."""
    at = data.draw(st.integers(0, len(verb) - 1))
    assert nearest(verb, VERBS) == verb
    assert nearest(verb.upper(), VERBS) == verb
    assert nearest(verb[:at] + verb[at] + verb[at:], VERBS)
    assert len(verb) < 4 or nearest(verb[:at] + verb[at + 1 :], VERBS)


@given(st.text(max_size=40))
def test_no_word_breaks_the_search(word: str) -> None:
    """Whatever was typed, the answer is a verb or nothing."""
    assert nearest(word, VERBS) in {"", *VERBS}


HEADINGS = (
    "Usage",
    "Options",
    "Commands",
    "Arguments",
    "[default",
    "[required",
    "Show this message",
    "OPTIONS",
    "ARGS",
)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (["--help"], ["Cách dùng: ", "[TÙY CHỌN] LỆNH [THAM SỐ]...", "─ Tùy chọn ─", "─ Lệnh ─", "Xem hướng dẫn này"]),
        (["khoa"], ["Cách dùng: ", "─ Lệnh ─"]),
        (["hub", "ghi-danh", "--help"], ["─ Tham số ─", "[bắt buộc]"]),
        (["demo", "--help"], ["[mặc định: 4]", "─ Tùy chọn ─"]),
    ],
)
def test_help_is_in_the_readers_language(line: list[str], words: list[str]) -> None:
    """Headings, what is required, what stands if nothing is said; and in English again after that."""
    said = vuon(*line, VUON_LANG="vi", COLUMNS="120", TERM="dumb")
    assert all(word in said.out for word in words), said.out
    assert [word for word in HEADINGS if word in said.out] == []
    english = vuon(*line, VUON_LANG="en", COLUMNS="120", TERM="dumb").out
    assert "Usage: " in english
    assert not any(word in english for word in ("Cách dùng", "Tùy chọn ─", "[mặc định", "[bắt buộc]"))


def test_help_is_in_the_language_of_the_box_that_is_named(tmp_path: Path) -> None:
    """As every other word of the command line."""
    with cli_box(tmp_path, {}):
        path = tmp_path / "config.toml"
        path.write_text(path.read_text(encoding="utf-8").replace("[paths]", 'language = "en"\n[paths]'))
        assert "Usage: " in vuon("tim", "--data", str(tmp_path), "--help", VUON_LANG="").out
        assert "Cách dùng: " in vuon("tim", "--help", VUON_LANG="").out


def test_whoever_breaks_off_is_told_so_in_their_language(monkeypatch: pytest.MonkeyPatch) -> None:
    """The input ends where a yes or a password was asked for."""
    mine = typer.Typer(cls=Verbs)

    @mine.command("hoi", cls=Verb)
    def asks() -> None:
        typer.prompt("?")

    @mine.command("khac", cls=Verb)
    def other() -> None:
        raise AssertionError

    for language, words in (("vi", "Đã dừng."), ("en", "Aborted.")):
        monkeypatch.setenv(ctx.LANGUAGE_ENV, language)
        done = CliRunner().invoke(mine, ["hoi"], input="")
        assert (done.exit_code, words in done.stderr) == (1, True), done.output
