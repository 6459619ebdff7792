"""The footage key and erasing, for whoever may: relayed to the recorder with a row in the audit.

Owns the translation for the control socket and the pages. Invariants: what a person brings goes on as the call's
blob and is neither kept nor logged; a proof is signed here, from the recorder's facts, when nothing is left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access.acts import Acts
from gateway.access.audit import CONSOLE, Actor
from gateway.core.erasureproof import sign_proof
from gateway.core.errors import BadInput
from gateway.core.finish import to_the_end
from gateway.core.model import Secret
from gateway.core.wire import ControlClient, Handler, Reply, Request

KEY_ACTS = ("unlock", "lock", "passphrase", "rotate", "handover", "holder")
ACT_S = 60.0
"""A slow box takes seconds for one passphrase, and the disk may be busy."""
PLAN_S = 600.0


class FootageDesk:
    """What may be done to the key and to everything that was recorded."""

    def __init__(self, acts: Acts, recorder: ControlClient, key: Ed25519PrivateKey) -> None:
        self._acts, self._recorder, self._key = acts, recorder, key

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls of the control socket; its holder acts as the console."""
        return {
            "key.status": self._status,
            **{f"key.{name}": self._key_act for name in KEY_ACTS},
            "erase.plan": self._plan,
            "erase.start": self._start,
            "erase.status": self._erase_status,
            "erase.proof": self._proof,
        }

    async def status(self) -> dict[str, Any]:
        """Return the recorder's `key.status`."""
        return (await self._recorder.call("key.status")).result

    async def act(
        self, actor: Actor, name: str, secrets: Mapping[str, Secret], params: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Do one of `KEY_ACTS`; Denied, PassphraseRefused, BadInput, DaemonUnavailable."""
        blob = json.dumps({key: item.reveal() for key, item in secrets.items()}).encode() if secrets else b""
        return await self._relay(actor, name, params or {}, blob)

    async def _relay(self, actor: Actor, name: str, params: Mapping[str, Any], blob: bytes) -> dict[str, Any]:
        if name not in KEY_ACTS:
            raise BadInput("no such act", key="act")

        async def work() -> dict[str, Any]:
            return (await self._recorder.call(f"key.{name}", params, blob, timeout_s=ACT_S)).result

        return await self._acts.carry_out(actor, f"key.{name}", work)

    async def _status(self, _request: Request) -> Reply:
        return Reply(await self.status())

    async def _key_act(self, request: Request) -> Reply:
        return Reply(await self._relay(CONSOLE, request.method.removeprefix("key."), request.params, request.blob))

    async def _plan(self, request: Request) -> Reply:
        return await self._recorder.call("erase.plan", _scope(request), timeout_s=PLAN_S)

    async def _start(self, request: Request) -> Reply:
        params = {
            **_scope(request),
            "typed": request.text("typed"),
            "lift_holds": request.params.get("lift_holds") is True,
            "who": CONSOLE.device,
        }

        async def work() -> dict[str, Any]:
            return (await self._recorder.call("erase.start", params, timeout_s=PLAN_S)).result

        camera = str(params.get("camera", ""))
        started = await self._acts.carry_out(CONSOLE, "erase.start", work, camera=camera)
        await to_the_end(self._acts.end_holds(str(started["erasure"]), camera))
        return Reply(started)

    async def _erase_status(self, request: Request) -> Reply:
        return await self._recorder.call("erase.status", {"erasure": request.text("erasure")})

    async def _proof(self, request: Request) -> Reply:
        found = (await self._recorder.call("erase.status", {"erasure": request.text("erasure")})).result
        proof = sign_proof(found["facts"], self._key)
        if found["facts"]["scope"] == "box":
            await self._acts.wipe_names(request.text("erasure"))
        else:  # again, for a gateway that was stopped right after the order
            await self._acts.end_holds(request.text("erasure"), str(found["facts"]["camera"]))
        return Reply({"proof": proof})


def _scope(request: Request) -> dict[str, Any]:
    if request.params.get("box") is True:
        return {"box": True}
    return {"camera": request.text("camera")}
