"""The frame around each command: which configuration, which words, how errors end."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from typer.core import TyperGroup

from gateway.cli import context as ctx
from gateway.cli.app import COMMANDS, app
from gateway.core.daemonize import explain
from gateway.core.errors import (
    BadInput,
    CameraLoginRefused,
    CameraUnsupported,
    DaemonUnavailable,
    NotFound,
    VuonError,
    WireError,
)
from tests.fakes.cli_box import all_well, camera, cli_box, columns_of, vuon

PATHS = st.one_of(st.none(), st.sampled_from([Path("a.toml"), Path("b/c.toml")]))
FOLDERS = st.one_of(st.none(), st.sampled_from([Path("d"), Path("e/f")]))


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(ctx.CONFIG_ENV, raising=False)
    monkeypatch.delenv(ctx.LANGUAGE_ENV, raising=False)
    monkeypatch.chdir(tmp_path)


@given(PATHS, FOLDERS)
def test_what_is_said_on_the_command_line_wins(config: Path | None, data: Path | None) -> None:
    """--config before --data, and both before anything that merely lies around."""
    found = ctx.find_config(config, data)
    if config is not None:
        assert found == config
    elif data is not None:
        assert found == data / "config.toml"


def test_the_environment_is_older_than_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    """$VUON_CONFIG counts only if neither option is given."""
    monkeypatch.setenv(ctx.CONFIG_ENV, "env.toml")
    assert ctx.find_config(None, None) == Path("env.toml")
    assert ctx.find_config(None, Path("d")) == Path("d/config.toml")
    assert ctx.find_config(Path("c.toml"), None) == Path("c.toml")


def test_a_demo_here_is_found_only_where_there_is_no_box(tmp_path: Path) -> None:
    """The system's configuration comes before the demo's; without either the system's is named in the error."""
    system = tmp_path / "etc.toml"
    assert ctx.find_config(None, None, system=system) == system
    (tmp_path / "demo-data").mkdir()
    (tmp_path / "demo-data" / "config.toml").touch()
    assert ctx.find_config(None, None, system=system) == Path("demo-data/config.toml")
    system.touch()
    assert ctx.find_config(None, None, system=system) == system


def test_every_command_explains_a_missing_configuration(tmp_path: Path) -> None:
    """Two lines on stderr, nothing on stdout, no good status: for each command that reads the configuration."""
    arguments = {"nhan": ["10.0.0.1", "--user", ""], "kich-hoat": ["10.0.0.1"], "chia-se": ["dung"]}
    for name in (
        "mat-khau-camera",
        "cai-dat-camera",
        "go-camera",
        "phieu",
        "in-phieu",
        "gio-xem",
        "tam-an",
        "dan-tuong",
        "thu-hoi",
        "quy-dinh",
    ):
        arguments[name] = ["x"]
    arguments["trich-xuat"], arguments["xoa"] = ["1/2.seg"], ["--camera", "x"]
    for name, alias, _ in COMMANDS:
        if name in {"demo", "phien-ban"}:
            continue
        for verb in filter(None, (name, alias)):
            typed = "secret\n" if name == "mat-khau-camera" else ""
            done = vuon(verb, *arguments.get(name, []), "--data", str(tmp_path / "nowhere"), typed=typed)
            assert done.code == (2 if name == "kiem-tra" else 1), verb  # its 1 means that something is wrong
            assert done.out == "", verb
            assert len(done.err.splitlines()) == 2, verb
            assert "nowhere/config.toml" in done.err, verb


@pytest.mark.parametrize(
    ("text", "names"),
    [("[web]\nprot = 1\n", "port"), ("[web]\nport = 99999\n", "99999"), ("=", "TOML"), ("[nope]\nx = 1\n", "nope")],
)
def test_a_wrong_configuration_names_its_key(tmp_path: Path, text: str, names: str) -> None:
    """The message names what is wrong and what to write, never a traceback."""
    (tmp_path / "config.toml").write_text(text)
    done = vuon("status", "--data", str(tmp_path))
    assert done.code == 1
    assert names in done.err
    assert "→" in done.err


