"""The wait for a port, as the tests of other programs need it."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.listening import listeners, until_listens

LOOPBACK = "127.0.0.1"


def test_a_socket_is_found_from_the_moment_it_listens() -> None:
    """By address, port and inode; one that is only bound takes nobody in, and is not found."""
    with socket.socket() as sock:
        sock.bind((LOOPBACK, 0))
        port = sock.getsockname()[1]
        assert port not in {item.port for item in listeners()}
        sock.listen()
        (found,) = [item for item in listeners() if item.port == port]
        assert found.address == LOOPBACK
        assert str(Path(f"/proc/self/fd/{sock.fileno()}").readlink()) == f"socket:[{found.inode}]"


def test_a_process_is_waited_for_or_its_end_is_told(tmp_path: Path) -> None:
    """It listens after a while; or it ends first, and what it wrote is the failure's text."""
    log = tmp_path / "log"
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    code = f"import socket, sys; s = socket.create_server(('{LOOPBACK}', {port})); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as process:
        until_listens(process, LOOPBACK, port, log)
        assert port in {item.port for item in listeners(process.pid)}
    with log.open("w") as out:
        ended = subprocess.Popen([sys.executable, "-c", "import sys; sys.exit('no such option')"], stderr=out)
    with ended, pytest.raises(AssertionError, match="no such option"):
        until_listens(ended, LOOPBACK, port, log)
