"""Who may log in to a simulated camera, and what became of each try.

Owns the user list, the lockout, and Digest as a server speaks it (RFC 7616 and RFC 2617, MD5 and SHA-256);
RTSP, ONVIF and stills of one camera share one `LoginBook`, as on a real device. Invariants: a wrong name,
password or form of login counts as bad, a missing one or an old nonce does not; counters only grow; time comes
from the clock that is passed in.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass, field
from enum import Enum

from drivers.simulated.faults import Quirks
from gateway.core.clock import Clock
from gateway.core.model import Secret

NONCE_LIFE_S = 300
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}
_PAIR = re.compile(r'([A-Za-z0-9_-]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^,\s]+)')


class Verdict(Enum):
    """What a request's credentials are worth."""

    ABSENT = "absent"
    GOOD = "good"
    BAD = "bad"
    STALE = "stale"
    """Right form, old nonce: ask again, this is no failed login (RFC 7616 §3.3)."""


@dataclass(slots=True)
class User:
    """One account on the camera."""

    password: Secret
    level: str = "Administrator"


@dataclass(slots=True)
class LoginBook:
    """Accounts, and counts of good and bad logins over all protocols of one camera."""

    users: dict[str, User]
    quirks: Quirks
    clock: Clock
    good_logins: int = 0
    bad_logins: int = 0
    lockouts: int = 0
    _in_a_row: int = field(default=0, repr=False)
    _locked_until_ns: int = field(default=0, repr=False)

    def locked(self) -> bool:
        """Say whether even a right password is refused at the moment."""
        return self.clock.mono_ns() < self._locked_until_ns

    def judge(self, verdict: Verdict) -> Verdict:
        """Count a verdict and apply the lockout; returns what the client gets to feel."""
        if verdict in (Verdict.ABSENT, Verdict.STALE):
            return verdict
        if verdict is Verdict.GOOD and not self.locked():
            self.good_logins += 1
            self._in_a_row = 0
            return verdict
        self.bad_logins += 1
        self._in_a_row += 1
        if self.quirks.lockout_after and self._in_a_row >= self.quirks.lockout_after and not self.locked():
            self.lockouts += 1
            self._in_a_row = 0
            self._locked_until_ns = self.clock.mono_ns() + round(self.quirks.lockout_s * 1e9)
        return Verdict.BAD

    def password_of(self, username: str) -> str | None:
        """Return the clear password, None for an unknown user."""
        user = self.users.get(username)
        return user.password.reveal() if user else None


class DigestGate:
    """Challenges and checks for one realm; stateless nonces: time and an HMAC over it."""

    def __init__(self, realm: str, book: LoginBook, key: bytes) -> None:
        self.realm, self._book, self._key = realm, book, key

    def challenges(
        self, algorithms: tuple[str, ...], *, basic: bool = False, qop: bool = True, stale: bool = False
    ) -> list[str]:
        """Return WWW-Authenticate values, Digest in the order given, Basic last."""
        nonce = self._nonce(self._book.clock.mono_ns() // 1_000_000_000)
        tail = (', qop="auth"' if qop else "") + (", stale=true" if stale else "")
        lines = []
        for name in algorithms:
            # Old firmware names no algorithm when it only knows MD5; both forms must work for clients.
            algorithm = "" if algorithms == ("MD5",) and not qop else f", algorithm={name}"
            lines.append(f'Digest realm="{self.realm}", nonce="{nonce}"{algorithm}{tail}')
        if basic:
            lines.append(f'Basic realm="{self.realm}"')
        return lines

    def check(self, header: str, method: str, algorithms: tuple[str, ...], *, basic: bool = False) -> Verdict:
        """Judge an Authorization header; counts nothing (see `LoginBook.judge`)."""
        scheme, _, rest = header.partition(" ")
        if not header:
            return Verdict.ABSENT
        if scheme.lower() == "basic":
            return self._check_basic(rest) if basic else Verdict.BAD
        if scheme.lower() != "digest":
            return Verdict.BAD
        values = {key.lower(): value.strip('"') for key, value in _PAIR.findall(rest)}
        return self._check_digest(values, method, algorithms)

    def _check_basic(self, encoded: str) -> Verdict:
        try:
            name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return Verdict.BAD
        return Verdict.GOOD if self._book.password_of(name) == password else Verdict.BAD

    def _check_digest(self, values: dict[str, str], method: str, algorithms: tuple[str, ...]) -> Verdict:
        algorithm, nonce = values.get("algorithm", "MD5").upper(), values.get("nonce", "")
        password = self._book.password_of(values.get("username", ""))
        if password is None or algorithm not in algorithms or algorithm not in _HASHES:
            return Verdict.BAD
        want = digest_response(
            algorithm,
            login=(values.get("username", ""), self.realm, password),
            request=(method, values.get("uri", "")),
            nonce=nonce,
            quality=(values["nc"], values.get("cnonce", ""), values["qop"]) if {"nc", "qop"} <= values.keys() else None,
        )
        if not hmac.compare_digest(want.encode(), values.get("response", "").encode()):
            return Verdict.BAD
        return Verdict.GOOD if self._fresh(nonce) else Verdict.STALE

    def _nonce(self, at_s: int) -> str:
        return f"{at_s:x}." + hmac.new(self._key, str(at_s).encode(), hashlib.sha256).hexdigest()[:32]

    def _fresh(self, nonce: str) -> bool:
        stamp, _, _ = nonce.partition(".")
        try:
            at_s = int(stamp, 16)
            made = self._nonce(at_s)
        except ValueError:
            return False
        age_s = self._book.clock.mono_ns() // 1_000_000_000 - at_s
        return hmac.compare_digest(made.encode(), nonce.encode()) and 0 <= age_s <= NONCE_LIFE_S


def digest_response(
    algorithm: str,
    *,
    login: tuple[str, str, str],
    request: tuple[str, str],
    nonce: str,
    quality: tuple[str, str, str] | None,
) -> str:
    """Return the `response` value of RFC 7616 §3.4.1.

    `login` is (username, realm, password), `request` (method, uri), `quality` (nc, cnonce, qop) or None
    for the older form of RFC 2069.
    """

    def digest(text: str) -> str:
        return _HASHES[algorithm](text.encode()).hexdigest()

    ha1, ha2 = digest(":".join(login)), digest(":".join(request))
    middle = (nonce, *quality) if quality else (nonce,)
    return digest(":".join((ha1, *middle, ha2)))
