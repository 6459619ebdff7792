"""Control calls about the footage key: how it is, open, close, change.

Owns the translation between the control socket and the key store. Invariants: what a person brings (passphrase,
sheet) comes as the call's blob, never as a parameter, so that no log of a call can hold it, and never goes out; one
of these acts at a time, a second is refused and not queued, because each takes a thread and 64 MB; every act is a
journal event in words of ours. Who may do it is decided, and written into the audit, by the gateway.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import anyio.to_thread

from gateway.core.errors import BadInput, PassphraseRefused
from gateway.core.finish import to_the_end
from gateway.core.model import Secret
from gateway.core.wire import Handler, Reply, Request
from recorder.journal import Journal
from recorder.keystore import KeyStore, Proof

_NAMES = frozenset({"passphrase", "sheet", "new"})
MAX_SECRETS_BYTES = 4096


class KeyService:
    """Handlers of the key calls."""

    def __init__(self, keys: KeyStore | None, forget: Callable[[], None], journal: Journal) -> None:
        """Take `forget`, which drops the opened keys of all disks; `keys` None: the box does not encrypt."""
        self._keys, self._forget, self._journal = keys, forget, journal
        self._busy = False
        self._threads = anyio.CapacityLimiter(1)

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "key.status": self.status,
            "key.unlock": self.unlock,
            "key.lock": self.lock,
            "key.passphrase": self.passphrase,
            "key.rotate": self.rotate,
            "key.handover": self.handover,
            "key.holder": self.holder,
        }

    async def status(self, request: Request) -> Reply:
        """Say how the key is, without any secret."""
        del request
        return Reply({"encrypted": False} if self._keys is None else await _told(self._keys))

    async def unlock(self, request: Request) -> Reply:
        """Open the past with a passphrase or a recovery sheet."""
        proof = _proof(request)
        return await self._act("unlocked", lambda keys: keys.unlock(proof))

    async def lock(self, request: Request) -> Reply:
        """Forget the key: what was written before now is shut, but for the hours written since the start."""
        del request

        def shut(keys: KeyStore) -> None:
            keys.lock()
            self._forget()

        return await self._act("locked", shut)

    async def passphrase(self, request: Request) -> Reply:
        """Set the first passphrase, or another one for the same key."""
        proof, new = _proof(request), _new(request)
        return await self._act("passphrase", lambda keys: keys.set_passphrase(proof, new))

    async def rotate(self, request: Request) -> Reply:
        """Begin a new key with the same passphrase."""
        proof = _proof(request)
        return await self._act("rotated", lambda keys: keys.turn(proof, None))

    async def handover(self, request: Request) -> Reply:
        """Begin a new key with a new principal's passphrase; the old one opens nothing that comes."""
        proof, new = _proof(request), _new(request)
        return await self._act("handover", lambda keys: keys.turn(proof, new))

    async def holder(self, request: Request) -> Reply:
        """Take the public half of a recovery holder's new sheet, into place 1 or 2."""
        proof, place = _proof(request), request.number("place")
        try:
            public = bytes.fromhex(request.text("public"))
        except ValueError as error:
            raise BadInput("key.holder: public must be 64 hex digits", key="public") from error
        return await self._act("holder", lambda keys: keys.set_holder(proof, place, public))

    async def _act(self, what: str, act: Callable[[KeyStore], None]) -> Reply:
        keys = self._keys
        if keys is None:
            raise BadInput("this box does not encrypt its recordings", case="no_key", key="encrypt")
        if self._busy:
            raise PassphraseRefused("another try is under way", reason="wait", case="key_wait", retry_after_s=1)
        self._busy = True
        await to_the_end(self._done(what, act, keys))  # a changed card is told, whoever went away
        return Reply(await _told(keys))

    async def _done(self, what: str, act: Callable[[KeyStore], None], keys: KeyStore) -> None:
        try:
            await anyio.to_thread.run_sync(act, keys, limiter=self._threads)
            await self._journal.note(self._journal.event("footage.key", what=what))
        finally:
            self._busy = False


async def _told(keys: KeyStore) -> dict[str, Any]:
    """Return the key's state; asked in a thread, since it looks at the disks and one may hang."""
    return {"encrypted": True, **await anyio.to_thread.run_sync(keys.status)}


def _secrets(request: Request) -> dict[str, Secret]:
    """Read what a person brought; BadInput for anything but a few known texts."""
    if not request.blob:
        return {}
    try:
        if len(request.blob) > MAX_SECRETS_BYTES:
            raise ValueError("too long")
        value: Any = json.loads(request.blob)
        if not isinstance(value, dict) or not value.keys() <= _NAMES:
            raise ValueError("unknown names")
        if not all(isinstance(item, str) for item in value.values()):
            raise ValueError("no texts")
    except ValueError:
        # Without the cause: a parser's error quotes what it could not read.
        raise BadInput(f"{request.method}: the blob must be JSON with passphrase, sheet or new", key="blob") from None
    return {name: Secret(text) for name, text in value.items()}


def _proof(request: Request) -> Proof:
    secrets = _secrets(request)
    return Proof(secrets.get("passphrase"), secrets.get("sheet"))


def _new(request: Request) -> Secret:
    new = _secrets(request).get("new")
    if new is None:
        raise BadInput(f"{request.method}: a new passphrase is needed", key="new")
    return new
