"""HTTP to one camera, as hardened as a hostile camera needs.

Owns the camera's one requests session. Invariants: requests go to the address we reached and to no
other host, whatever a reply says; redirects are errors; proxies, netrc and cookies are not used; an
exchange ends within its total time, however slowly the bytes drip; a reply is read up to its limit
and not decompressed; what leaves here as text is free of DTDs. One thread at a time per transport.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NoReturn
from urllib.parse import urlsplit, urlunsplit

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool
from zeep import Transport
from zeep.wsdl.utils import etree_to_string

from drivers import xml
from drivers.onvif.meaning import MOST_CHARS, Meaning, locked_for_s, of_status
from drivers.onvif.tls import PinnedPool, Trust, context_until
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply, CameraLocked, CameraOverloaded, CameraUnreachable, CameraUnsupported


@dataclass(frozen=True, slots=True)
class Limits:
    """How long one exchange may last and how much it may bring."""

    total_s: float = 5.0
    """From the first byte sent to the last read, connecting included."""
    reply_bytes: int = 1 << 20
    snapshot_bytes: int = 4 << 20
    """A 4K JPEG of a busy room has 2-3 MiB."""


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply, wholly read; has the attributes of `requests.Response` that zeep looks at."""

    status_code: int
    headers: Mapping[str, str]
    content: bytes
    challenges: tuple[str, ...] = ()
    """Values of every WWW-Authenticate header, one by one."""
    encoding: str = "utf-8"

    @property
    def is_soap(self) -> bool:
        """Whether the body is worth reading as an answer: it looks like an envelope."""
        return b"Envelope" in self.content[:MOST_CHARS]


class LoginAsked(Exception):
    """The camera answered 401 or 403: a state of the dialogue, turned into a login or an error by `session`."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("login asked")
        self.reply = reply


class Deadline:
    """The total time of the exchange under way."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._until_ns = clock, 0

    def start(self, seconds: float) -> None:
        """Begin a new exchange."""
        self._until_ns = self._clock.mono_ns() + int(seconds * 1e9)

    def left_s(self) -> float:
        """Return the rest, more than 0.

        Raises:
            TimeoutError: there is none.

        """
        left = (self._until_ns - self._clock.mono_ns()) / 1e9
        if left <= 0:
            raise TimeoutError("the exchange took too long")
        return left


class _DeadlineSocket(socket.socket):
    """A socket whose every read waits no longer than the exchange may still last."""

    deadline: Deadline

    def recv_into(self, *args: Any, **kwargs: Any) -> int:
        self.settimeout(self.deadline.left_s())
        return super().recv_into(*args, **kwargs)


