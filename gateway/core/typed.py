"""Names as people type them.

Owns the quoting of names in commands that people are shown, and when two writings are one name. Pure. Invariant: a
shell takes what is quoted here for one word, whatever a camera or a class is called.
"""

from __future__ import annotations

import shlex
import unicodedata


def quoted(name: str) -> str:
    """Return a name as it is typed after a command; letters of any language need no quotes."""
    return name if name.isalnum() else shlex.quote(name)


def tidy(name: str) -> str:
    """Return a name as it is compared: composed accents (Unicode NFC), single spaces, no case."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()
