"""The HTTPS client to one hub: signed, compressed, typed.

Owns the connection and the meaning of status codes. Invariants: every request is signed over the bytes
sent (`core.boxsign`); no redirect is followed; an answer is bounded in size and in time; every failure is
HubUnreachable (try again), HubBusy (try again after the time it says) or HubRefused (trying again will not
help until something changes).
"""

from __future__ import annotations

import email.utils
import gzip
import json
import re
import ssl
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import anyio
import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.boxsign import sign_request
from gateway.core.clock import Clock
from gateway.core.errors import HubBusy, HubRefused, HubUnreachable
from gateway.core.model import PublicId
from gateway.upstream import protocol
from gateway.upstream.protocol import Ack, Announced, Cursor

TIMEOUT_S = 20.0
"""For each step: connect, write, each read."""
WHOLE_S = 60.0
"""For a whole request: a peer that drips a byte a second must not hold the line."""
MAX_ANSWER_BYTES = 256 * 1024
GZIP_LEVEL = 6
"""44 bytes an event on the wire at the price of 5 us each."""
DEFAULT_RETRY_S = 5
_REFUSALS = frozenset({400, 401, 403, 404, 405, 409, 413, 422})
_CODE = re.compile(r"[a-z][a-z0-9_.]{0,40}")


def retry_after_s(value: str, now_ms: int) -> int:
    """Return the seconds of a Retry-After header (RFC 9110 §10.2.3: seconds or a date), `DEFAULT_RETRY_S` if none."""
    text = value.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    try:
        at_s = email.utils.parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return DEFAULT_RETRY_S
    return max(0, round(at_s - now_ms / 1000))


class HubLink:
    """Calls of one box to its hub while entered."""

    def __init__(self, url: str, key: Ed25519PrivateKey, clock: Clock, *, ca_file: str | None = None) -> None:
        """`ca_file` is a PEM of the hub's own authority; None = the system's."""
        self._url, self._key, self._clock, self._ca_file = url, key, clock, ca_file
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        trust = ssl.create_default_context(cafile=self._ca_file)
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, verify=trust, trust_env=False, follow_redirects=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def enrol(self, claim: str) -> PublicId:
        """Trade a one-use claim for a gateway id; the hub learns our public key."""
        public = self._key.public_key().public_bytes_raw().hex()
        text = json.dumps({"claim": claim, "public_key": public})
        return protocol.read_gateway(await self._post("/v1/enrol", text, gateway=""))

    async def hello(self, gateway: str, lanes: Sequence[Announced]) -> dict[str, Cursor]:
        """Tell our lanes; returns the hub's cursors by stream."""
        text = json.dumps({"lanes": [lane._asdict() for lane in lanes]})
        return protocol.read_cursors(await self._post("/v1/hello", text, gateway=gateway))

    async def send(self, gateway: str, stream: str, first: int, bodies: Sequence[str]) -> Ack:
        """Send documents in order, the first with number `first`."""
        text = f'{{"first":{first},"events":[{",".join(bodies)}]}}'
        return protocol.read_ack(await self._post(f"/v1/events/{stream}", text, gateway=gateway))

    async def _post(self, path: str, text: str, *, gateway: str) -> dict[str, Any]:
        body = gzip.compress(text.encode(), GZIP_LEVEL)
        headers = sign_request(self._key, gateway, "POST", path, self._clock.now_ms(), body)
        headers |= {
            "content-encoding": "gzip",
            "content-type": "application/json",
            "accept-encoding": "identity",
        }
        try:
            with anyio.fail_after(WHOLE_S):
                status, waiting, answer = await self._exchange(path, body, headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise HubUnreachable(f"{self._url} does not answer: {type(error).__name__}", url=self._url) from error
        document = _object(answer)
        if status == httpx.codes.OK and document is not None:
            return document
        return self._fail(status, waiting, document)

    async def _exchange(self, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        assert self._client is not None
        async with self._client.stream("POST", self._url + path, content=body, headers=headers) as reply:
            answer = b""
            async for part in reply.aiter_raw():
                answer += part
                if len(answer) > MAX_ANSWER_BYTES:
                    raise HubUnreachable("the answer is too long to be a hub's", url=self._url)
            return reply.status_code, reply.headers.get("retry-after", ""), answer

    def _fail(self, status: int, waiting: str, document: dict[str, Any] | None) -> dict[str, Any]:
        if status in (httpx.codes.TOO_MANY_REQUESTS, httpx.codes.SERVICE_UNAVAILABLE):
            wait_s = retry_after_s(waiting, self._clock.now_ms())
            raise HubBusy(f"the hub answered {status}", url=self._url, retry_after_s=wait_s)
        told = (document or {}).get("error")
        if status in _REFUSALS and isinstance(told, dict):
            reason = str(told.get("reason") or told.get("code") or "")
            # Words of another machine go into our log and onto our page only as a code.
            reason = reason if _CODE.fullmatch(reason) else "other"
            raise HubRefused(f"the hub answered {status}", url=self._url, reason=reason)
        # A captive portal's page, a proxy's redirect or error: not the hub itself.
        raise HubUnreachable(f"{self._url} answered {status}, not as a hub does", url=self._url)


def _object(text: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