class _Connection(HTTPConnection):
    """urllib3's connection over a `_DeadlineSocket`; `deadline` comes from the pool."""

    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline = deadline

    def _new_conn(self) -> socket.socket:
        plain = super()._new_conn()
        guarded = _DeadlineSocket(plain.family, plain.type, plain.proto, fileno=plain.detach())
        guarded.deadline = self._deadline
        return guarded


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection

    def __init__(self, *args: Any, deadline: Deadline, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.conn_kw["deadline"] = deadline


class _Adapter(HTTPAdapter):
    """Speaks HTTP, or HTTPS to a pinned certificate, over connections that keep the deadline."""

    def __init__(self, deadline: Deadline, trust: Trust | None) -> None:
        self._deadline, self._trust = deadline, trust
        super().__init__(pool_connections=1, pool_maxsize=1, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools: Any = {"http": partial(_Pool, deadline=self._deadline)}
        if self._trust is not None:
            context = context_until(self._deadline)
            pools = {"https": partial(PinnedPool, deadline=self._deadline, trust=self._trust, context=context)}
        self.poolmanager.pool_classes_by_scheme = pools


def quiet_session(deadline: Deadline, trust: Trust | None = None) -> requests.Session:
    """Return a session that takes nothing from the environment and keeps no cookie; with `trust` it speaks TLS only."""
    session = requests.Session()
    session.trust_env = False
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    session.adapters.clear()
    session.mount("http://" if trust is None else "https://", _Adapter(deadline, trust))
    session.headers.clear()
    session.headers.update({"User-Agent": "vuon", "Accept-Encoding": "identity"})
    return session


class CameraTransport(Transport):
    """zeep's way to one camera. Blocking; never used by two threads at once (the driver's lock)."""

    def __init__(
        self, host: str, port: int, clock: Clock, limits: Limits | None = None, trust: Trust | None = None
    ) -> None:
        """With `trust` the camera is spoken to over TLS, and only to the certificate that it lets pass."""
        self.host, self.port = host, port
        self.secure = trust is not None
        """Whether nobody can read along: TLS to the pinned certificate."""
        self.scheme = "https" if self.secure else "http"
        self.limits = limits or Limits()
        self._deadline = Deadline(clock)
        super().__init__(  # type: ignore[no-untyped-call]  # zeep is not annotated
            timeout=self.limits.total_s,
            operation_timeout=self.limits.total_s,
            session=quiet_session(self._deadline, trust),
        )
        self._close_session = False
        self.authorization: Callable[[str, str], str | None] = lambda _method, _uri: None
        """Gives the Authorization header for (method, uri), or None; set by `session`."""
        self.last: Reply | None = None
        """The latest reply of any kind, for its Date and for a second reading."""

    def close(self) -> None:
        """Close the connection; a later call opens a new one."""
        self.session.close()

    def forget(self) -> None:
        """Drop the latest reply, so that the next one is known to be new."""
        self.last = None

    def rewritten(self, url: str) -> str:
        """Return the URL with its host made the camera's; port kept only if the host was right.

        Raises:
            CameraBadReply: it is no URL at all.

        """
        try:
            parts = urlsplit(url)
            port = parts.port if parts.hostname == self.host and parts.scheme == self.scheme else self.port
        except ValueError as error:
            raise CameraBadReply("the camera names an impossible address") from error
        return urlunsplit((self.scheme, f"{self.host}:{port or self.port}", parts.path or "/", parts.query, ""))

    def post(self, address: str, message: bytes | str, headers: Mapping[str, str]) -> Reply:
        """Send one SOAP request.

        Raises:
            LoginAsked: HTTP 401, or 403 without a word of SOAP.
            CameraLocked: the words of a refusal say that the account is locked.
            CameraUnreachable: no connection, or out of time.
            CameraOverloaded: HTTP 503 or 429.
            CameraUnsupported: there is no such service (404, 405).
            CameraBadReply: a redirect, a compressed, oversized or multipart reply, a DTD.

        """
        data = message.encode() if isinstance(message, str) else message
        reply = self._exchange("POST", address, data, headers, self.limits.reply_bytes)
        if reply.headers.get("Content-Type", "").lower().startswith("multipart/"):
            raise CameraBadReply("the reply has several parts")
        if not reply.content:
            return reply
        return Reply(reply.status_code, reply.headers, xml.cleaned(reply.content, self.limits.reply_bytes))

    def post_xml(self, address: str, envelope: Any, headers: Mapping[str, str]) -> Reply:
        """Send one SOAP envelope (zeep calls this)."""
        message: bytes = etree_to_string(envelope)  # type: ignore[no-untyped-call]  # zeep is not annotated
        return self.post(address, message, headers)

    def get(
        self, address: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """Fetch a picture; errors as for `post`. `params` exists for zeep's signature only."""
        del params
        return self._exchange("GET", address, b"", headers or {}, self.limits.snapshot_bytes)

    def request(self, method: str, path: str, data: bytes, headers: Mapping[str, str]) -> Reply:
        """Send one request of a vendor's own API to this camera; errors as for `post`.

        The body comes back as it is: its reader bounds and cleans it.
        """
        url = f"http://{self.host}:{self.port}{path}"
        return self._exchange(method, url, data, headers, self.limits.reply_bytes)

    def load(self, url: str) -> NoReturn:
        """Refuse: a reply wants something fetched."""
        raise CameraBadReply("the reply points to another document", url=url[:200])

    def _exchange(self, method: str, url: str, data: bytes, headers: Mapping[str, str], most_bytes: int) -> Reply:
        parts = urlsplit(url)
        if parts.hostname != self.host or parts.scheme != self.scheme:
            raise CameraBadReply("the camera names another host", host=str(parts.hostname)[:100])
        sent = dict(headers)
        uri = urlunsplit(("", "", parts.path or "/", parts.query, ""))
        authorization = self.authorization(method, uri)
        if authorization:
            sent["Authorization"] = authorization
        self._deadline.start(self.limits.total_s)
        try:
            with self.session.request(
                method,
                url,
                data=data or None,
                headers=sent,
                timeout=self.limits.total_s,
                allow_redirects=False,
                stream=True,
            ) as response:
                content = self._read(response, most_bytes)
                self.last = Reply(
                    response.status_code,
                    response.headers,
                    content,
                    tuple(response.raw.headers.getlist("WWW-Authenticate")),
                )
        except requests.exceptions.SSLError as error:
            raise CameraUnsupported("no TLS that we speak", address=self.host, port=self.port) from error
        except (requests.exceptions.InvalidHeader, requests.exceptions.InvalidURL) as error:
            raise CameraBadReply("the camera's URL cannot be used") from error
        except (requests.ConnectionError, requests.Timeout, TimeoutError, urllib3.exceptions.TimeoutError) as error:
            raise CameraUnreachable("no answer", address=self.host, port=self.port) from error
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise CameraBadReply("the answer is no HTTP", address=self.host, port=self.port) from error
        return self._judged(self.last)

    def _read(self, response: requests.Response, most_bytes: int) -> bytes:
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise CameraBadReply("the reply is compressed, unasked")
        content = bytearray()
        while chunk := response.raw.read(min(65_536, most_bytes + 1 - len(content)), decode_content=False):
            content += chunk
            if len(content) > most_bytes:
                raise CameraBadReply("the reply is too big", most_bytes=most_bytes)
        return bytes(content)

    def _judged(self, reply: Reply) -> Reply:
        """Return a reply that may be read on; a fault inside an error is read by `soap`."""
        status = reply.status_code
        text = reply.content[:MOST_CHARS].decode("utf-8", "replace")
        if 300 <= status < 400:
            raise CameraBadReply("the camera redirects", status=status)
        match of_status(status, text):
            case Meaning.LOGIN if status == 401 or not reply.is_soap:
                raise LoginAsked(reply)
            case Meaning.LOCKED:
                raise CameraLocked("the camera locked the account", status=status, retry_after_s=locked_for_s(text))
            case Meaning.BUSY:
                raise CameraOverloaded("the camera has no room", status=status)
            case Meaning.UNSUPPORTED if not reply.is_soap:
                raise CameraUnsupported("no such service", status=status)
        return reply
