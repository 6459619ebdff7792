"""Stand-ins for a child of the second engine, run as `python -m tests.fakes.pyav_child <behaviour>`."""

from __future__ import annotations

import socket
import sys
import time
from typing import BinaryIO

from drivers.pyav import pipe
from drivers.pyav.child import read_message

HEADERS = "CSeq: {cseq}\r\nUser-Agent: {word}\r\n\r\n"


def ask(connection: socket.socket, method: str, cseq: int, word: str) -> None:
    head = HEADERS.format(cseq=cseq, word=word)
    connection.sendall(f"{method} rtsp://127.0.0.1/ RTSP/1.0\r\n{head}".encode())


def tell(sink: BinaryIO, message: bytes) -> None:
    sink.write(message)
    sink.flush()


def main(behaviour: str) -> int:
    """Do as told: end at once, never come, refuse, die caged, say what no child says, play and hang up."""
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    body = read_message(requests, pipe.ORDER)
    assert body is not None
    order = pipe.decode_order(body)
    if behaviour == "end":
        return 7
    if behaviour == "absent":
        time.sleep(3600)
    with socket.create_connection(("127.0.0.1", order.port)) as connection:
        ask(connection, "OPTIONS", 1, order.word)
        read_message(requests, pipe.LOCK)
        if behaviour == "refuse":
            tell(replies, pipe.frame(pipe.REFUSED, b"no libseccomp"))
            return 3
        tell(replies, pipe.frame(pipe.UNIT if behaviour == "odd" else pipe.CAGED))
        if behaviour == "die":
            return 9
        connection.recv(4096)
        if behaviour in ("silent", "bad", "closed", "unheard"):
            tell(replies, pipe.frame(pipe.END, behaviour.encode()))
            return 0
        if behaviour == "endless":
            tell(replies, pipe.HEAD.pack(pipe.UNIT, 1 << 31))
            while True:
                tell(replies, bytes(65_536))
        if behaviour == "half":
            tell(replies, pipe.frame(pipe.UNIT, b"1234"))
        if behaviour == "late order":
            tell(replies, pipe.frame(pipe.ORDER))
        time.sleep(3600)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
