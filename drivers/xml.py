"""Reading XML that a stranger wrote: cameras and whoever else answers on the camera network.

Owns the one way such bytes become elements. Invariants: no DTD, no entity declaration, no network,
no file; sizes are bounded by the caller's limit; broken bytes and broken nesting are repaired rather
than refused, because cameras send them (invalid UTF-8 in names is common); names are compared by
their local part, because cameras use wrong namespaces too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from gateway.core.errors import CameraBadReply

_DECLARATION = re.compile(rb"^\s*<\?xml[^>]{0,200}\?>")
_ENCODING = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")
_FORBIDDEN = re.compile(rb"<!\s*(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_ENCODINGS = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1", "windows-1252", "gb2312", "gbk", "gb18030"})
"""Single-byte-ASCII encodings only: in these a DTD cannot hide from the byte search below."""


def cleaned(data: bytes, most_bytes: int) -> bytes:
    """Return the document as plain UTF-8 without a declaration, fit for any XML parser.

    Raises:
        CameraBadReply: it is too big, holds NUL bytes (UTF-16 and friends), a DTD or an entity.

    """
    if len(data) > most_bytes:
        raise CameraBadReply("the reply is too big", size_bytes=len(data), most_bytes=most_bytes)
    if b"\0" in data:
        raise CameraBadReply("the reply is no text")
    data = data.removeprefix(b"\xef\xbb\xbf")
    encoding = "utf-8"
    declaration = _DECLARATION.match(data)
    if declaration:
        named = _ENCODING.search(declaration.group())
        if named and (wanted := named.group(1).decode("ascii").lower()) in _ENCODINGS:
            encoding = wanted
        data = data[declaration.end() :]
    text = data.decode(encoding, "replace").encode("utf-8", "replace")
    if _FORBIDDEN.search(text):
        raise CameraBadReply("the reply carries a DTD")
    text = text.lstrip()
    if text[:5].lower() == b"<?xml":
        raise CameraBadReply("the reply has a second or overlong XML declaration")
    return text


def parse(data: bytes, most_bytes: int) -> etree._Element:
    """Return the root element of a hostile document.

    Raises:
        CameraBadReply: see `cleaned`; also when no element can be made of it.

    """
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        recover=True,
        remove_comments=True,
        remove_pis=True,
        encoding="utf-8",
    )
    try:
        root = etree.fromstring(cleaned(data, most_bytes), parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise CameraBadReply("the reply is no XML") from error
    if root is None or root.getroottree().docinfo.internalDTD is not None:
        raise CameraBadReply("the reply is no XML we read")
    return root


def local(element: etree._Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rsplit("}", 1)[-1]  # an unresolved entity has a function here: matches nothing


def all_named(root: etree._Element, name: str) -> Iterator[etree._Element]:
    """Yield the elements of that local name, root included, in document order."""
    return (element for element in root.iter() if local(element) == name)


def first(root: etree._Element, name: str) -> etree._Element | None:
    """Return the first element of that local name."""
    return next(all_named(root, name), None)


def text_of(root: etree._Element | None, name: str, most_chars: int = 1024) -> str:
    """Return the stripped text of the first element of that local name, cut to size; "" if none."""
    element = None if root is None else first(root, name)
    return "" if element is None else (element.text or "").strip()[:most_chars]
