"""What a browser is called in lists.

Owns the form of such a name. Pure.
"""

from __future__ import annotations

MAX_LABEL = 80


def clean_label(text: str) -> str:
    """Return a device's name for lists: one printable line, cut to 80 characters."""
    return "".join(c for c in " ".join(text.split()) if c.isprintable())[:MAX_LABEL]
