"""What every command needs: the configuration, the sockets, the words, and how errors are shown.

Owns the lookup of config.toml and the frame around a command. Invariants: a typed error becomes two lines
(what, what next) and exit status 1, never a traceback; texts come from the catalogue; the CLI opens no
database and no footage, it asks the daemons.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Coroutine
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from gateway.core.config import Config, load_config
from gateway.core.daemonize import explain
from gateway.core.errors import VuonError
from gateway.core.i18n import Catalogue, catalogue
from gateway.core.wire import ControlClient

T = TypeVar("T")

SYSTEM_CONFIG = Path("/etc/vuon/config.toml")
DEMO_DATA = Path("demo-data")

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="config.toml · tệp cấu hình", envvar="VUON_CONFIG", show_default=False)
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Thư mục dữ liệu của bản demo · data directory of a demo", show_default=False),
]
JsonOption = Annotated[bool, typer.Option("--json", help="In JSON cho máy đọc · print JSON")]


def find_config(config: Path | None, data: Path | None) -> Path:
    """Return the file to read: --config, --data, the system's, or the demo's in this directory."""
    if config is not None:
        return config
    if data is not None:
        return data / "config.toml"
    if not SYSTEM_CONFIG.exists() and (DEMO_DATA / "config.toml").exists():
        return DEMO_DATA / "config.toml"
    return SYSTEM_CONFIG


class Context:
    """One command's view of the box."""

    def __init__(self, config: Path | None, data: Path | None) -> None:
        self.config_path = find_config(config, data)
        self.console = Console(highlight=False)

    @cached_property
    def config(self) -> Config:
        """The box's configuration; raises ConfigError."""
        return load_config(self.config_path)

    @cached_property
    def words(self) -> Catalogue:
        """The catalogue of the person at the terminal: $VUON_LANG, else the site's language."""
        return catalogue(os.environ.get("VUON_LANG") or self.config.site.language)

    def client(self, daemon: str) -> ControlClient:
        """Return a client of a daemon's control socket: recorder, live, gateway or hub."""
        return ControlClient(self.config.paths.socket(daemon), daemon)

    def say(self, key: str, **values: object) -> None:
        """Print a text of the catalogue."""
        self.console.print(self.words.text(key, **values))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a command's coroutine; a typed error ends the program with its remedy."""
        try:
            return asyncio.run(work)
        except VuonError as error:
            fail(error)


def fail(error: VuonError) -> NoReturn:
    """Print an error for a person and exit with status 1."""
    language = os.environ.get("VUON_LANG", "vi")
    Console(stderr=True, highlight=False).print(explain(error, language), markup=False, soft_wrap=True)
    raise typer.Exit(1) from error
