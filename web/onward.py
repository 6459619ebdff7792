"""Where somebody goes on to after a question: the address they came from, with what stood behind its `?`.

Owns how such an address is named and read back. Pure. Invariants: what comes out is a path of this box, whatever went
in: no other host, no fragment, nothing that ends a header; its query is written anew, field by field; a query that
cannot be read or is too long is left out, and the page is still found.
"""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

from gateway.core.model import Role
from web.caller import Caller

MOST_CHARS = 512
MOST_FIELDS = 32
NOT_OURS = frozenset('\\#% "<>')
"""What no path of ours has."""


def address_of(path: str, query: str) -> str:
    """Return the address of a request that is to be gone on with, whole if it is not too long."""
    whole = f"{path}?{query}" if query else path
    return whole if len(whole) <= MOST_CHARS else path


def onward(address: str) -> str:
    """Return an address as a page of ours to go on to; nothing for what is none."""
    path, _, query = address.partition("?")
    plain = path.startswith("/") and path.isascii() and path.isprintable() and not set(path) & NOT_OURS
    if not plain or path.startswith("//"):
        return ""
    try:
        fields = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict")
        return address_of(path, urlencode(fields))
    except ValueError:  # too many fields, or bytes that are no text: the page itself is still the right one
        return path


def home_of(caller: Caller) -> str:
    """Return the first page of a role."""
    return {Role.GUARDIAN: "/p/", Role.TEACHER: "/co/", Role.OBSERVER: "/khach/"}.get(caller.role, "/")


def way_on(address: str, caller: Caller) -> str:
    """Return a page of ours to go on to: what is none leads home."""
    return onward(address) or home_of(caller)


def page_of(address: str) -> str:
    """Return the path of an address: what says which page it is."""
    return address.partition("?")[0]
