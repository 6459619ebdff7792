"""A camera's pull point on disk, so that a crash of ours costs the camera no slot.

Owns one small file per camera: the subscription's address and what has to be echoed to it; no login, no
password. Invariants: the file is whole or not there; what cannot be read is forgotten, because a lost
subscription expires by itself; the address is used at the camera we reached only (the transport's rule).
"""

from __future__ import annotations

import json
from pathlib import Path

from lxml import etree

from drivers.onvif.pullpoint import Subscription
from gateway.core.files import write_whole

MOST_BYTES = 16_384


class PullFile:
    """Implements `PullMemory` with a file; used in the thread that calls the camera."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def recall(self) -> Subscription | None:
        """Return what the file holds; None if it is missing or no subscription of ours."""
        try:
            with self._path.open("rb") as file:
                kept = json.loads(file.read(MOST_BYTES))
            url, parameters = kept["url"], kept["parameters"]
            if not (isinstance(url, str) and isinstance(parameters, str)):
                return None
            etree.fromstring(f"<p>{parameters}</p>", etree.XMLParser(resolve_entities=False, no_network=True))
        except (OSError, ValueError, LookupError, TypeError, etree.XMLSyntaxError):
            return None
        return Subscription(url, parameters)

    def remember(self, subscription: Subscription) -> None:
        """Write the file anew; a full or read-only disk forgets, and the subscription expires by itself."""
        text = json.dumps({"url": subscription.url, "parameters": subscription.parameters})
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(self._path, text.encode(), 0o600)
        except OSError:
            return
