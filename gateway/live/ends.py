"""Why sessions end, and what the page is told about it.

Owns the daemon's own codes. Invariant: a page is given a reason only where somebody decided one (the
gateway's order, a second window); what the daemon ends by itself says "ask again" (`end` is empty), so
that the page's next request is answered by the policy, with the true reason or with a picture.
"""

from __future__ import annotations

import json
from enum import StrEnum


class End(StrEnum):
    """Ends that `vuon-live` finds by itself; counted in `status`, never shown to people."""

    LEASE = "live.lease"
    """The gateway did not renew it."""
    UNTIL = "live.until"
    """The grant's own end came."""
    NO_PATH = "live.no_path"
    """ICE and DTLS did not connect in time."""
    GONE = "live.gone"
    """The viewer closed, or its consent was lost."""
    CODEC = "live.codec"
    """The stream is not H.264: the page goes on with stills."""
    TRANSCODES = "live.transcodes"
    """The camera has no H.264, and the box transcodes as many as it can: the page goes on with stills."""
    CAMERA_GONE = "live.camera_gone"
    """The recorder knows no such stream."""
    STOPPING = "live.stopping"
    """The daemon stops."""
    REFUSED = "live.refused"
    """The offer could not be answered."""


REPLACED = "stream.replaced"
"""A second offer came on the same grant: the first window is told."""


def told(end: End) -> bool:
    """Say whether the page shows this one's code: then its session connects first, to be told."""
    return end is End.TRANSCODES


def message(reason: str, session: str = "") -> str:
    """Return what the data channel says: `{"end": reason or "", "code": reason}`.

    Where sessions share the connection it also names the one that ends: `"session"`.
    """
    words = {"end": "" if reason in set(End) else reason, "code": reason}
    return json.dumps(words | ({"session": session} if session else {}))
