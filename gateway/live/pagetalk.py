"""What page and daemon say to each other on the data channel while a stream runs (its end: `ends.py`).

Owns both sentences, pure. The page says `{"want": "main" | "sub"}`: the stream its picture's size asks for, once when
the channel opens and whenever that changes; who says so also shows stills while media rests. The daemon says
`{"link": "weak"}` when media rests because the link carries none, and `{"link": "video"}` when it is tried again.
Invariants: what a stranger says is read up to `MOST_CHARS`, and is either one of these sentences or nothing.
"""

from __future__ import annotations

import json

from gateway.core.model import StreamRole

MOST_CHARS = 64


def wanted(text: object) -> StreamRole | None:
    """Return the stream a page asks for; None for anything else it says."""
    if not isinstance(text, str) or len(text) > MOST_CHARS:
        return None
    try:
        said = json.loads(text)
        return StreamRole(said["want"]) if isinstance(said, dict) else None
    except (ValueError, KeyError, RecursionError):
        return None


def link_message(*, resting: bool) -> str:
    """Return what tells the page that media rests, or that it comes again."""
    return json.dumps({"link": "weak" if resting else "video"})
