"""`vuon run` at a terminal: what runs, where it is opened, what a new box needs next; to a pipe not one line more."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import running
from gateway.cli.context import Context
from gateway.cli.running import Told, beside, options_of
from gateway.core.config import Config
from gateway.core.errors import DaemonUnavailable
from gateway.core.ownaddress import addresses_of, names_of
from tests.fakes.cli_box import cli_box, vuon

NAMES = ["vuon.local", "vuon", "127.0.0.1", "192.168.1.5", "169.254.7.7"]
PRINCIPAL = {"id": "p" * 16, "name": "Cô Hà", "role": "principal", "disabled": False, "classes": []}
TEACHER = PRINCIPAL | {"id": "t" * 16, "role": "teacher"}


@pytest.fixture(params=["vi"])
def told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Told]:
    """What says it, in a language."""
    monkeypatch.setenv("VUON_LANG", request.param)
    with cli_box(tmp_path, {}):
        yield Told(Context(None, tmp_path), NAMES, " --config /srv/box.toml")


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("vi", ("Trường Hoa Sen", "Mở bằng trình duyệt", "chưa thiết lập", "mã thiết lập", "Nhật ký")),
        ("en", ("Trường Hoa Sen", "Open in a browser", "not set up", "setup code", "The log")),
    ],
    indirect=["told"],
)
def test_a_new_box_says_what_it_is_and_what_comes_next(
    told: Told, words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the first line of the log: what runs, each address, the log, and the commands for this very box."""
    told.opening(new=True)
    text = capsys.readouterr().out
    assert all(word in text for word in words), text
    assert "https://vuon.local" in text
    assert "https://192.168.1.5" in text
    assert ("127.0.0.1" in text, "169.254" in text) == (False, False)
    commands = [line.strip() for line in text.splitlines() if line.startswith("  vuon ")]
    assert [line.split()[1] for line in commands] in (["tai-khoan", "ma"], ["people", "code"])
    assert all(line.endswith(" --config /srv/box.toml") for line in commands)
    assert "https://vuon.local/vao" in text.splitlines()[-1]


def test_a_box_that_was_there_before_says_nothing_of_setting_up(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    """Not before the gateway was asked."""
    told.opening(new=False)
    lines = capsys.readouterr().out.splitlines()
    assert (len(lines), any("thiết lập" in line for line in lines)) == (3, False)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("people", "first", "said"),
    [
        ([], True, 0),
        ([], False, 1),
        ([TEACHER, PRINCIPAL | {"disabled": True}], False, 1),
        ([PRINCIPAL], False, 0),
    ],
)
async def test_when_the_gateway_answers_that_is_said_and_what_is_missing_once(
    told: Told, people: list[dict[str, Any]], first: bool, said: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is asked again until it does; whoever has a principal reads one line."""
    refusals = [DaemonUnavailable("not yet"), DaemonUnavailable("not yet")]
    waited: list[float] = []

    async def ask() -> dict[str, Any]:
        if refusals:
            raise refusals.pop()
        return {"people": people}

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    told.opening(new=first)
    capsys.readouterr()
    await told.when_ready(ask, sleep)
    lines = capsys.readouterr().out.splitlines()
    assert "Hộp đã trả lời" in lines[0]
    assert (len(waited), sum("chưa thiết lập" in line for line in lines)) == (2, said)


def _no_fault(name: str, error: BaseException) -> None:
    raise AssertionError(name) from error


@pytest.mark.anyio
async def test_what_is_said_beside_ends_with_the_box() -> None:
    """A gateway that never answers does not keep the terminal from stopping."""
    steps: list[str] = []

    @contextlib.asynccontextmanager
    async def body() -> AsyncIterator[str]:
        steps.append("started")
        yield "running"
        steps.append("stopped")

    async def never() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            steps.append("silent")

    async with beside(body(), never, on_fault=_no_fault) as running_body:
        await anyio.lowlevel.checkpoint()
        assert running_body == "running"
    assert steps == ["started", "silent", "stopped"]


@pytest.mark.anyio
async def test_a_terminal_that_is_gone_does_not_stop_the_box() -> None:
    """The line of greeting fails, that is told, and what records goes on until it is stopped."""
    faults: list[tuple[str, BaseException]] = []
    told, steps = anyio.Event(), list[str]()

    @contextlib.asynccontextmanager
    async def body() -> AsyncIterator[None]:
        yield
        steps.append("stopped")

    async def gone() -> None:
        raise OSError(errno.EIO, "Input/output error")

    def fault(name: str, error: BaseException) -> None:
        faults.append((name, error))
        told.set()

    async with beside(body(), gone, on_fault=fault):
        await told.wait()
        for _ in range(5):
            await anyio.lowlevel.checkpoint()  # a cancelled group would end here
        steps.append("running")
    assert steps == ["running", "stopped"]
    assert [(name, getattr(error, "errno", 0)) for name, error in faults] == [("words", errno.EIO)]


@contextlib.contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A true terminal as standard output; what was printed there is in the list after the block."""
    ours, theirs = pty.openpty()
    printed: list[str] = []
    with (
        os.fdopen(ours, "rb", buffering=0) as master,
        os.fdopen(theirs, "w", encoding="utf-8") as out,
        monkeypatch.context() as m,
    ):
        m.setattr(sys, "stdout", out)
        yield printed
        out.flush()
        os.set_blocking(ours, False)
        printed.append((master.read(1 << 16) or b"").decode())


@pytest.mark.parametrize("serves", [True, False])
def test_at_a_terminal_the_addresses_are_those_of_the_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, serves: bool
) -> None:
    """The whole command: the names that certificate and hosts have, none of the machine's; it says and then serves."""
    served: list[str] = []

    async def serve(body: AbstractAsyncContextManager[object]) -> None:
        served.append(type(body).__name__)

    monkeypatch.setattr(running, "serve", serve)
    monkeypatch.setattr("gateway.core.ownaddress.own_names", lambda: ["box.local", "box", "172.17.0.1", "192.168.1.5"])
    with cli_box(tmp_path, {}):
        (tmp_path / "state").mkdir()
        with (tmp_path / "config.toml").open("a", encoding="utf-8") as file:
            names = 'names = ["camera.hoasen.edu.vn", "camera", "127.0.0.1"]\n' if serves else ""
            file.write(f'[web]\nlisten = "192.168.1.5"\n{names}')
        with terminal(monkeypatch) as printed:
            running.run(None, tmp_path)
    (text,) = printed
    assert "Trường Hoa Sen" in text
    told = {word.rstrip(".,") for word in text.split() if word.startswith("https://")}
    given = {"https://camera.hoasen.edu.vn", "https://camera", "https://camera.hoasen.edu.vn/vao"}
    own = {"https://box.local", "https://192.168.1.5", "https://box.local/vao"}
    assert (told, len(served)) == (given if serves else own, 1)


