"""What page and daemon say to each other on the data channel while a stream runs (its end: `ends.py`).

Owns both sentences, pure. The page says `{"want": "main" | "sub"}`: the stream its picture's size asks for, once when
its picture begins and whenever that changes; who says so also shows stills while media rests. The daemon says
`{"link": "weak"}` when media rests because the link carries none, and `{"link": "video"}` when it is tried again. Where
sessions share a connection, each sentence names its own: `"session"`. Invariants: what a stranger says is read up to
`MOST_CHARS`, and is either one of these sentences or nothing.
"""

from __future__ import annotations

import json
from typing import NamedTuple

from gateway.core.model import StreamRole

MOST_CHARS = 64


class Wish(NamedTuple):
    """What a page asks for."""

    role: StreamRole
    session: str = ""
    """Whose; empty where there is one only."""


def wanted(text: object) -> Wish | None:
    """Return what a page asks for; None for anything else it says."""
    if not isinstance(text, str) or len(text) > MOST_CHARS:
        return None
    try:
        said = json.loads(text)
        return Wish(StreamRole(said["want"]), str(said.get("session", ""))) if isinstance(said, dict) else None
    except (ValueError, KeyError, RecursionError):
        return None


def link_message(session: str = "", *, resting: bool) -> str:
    """Return what tells the page that media rests, or that it comes again; `session` where several share it."""
    return json.dumps({"link": "weak" if resting else "video"} | ({"session": session} if session else {}))
