"""Words as they are typed after a command.

Owns the quoting of names in commands that people are shown. Pure. Invariant: a shell takes what is written here for
one word, whatever a camera or a class is called.
"""

from __future__ import annotations

import shlex


def quoted(name: str) -> str:
    """Return a name as it is typed after a command; letters of any language need no quotes."""
    return name if name.isalnum() else shlex.quote(name)
