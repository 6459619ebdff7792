"""URLs of a session: whatever a camera writes, we only ever name the host we reached.

Owns the resolving of Content-Base and `a=control` (RFC 2326 §C.1.1, RFC 8866). Pure. Invariants: every
URL returned begins with our own scheme, host and port and is plain ASCII without blanks; a control
URL that names another host is refused, since a camera that does so is broken or hostile.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from drivers.rtsp.source import RtspSource, is_plain
from gateway.core.errors import CameraBadReply

_ABSOLUTE = re.compile(r"([A-Za-z][\w+.-]{0,15})://(?:[^/@?#]*@)?(\[[^\]/]*\]|[^/:?#\[]*)(?::\d{0,5})?(/.*|\?.*)?")
ITSELF = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared with what careless firmware writes, never bound
"""Hosts that careless firmware writes for "here"."""


def _own(source: RtspSource, rest: str | None) -> str:
    """Return our URL with the path and query of another; a missing path becomes /."""
    rest = rest or "/"
    return f"{source.scheme}://{source.authority}{rest if rest.startswith('/') else '/' + rest}"


def base_url(source: RtspSource, stated: str) -> str:
    """Return the URL that relative control texts extend: the stated one with our host, or the request's."""
    stated = stated.strip()
    if stated and is_plain(stated):
        if found := _ABSOLUTE.fullmatch(stated):
            return _own(source, found[3])
        if stated.startswith("/"):
            return _own(source, stated)
    return source.url()


def control_url(source: RtspSource, hosts: Collection[str], base: str, control: str) -> str:
    """Return the URL for an `a=control` text; `hosts` are other names of the host we reached.

    CameraBadReply: it names another host, another protocol, or is no URL text.
    """
    if control in ("", "*"):
        return base
    if not is_plain(control):
        raise CameraBadReply("the camera's control URL is malformed")
    found = _ABSOLUTE.fullmatch(control)
    if found is None:
        joint = "" if base.endswith("/") or control.startswith(("/", "?")) else "/"
        return (base.removesuffix("/") if control.startswith("/") else base) + joint + control
    host = found[2].strip("[]").lower()
    if found[1].lower() not in ("rtsp", "rtspu", "rtsps") or host not in ITSELF | {source.host.lower(), *hosts}:
        raise CameraBadReply("the camera's control URL leads to another host", host=host[:100])
    return _own(source, found[3])
