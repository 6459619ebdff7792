"""Codes as people type them: base32 in groups of four, and what a slip of the finger meant.

Owns how every such code is shown and read (one-use codes, slips, recovery codes); how long one is, what it opens and
what is kept of it are its owner's. Pure. Invariant: what is shown reads back as itself, in either case, with any spaces
and dashes.
"""

from __future__ import annotations

from collections.abc import Callable

GROUP = 4
_ALPHABET = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz234567")
_TYPOS = str.maketrans({"0": "o", "1": "l", "8": "b"})
"""Base32 has no 0, 1 and 8: whoever types one meant the letter that looks like it."""


def grouped(code: str) -> str:
    """Return a code as it is shown: `abcd-efgh-jklm`."""
    return "-".join(code[at : at + GROUP] for at in range(0, len(code), GROUP))


def meant(text: str, case: Callable[[str], str]) -> str:
    """Return the code that somebody typed, in the case it is kept in: `str.lower` or `str.upper`."""
    return "".join(letter for letter in case(text.translate(_TYPOS)) if letter in _ALPHABET)
