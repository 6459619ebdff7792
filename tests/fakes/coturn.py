"""Debian's coturn as a school would run one, with passwords from a shared secret."""

from __future__ import annotations

import contextlib
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.core.iceservers import IceServer, short_lived
from gateway.core.model import Secret
from tests.fakes.listening import until_listens
from tests.fakes.spaces import HANG_S

TURNSERVER = "/usr/bin/turnserver"
SECRET = Secret("a secret shared with the relay")


def command(folder: Path, address: str, port: int, *extra: str) -> list[str]:
    """Return the command line of a server at one address, which keeps everything it writes in `folder`."""
    if not Path(TURNSERVER).exists():
        pytest.skip("coturn is missing: apt-get install coturn")
    return [
        TURNSERVER, "-n", "--no-tls", "--no-dtls", "--no-cli", "--fingerprint", "--use-auth-secret",
        f"--static-auth-secret={SECRET.reveal()}", "--realm=vuon", f"--listening-ip={address}",
        f"--listening-port={port}", f"--relay-ip={address}", "--min-port=50000", "--max-port=50100",
        "--log-file=stdout", f"--pidfile={folder}/turn.pid", f"--userdb={folder}/turn.db", *extra,
    ]  # fmt: skip


@contextlib.contextmanager
def coturn(folder: Path) -> Iterator[int]:
    """Run one on loopback, UDP and TCP, and yield its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    written = folder / "turn.log"
    with written.open("w") as log:
        process = subprocess.Popen(
            command(folder, "127.0.0.1", port, "--allow-loopback-peers"), stdout=log, stderr=log, cwd=folder
        )
    try:
        until_listens(process, "127.0.0.1", port, written)
        yield port
    finally:
        process.terminate()
        process.wait(HANG_S)


def with_password(url: str, now_ms: int) -> IceServer:
    """Return a server with a password of this moment."""
    return short_lived(url, SECRET, now_ms=now_ms, label="abcdefgh")
