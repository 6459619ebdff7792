"""Which addresses speak to cameras."""

from __future__ import annotations

from ipaddress import IPv4Interface
from pathlib import Path

import pytest

from drivers.discovery import interfaces as ifs
from drivers.discovery.neighbours import mac_of, normal_mac, parse_table
from gateway.core.errors import ConfigError

HAVE = (
    ifs.Address("lo", IPv4Interface("127.0.0.1/8")),
    ifs.Address("eth0", IPv4Interface("10.0.0.2/24")),
    ifs.Address("eth1", IPv4Interface("192.168.1.10/24")),
    ifs.Address("eth1", IPv4Interface("192.168.8.10/24")),
    ifs.Address("docker0", IPv4Interface("172.17.0.1/16")),
    ifs.Address("br-1f2e3d", IPv4Interface("172.18.0.1/16")),
    ifs.Address("veth12ab", IPv4Interface("169.254.3.3/16")),
    ifs.Address("tun0", IPv4Interface("10.8.0.2/24")),
    ifs.Address("wg0", IPv4Interface("10.9.0.2/24")),
    ifs.Address("br0", IPv4Interface("192.168.50.1/24")),
)


def names(chosen: tuple[ifs.Address, ...]) -> list[str]:
    return [str(address.ip.ip) for address in chosen]


def test_by_default_all_real_interfaces() -> None:
    """Without a choice every real address is used: no container, tunnel or loopback."""
    assert names(ifs.choose((), HAVE)) == ["10.0.0.2", "192.168.1.10", "192.168.8.10", "192.168.50.1"]


def test_loopback_when_asked() -> None:
    """Loopback joins the real ones for simulated cameras."""
    assert names(ifs.choose((), HAVE, loopback=True))[-1] == "127.0.0.1"


def test_a_choice_is_kept_to_the_letter() -> None:
    """Names take all their addresses, addresses take one, also virtual ones; nothing else is added."""
    assert names(ifs.choose(("eth1",), HAVE)) == ["192.168.1.10", "192.168.8.10"]
    assert names(ifs.choose(("192.168.8.10", "docker0", "192.168.8.10"), HAVE, loopback=True)) == [
        "192.168.8.10",
        "172.17.0.1",
    ]
    assert names(ifs.choose(("127.0.0.1",), HAVE)) == ["127.0.0.1"]


def test_an_unknown_choice_is_an_error() -> None:
    """A name that does not exist is said, not skipped."""
    with pytest.raises(ConfigError) as caught:
        ifs.choose(("eth7",), HAVE)
    assert caught.value.fields["value"] == "eth7"


def test_this_machine_has_loopback() -> None:
    """The system's addresses are listed with their networks."""
    assert any(address.ip.ip.is_loopback for address in ifs.installed())


ARP = """IP address       HW type     Flags       HW address            Mask     Device
192.168.1.64     0x1         0x2         44:19:B6:00:00:01     *        eth1
192.168.1.65     0x1         0x0         00:00:00:00:00:00     *        eth1
192.168.1.66     0x1         0x2         00:00:00:00:00:00     *        eth1
broken line
192.168.1.67     zz          zz          44:19:b6:00:00:02     *        eth1
"""


def test_neighbour_table() -> None:
    """Only complete entries with a real MAC count."""
    assert parse_table(ARP) == {"192.168.1.64": "44:19:b6:00:00:01"}


def test_mac_of_reads_the_file(tmp_path: Path) -> None:
    """The table is read from the kernel's file; without the file nobody has a MAC."""
    table = tmp_path / "arp"
    assert mac_of("192.168.1.64", table) is None
    table.write_text(ARP)
    assert mac_of("192.168.1.64", table) == "44:19:b6:00:00:01"
    assert mac_of("192.168.1.99", table) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("44-19-B6-00-00-01", "44:19:b6:00:00:01"),
        ("4419b6000001", "44:19:b6:00:00:01"),
        (" 44:19:b6:00:00:01 ", "44:19:b6:00:00:01"),
        ("ff:ff:ff:ff:ff:ff", None),
        ("00:00:00:00:00:00", None),
        ("None", None),
        ("", None),
    ],
)
def test_macs_have_one_form(text: str, expected: str | None) -> None:
    """Cameras write MACs in several ways; one comes out, and placeholders are none."""
    assert normal_mac(text) == expected
