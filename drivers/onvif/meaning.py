"""What a refusal means: one table for SOAP faults, HTTP statuses and the words around them.

Owns the classification; pure. Invariants: a locked account is told apart from a wrong password, because
the one passes by itself and the other must never be tried again; what is not in the tables is a bad
reply, never a login: guessing "login" would cost the camera's patience; only the first `MOST_CHARS`
of a body are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

MOST_CHARS = 4_096
LOCKED_S, LEAST_LOCKED_S, MOST_LOCKED_S = 1_800, 60, 3_600
"""How long cameras lock when they do not say, and what is believed when they do."""


class Meaning(StrEnum):
    """What the camera wants us to understand."""

    FINE = "fine"
    LOGIN = "login"
    """It wants a login, or another one."""
    LOCKED = "locked"
    """The account or our address is locked for a while: no login at all until then."""
    UNSUPPORTED = "unsupported"
    BUSY = "busy"
    BAD = "bad"


_FAULTS: dict[Meaning, frozenset[str]] = {
    Meaning.LOCKED: frozenset({"AccountLocked", "UserLocked", "AuthenticationLocked", "LoginLocked", "DeviceLocked"}),
    Meaning.LOGIN: frozenset(
        {
            "NotAuthorized",
            "SenderNotAuthorized",
            "FailedAuthentication",
            "InvalidSecurity",
            "InvalidSecurityToken",
            "FailedCheck",
            "MessageExpired",
            "UnsupportedSecurityToken",
        }
    ),
    Meaning.UNSUPPORTED: frozenset(
        {"ActionNotSupported", "NoService", "OptionalActionNotImplemented", "UnknownAction", "NoSuchService"}
    ),
    Meaning.BUSY: frozenset({"OutofMemory", "ConnectionFailure", "MaxSessions", "TooManyUsers"}),
}
"""Local parts of fault codes: ONVIF Core §5.11.2, WSS SOAP Message Security §12, and what cameras say instead."""
_STATUSES: dict[int, Meaning] = {
    401: Meaning.LOGIN,
    403: Meaning.LOGIN,
    404: Meaning.UNSUPPORTED,
    405: Meaning.UNSUPPORTED,
    423: Meaning.LOCKED,
    429: Meaning.BUSY,
    501: Meaning.UNSUPPORTED,
    503: Meaning.BUSY,
}
"""RFC 9110 §15; the other errors are bad replies unless a fault says more."""
_LOCK_WORDS = re.compile(
    r"lockstatus\W{1,4}\s*lock\b|\b(?:account|user|ip|device|login)\b[^<.]{0,40}\b(?:is |been |temporarily )?locked\b"
    r"|\block(?:ed)?[- ]?out\b|too many (?:failed|illegal|wrong|login)|illegal ?login ?lock"
)
_LOCK_TIME = re.compile(r"(?:unlocktime|lockedtime|locktime|retry-after)\W{1,4}\s*(\d{1,6})\b")
_LOGIN_WORDS = ("not authorized", "unauthorized", "authority failure", "requires authorization")


def of_fault(codes: Iterable[str], reason: str, text: str = "") -> Meaning:
    """Return what a SOAP fault means; `text` is the whole reply, where some hide that they locked."""
    given = set(codes)
    if given & _FAULTS[Meaning.LOCKED] or says_locked(reason) or (given & _FAULTS[Meaning.LOGIN] and says_locked(text)):
        return Meaning.LOCKED
    if any(word in reason.lower() for word in _LOGIN_WORDS):
        return Meaning.LOGIN
    for meaning in (Meaning.LOGIN, Meaning.UNSUPPORTED, Meaning.BUSY):
        if given & _FAULTS[meaning]:
            return meaning
    return Meaning.BAD


def of_status(status: int, text: str = "") -> Meaning:
    """Return what an HTTP status means when the body is no SOAP fault (or before it was read)."""
    meaning = _STATUSES.get(status, Meaning.FINE if 200 <= status < 300 else Meaning.BAD)
    if meaning is Meaning.LOGIN and says_locked(text):
        return Meaning.LOCKED
    return meaning


def says_locked(text: str) -> bool:
    """Say whether these words tell of a locked account (Hikvision's `lockStatus`, Dahua's "account is locked")."""
    return _LOCK_WORDS.search(text[:MOST_CHARS].lower()) is not None


def locked_for_s(text: str) -> int:
    """Return for how many seconds a camera that locked says it will, within bounds; half an hour if it does not."""
    found = _LOCK_TIME.search(text[:MOST_CHARS].lower())
    return min(max(int(found[1]), LEAST_LOCKED_S), MOST_LOCKED_S) if found else LOCKED_S
