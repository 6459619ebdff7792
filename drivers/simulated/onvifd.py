"""The HTTP side of a simulated camera: SOAP services and stills, with two kinds of login.

Owns the reading of requests and the choice of their answers (HTTP/1.1, keep-alive). Invariants: heads and bodies are
bounded; every call is counted before it is answered; the clock and what there is are told without a login
unless a quirk says otherwise (ONVIF Core 5.9.4); head and body leave in one write, because two cost 40 ms a call
(delayed ACK).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from email.utils import formatdate
from typing import TypeAlias

from drivers.simulated.counters import Call, Counters
from drivers.simulated.faults import Faults
from drivers.simulated.listener import Listener, body_length
from drivers.simulated.logins import DigestGate, Verdict
from drivers.simulated.markup import Xml, parse
from drivers.simulated.media_parts import SNAPSHOT_PATH
from drivers.simulated.soap import CONTENT_TYPE, Operations, SoapFault, SoapRequest, fault, read_request, reply
from drivers.simulated.state import CameraState
from drivers.simulated.web import HttpReply, HttpRequest
from drivers.simulated.wsse import TokenGate
from gateway.core.errors import CameraBadReply

REALM = "vuon-sim"
MOST_BODY_BYTES = 1 << 18
IDLE_S = 60.0
"""A connection without a whole request, or whose answer is not read, is closed after this long."""
WITHOUT_LOGIN = frozenset({"GetCapabilities", "GetEndpointReference", "GetServiceCapabilities", "GetSystemDateAndTime"})
"""Of the class PRE_AUTH (ONVIF Core 5.9.4.3); host name and services are told after a login, as many cameras do."""
_HTML = "text/html"
_BROKEN = b"<!DOCTYPE html><html><body><h1>500 Internal Server Error</h1></body></html>"
_REASONS = {200: "OK", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 405: "Method Not Allowed"}


Door: TypeAlias = Callable[[HttpRequest], Awaitable[HttpReply | None]]
"""A vendor's own interface on the same port: answers, or returns None for what ONVIF answers."""


