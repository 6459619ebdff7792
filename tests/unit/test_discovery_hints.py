"""Makers by MAC and by what a device calls itself, and the ranges that may be asked."""

from __future__ import annotations

from ipaddress import IPv4Interface

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.discovery.interfaces import Address
from drivers.discovery.oui import maker_of, parse_table, table
from drivers.discovery.ranges import MOST_HOSTS, ranges_of, wanted_ranges
from drivers.discovery.vendors import vendor_in, vendor_of
from gateway.core.errors import BadInput

HIK = "44:19:b6:00:00:01"


def ours(ip: str, interface: str = "eth0") -> Address:
    return Address(interface, IPv4Interface(ip))


def test_the_table_knows_the_makers() -> None:
    """About 150 prefixes, each once, the common makers of our schools among them."""
    from importlib.resources import files

    text = (files("drivers.discovery") / "oui.csv").read_text("utf-8")
    rows = [line for line in text.splitlines() if not line.startswith("#")][1:]
    assert len(rows) == len({row[:8] for row in rows}) == len(table())
    assert 100 <= len(rows) <= 250
    assert "ieee-data" in text.split("oui,vendor")[0]
    names = {maker.name for maker in table().values()}
    assert {
        "Hikvision",
        "Dahua",
        "Ezviz",
        "Uniview",
        "TP-Link",
        "VNPT",
        "Viettel",
        "Reolink",
        "Tiandy",
        "Axis",
    } <= names


def test_a_mac_is_a_hint() -> None:
    """Camera makers are told from makers of everything; made-up and unknown addresses name nobody."""
    maker = maker_of(HIK)
    assert maker is not None
    assert (maker.name, maker.only_cameras) == ("Hikvision", True)
    assert [maker_of(mac) for mac in (None, "", "02:00:00:00:00:01", "46:19:b6:00:00:01", "00:00:00:00:00:01")] == [
        None
    ] * 5
    assert any(not maker.only_cameras for maker in table().values())


def test_comments_and_blank_lines_are_no_rows() -> None:
    """The head of the file is for people."""
    assert list(parse_table("# x\n\noui,vendor,makes\naa:bb:cc,A,camera\n")) == ["aa:bb:cc"]


@pytest.mark.parametrize(
    ("text", "maker"),
    [
        ("HIKVISION DS-2CD2143G2-I", "Hikvision"),
        ("DS-2CD2143", "Hikvision"),
        ("IPC-HDW2431T", "Dahua"),
        ("KX-C4012", "KBVision"),
        ("IPC-T42EP", "Imou"),
        ("Dahua Rtsp Server", "Dahua"),
        ("uc-httpd 1.0.0", "Xiongmai"),
        ("TP-LINK VIGI C330", "TP-Link"),
        ("GStreamer RTSP server", ""),
        ("Thikvisionary", ""),
        ("", ""),
    ],
)
def test_names_give_makers_away(text: str, maker: str) -> None:
    """As the devices write them; an unknown name gives nothing."""
    assert vendor_in(text) == maker


def test_words_count_more_than_the_mac() -> None:
    """A brand sells under its maker's OUI."""
    assert vendor_of(HIK, "KX-C4012", "Hikvision") == "KBVision"
    assert vendor_of(HIK, "Camera") == "Hikvision"
    assert vendor_of(None) == ""


def test_one_range_a_network() -> None:
    """A /24 whole, a wide network around our address, point-to-point none; no network twice."""
    addresses = (
        ours("192.168.1.10/24"),
        ours("192.168.1.11/24", "wlan0"),
        ours("10.20.30.40/8", "eth1"),
        ours("10.9.9.9/32", "eth2"),
    )
    assert [str(part) for part in ranges_of(addresses)] == ["eth0 192.168.1.0/24", "eth1 10.20.28.0/22"]
    assert [part.size for part in ranges_of(addresses)] == [253, MOST_HOSTS - 3]


def test_named_ranges_lie_in_our_networks() -> None:
    """A part of ours is fine; a stranger's, a wider one and nonsense are refused by name."""
    have = (ours("10.20.30.40/16"),)
    (part,) = wanted_ranges(["10.20.99.0/24"], have)
    assert (str(part), part.size) == ("eth0 10.20.99.0/24", 254)
    for text in ("10.21.0.0/24", "10.20.0.0/21", "8.8.8.8/32", "eth0", "", "10.20.0.0/16"):
        with pytest.raises(BadInput) as refusal:
            wanted_ranges([text], have)
        assert refusal.value.fields["key"] == "ranges"


@given(st.ip_addresses(v=4), st.integers(8, 32))
@settings(deadline=None)  # a /22 has a thousand hosts, and a busy machine other work
def test_a_range_is_bounded_and_leaves_us_out(ip: object, prefix: int) -> None:
    """Never more hosts than a /22 has, all in our network, never our own address."""
    own = ours(f"{ip}/{prefix}")
    for part in ranges_of([own]):
        hosts = list(part.hosts())
        assert len(hosts) <= MOST_HOSTS - 2
        assert own.ip.ip not in hosts
        assert all(host in own.ip.network for host in hosts)
