"""A camera's web server as a test scripts it: answers by method and path, requests kept."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Self, TypeAlias

from drivers.gate import LoginGate
from drivers.vendors.http import VendorHttp
from gateway.core.clock import SystemClock
from gateway.core.model import Login
from tests.fakes.webthread import Quiet, WebThread

NONCE = "n0nce"


@dataclass(frozen=True)
class Answer:
    """One HTTP answer."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    path: str
    body: bytes
    authorization: str


Script: TypeAlias = Answer | list[Answer] | Callable[[Asked], Answer]
"""One answer for ever, answers one after the other (the last one stays), or a function."""


def xml(body: str, status: int = 200) -> Answer:
    return Answer(status, f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode())


def verdict(code: int, why: str = "ok", status: int = 200) -> Answer:
    return xml(
        f"<ResponseStatus><statusCode>{code}</statusCode><subStatusCode>{why}</subStatusCode></ResponseStatus>", status
    )


@dataclass
class VendorWeb:
    """Listens on 127.0.0.1 while entered; what is not scripted is 404."""

    answers: dict[str, Script] = field(default_factory=dict)
    """By "METHOD /path" with or without the query."""
    wants_login: bool = False
    """Everything but what is in `open_paths` wants a Digest; any one is taken unless `refuses`."""
    refuses: bool = False
    open_paths: frozenset[str] = frozenset({"/SDK/activateStatus"})
    asked: list[Asked] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        web = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 65_536

            def do_GET(self) -> None:
                web._serve(self)

            do_POST = do_PUT = do_GET  # noqa: N815 - the base's names

        self._web = WebThread(Handler).__enter__()
        self.port = self._web.port
        return self

    def __exit__(self, *_: object) -> None:
        self._web.__exit__()

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", 0)))
        asked = Asked(handler.command, handler.path, body, handler.headers.get("Authorization", ""))
        self.asked.append(asked)
        answer = self._answer(asked)
        handler.send_response(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        with contextlib.suppress(ConnectionError):
            handler.wfile.write(answer.body)

    def _answer(self, asked: Asked) -> Answer:
        bare = asked.path.partition("?")[0]
        if self.wants_login and bare not in self.open_paths and (self.refuses or not asked.authorization):
            return Answer(401, b"", (("WWW-Authenticate", f'Digest realm="cam", qop="auth", nonce="{NONCE}"'),))
        script = self.answers.get(f"{asked.method} {asked.path}") or self.answers.get(f"{asked.method} {bare}")
        if script is None:
            return Answer(404)
        if isinstance(script, list):
            return script.pop(0) if len(script) > 1 else script[0]
        return script if isinstance(script, Answer) else script(asked)

    @property
    def logins(self) -> int:
        """How many requests carried one."""
        return sum(bool(asked.authorization) for asked in self.asked)


@contextlib.contextmanager
def vendor_camera(
    login: Login, answers: dict[str, Script], *, wants_login: bool = False, refuses: bool = False
) -> Iterator[tuple[VendorWeb, VendorHttp, LoginGate]]:
    """A camera with these answers, a client of it, and the login that client may use."""
    gate = LoginGate(login)
    with (
        VendorWeb(answers, wants_login, refuses) as web,
        VendorHttp("127.0.0.1", web.port, gate, SystemClock()) as http,
    ):
        yield web, http, gate