class OnvifServer(Listener):
    """Serves one camera's SOAP services and stills while entered."""

    def __init__(
        self,
        state: CameraState,
        faults: Faults,
        counters: Counters,
        services: Mapping[str, Operations],
        take_still: Callable[[], Awaitable[bytes]],
        door: Door | None = None,
    ) -> None:
        super().__init__(state.address, state.onvif_port)
        self._state, self._faults, self._counters = state, faults, counters
        self._services, self._take_still, self._door = services, take_still, door
        self._digest = DigestGate(REALM, state.book, os.urandom(32))
        self._tokens = TokenGate(state.book, state.quirks)

    async def _client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await self._next(reader)
            if self._faults.latency_s:
                await self._state.clock.sleep(self._faults.latency_s)
            answer = await self._answer(request)
            if self._faults.hang:
                await asyncio.Event().wait()
            writer.write(self._bytes(answer))
            async with asyncio.timeout(IDLE_S):
                await writer.drain()
            if request.headers.get("connection", "").lower() == "close":
                return

    @staticmethod
    async def _next(reader: asyncio.StreamReader) -> HttpRequest:
        async with asyncio.timeout(IDLE_S):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            parts = lines[0].split(" ")
            if len(parts) != 3:
                raise CameraBadReply("not an HTTP request line")
            headers = {k.strip().lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:] if line)}
            body = await reader.readexactly(body_length(headers, MOST_BODY_BYTES))
            return HttpRequest(parts[0], parts[1], headers, body)

    def _bytes(self, answer: HttpReply) -> bytes:
        lines = [
            f"HTTP/1.1 {answer.status} {_REASONS.get(answer.status, 'Error')}",
            f"Date: {formatdate(self._state.now_ms() / 1000, usegmt=True)}",
            f"Content-Type: {answer.kind}",
            f"Content-Length: {len(answer.body)}",
            *(f"{name}: {value}" for name, value in answer.headers),
        ]
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + answer.body

    async def _answer(self, request: HttpRequest) -> HttpReply:
        if self._door is not None and (answer := await self._door(request)) is not None:
            return answer
        if request.method == "GET":
            return await self._still(request)
        if request.method != "POST":
            return HttpReply(405)
        try:
            call = read_request(parse(request.body), request.path)
        except CameraBadReply:
            return HttpReply(400, CONTENT_TYPE, fault(SoapFault("WellFormed", "the request is not well-formed XML")))
        except SoapFault as error:
            return HttpReply(error.status, CONTENT_TYPE, fault(error))
        if self._is_lost(request, call):
            self._counters.note(Call(self._state.clock.mono_ns(), "lost", call.operation, request.path))
            return HttpReply(404)
        self._counters.note(Call(self._state.clock.mono_ns(), "onvif", call.operation, call.prefix))
        refusal = self._refuse(request, call)
        if refusal is not None:
            return refusal
        if self._state.quirks.media2_crash and call.prefix == "tr2":
            return HttpReply(500, _HTML, _BROKEN)
        return await self._dispatch(call)

    def _is_lost(self, request: HttpRequest, call: SoapRequest) -> bool:
        """Say whether a call of the device service came to a path where this camera has none."""
        path = self._state.quirks.device_path
        return bool(path) and call.prefix == "tds" and request.path != path

    async def _dispatch(self, call: SoapRequest) -> HttpReply:
        table = self._services.get("tev" if call.prefix == "wsnt" else call.prefix, {})
        operation = table.get(call.operation)
        try:
            if operation is None or (call.prefix == "tr2" and self._state.quirks.no_media2):
                raise SoapFault("ActionNotSupported", f"{call.operation} is not implemented", receiver=True)
            content = operation(call)
            body = reply(call, content if isinstance(content, Xml) else await content)
        except SoapFault as error:
            if self._faults.html_error:
                return HttpReply(500, _HTML, _BROKEN)
            return HttpReply(error.status, CONTENT_TYPE, fault(error))
        return HttpReply(200, CONTENT_TYPE, body)

    def _check(self, request: HttpRequest, call: SoapRequest | None) -> Verdict:
        """Judge whichever login was sent; each request is one try, however many forms it carries."""
        quirks, book = self._state.quirks, self._state.book
        if "none" in quirks.onvif_auth:
            return Verdict.GOOD
        token = self._tokens.check(call.token if call else None, self._state.now_ms())
        basic = "basic" in quirks.onvif_auth
        header = request.headers.get("authorization", "") if basic or "digest" in quirks.onvif_auth else ""
        digest = self._digest.check(header, request.method, self._algorithms(), basic=basic)
        if Verdict.GOOD in (token, digest):
            return book.judge(Verdict.GOOD)
        if Verdict.BAD in (token, digest):
            return book.judge(Verdict.BAD)
        return digest

    def _refuse(self, request: HttpRequest, call: SoapRequest) -> HttpReply | None:
        """Return the refusal, None when the call may go on.

        A digest camera answers 401 with challenges unless the client came with a UsernameToken that this
        camera reads; then it answers with the SOAP fault of ONVIF Core 5.9.
        """
        quirks = self._state.quirks
        if call.prefix == "tds" and call.operation in WITHOUT_LOGIN and not quirks.clock_needs_login:
            return None
        if quirks.lockout_told and self._state.book.locked():
            return self._locked()
        verdict = self._check(request, call)
        if verdict is Verdict.GOOD:
            return None
        reads_tokens = bool({"wsse", "text"} & set(quirks.onvif_auth))
        came_with_token = call.token is not None and reads_tokens and "authorization" not in request.headers
        if {"digest", "basic"} & set(quirks.onvif_auth) and not came_with_token:
            return self._challenge(stale=verdict is Verdict.STALE)
        refused = SoapFault("NotAuthorized", "Sender not Authorized")
        return HttpReply(refused.status, CONTENT_TYPE, fault(refused))

    def _algorithms(self) -> tuple[str, ...]:
        """Return the Digest algorithms offered; a camera without HTTP logins still shows its stills by digest."""
        quirks = self._state.quirks
        only_basic = "basic" in quirks.onvif_auth and "digest" not in quirks.onvif_auth
        return () if only_basic else quirks.onvif_digest

    def _locked(self) -> HttpReply:
        """Return the refusal of a camera that says it locked: words in the 401 of Digest, else in the fault."""
        if "digest" in self._state.quirks.onvif_auth:
            left_s = round(self._state.quirks.lockout_s)
            body = f"<userCheck><lockStatus>lock</lockStatus><unlockTime>{left_s}</unlockTime></userCheck>"
            return HttpReply(401, "application/xml", body.encode())
        refused = SoapFault("NotAuthorized", "The account is locked")
        return HttpReply(refused.status, CONTENT_TYPE, fault(refused))

    def _challenge(self, *, stale: bool = False) -> HttpReply:
        basic = "basic" in self._state.quirks.onvif_auth
        lines = self._digest.challenges(self._algorithms(), basic=basic, stale=stale)
        headers = tuple(("WWW-Authenticate", line) for line in lines)
        return HttpReply(401, _HTML, b"<html><body>401 Unauthorized</body></html>", headers)

    async def _still(self, request: HttpRequest) -> HttpReply:
        self._counters.note(Call(self._state.clock.mono_ns(), "still", "GET", request.path))
        if request.path.partition("?")[0] != SNAPSHOT_PATH:
            return HttpReply(404)
        verdict = self._check(request, None)
        if verdict is not Verdict.GOOD:
            # Stills know no UsernameToken: a camera without HTTP digest shows them to nobody but by digest.
            return self._challenge(stale=verdict is Verdict.STALE)
        return HttpReply(200, "image/jpeg", await self._take_still())
