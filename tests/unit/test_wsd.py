"""WS-Discovery messages: what cameras send, sloppy and hostile, and where we then look for them."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Interface
from uuid import UUID

import pytest

from drivers import xml
from drivers.discovery import wsd
from gateway.core.errors import CameraBadReply

OURS = IPv4Interface("192.168.1.10/24")
LOOPBACK = IPv4Interface("127.0.0.1/8")
NAMES = (
    'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    'xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery" xmlns:dn="http://www.onvif.org/ver10/network/wsdl"'
)


def device(
    xaddrs: str = "http://192.168.1.64/onvif/device_service",
    *,
    uuid: str = "urn:uuid:1",
    types: str = "dn:NetworkVideoTransmitter",
    scopes: str = "onvif://www.onvif.org/name/L%E1%BB%9Bp_L%C3%A1 onvif://www.onvif.org/hardware/DS-2CD",
) -> str:
    return (
        f"<a:EndpointReference><a:Address>{uuid}</a:Address></a:EndpointReference><d:Types>{types}</d:Types>"
        f"<d:Scopes>{scopes}</d:Scopes><d:XAddrs>{xaddrs}</d:XAddrs><d:MetadataVersion>1</d:MetadataVersion>"
    )


def message(body: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><s:Envelope {NAMES}><s:Body>{body}</s:Body></s:Envelope>'.encode()


def one(data: bytes) -> wsd.Announcement:
    (announcement,) = wsd.read(data)
    return announcement


def place(xaddrs: str, source: str = "192.168.1.64", ours: IPv4Interface = OURS) -> wsd.Place:
    return wsd.place(
        one(message(f"<d:ProbeMatches><d:ProbeMatch>{device(xaddrs)}</d:ProbeMatch></d:ProbeMatches>")), source, ours
    )


SHAPES = [
    "<d:ProbeMatches><d:ProbeMatch>{}</d:ProbeMatch></d:ProbeMatches>",
    "<d:ProbeMatch>{}</d:ProbeMatch>",
    "<d:ProbeMatches>{}</d:ProbeMatches>",
    '<x:ProbeMatches xmlns:x="urn:wrong"><x:ProbeMatch>{}</x:ProbeMatch></x:ProbeMatches>',
]


@pytest.mark.parametrize("shape", SHAPES)
def test_matches_are_read_in_any_wrapping(shape: str) -> None:
    """ProbeMatch is understood with, without and in place of its wrapper, in any namespace."""
    found = one(message(shape.format(device())))
    assert found.kind is wsd.Kind.MATCH
    assert found.endpoint == "urn:uuid:1"
    assert found.xaddrs == ("http://192.168.1.64/onvif/device_service",)
    assert (found.name, found.hardware) == ("Lớp Lá", "DS-2CD")
    assert found.is_camera


@pytest.mark.parametrize("kind", [wsd.Kind.HELLO, wsd.Kind.BYE])
def test_hello_and_bye(kind: wsd.Kind) -> None:
    """Hello and Bye are told apart from answers."""
    name = kind.value.capitalize()
    assert one(message(f"<d:{name}>{device()}</d:{name}>")).kind is kind


def test_the_probes_of_others_are_no_devices() -> None:
    """A Probe, ours or another client's, announces nothing."""
    for typed in (True, False):
        assert wsd.read(wsd.probe_message(UUID(int=1), typed=typed)) == ()


def test_our_probe_is_strict_xml() -> None:
    """Both probes parse, name their action, and carry the id they were given."""
    for typed in (True, False):
        root = xml.parse(wsd.probe_message(UUID(int=7), typed=typed), 10_000)
        assert xml.text_of(root, "MessageID") == f"urn:uuid:{UUID(int=7)}"
        assert xml.text_of(root, "Action").endswith("/Probe")
        assert xml.text_of(root, "Types") == ("dn:NetworkVideoTransmitter" if typed else "")


def test_several_devices_in_one_message() -> None:
    """A proxy's answer holds several devices; a liar's thousands are cut."""
    many = "".join(f"<d:ProbeMatch>{device(uuid=f'urn:uuid:{n}')}</d:ProbeMatch>" for n in range(40))
    found = wsd.read(message(f"<d:ProbeMatches>{many}</d:ProbeMatches>"))
    assert [a.endpoint for a in found] == [f"urn:uuid:{n}" for n in range(wsd.MOST_DEVICES)]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello",
        b"\x00\x01\x02",
        message("<d:ProbeMatch/>").decode().encode("utf-16"),
        b'<!DOCTYPE l [<!ENTITY a "aaaa">]><l>&a;</l>',
        b'<!DOCTYPE l SYSTEM "file:///etc/passwd"><l/>',
        message("<d:ProbeMatch/>") + b" " * 70_000,
    ],
    ids=["empty", "text", "binary", "utf-16", "entity", "external", "oversized"],
)
def test_hostile_bytes_are_refused(data: bytes) -> None:
    """What is no XML, hides a DTD or is too big raises our error and nothing else."""
    with pytest.raises(CameraBadReply):
        wsd.read(data)


