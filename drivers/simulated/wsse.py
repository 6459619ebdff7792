"""WS-UsernameToken as a camera checks it (OASIS UsernameToken Profile 1.0, ONVIF Core 5.9.3).

Owns the clock window and the memory of used nonces. Invariants: a nonce is good once, but for a quirk; the memory of
nonces is bounded; counts nothing (see `LoginBook.judge`).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections import OrderedDict
from datetime import UTC, datetime

from lxml import etree

from drivers.simulated.faults import Quirks
from drivers.simulated.logins import LoginBook, Verdict
from drivers.simulated.markup import find, value_of

MOST_NONCES, MOST_NONCE_CHARS = 1000, 128


def password_digest(nonce: bytes, created: str, password: str) -> str:
    """Return Base64(SHA-1(nonce + created + password))."""
    # SHA-1 is what the profile prescribes; cameras know no other.
    digest = hashlib.sha1(nonce + created.encode() + password.encode(), usedforsecurity=False)
    return base64.b64encode(digest.digest()).decode()


class TokenGate:
    """Judges the UsernameTokens of one camera."""

    def __init__(self, book: LoginBook, quirks: Quirks) -> None:
        self._book, self._quirks = book, quirks
        self._used: OrderedDict[str, None] = OrderedDict()

    def check(self, token: etree._Element | None, now_ms: int) -> Verdict:
        """Judge one token; `now_ms` is the camera's own clock."""
        accepted = set(self._quirks.onvif_auth) & {"wsse", "text"}
        if token is None or not accepted:
            return Verdict.ABSENT
        password = self._book.password_of(value_of(token, "Username"))
        given = find(token, "Password")
        if password is None or given is None:
            return Verdict.BAD
        if str(given.get("Type", "")).endswith("#PasswordDigest"):
            good = "wsse" in accepted and self._digest_fits(token, given.text or "", password, now_ms)
        else:
            good = "text" in accepted and (given.text or "") == password
        return Verdict.GOOD if good else Verdict.BAD

    def _digest_fits(self, token: etree._Element, given: str, password: str, now_ms: int) -> bool:
        created, encoded = value_of(token, "Created"), value_of(token, "Nonce")
        if len(encoded) > MOST_NONCE_CHARS:
            return False
        try:
            nonce = base64.b64decode(encoded, validate=True)
            at = datetime.fromisoformat(created)
        except (binascii.Error, ValueError):
            return False
        at_ms = round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
        known = encoded in self._used and not self._quirks.takes_old_tokens
        fresh = abs(at_ms - now_ms) <= self._quirks.wsse_window_s * 1000 and not known
        self._used[encoded] = None
        while len(self._used) > MOST_NONCES:
            self._used.popitem(last=False)
        return fresh and hmac.compare_digest(password_digest(nonce, created, password).encode(), given.strip().encode())
