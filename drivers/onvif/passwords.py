"""Random passwords for accounts on cameras.

Owns their form. Invariant: 16 ASCII letters and digits (95 bits), because cameras refuse, cut or mangle
longer and stranger ones; at least one capital, one small letter and one digit, because many ask for that.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable

from gateway.core.model import Secret

LENGTH = 16
_KINDS = (string.ascii_uppercase, string.ascii_lowercase, string.digits)
_ALL = "".join(_KINDS)


def new_password(below: Callable[[int], int] = secrets.randbelow) -> Secret:
    """Return a fresh password; `below(n)` must return an unpredictable int in [0, n)."""
    while True:
        word = "".join(_ALL[below(len(_ALL))] for _ in range(LENGTH))
        if all(any(c in kind for c in word) for kind in _KINDS):
            return Secret(word)
