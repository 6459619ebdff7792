"""`vuon demo`: a whole school on this machine, on loopback addresses only.

Owns the stage: directory, ports, configuration, the children (simulated cameras, hub, three daemons), and
what is printed. Invariants: it never asks anything; nothing listens on another address than loopback; a
directory or port that is taken is named; run again on the same directory it goes on with what is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import random
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Coroutine, Iterator
from pathlib import Path
from typing import Annotated, Any

import segno
import typer

from gateway.cli import demo_setup
from gateway.cli.context import DEMO_DATA, Context
from gateway.core import log as logs
from gateway.core.clock import SystemClock
from gateway.core.daemonize import serve
from gateway.core.errors import AddressTaken, BadInput
from gateway.core.secrets import load_private, load_signing_key
from gateway.roofs.run import Child, Children, box_children, daemon_child

SCHOOL = "Trường Mầm non Hoa Sen"
MAX_CAMERAS = 32
CAMERA_RTSP_PORT = 8554
MAX_SOCKET_PATH = 100
"""sun_path holds 108 bytes; the longest name below the run directory is `/recorder.sock`."""

CONFIG = """# Written by `vuon demo`; every server listens on loopback only.
[site]
name = {school}
code = "hoa-sen"

[paths]
state = {state}
run = {run}

[[volumes]]
path = {footage}
min_free_bytes = 268435456
create = true

[cameras]
interfaces = ["127.0.0.1"]
loopback = true
discovery_s = 3.0
serve_time = false

[live]
addresses = ["127.0.0.1"]
allow_loopback = true

[web]
listen = "127.0.0.1"
port = {port}
insecure_loopback = true
metrics_local = true

[clock]
require_ntp = false

[upstream]
url = "http://127.0.0.1:{hub_port}"
claim = {claim}
flush_s = 0.5

[hub]
name = "UBND phường Hoa Sen"
listen = "127.0.0.1"
port = {hub_port}
insecure_loopback = true
"""


def check_port(port: int) -> None:
    """Raise AddressTaken if this loopback port cannot be listened on."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            other = port + 10 if port < 65_000 else 8080
            raise AddressTaken(
                f"127.0.0.1:{port}: {error.strerror}",
                case="port",
                port=port,
                why=str(error.strerror),
                cmd=f"vuon demo --port {max(other, 1024)}",
            ) from error


