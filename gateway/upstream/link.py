"""The HTTPS client to one hub: signed, compressed, typed.

Owns the connection and the meaning of status codes. Invariants: every request is signed over the bytes
sent (`core.boxsign`); no redirect is followed; every failure is HubUnreachable (try again) or HubRefused
(trying again will not help until something changes); a wait the hub asks for is respected.
"""

from __future__ import annotations

import gzip
import json
from types import TracebackType
from typing import Any, Self

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.boxsign import sign_request
from gateway.core.clock import Clock
from gateway.core.errors import HubRefused, HubUnreachable

TIMEOUT_S = 20.0
GZIP_LEVEL = 6
"""44 bytes an event on the wire at the price of 5 us each."""


class HubLink:
    """Calls of one box to its hub while entered."""

    def __init__(self, url: str, key: Ed25519PrivateKey, clock: Clock, *, ca_file: str | None = None) -> None:
        self._url, self._key, self._clock, self._ca = url, key, clock, ca_file
        self._client: httpx.AsyncClient | None = None

    async def __aenter__(self) -> Self:
        verify: Any = self._ca or True
        self._client = httpx.AsyncClient(timeout=TIMEOUT_S, verify=verify, trust_env=False, follow_redirects=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._client is not None:
            await self._client.aclose()

    async def enrol(self, claim: str) -> str:
        """Trade a one-use claim for a gateway id; the hub learns our public key."""
        public = self._key.public_key().public_bytes_raw().hex()
        answer = await self._post("/v1/enrol", {"claim": claim, "public_key": public}, gateway="")
        return str(answer["gateway"])

    async def hello(self, gateway: str, lanes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Tell our lanes; returns the hub's cursors `[{lane, stream, acked, id}]`."""
        answer = await self._post("/v1/hello", {"lanes": lanes}, gateway=gateway)
        return list(answer["cursors"])

    async def send(self, gateway: str, stream: str, lane: str, bodies: list[str]) -> dict[str, Any]:
        """Send documents in order; returns `{"acked": n, "gap": bool}`."""
        text = '{"lane":' + json.dumps(lane) + ',"events":[' + ",".join(bodies) + "]}"
        return await self._post(f"/v1/events/{stream}", text, gateway=gateway)

    async def _post(self, path: str, document: dict[str, Any] | str, *, gateway: str) -> dict[str, Any]:
        assert self._client is not None
        text = document if isinstance(document, str) else json.dumps(document)
        body = gzip.compress(text.encode(), GZIP_LEVEL)
        headers = sign_request(self._key, gateway, "POST", path, self._clock.now_ms(), body)
        headers |= {"content-encoding": "gzip", "content-type": "application/json"}
        try:
            reply = await self._client.post(self._url + path, content=body, headers=headers)
            if reply.status_code == httpx.codes.OK:
                answer = reply.json()
                if isinstance(answer, dict):
                    return answer
        except (httpx.HTTPError, ValueError) as error:
            raise HubUnreachable(f"{self._url} does not answer: {type(error).__name__}", url=self._url) from error
        if reply.status_code in (httpx.codes.TOO_MANY_REQUESTS, *range(500, 600)):
            wait = reply.headers.get("retry-after", "")
            raise HubUnreachable(
                f"the hub answered {reply.status_code}", url=self._url, retry_after_s=int(wait) if wait.isdigit() else 0
            )
        raise HubRefused(f"the hub answered {reply.status_code}: {reply.text[:200]}", url=self._url)
