"""A box whose daemons are answers: control sockets in a thread of their own, and the command line beside them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from typer.testing import CliRunner

from gateway.cli.app import app
from gateway.core.errors import BadInput, VuonError
from gateway.core.wire import ControlServer, Handler, Reply, Request

Answer: TypeAlias = dict[str, Any] | list[bytes] | VuonError | Reply | Callable[[Mapping[str, Any]], dict[str, Any]]
"""A result, chunks of a stream, an error, a result with bytes, or a function of the parameters."""

CONFIG = """[site]
name = {name}
[paths]
state = "{folder}/state"
run = "{folder}/run"
"""


def daemon(name: str) -> dict[str, Any]:
    """What a daemon says of itself."""
    return {"name": name, "pid": 4242, "uptime_s": 3661.0, "rss_bytes": 100 << 20, "version": "0.1.0"}


def camera(name: str, **changes: Any) -> dict[str, Any]:
    """A camera as the recorder's status shows it."""
    row = {
        "id": name.lower().ljust(16, "a")[:16],
        "name": name,
        "connected": True,
        "recording": True,
        "why": "",
        "fps": 15.0,
        "bitrate_bps": 1_700_000,
        "last_segment_ms": 1_795_237_200_000,
        "gaps_today": 0,
        "gap_seconds_today": 0.0,
    }
    return row | changes


def all_well(*cameras: dict[str, Any]) -> dict[str, dict[str, Answer]]:
    """Three daemons that have nothing to complain of."""
    volume = {"path": "/disk", "state": "ok", "free_bytes": 30 << 30, "total_bytes": 100 << 30}
    hub = {"configured": True, "connected": True, "waiting": {"alarm": 0, "report": 2}}
    return {
        "recorder": {"status": {"daemon": daemon("recorder"), "cameras": list(cameras), "volumes": [volume]}},
        "live": {"status": {"daemon": daemon("live"), "viewers": {row["id"]: 3 for row in cameras[:1]}}},
        "gateway": {"status": {"daemon": daemon("gateway"), "conditions": [], "upstream": hub}},
    }


@dataclass
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class CliBox:
    """The box and what it was asked."""

    folder: Path
    calls: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    def vuon(self, *arguments: str, typed: str = "", **env: str) -> Result:
        """Run a command against this box, in English."""
        return vuon(*arguments, "--data", str(self.folder), typed=typed, **env)

    def asked(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of every call of a method."""
        return [params for _, called, params in self.calls if called == method]


def vuon(*arguments: str, typed: str = "", **env: str) -> Result:
    """Run a command with a pipe on each side."""
    clean = dict.fromkeys(("VUON_CONFIG", "VUON_CAMERA_PASSWORD", "COLUMNS", "FORCE_COLOR"))
    done = CliRunner().invoke(app, list(arguments), input=typed, env={**clean, "VUON_LANG": "en", **env})
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert "Traceback" not in done.output
    return Result(done.exit_code, done.stdout, done.stderr)


async def _stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        if chunk == b"!":
            raise BadInput("the disk went away", key="disk")
        yield chunk


def _handler(box: CliBox, name: str, method: str, answer: Answer) -> Handler:
    async def handle(request: Request) -> Reply | AsyncIterator[bytes]:
        box.calls.append((name, method, dict(request.params)))
        if isinstance(answer, VuonError):
            raise answer
        if isinstance(answer, list):
            return _stream(answer)
        if isinstance(answer, Reply):
            return answer
        return Reply(answer(request.params) if callable(answer) else answer)

    return handle


@contextmanager
def cli_box(
    folder: Path, answers: Mapping[str, Mapping[str, Answer]], *, name: str = "Trường Hoa Sen"
) -> Iterator[CliBox]:
    """Serve the answers, `{daemon: {method: answer}}`, until the block ends."""
    box = CliBox(folder)
    (folder / "run").mkdir(exist_ok=True)
    text = CONFIG.format(folder=folder, name=json.dumps(name, ensure_ascii=False))
    (folder / "config.toml").write_text(text, encoding="utf-8")
    ready, stop = threading.Event(), asyncio.Event()
    loops: list[asyncio.AbstractEventLoop] = []
    faults: list[BaseException] = []

    async def serve() -> None:
        loops.append(asyncio.get_running_loop())
        async with AsyncExitStack() as stack:
            for service, methods in answers.items():
                handlers = {method: _handler(box, service, method, answer) for method, answer in methods.items()}
                path = folder / "run" / f"{service}.sock"
                server = ControlServer(path, service, handlers, on_fault=lambda _name, error: faults.append(error))
                await stack.enter_async_context(server)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(20)
    try:
        yield box
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(20)
    assert faults == []
    assert not thread.is_alive()


def columns_of(text: str) -> int:
    """Return the width of the widest line."""
    return max((len(line) for line in text.splitlines()), default=0)


def is_private(path: Path) -> bool:
    """Say whether only the owner may touch a file."""
    return path.stat().st_mode & 0o077 == 0
