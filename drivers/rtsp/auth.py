"""RTSP login (RFC 7616, RFC 7617, RFC 2617, RFC 2326 §16.4): read challenges, answer the strongest.

Owns challenge parsing and the response. Pure. Invariants: a Basic answer, which carries the password in clear,
comes only from `basic_authorization`, which is for use inside TLS; a challenge with control characters or
without a nonce is ignored; what we cannot compute (auth-int only, unknown hash) is not chosen.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from gateway.core.model import Login

MOST_CHALLENGES = 16
_PART = re.compile(r"""[\s,]*([!#$%&'*+.^_`|~\w-]+)(?:\s*=\s*("(?:[^"\\]|\\.)*"|[^\s,"]*))?""")
_ESCAPED = re.compile(r"\\(.)")

Hash = Callable[[bytes], str]


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()  # the camera's choice of hash, not ours


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


_HASHES: dict[str, tuple[int, Hash]] = {
    "md5": (1, _md5),
    "md5-sess": (2, _md5),
    "sha-256": (3, _sha256),
    "sha-256-sess": (4, _sha256),
}
"""Algorithm name in lower case: its rank and hash function."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """One `WWW-Authenticate` challenge; texts are Latin-1 views of the bytes that came."""

    scheme: str
    """`digest` or `basic`, lower case; others are kept by name."""
    realm: str = ""
    nonce: str = ""
    algorithm: str = ""
    """As offered, empty if none was named (then MD5)."""
    qop: tuple[str, ...] = ()
    opaque: str | None = None
    stale: bool = False

    @property
    def strength(self) -> int:
        """Rank for choosing; 0 = we do not answer this."""
        if self.scheme != "digest" or not self.nonce or (self.qop and "auth" not in self.qop):
            return 0
        return _HASHES.get(self.algorithm.lower() or "md5", (0, _md5))[0]


def _challenge(scheme: str, values: dict[str, str]) -> Challenge:
    qop = tuple(word.strip().lower() for word in values.get("qop", "").split(",") if word.strip())
    return Challenge(
        scheme.lower(),
        values.get("realm", ""),
        values.get("nonce", ""),
        values.get("algorithm", ""),
        qop,
        values.get("opaque"),
        values.get("stale", "").lower() == "true",
    )


def parse_challenges(headers: Iterable[str]) -> list[Challenge]:
    """Read all challenges of all `WWW-Authenticate` headers, in order; what is broken is left out."""
    found: list[Challenge] = []
    for header in headers:
        if any(char < " " or char == "\x7f" for char in header):
            continue
        scheme, values = "", dict[str, str]()
        for part in _PART.finditer(header):
            name, value = part[1], part[2]
            if value is None:
                if scheme:
                    found.append(_challenge(scheme, values))
                scheme, values = name, {}
            else:
                text = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
                values.setdefault(name.lower(), text)
        if scheme:
            found.append(_challenge(scheme, values))
    return found[:MOST_CHALLENGES]


def strongest(challenges: Iterable[Challenge]) -> Challenge | None:
    """Return the strongest Digest challenge we can answer, whatever the order; None if there is none."""
    best = max(challenges, key=lambda challenge: challenge.strength, default=None)
    return best if best is not None and best.strength > 0 else None


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def authorization(challenge: Challenge, login: Login, method: str, uri: str, cnonce: str, count: int) -> str:
    """Return the value of the `Authorization` header for one request.

    `count` is how often this nonce was used (from 1). The value is a Latin-1 view of the bytes to
    send; the user name and the password are taken as UTF-8 (RFC 7616 §4).
    """
    algorithm = challenge.algorithm.lower() or "md5"
    digest = _HASHES[algorithm][1]
    user = login.username.encode()
    secret = b":".join((user, challenge.realm.encode("latin-1"), login.password.reveal().encode()))
    nonce = challenge.nonce
    first = digest(secret)
    if algorithm.endswith("-sess"):
        first = digest(f"{first}:{nonce}:{cnonce}".encode("latin-1"))
    second = digest(f"{method}:{uri}".encode("latin-1"))
    uses = f"{count:08x}"
    middle = f"{nonce}:{uses}:{cnonce}:auth" if challenge.qop else nonce
    response = digest(f"{first}:{middle}:{second}".encode("latin-1"))
    parts = [
        f"username={_quoted(user.decode('latin-1'))}",
        f"realm={_quoted(challenge.realm)}",
        f"nonce={_quoted(nonce)}",
        f"uri={_quoted(uri)}",
        f'response="{response}"',
    ]
    if challenge.algorithm:
        parts.append(f"algorithm={challenge.algorithm}")
    if challenge.opaque is not None:
        parts.append(f"opaque={_quoted(challenge.opaque)}")
    if challenge.qop:
        parts += ["qop=auth", f"nc={uses}"]
    if challenge.qop or algorithm.endswith("-sess"):
        parts.append(f'cnonce="{cnonce}"')
    return "Digest " + ", ".join(parts)


def basic_authorization(login: Login) -> str:
    """Return the value of the `Authorization` header that carries the password itself: inside TLS only."""
    pair = f"{login.username}:{login.password.reveal()}".encode()
    return "Basic " + base64.b64encode(pair).decode()
