"""What every command needs: the configuration, the sockets, the words, and how errors are shown.

Owns the lookup of config.toml and the frame around a command. Invariants: whatever a person can put right
becomes two lines (what, what next) on stderr and exit status 1, never a traceback; texts come from the
catalogue and names from the school, neither is read as markup; JSON is printed whole, without colour and
without wrapping; the CLI opens no database and no footage of a box, it asks the daemons.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import sys
from collections.abc import Callable, Coroutine, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NoReturn, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.status import Status

from gateway.cli.show import wrap
from gateway.core.config import Config, load_config
from gateway.core.daemonize import explain
from gateway.core.errors import BadInput, DaemonUnavailable, VuonError
from gateway.core.i18n import DEFAULT_LANGUAGE, Catalogue, catalogue
from gateway.core.wire import ControlClient

P = ParamSpec("P")
T = TypeVar("T")

SYSTEM_CONFIG = Path("/etc/vuon/config.toml")
DEMO_DATA = Path("demo-data")
CONFIG_ENV, LANGUAGE_ENV = "VUON_CONFIG", "VUON_LANG"
PIPED_COLUMNS = 160
"""Tables that go into a file or a pipe are not cut to a terminal's width."""

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help=f"Tệp cấu hình · config.toml (${CONFIG_ENV})", show_default=False)
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Thư mục dữ liệu của bản demo · data directory of a demo", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="In JSON cho máy đọc · print JSON")]


def find_config(config: Path | None, data: Path | None, *, system: Path = SYSTEM_CONFIG) -> Path:
    """Return the file to read: --config, --data, $VUON_CONFIG, the system's, or the demo's in this directory."""
    if config is not None:
        return config
    if data is not None:
        return data / "config.toml"
    if named := os.environ.get(CONFIG_ENV):
        return Path(named)
    if not system.exists() and (DEMO_DATA / "config.toml").exists():
        return DEMO_DATA / "config.toml"
    return system


def plain_console(*, stderr: bool = False) -> Console:
    """Return a console that prints names as they are: no markup, no emoji codes, no guessed highlights."""
    target = sys.stderr if stderr else sys.stdout
    columns = None if target.isatty() or "COLUMNS" in os.environ else PIPED_COLUMNS
    return Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=columns)


class Context:
    """One command's view of the box."""

    def __init__(self, config: Path | None, data: Path | None) -> None:
        self.config_path = find_config(config, data)
        self.console = plain_console()
        self._shown: Status | None = None
        """What says on the terminal that it takes a while."""

    @cached_property
    def config(self) -> Config:
        """The box's configuration; raises ConfigError."""
        return load_config(self.config_path)

    @cached_property
    def words(self) -> Catalogue:
        """The catalogue of the person at the terminal: $VUON_LANG, else the site's language."""
        return catalogue(os.environ.get(LANGUAGE_ENV) or self.config.site.language)

    def client(self, daemon: str) -> ControlClient:
        """Return a client of a daemon's control socket: recorder, live, gateway or hub."""
        return ControlClient(self.config.paths.socket(daemon), daemon)

    async def ask(self, daemon: str, method: str, params: dict[str, Any], *, timeout_s: float = 15.0) -> dict[str, Any]:
        """Call a daemon once and return its answer."""
        async with self.client(daemon) as client:
            return (await client.call(method, params, timeout_s=timeout_s)).result

    def say(self, key: str, **values: object) -> None:
        """Print a text of the catalogue."""
        self.line(self.words.text(key, **values))

    def line(self, text: str, style: str | None = None) -> None:
        """Print lines; a terminal gets them broken between words, what has no spaces (addresses) stays whole."""
        shown = wrap(text, self.console.width) if self.console.is_terminal else text
        self.console.print(shown, style=style, soft_wrap=True)

    def json(self, value: object) -> None:
        """Print JSON for a program."""
        typer.echo(json.dumps(value, ensure_ascii=False, indent=2))

    @contextlib.contextmanager
    def waiting(self, key: str) -> Iterator[Callable[[str], None]]:
        """Say that it takes a while, on a terminal only and never into the output; gives what changes the words."""
        console = plain_console(stderr=True)
        if not console.is_terminal:
            yield lambda text: None  # noqa: ARG005 - nobody reads it
            return
        with console.status(self.words.text(key)) as self._shown:
            yield self._shown.update

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a command's coroutine; a typed error ends the program with its remedy."""
        try:
            return asyncio.run(work)
        except VuonError as error:
            if self._shown is not None:  # else the remedy would stand behind the wheel that turns
                self._shown.stop()
            fail(error, self.words.language)


def fail(error: VuonError, language: str | None = None) -> NoReturn:
    """Print an error for a person and exit with status 1."""
    told(error, language)
    raise typer.Exit(1) from error


def told(error: VuonError, language: str | None = None) -> None:
    """Print an error for a person: what is wrong, and what to do."""
    if isinstance(error, DaemonUnavailable) and isinstance(error.__cause__, PermissionError):
        error.fields["case"] = "socket"
    console = plain_console(stderr=True)
    text = explain(error, language or os.environ.get(LANGUAGE_ENV) or DEFAULT_LANGUAGE)
    console.print(wrap(text, console.width) if console.is_terminal else text, soft_wrap=True)


def _why(error: OSError) -> str:
    """Return what is wrong with a file, in the person's language where the system's word is a usual one."""
    words = catalogue(os.environ.get(LANGUAGE_ENV) or DEFAULT_LANGUAGE)
    usual = ((FileNotFoundError, "missing"), (PermissionError, "denied"), (IsADirectoryError, "folder"))
    key = next((name for kind, name in usual if isinstance(error, kind)), "")
    return words.text(f"cli.os.{key}") if key else error.strerror or "?"


def guarded(command: Callable[P, T]) -> Callable[P, T]:
    """Wrap a command: what a person can put right is explained, also a file that cannot be used."""

    @functools.wraps(command)
    def inner(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except VuonError as error:
            fail(error)
        except OSError as error:
            if error.filename is None:
                raise
            why = _why(error)
            fail(BadInput(f"{error.filename}: {why}", case="path", path=str(error.filename), why=why))

    return inner
