"""Passwords we give to cameras.

Owns their form. Invariants: 16 letters and digits, at least one of each kind that cameras ask for; none
of the signs that look alike on paper; made of the system's randomness alone, so that nobody can guess one
from another.
"""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable, Sequence

from gateway.core.model import Secret

LENGTH = 16
"""The longest that Hikvision takes."""
_ALIKE = frozenset("0O1lI")
UPPER, LOWER, DIGITS = (
    "".join(sign for sign in kind if sign not in _ALIKE)
    for kind in (string.ascii_uppercase, string.ascii_lowercase, string.digits)
)
SIGNS = UPPER + LOWER + DIGITS


def new_password(choice: Callable[[Sequence[str]], str] = secrets.choice) -> Secret:
    """Return a fresh password (about 92 bits); `choice` picks one sign of a text at random."""
    while True:
        text = "".join(choice(SIGNS) for _ in range(LENGTH))
        if all(any(sign in kind for sign in text) for kind in (UPPER, LOWER, DIGITS)):
            return Secret(text)