def test_broken_xml_is_repaired() -> None:
    """A cut message, invalid UTF-8 and undefined entities still name the device."""
    data = message(f"<d:ProbeMatches><d:ProbeMatch>{device()}</d:ProbeMatch></d:ProbeMatches>")
    assert one(data[: data.rindex(b"</d:XAddrs>")]).endpoint == "urn:uuid:1"
    assert one(data.replace(b"DS-2CD", b"DS\xff\xfe&nbsp;")).endpoint == "urn:uuid:1"


def test_deep_nesting_does_no_harm() -> None:
    """Ten thousand levels are cut by the parser's limit, without a crash."""
    deep = b"<a>" * 10_000 + b"</a>" * 10_000
    with contextlib.suppress(CameraBadReply):
        assert wsd.read(deep) == ()


def test_texts_are_bounded_and_printable() -> None:
    """Names with control characters or without an end come out short and printable."""
    scopes = "onvif://www.onvif.org/name/%1b%5b31m" + "A" * 500
    found = one(message(f"<d:ProbeMatch>{device(scopes=scopes)}</d:ProbeMatch>"))
    assert found.name.isprintable()
    assert len(found.name) <= 64


def test_endpoint_with_blanks_or_line_breaks_is_dropped() -> None:
    """An endpoint reference that is no single printable word is treated as none."""
    for uuid in ("a b", "x" * 300, "a\nb"):
        assert one(message(f"<d:ProbeMatch>{device(uuid=uuid)}</d:ProbeMatch>")).endpoint in {"", "x" * 200}


def test_xaddr_on_our_subnet_is_preferred() -> None:
    """Of several XAddrs the one on our subnet is taken, the packet's source first."""
    xaddrs = "http://10.0.0.9/a http://192.168.1.70:8080/b http://192.168.1.64:8081/c http://[fe80::1]/d"
    found = place(xaddrs)
    assert (found.address, found.port, found.on_subnet) == ("192.168.1.64", 8081, True)
    assert found.xaddrs == tuple(xaddrs.split()[:3])
    assert place(xaddrs, "10.0.0.9").address == "192.168.1.70"


@pytest.mark.parametrize(
    "bad",
    [
        "http://0.0.0.0:8899/onvif/device_service",
        "http://169.254.7.7:8899/x",
        "http://127.0.0.1:8899/x",
        "http://10.99.0.1:8899/x",
        "http://255.255.255.255:8899/x",
    ],
)
def test_unusable_hosts_are_replaced_by_the_source(bad: str) -> None:
    """An XAddr that leads nowhere gives its port; the host is where the packet came from."""
    found = place(bad)
    assert (found.address, found.port, found.on_subnet) == ("192.168.1.64", 8899, True)


@pytest.mark.parametrize(
    "bad",
    ["", "http://camera.local/x", "ftp://192.168.1.64/x", "http://192.168.1.64:99999/x", "http://[::1]/x", "http://["],
)
def test_no_usable_xaddr_at_all(bad: str) -> None:
    """Without any XAddr the device is at its source, port 80, standard path."""
    found = place(bad)
    assert (found.address, found.port) == ("192.168.1.64", 80)
    assert found.xaddrs == ("http://192.168.1.64:80/onvif/device_service",)


def test_many_xaddrs_are_cut() -> None:
    """A message with a thousand XAddrs keeps sixteen."""
    found = one(
        message(f"<d:ProbeMatch>{device(' '.join(f'http://10.0.0.{n % 250}/x' for n in range(200)))}</d:ProbeMatch>")
    )
    assert len(found.xaddrs) <= wsd.MOST_XADDRS


def test_off_subnet_device_says_so() -> None:
    """A factory-default camera heard on another subnet is listed, marked as out of reach."""
    found = place("http://192.168.1.64/onvif/device_service", "192.168.1.64", IPv4Interface("10.0.0.2/24"))
    assert (found.address, found.on_subnet) == ("192.168.1.64", False)


def test_loopback_devices_are_found_from_loopback_only() -> None:
    """Simulated cameras on 127.0.1.x are reached from loopback; from a real network they do not exist."""
    assert place("http://127.0.1.11:8080/x", "127.0.0.1", LOOPBACK).address == "127.0.1.11"
    assert place("http://127.0.1.11:8080/x").address == "192.168.1.64"


def test_declared_encodings() -> None:
    """A name in the encoding its declaration names is read; an unknown encoding falls back to UTF-8."""
    text = '<?xml version="1.0" encoding="gb2312"?><r><Name>摄像机</Name></r>'
    assert xml.text_of(xml.parse(text.encode("gb2312"), 1000), "Name") == "摄像机"
    assert xml.text_of(xml.parse(text.replace("gb2312", "x-unknown").encode(), 1000), "Name") == "摄像机"
    assert xml.text_of(xml.parse(b"\xef\xbb\xbf<r><Name>a</Name></r>", 1000), "Name") == "a"
