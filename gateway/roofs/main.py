"""The `main` of every daemon: one argument, the configuration.

Owns the command line of `vuon-recorder`, `vuon-live`, `vuon-gateway`, `vuon-hub`. Invariants: whatever a
person can put right (a wrong key, a file that may not be written) ends it with two lines and status 1,
never with a traceback.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
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
    return run(
        name,
        lambda clock: _reachable(build(config, clock)),
        level=config.log.level,
        ntp=config.clock.require_ntp,
        state=config.paths.state,
    )


@asynccontextmanager
async def _reachable(body: AbstractAsyncContextManager[object]) -> AsyncIterator[object]:
    """Enter the daemon; a path of the configuration that cannot be used is a ConfigError that names it."""
    async with AsyncExitStack() as stack:
        try:
            running = await stack.enter_async_context(body)
        except* OSError as group:
            error = _of_a_path(group)
            if error is None:
                raise
            raise ConfigError(
                f"{error.filename}: {error.strerror}",
                case="path",
                key=str(error.filename),
                value="",
                path=str(error.filename),
                why=str(error.strerror),
                remedy="give the daemon's user the right to it, or change [paths] in config.toml",
            ) from error
        yield running


def _of_a_path(group: BaseExceptionGroup[OSError]) -> OSError | None:
    """Return the first error that names a file."""
    for item in group.exceptions:
        found = _of_a_path(item) if isinstance(item, BaseExceptionGroup) else item
        if found is not None and found.filename is not None:
            return found
    return None
