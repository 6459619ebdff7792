"""XML out and XML in, both without surprises.

Owns `tag` (build: every text is escaped unless it is markup already) and `parse` (read: no DTD, no
entities, no network, bounded depth and size). Invariant: markup is only ever made by `tag` or `raw`.
"""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from gateway.core.errors import CameraBadReply

MOST_XML_BYTES = 1 << 18


class Xml(str):
    """Text that is markup already."""

    __slots__ = ()


def text(value: object) -> Xml:
    """Return `value` as character data; booleans as XML Schema writes them."""
    if isinstance(value, Xml):
        return value
    if isinstance(value, bool):
        return Xml("true" if value else "false")
    return Xml(escape(str(value)))


def tag(name: str, *children: object, **attributes: object) -> Xml:
    """Return `<name ...>children</name>`; a trailing underscore of an attribute's name is dropped."""
    marks = "".join(f" {key.rstrip('_')}={quoteattr(text_of(value))}" for key, value in attributes.items())
    return Xml(f"<{name}{marks}>{''.join(map(text, children))}</{name}>")


def join(parts: list[Xml]) -> Xml:
    """Return markup parts one after the other."""
    return Xml("".join(parts))


def text_of(value: object) -> str:
    """Return an attribute's value, not yet escaped."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def parse(data: bytes) -> etree._Element:
    """Parse a document; raises CameraBadReply for a DTD, an entity, too many bytes or no XML."""
    if len(data) > MOST_XML_BYTES:
        raise CameraBadReply("XML is too long", length=len(data))
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as error:
        raise CameraBadReply("not XML") from error
    info: Any = root.getroottree().docinfo
    if info.doctype:
        raise CameraBadReply("XML with a DTD")
    return root


def is_element(node: etree._Element) -> bool:
    """Say no to comments and processing instructions, which lxml also lists among children."""
    kind: Any = node.tag
    return isinstance(kind, str)


def local(element: etree._Element) -> str:
    """Return an element's name without its namespace; empty for comments."""
    return etree.QName(element).localname if is_element(element) else ""


def namespace(element: etree._Element) -> str:
    """Return an element's namespace; empty if none."""
    return (etree.QName(element).namespace or "") if is_element(element) else ""


def find(element: etree._Element | None, name: str) -> etree._Element | None:
    """Return the first element called `name` at any depth, itself included, in any namespace."""
    if element is None:
        return None
    return next((item for item in element.iter() if local(item) == name), None)


def find_all(element: etree._Element, name: str) -> list[etree._Element]:
    """Return all elements called `name` at any depth, in any namespace."""
    return [item for item in element.iter() if local(item) == name]


def value_of(element: etree._Element | None, name: str, default: str = "") -> str:
    """Return the text of the first element called `name`, stripped; `default` when absent or empty."""
    found = find(element, name)
    return (found.text or "").strip() or default if found is not None else default
