"""The STUN and TURN servers of the box, with passwords made for one session each.

Owns the secret shared with the TURN server: the file `keys/turn.secret`, sealed. Invariants: the secret comes in by
the control socket and never goes out again, neither to a page nor to the live daemon; a password is made only for
somebody whose right was decided, lasts minutes, and its user name says nothing about who that is; without a secret no
TURN server is named.
"""

from __future__ import annotations

import string
from collections.abc import Mapping
from pathlib import Path

from gateway.access.acts import Acts
from gateway.access.audit import CONSOLE
from gateway.core.clock import Clock
from gateway.core.config import Live
from gateway.core.errors import BadInput
from gateway.core.files import write_whole
from gateway.core.iceservers import IceServer, short_lived
from gateway.core.model import Secret, new_public_id
from gateway.core.secrets import SealKey, read_private
from gateway.core.wire import Handler, Reply, Request

FILE = "turn.secret"
_CONTEXT = "turn.secret"
LEAST_CHARS, MOST_CHARS = 16, 256
_ALLOWED = frozenset(string.ascii_letters + string.digits + string.punctuation)


class RelayServers:
    """Answers which servers a session may use."""

    def __init__(self, settings: Live, keys: Path, seal: SealKey, acts: Acts, clock: Clock) -> None:
        self._settings, self._path, self._seal, self._acts, self._clock = settings, keys / FILE, seal, acts, clock
        self._secret = self._read()

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls of the control socket; its holder acts as the console."""
        return {"turn.status": self._status, "turn.secret": self._set, "turn.forget": self._forget}

    def for_viewer(self) -> tuple[IceServer, ...]:
        """Return what a viewer may use, with fresh passwords; its right has been decided."""
        plain = [IceServer(url) for url in self._settings.stun]
        if self._secret is None:
            return tuple(plain)
        label, now_ms = str(new_public_id()), self._clock.now_ms()
        made = [short_lived(url, self._secret, now_ms=now_ms, label=label) for url in self._settings.turn]
        return (*plain, *made)

    def for_box(self) -> tuple[IceServer, ...]:
        """Return what the live daemon may ask for one session; nothing unless `live.relay`."""
        return self.for_viewer() if self._settings.relay else ()

    async def _status(self, _request: Request) -> Reply:
        settings = self._settings
        return Reply(
            {
                "stun": list(settings.stun),
                "turn": list(settings.turn),
                "relay": settings.relay,
                "secret_set": self._secret is not None,
            }
        )

    async def _set(self, request: Request) -> Reply:
        """Take the secret as the call's blob."""
        text = request.blob.decode("ascii", "replace").strip()
        if not LEAST_CHARS <= len(text) <= MOST_CHARS or not _ALLOWED.issuperset(text):
            raise BadInput("a shared secret is 16 to 256 plain characters", case="turn_secret", key="secret")

        async def work() -> None:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o711)
            write_whole(self._path, self._seal.seal(text.encode(), _CONTEXT), 0o600)
            self._secret = Secret(text)

        await self._acts.carry_out(CONSOLE, "turn.secret", work)
        return Reply({})

    async def _forget(self, _request: Request) -> Reply:
        """Forget it; without one there is nothing to forget, and nothing to write down."""
        if self._secret is None:
            return Reply({"was_set": False})

        async def work() -> None:
            self._path.unlink(missing_ok=True)
            self._secret = None

        await self._acts.carry_out(CONSOLE, "turn.forget", work)
        return Reply({"was_set": True})

    def _read(self) -> Secret | None:
        """Return the kept secret; ConfigError if others may read it, KeyLocked if it is not this box's."""
        if not self._path.exists():
            return None
        return Secret(self._seal.unseal(read_private(self._path), _CONTEXT).decode())