def test_a_daemon_that_is_away_is_named_with_the_way_to_start_it(tmp_path: Path) -> None:
    """`vuon-gateway` and `vuon run` are in the two lines."""
    with cli_box(tmp_path, {}) as box:
        done = box.vuon("code")
    assert done.code == 1
    assert "vuon-gateway" in done.err
    assert "vuon run" in done.err


def test_errors_come_in_the_schools_language(tmp_path: Path) -> None:
    """Without $VUON_LANG the site's language is spoken, Vietnamese if it cannot be read."""
    with cli_box(tmp_path, {}) as box:
        path = tmp_path / "config.toml"
        path.write_text(path.read_text(encoding="utf-8").replace("[paths]", 'language = "en"\n[paths]'))
        assert "does not answer" in box.vuon("code", VUON_LANG="").err
    assert "Cấu hình chưa đúng" in vuon("code", "--data", str(tmp_path / "no"), VUON_LANG="").err


def test_a_socket_one_may_not_open_asks_for_sudo(capsys: pytest.CaptureFixture[str]) -> None:
    """No permission is another thing than no daemon."""
    error = DaemonUnavailable("no answer", service="gateway")
    error.__cause__ = PermissionError(13, "Permission denied")
    with pytest.raises(typer.Exit) as ended:
        ctx.fail(error, "en")
    assert ended.value.exit_code == 1
    assert "sudo" in capsys.readouterr().err


def test_a_file_that_cannot_be_used_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    """An OSError with a name becomes two lines; one without is a bug and passes."""

    def named() -> None:
        raise PermissionError(13, "Permission denied", "/box/file")

    def nameless() -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(typer.Exit):
        ctx.guarded(named)()
    assert "/box/file: không được phép" in capsys.readouterr().err
    with pytest.raises(OSError, match="Input/output"):
        ctx.guarded(nameless)()


def test_typed_errors_of_a_daemon_keep_their_remedy(tmp_path: Path) -> None:
    """A refused camera password is told with what to do, and what crossed the wire is not markup."""
    refused = CameraLoginRefused("the camera said [401] no")
    with cli_box(tmp_path, {"recorder": {"adopt": refused}}) as box:
        done = box.vuon("adopt", "10.0.0.9", typed="pw\n")
    assert done.code == 1
    assert "[401]" in done.err
    assert "camera-password" in done.err


@pytest.mark.parametrize("language", ["vi", "en"])
def test_a_case_is_told_in_the_readers_language(language: str) -> None:
    """The catalogue's text takes the fields; a field that is missing falls back to the message."""
    whole = explain(BadInput("english", case="weekday", value="9"), language)
    assert "9" in whole
    assert "english" not in whole
    assert "english" in explain(BadInput("english", case="weekday"), language)
    assert "english" in explain(BadInput("english", case="of another version"), language)


def test_what_names_nothing_is_told_without_a_word_of_english() -> None:
    """A NotFound has one English message, which says no more than the title: a Vietnamese reader gets the title."""
    nothing = NotFound("there is no such visit")
    assert explain(nothing, "vi").splitlines()[0] == "✘ Không tìm thấy"
    assert explain(nothing, "en").splitlines()[0].endswith(": there is no such visit")
    named = CameraUnsupported("nothing here speaks ONVIF", case="no_onvif", address="10.0.0.7")
    assert "máy ở 10.0.0.7 có trả lời nhưng không nói ONVIF" in explain(named, "vi")