@contextlib.contextmanager
def own_directory(data: Path) -> Iterator[None]:
    """Hold the demo directory; AddressTaken names it if another demo runs in it, or it holds other things.

    Raises OSError (with the file's name) if it cannot be written.
    """
    marker = data / ".vuon-demo"
    data.mkdir(parents=True, exist_ok=True)
    if not marker.exists() and any(data.iterdir()):
        raise AddressTaken(f"{data} holds other files", case="directory", path=str(data))
    fd = os.open(marker, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise AddressTaken(f"another demo runs in {data}", case="demo", path=str(data)) from error
        yield
    finally:
        os.close(fd)


def write_config(data: Path, *, port: int, hub_port: int, claim: str) -> Path:
    """Write the demo's config.toml and return its path."""
    run = data / "run"
    if len(str(run)) > MAX_SOCKET_PATH - 20:
        run = _short_run(data)
    values = {
        "school": SCHOOL,
        "state": str(data / "state"),
        "run": str(run),
        "footage": str(data / "footage"),
        "claim": claim,
    }
    quoted = {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}
    path = data / "config.toml"
    write_private(path, CONFIG.format(port=port, hub_port=hub_port, **quoted))
    return path


def _short_run(data: Path) -> Path:
    """Return a folder of ours for sockets whose names would be too long in `data`."""
    digest = hashlib.sha256(str(data).encode()).hexdigest()[:12]
    run = Path(tempfile.gettempdir()) / f"vuon-{os.getuid()}-{digest}"
    run.mkdir(mode=0o700, exist_ok=True)
    if run.is_symlink() or run.stat().st_uid != os.getuid():
        raise AddressTaken(f"{run} belongs to somebody else", case="directory", path=str(run))
    return run


def write_private(path: Path, text: str) -> None:
    """Write a file whole, 0600: a reader sees all of it or none, and it may hold codes."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    fd = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as out:
            out.write(text)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def camera_base(data: Path) -> str:
    """Return the first camera's address: kept per directory, and free of another demo's cameras.

    Loopback addresses are shared by the whole machine, so two demos must not use the same ones.
    """
    kept = data / "camera-base"
    if not kept.exists():
        nets = list(range(1, 200))
        random.shuffle(nets)
        kept.write_text(next(f"127.0.{net}.11" for net in nets if _free(f"127.0.{net}.11")), encoding="utf-8")
    return kept.read_text(encoding="utf-8")


def _free(address: str) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, CAMERA_RTSP_PORT)) != 0


def camera_child(data: Path, run: Path, cameras: int, password: str) -> Child:
    """Return the simulated cameras as a child process."""
    names = data / "camera-names.json"
    names.write_text(json.dumps(demo_setup.camera_names(cameras), ensure_ascii=False), encoding="utf-8")
    base = camera_base(data)
    arguments = ("-m", "drivers.simulated", "--cameras", str(cameras), "--username", demo_setup.CAMERA_USER)
    return Child(
        "cameras",
        (
            *arguments,
            "--base",
            base,
            "--seed",
            base,
            "--names-json",
            str(names),
            "--control",
            str(run / "cameras.sock"),
        ),
        env={"VUON_SIM_PASSWORD": password},
        log_file=data / "log" / "cameras.log",
    )


class Stage:
    """The demo's children in the order they need each other; run by `play`."""

    def __init__(self, data: Path, *, cameras: int, port: int, hub_port: int) -> None:
        self._data, self._cameras, self._port, self._hub_port = data, cameras, port, hub_port
        self._clock = SystemClock()

    async def play(self, ready: Path | None, for_s: float | None) -> None:
        """Start everything, set the school up, tell the codes, stay."""
        logs_dir = self._data / "log"
        logs_dir.mkdir(exist_ok=True, mode=0o700)
        config = write_config(self._data, port=self._port, hub_port=self._hub_port, claim="")
        context = Context(config, None)
        load_signing_key(context.config.paths.grant_key)
        password = load_private(self._data / "state" / "demo-camera.key", 16).hex()
        async with contextlib.AsyncExitStack() as stack:
            cameras = camera_child(self._data, context.config.paths.run, self._cameras, password)
            first = [cameras, daemon_child("hub", config, logs_dir)]
            hub = await stack.enter_async_context(Children(first, self._clock))
            self._tell("cli.demo.starting", count=self._cameras, context=context)
            claim = await demo_setup.hub_claim(context, SCHOOL, hub.ensure_running)
            config = write_config(self._data, port=self._port, hub_port=self._hub_port, claim=claim)
            box = await stack.enter_async_context(Children(box_children(config, logs_dir), self._clock))
            context = Context(config, None)
            network = camera_base(self._data).rpartition(".")[0]
            setup = demo_setup.Setup(context, self._cameras, network, password, box.ensure_running)
            facts = await setup.run(lambda key, **values: self._tell(key, context=context, **values))
            stack.callback(self._tell, "cli.demo.stopping", context=context)
            self._announce(context, facts)
            if ready is not None:
                write_private(ready, json.dumps(self._ready(facts), ensure_ascii=False, indent=1))
            await (asyncio.sleep(for_s) if for_s is not None else asyncio.Event().wait())

    @staticmethod
    def _tell(key: str, *, context: Context, **values: object) -> None:
        context.line("· " + context.words.text(key, **values))

    def _ready(self, facts: demo_setup.SchoolFacts) -> dict[str, Any]:
        return {
            "web": f"http://127.0.0.1:{self._port}",
            "hub": f"http://127.0.0.1:{self._hub_port}",
            "principal_code": facts.principal_code,
            "deputy_code": facts.deputy_code,
            "teacher_code": facts.teacher_code,
            "guardian_slip": facts.guardian_slip,
            "hub_code": facts.hub_code,
            "data": str(self._data.resolve()),
        }

    def _announce(self, context: Context, facts: demo_setup.SchoolFacts) -> None:
        ready = self._ready(facts)
        context.say("cli.demo.ready", school=SCHOOL, cameras=self._cameras)
        context.say("cli.demo.principal", url=ready["web"], code=ready["principal_code"])
        context.say("cli.demo.deputy", url=ready["web"], code=ready["deputy_code"])
        context.say("cli.demo.teacher", url=ready["web"], code=ready["teacher_code"])
        context.say("cli.demo.guardian")
        context.line(f"  {ready['guardian_slip']}")
        if sys.stdout.isatty():
            segno.make(ready["guardian_slip"], error="l").terminal(compact=True)
        context.say("cli.demo.hub", url=ready["hub"], code=ready["hub_code"])
        context.say("cli.demo.more", data=ready["data"])


def check_ready(path: Path) -> None:
    """Take an old ready file away; BadInput at once if the new one could not be written later."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise BadInput(f"{path} is no place for a file", case="place", path=str(path))
    path.unlink(missing_ok=True)


async def until_signal(play: Coroutine[Any, Any, None]) -> None:
    """Run `play` to its end, or until SIGTERM or SIGINT cancels it; returns when it has cleaned up.

    The signals are ours before the first child can exist, so none is left behind.
    """

    @contextlib.asynccontextmanager
    async def listening() -> AsyncIterator[None]:
        heard.set()
        yield

    heard = asyncio.Event()
    waiting = asyncio.create_task(serve(listening()))
    await heard.wait()
    playing = asyncio.create_task(play)
    try:
        await asyncio.wait((playing, waiting), return_when=asyncio.FIRST_COMPLETED)
    finally:
        playing.cancel()
        results = await asyncio.gather(playing, return_exceptions=True)
        waiting.cancel()  # last: a second signal must not interrupt the cleaning
        await asyncio.gather(waiting, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, asyncio.CancelledError):
            raise result


def demo(
    cameras: Annotated[int, typer.Option(min=1, max=MAX_CAMERAS, help="Số camera mô phỏng · simulated cameras")] = 4,
    port: Annotated[
        int, typer.Option(min=1, max=65534, help="Cổng trang web; cổng kế là máy chủ cấp trên · web port")
    ] = 8080,
    data: Annotated[Path, typer.Option(help="Thư mục dữ liệu · data directory")] = DEMO_DATA,
    ready: Annotated[
        Path | None, typer.Option(help="Ghi địa chỉ và mã vào tệp JSON này khi đã ghi hình · ready file")
    ] = None,
    for_s: Annotated[
        float | None, typer.Option("--for", min=1, help="Tự dừng sau số giây · stop after seconds")
    ] = None,
) -> None:
    """Một trường mẫu với camera mô phỏng, chạy ngay trên máy này · a sample school on this machine."""
    logs.setup("warning")
    data = data.resolve()
    with own_directory(data):
        for number in (port, port + 1):
            check_port(number)
        if ready is not None:
            check_ready(ready)
        stage = Stage(data, cameras=cameras, port=port, hub_port=port + 1)
        asyncio.run(until_signal(stage.play(ready, for_s)))
