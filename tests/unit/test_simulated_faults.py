"""Switching faults by name, and XML in and out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.simulated.counters import MOST_CALLS, Call, Counters
from drivers.simulated.faults import Faults, KeepAlive, Look, Quirks, set_by_name
from drivers.simulated.markup import MOST_XML_BYTES, Xml, find, join, local, namespace, parse, tag, value_of
from gateway.core.errors import BadInput, CameraBadReply


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("silent", True, True),
        ("drop", 0.25, 0.25),
        ("drop", 1, 1.0),
        ("look", "covered", Look.COVERED),
        ("refuse_status", 503, 503),
    ],
)
def test_fault_by_name(name: str, value: object, kept: object) -> None:
    """A fault takes a JSON value of its kind."""
    faults = Faults()
    set_by_name(faults, name, value)
    assert getattr(faults, name) == kept
    assert type(getattr(faults, name)) is type(kept)


def test_quirk_by_name() -> None:
    """Lists become tuples, words become members of their enumeration."""
    quirks = Quirks()
    set_by_name(quirks, "rtsp_digest", ["SHA-256", "MD5"])
    set_by_name(quirks, "keepalive", "options")
    assert quirks.rtsp_digest == ("SHA-256", "MD5")
    assert quirks.keepalive is KeepAlive.OPTIONS


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("nonsense", True),
        ("silent", 1),
        ("silent", "yes"),
        ("drop", "much"),
        ("drop", True),
        ("refuse_status", 1.5),
        ("look", "lovely"),
        ("look", None),
        ("__class__", "x"),
    ],
)
def test_wrong_names_and_values_are_refused(name: str, value: object) -> None:
    """Nothing of another kind gets in, and an unknown name is BadInput."""
    with pytest.raises(BadInput):
        set_by_name(Faults(), name, value)


def test_list_of_other_things_is_refused() -> None:
    """A tuple of words takes no numbers."""
    with pytest.raises(BadInput):
        set_by_name(Quirks(), "rtsp_digest", [1])


def test_counters_are_bounded_and_total() -> None:
    """The list keeps the newest calls, the totals keep them all."""
    counters = Counters()
    for n in range(MOST_CALLS + 5):
        counters.note(Call(n, "onvif", "GetProfiles"))
    counters.note(Call(0, "rtsp", "GetProfiles"))
    assert len(counters.calls) == MOST_CALLS
    assert counters.count("GetProfiles") == MOST_CALLS + 6
    assert counters.count("GetProfiles", "rtsp") == 1


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff")))
def test_text_survives_markup(words: str) -> None:
    """Whatever text goes into an element or attribute comes out of the parser again."""
    root = parse(tag("a", tag("b", words), mark=words).encode())
    inner = find(root, "b")
    assert inner is not None
    assert (inner.text or "") == words
    assert root.get("mark") == words


def test_markup_is_not_escaped_twice() -> None:
    """Children that are markup stay markup; booleans and numbers are written as XML Schema has them."""
    assert tag("a", tag("b", "<&>"), True, 5, x_=False) == '<a x="false"><b>&lt;&amp;&gt;</b>true5</a>'
    assert join([Xml("<a/>"), Xml("<b/>")]) == "<a/><b/>"


@pytest.mark.parametrize(
    "data",
    [
        b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>',
        b'<!DOCTYPE a SYSTEM "http://192.0.2.1/a.dtd"><a/>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
        b"no xml",
        b"",
        b"<a>",
        b"<a>" + b"x" * MOST_XML_BYTES + b"</a>",
        b"<a>" * 5000 + b"</a>" * 5000,
    ],
)
def test_dangerous_xml_is_refused(data: bytes) -> None:
    """DTDs, entities, half documents, floods of bytes or depth: CameraBadReply, nothing else."""
    with pytest.raises(CameraBadReply):
        parse(data)


def test_finding_by_local_name() -> None:
    """Elements are found in any namespace; comments are no elements."""
    root = parse(b'<x:a xmlns:x="urn:x"><!-- c --><x:b> text </x:b><x:b/></x:a>')
    assert (local(root), namespace(root)) == ("a", "urn:x")
    assert value_of(root, "b") == "text"
    assert value_of(root, "c", "absent") == "absent"
    assert [local(child) for child in root] == ["", "b", "b"]
    assert find(None, "a") is None