def test_a_remedy_does_not_stand_behind_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a terminal the line that says "asking" is taken away before an error is told."""
    told = io.StringIO()

    def terminal(*, stderr: bool = False) -> Console:
        return Console(file=told, force_terminal=True, highlight=False, markup=False, width=80)

    async def refused() -> None:
        raise NotFound("nothing")

    monkeypatch.setattr(ctx, "plain_console", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv(ctx.LANGUAGE_ENV, "vi")
    context = ctx.Context(tmp_path / "none.toml", None)
    with pytest.raises(typer.Exit), context.waiting("cli.adopt.running"):
        context.run(refused())
    assert told.getvalue().partition("✘")[0].endswith("\r\x1b[1A\x1b[2K")


def test_names_with_brackets_are_not_markup(tmp_path: Path) -> None:
    """`Lớp [bold]` and `:smile:` are shown as they are, in lines and in tables."""
    name = "Lớp [bold] A :smile: [/]"
    with cli_box(tmp_path, all_well(camera(name)), name="Trường [red]Sen[/red]") as box:
        done = box.vuon("status")
    assert done.code == 0
    assert name in done.out
    assert "Trường [red]Sen[/red]" in done.out


def test_json_is_whole_plain_and_alone(tmp_path: Path) -> None:
    """Names longer than a line, brackets and colour forced on: stdout is JSON and nothing else."""
    with cli_box(tmp_path, all_well(camera("Lớp " + "dài " * 60 + "[x]"))) as box:
        done = box.vuon("status", "--json", FORCE_COLOR="1", COLUMNS="40")
    assert done.json()["cameras"][0]["name"].endswith("[x]")
    assert "\x1b" not in done.out
    assert done.err == ""


def test_a_pipe_gets_lines_that_are_not_broken(tmp_path: Path) -> None:
    """A slip's address goes into a file on one line."""
    url = "https://box.local/p/moi#" + "s" * 150
    with cli_box(
        tmp_path, {"gateway": {"slip.new": {"url": url, "code": "ABCD-EFGH-JKLM", "days": 7, "checked": True}}}
    ) as box:
        done = box.vuon("slip", "Lan")
    assert url in done.out.split()
    assert columns_of(done.out) > 150


def test_a_daemon_of_another_version_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    """A peer that speaks another protocol ends a command like any other error."""
    with cli_box(tmp_path, {"gateway": {"code.new": WireError("protocol 2")}}) as box:
        done = box.vuon("code")
    assert (done.code, len(done.err.splitlines())) == (1, 2)


def test_no_argument_takes_a_secret() -> None:
    """No command has an option or argument for a password, code or secret: argv is for everybody's eyes."""
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    secret = ("password", "mat-khau", "secret", "token", "code")
    for name, _, _ in COMMANDS:
        for argument in root.commands[name].params:
            takes_text = not getattr(argument, "is_flag", False)
            words = [word for word in argument.opts if any(part in word for part in secret)]
            assert not (takes_text and words), (name, words)


def test_unknown_options_are_refused_without_a_traceback() -> None:
    """A typing error on the command line ends with status 2 and a hint at --help."""
    done = vuon("status", "--jsno")
    assert done.code == 2
    assert "--help" in done.err


def test_the_console_of_a_pipe_is_wide_and_plain(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a terminal tables have room; $COLUMNS is obeyed."""
    assert ctx.plain_console().width == ctx.PIPED_COLUMNS or "COLUMNS" in os.environ
    ctx.plain_console().print("[b]x[/b] :warning:")
    assert capsys.readouterr().out == "[b]x[/b] :warning:\n"


def test_a_context_speaks_the_persons_language(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """$VUON_LANG wins over the site's language."""
    (tmp_path / "config.toml").write_text('[site]\nlanguage = "vi"\n')
    assert ctx.Context(None, tmp_path).words.language == "vi"
    monkeypatch.setenv(ctx.LANGUAGE_ENV, "en")
    assert ctx.Context(None, tmp_path).words.language == "en"


def test_run_gives_back_what_the_work_gave(tmp_path: Path) -> None:
    """The value of a coroutine comes out; an error that is nobody's to put right passes as it is."""
    (tmp_path / "config.toml").write_text("")

    async def work(fails: type[Exception] | None = None) -> int:
        if fails is not None:
            raise fails("x")
        return 7

    frame = ctx.Context(None, tmp_path)
    assert frame.run(work()) == 7
    with pytest.raises(typer.Exit):
        frame.run(work(VuonError))
    with pytest.raises(ZeroDivisionError):
        frame.run(work(ZeroDivisionError))


def test_json_keeps_vietnamese_letters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names are readable in JSON too."""
    (tmp_path / "config.toml").write_text("")
    ctx.Context(None, tmp_path).json({"tên": "Lớp Mầm"})
    out = capsys.readouterr().out
    assert "Lớp Mầm" in out
    assert json.loads(out) == {"tên": "Lớp Mầm"}