def test_a_pipe_gets_the_daemons_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As before: the log is JSON for a machine, standard output is empty."""
    served: list[object] = []

    async def serve(body: object) -> None:
        served.append(body)

    monkeypatch.setattr(running, "serve", serve)
    with cli_box(tmp_path, {}):
        (tmp_path / "state").mkdir()
        done = vuon("run", "--data", str(tmp_path))
    assert (done.code, done.out) == (0, "")
    assert [type(body).__name__ for body in served] == ["Children"]


def test_the_addresses_are_those_that_others_can_reach() -> None:
    """A name of the network first, then its addresses; a trial on loopback has one."""
    assert addresses_of(Config.model_validate({"site": {"name": "x"}}), NAMES) == [
        "https://vuon.local", "https://192.168.1.5"
    ]  # fmt: skip
    web = {"listen": "127.0.0.1", "port": 8080, "insecure_loopback": True}
    assert addresses_of(Config.model_validate({"site": {"name": "x"}, "web": web}), NAMES) == ["http://127.0.0.1:8080"]


def test_an_address_that_nobody_listens_on_is_not_told() -> None:
    """A box that listens on one of its addresses has that one; on loopback no other machine gets in by any name."""
    names = ["box.local", "box", "127.0.0.1", "192.168.1.5", "172.17.0.1", "10.9.0.2"]

    def told(listen: str, given: Sequence[str] = ()) -> list[str]:
        web = {"listen": listen, "names": list(given)}
        return addresses_of(Config.model_validate({"site": {"name": "x"}, "web": web}), list(given) or names)

    assert told("192.168.1.5") == ["https://box.local", "https://192.168.1.5"]
    assert told("0.0.0.0") == ["https://box.local", *(f"https://{name}" for name in names[3:])]
    assert told("127.0.0.1") == ["https://127.0.0.1"]
    behind = told("127.0.0.1", ["camera.hoasen.edu.vn", "localhost", "10.9.0.2"])
    assert behind == ["https://camera.hoasen.edu.vn"], "what stands before it is asked by that name"


@given(st.lists(st.sampled_from(["a.edu.vn", "a", "10.0.0.1", "10.0.0.2", "127.0.0.1"]), max_size=4, unique=True))
def test_what_is_told_is_what_the_gateway_answers_to(given_names: list[str]) -> None:
    """Each address that is told is one of the names of certificate and hosts, whatever is configured."""
    config = Config.model_validate({"site": {"name": "x"}, "web": {"listen": "10.0.0.1", "names": given_names}})
    names = names_of(config.web.names)
    assert {url.removeprefix("https://") for url in addresses_of(config, names)} <= set(names)
    assert names == (given_names or names_of(()))


def test_commands_for_another_window_name_the_box() -> None:
    """The system's own needs no option; any other is named whole, and quoted."""
    assert options_of(Path("/etc/vuon/config.toml")) == ""
    assert options_of(Path("/srv/my box/config.toml")) == " --config '/srv/my box/config.toml'"
