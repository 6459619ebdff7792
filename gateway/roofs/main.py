"""The `main` of every daemon: one argument, the configuration.

Owns the command line of `vuon-recorder`, `vuon-live`, `vuon-gateway`, `vuon-hub`.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TypeAlias

from gateway.core.clock import Clock
from gateway.core.config import Config, load_config
from gateway.core.daemonize import explain, run
from gateway.core.errors import ConfigError

Build: TypeAlias = Callable[[Config, Clock], AbstractAsyncContextManager[object]]


def run_daemon(name: str, build: Build) -> int:
    """Parse `--config`, run the daemon to its end, return the exit status."""
    parser = argparse.ArgumentParser(prog=f"vuon-{name}")
    parser.add_argument(
        "--config", type=Path, default=Path(os.environ.get("VUON_CONFIG", "/etc/vuon/config.toml")), help="config.toml"
    )
    path = parser.parse_args().config
    try:
        config = load_config(path)
    except ConfigError as error:
        print(explain(error), file=sys.stderr)  # noqa: T201 - for the person at the terminal
        return 1
    return run(name, lambda clock: build(config, clock), level=config.log.level, ntp=config.clock.require_ntp)
