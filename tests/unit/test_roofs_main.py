"""The `main` of a daemon: what a person can put right ends it with two lines and status 1."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import anyio
import pytest

from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.errors import AddressTaken
from gateway.roofs import gateway, hub, live, recorder
from gateway.roofs.main import Build, run_daemon

DAEMONS = {"gateway": gateway.main, "hub": hub.main, "live": live.main, "recorder": recorder.main}
WRONG = {
    "unknown key": ("[web]\nprot = 1\n", "port"),
    "unknown section": ("[wbe]\nport = 1\n", "web"),
    "value out of range": ("[web]\nport = 70000\n", "70000"),
    "wrong type": ('[recording]\nsegment_s = "long"\n', "recording.segment_s"),
    "no TOML": ("[web\n", "TOML"),
    "plain HTTP in the open": ("[web]\ninsecure_loopback = true\n", "127.0.0.1"),
    "no time zone": ('[site]\ntimezone = "Hanoi"\n', "Asia/Ho_Chi_Minh"),
}


def run(name: str, config: Path, build: Build, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "argv", [f"vuon-{name}", "--config", str(config)])
    return run_daemon(name, build)


def failing(error: BaseException | None) -> Build:
    @asynccontextmanager
    async def build(_config: Config, _clock: Clock) -> AsyncIterator[None]:
        async with anyio.create_task_group():
            if error is not None:
                raise error
            yield

    return build


@pytest.mark.parametrize("daemon", DAEMONS)
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_configuration_ends_each_daemon_with_its_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], daemon: str, wrong: str
) -> None:
    """Two lines: what is wrong (key and value) and what to write; status 1; no traceback."""
    text, names = WRONG[wrong]
    config = tmp_path / "config.toml"
    config.write_text(text)
    monkeypatch.setattr(sys, "argv", [f"vuon-{daemon}", "--config", str(config)])
    try:
        status = DAEMONS[daemon]()
    except SystemExit as ended:
        status = ended.code  # type: ignore[assignment]  # always a number here
    err = capsys.readouterr().err
    assert status == 1
    assert names in err
    assert err.startswith("✘ ")
    assert len(err.splitlines()) == 2
    assert "Traceback" not in err


@pytest.mark.parametrize("daemon", DAEMONS)
def test_a_missing_configuration_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], daemon: str
) -> None:
    """Each daemon says which file it looked for and how to name another."""
    monkeypatch.setattr(sys, "argv", [f"vuon-{daemon}", "--config", str(tmp_path / "no.toml")])
    try:
        status = DAEMONS[daemon]()
    except SystemExit as ended:
        status = ended.code  # type: ignore[assignment]  # always a number here
    err = capsys.readouterr().err
    assert (status, str(tmp_path / "no.toml") in err, "--config" in err) == (1, True, True)


@pytest.mark.parametrize(
    "error",
    [
        PermissionError(13, "Permission denied", "/var/lib/x"),
        OSError(30, "Read-only file system", "/var/lib/x"),
        ExceptionGroup("deep", [ExceptionGroup("er", [FileExistsError(17, "File exists", "/var/lib/x")])]),
    ],
)
def test_a_path_that_cannot_be_used_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    """A state directory of another user, a read-only disk, a file in the way: the path and a remedy."""
    config = tmp_path / "config.toml"
    config.write_text("")
    assert run("x", config, failing(error), monkeypatch) == 1
    err = capsys.readouterr().err
    told = [line for line in err.splitlines() if line.startswith("✘ ")]
    assert len(told) == 1
    assert "/var/lib/x" in told[0]


def test_a_typed_error_of_the_start_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A port that is taken ends the daemon with status 1 and its text."""
    config = tmp_path / "config.toml"
    config.write_text("")
    error = AddressTaken(
        "0.0.0.0:443: Address already in use", case="listen", address="0.0.0.0", port=443, why="in use"
    )
    assert run("x", config, failing(error), monkeypatch) == 1
    assert "0.0.0.0:443: in use" in capsys.readouterr().err


@pytest.mark.parametrize("error", [ZeroDivisionError("a bug"), OSError(5, "Input/output error")])
def test_a_bug_is_not_dressed_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """What no person can put right keeps its traceback."""
    config = tmp_path / "config.toml"
    config.write_text("")
    with pytest.raises(BaseExceptionGroup) as caught:
        run("x", config, failing(error), monkeypatch)
    assert caught.value.split(type(error))[0] is not None


def test_a_daemon_is_entered_with_its_configuration_and_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The build gets what the file says; SIGTERM leaves it; what it gives is what the frame watches."""
    import os
    import signal

    seen: list[str] = []

    class Body:
        def healthy(self) -> bool:
            seen.append("watched")
            os.kill(os.getpid(), signal.SIGTERM)
            return True

    def build(config: Config, _clock: Clock) -> AbstractAsyncContextManager[object]:
        @asynccontextmanager
        async def running() -> AsyncIterator[Body]:
            seen.append(config.site.name)
            yield Body()
            seen.append("left")

        return running()

    config = tmp_path / "config.toml"
    config.write_text('[site]\nname = "Hoa Sen"\n')
    assert run("x", config, build, monkeypatch) == 0
    assert seen == ["Hoa Sen", "watched", "left"]
