"""`vuon run`: the three daemons in one terminal, and what a person there is told before and beside their log.

Owns the command and these words. Invariants: what nobody reads at a terminal gets not one line more than before; it is
said that a box is not set up only where that is known (it has no database yet, or the gateway says so); the commands
that are named are for this very box; a box that runs is not stopped by what it could not say.
"""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from gateway.cli.context import SYSTEM_CONFIG, ConfigOption, Context, DataOption
from gateway.cli.status import DAEMONS
from gateway.core import log as logs
from gateway.core.clock import SystemClock
from gateway.core.daemonize import serve
from gateway.core.errors import VuonError
from gateway.core.ownaddress import addresses_of, names_of
from gateway.core.secrets import load_signing_key
from gateway.core.supervise import FaultSink, contained
from gateway.core.unixdoor import claim_socket
from gateway.roofs.run import Children, box_children

log = logs.get_logger("run")
AGAIN_S = 0.5
"""How often a gateway that does not answer yet is asked."""


def run(config: ConfigOption = None, data: DataOption = None) -> None:
    """Chạy cả ba dịch vụ trong cửa sổ này · run the three daemons in this terminal (run)."""
    context = Context(config, data)
    settings = context.config
    logs.setup(settings.log.level)
    for daemon in DAEMONS:  # somebody else's would make ours end and start again for ever
        claim_socket(settings.paths.socket(daemon))
    # Made before any child starts, so that none has to wait for the gateway's first run.
    load_signing_key(settings.paths.grant_key)
    children = Children(box_children(context.config_path), SystemClock())
    if not sys.stdout.isatty():
        asyncio.run(serve(children))
        return
    told = Told(context, names_of(settings.web.names), options_of(context.config_path))
    told.opening(new=not settings.paths.database("gateway").exists())
    people = partial(context.ask, "gateway", "people.list", {})
    words = partial(told.when_ready, people, anyio.sleep)
    asyncio.run(serve(beside(children, words, on_fault=logs.fault_sink(log))))


class Told:
    """What is said to whoever started the box, in the language of the terminal."""

    def __init__(self, context: Context, names: Sequence[str], options: str) -> None:
        """`options` are those by which another command finds this box: ` --config FILE`, or nothing."""
        self._context, self._options = context, options
        self._url, *self._more = addresses_of(context.config, names)
        self._said_new = False

    def opening(self, *, new: bool) -> None:
        """Say what is starting, where it is opened, where the log goes, and of a new box what comes next."""
        context = self._context
        context.say("cli.run.what", site=context.config.site.name)
        context.say("cli.run.open_also" if self._more else "cli.run.open", url=self._url, more=", ".join(self._more))
        context.say("cli.run.log", level=context.config.log.level)
        if new:
            self._new_box()

    async def when_ready(
        self, people: Callable[[], Awaitable[dict[str, Any]]], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        """Wait until the gateway answers who there is, say that it does, and what comes next if nobody can sign in."""
        context, found = self._context, None
        while found is None:
            try:
                found = (await people())["people"]
            except VuonError:  # it starts, or starts again: `vuon tinh-trang` says what is wrong with it
                await sleep(AGAIN_S)
        context.say("cli.run.ready", url=self._url)
        if not any(row["role"] == "principal" and not row["disabled"] for row in found) and not self._said_new:
            self._new_box()

    def _new_box(self) -> None:
        self._said_new = True
        context, options = self._context, self._options
        name = shlex.quote(context.words.text("cli.run.name"))
        context.say("cli.run.new")
        for command in (context.words.text("cli.run.first", name=name), context.words.text("cli.run.second")):
            context.line(f"  {command}{options}")
        minutes = context.config.access.code_minutes
        context.say("cli.run.new_then", url=self._url, minutes=minutes, options=options)


def options_of(config_path: Path) -> str:
    """Return what a command in another window needs to find this box, whatever is set in this one."""
    return "" if config_path == SYSTEM_CONFIG else f" --config {shlex.quote(str(config_path.absolute()))}"


@asynccontextmanager
async def beside(
    body: AbstractAsyncContextManager[object], work: Callable[[], Awaitable[None]], *, on_fault: FaultSink
) -> AsyncIterator[object]:
    """Enter `body`, with work beside it that ends when `body` is left; a failure of the work is no end of `body`."""

    async def words() -> None:
        async with contained("words", on_fault):  # the terminal may be gone, the recording is not
            await work()

    async with body as running, anyio.create_task_group() as tasks:
        tasks.start_soon(words)
        yield running
        tasks.cancel_scope.cancel()
