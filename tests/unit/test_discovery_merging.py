"""Which answers are one device, and what is left of each of them."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Found
from drivers.discovery.merging import MOST_FOUND, Collection, made_up_endpoint, merge, same_device, true_endpoint

ONE = Found("urn:a", "10.0.0.21", 80, ("http://10.0.0.21/x",), "", "", "44:19:b6:00:00:01", "eth0")
NAMELESS = replace(ONE, endpoint=made_up_endpoint("10.0.0.21", 554), port=0, xaddrs=(), rtsp_port=554)
FACTORY = replace(ONE, endpoint="", address="192.168.1.64", xaddrs=(), on_subnet=False)

devices = st.builds(
    Found,
    endpoint=st.sampled_from(["", "urn:a", "urn:b", "address:10.0.0.1:80"]),
    address=st.sampled_from(["10.0.0.1", "10.0.0.2", "192.168.1.64"]),
    port=st.sampled_from([0, 80]),
    xaddrs=st.just(()),
    name=st.sampled_from(["", "Lá"]),
    hardware=st.just(""),
    mac=st.sampled_from([None, "02:00:00:00:00:01", "02:00:00:00:00:02"]),
    interface=st.sampled_from(["eth0", "eth1"]),
    on_subnet=st.booleans(),
    rtsp_port=st.sampled_from([0, 554]),
    how=st.sampled_from([("multicast",), ("ports",)]),
)


def test_merging_prefers_our_subnet_and_keeps_texts() -> None:
    """Of two answers the reachable one wins and inherits what the other knew."""
    first = Found("urn:a", "192.168.1.64", 80, ("http://192.168.1.64/x",), "", "", None, "eth0", on_subnet=False)
    named = replace(first, xaddrs=(), name="Lá", hardware="HW", mac="44:19:b6:00:00:01")
    near = Found("urn:a", "10.0.0.9", 8080, ("http://10.0.0.9:8080/x",), "", "", None, "eth1", on_subnet=True)
    merged = merge(merge(first, named), near)
    assert (merged.address, merged.port, merged.interface) == ("10.0.0.9", 8080, "eth1")
    assert merged.mac is None  # that MAC was another address's
    assert set(merged.xaddrs) == {"http://192.168.1.64/x", "http://10.0.0.9:8080/x"}
    assert merge(first, named).name == "Lá"


def test_the_port_probe_adds_to_what_onvif_said() -> None:
    """The same address by two steps is one device, with both ports and both steps, in either order."""
    by_onvif = replace(ONE, how=("multicast",), profiles=("S",))
    by_ports = replace(NAMELESS, mac=None, how=("ports",), maker="Hikvision")
    for order in ((by_onvif, by_ports), (by_ports, by_onvif)):
        collection = Collection()
        for found in order:
            collection.add(found)
        (device,) = collection.devices
        assert (device.endpoint, device.port, device.rtsp_port) == ("urn:a", 80, 554)
        assert (device.maker, device.profiles, device.mac) == ("Hikvision", ("S",), ONE.mac)
        assert device.how == tuple(found.how[0] for found in order)


def test_the_port_of_onvif_goes_before_the_web_page_s() -> None:
    """A vendor's discovery names the port of the web page: adoption needs ONVIF's, whoever answered first."""
    by_vendor = replace(ONE, endpoint="", port=80, xaddrs=(), vendor="hikvision", how=("vendor",))
    by_onvif = replace(ONE, port=8000, xaddrs=("http://10.0.0.21:8000/x",), how=("multicast",))
    for order in ((by_onvif, by_vendor), (by_vendor, by_onvif)):
        collection = Collection()
        for found in order:
            collection.add(found)
        assert [(one.port, one.vendor) for one in collection.devices] == [(8000, "hikvision")]


def test_clones_stay_two() -> None:
    """One endpoint reference with two MACs is two cameras, also when a third answer has no MAC yet."""
    clone = replace(ONE, address="10.0.0.22", mac="44:19:b6:00:00:02")
    collection = Collection()
    for found in (ONE, clone, replace(clone, mac=None, name="B")):
        collection.add(found)
    assert [(one.address, one.name) for one in collection.in_order()] == [("10.0.0.21", ""), ("10.0.0.22", "B")]


def test_a_repeater_that_answers_for_others_joins_nobody() -> None:
    """Two addresses behind one MAC stay two devices unless their endpoint says otherwise."""
    behind = replace(NAMELESS, address="10.0.0.30", endpoint=made_up_endpoint("10.0.0.30", 554))
    assert not same_device(NAMELESS, behind)
    assert not same_device(ONE, behind)


def test_a_device_off_subnet_is_joined_by_the_mac_it_names() -> None:
    """Vendors' own discovery names MAC and factory address; ONVIF sees the same device elsewhere."""
    assert same_device(ONE, FACTORY)
    assert same_device(FACTORY, FACTORY)
    assert not same_device(FACTORY, replace(FACTORY, mac="44:19:b6:00:00:02"))


def test_two_factory_defaults_behind_two_cards_are_two() -> None:
    """The same address off both subnets says nothing."""
    unknown = replace(FACTORY, mac=None)
    assert same_device(unknown, unknown)
    assert not same_device(unknown, replace(unknown, interface="eth1"))


def test_a_late_answer_may_show_that_two_are_one() -> None:
    """Two answers with one mark each become one when a third has both."""
    collection = Collection()
    collection.add(replace(FACTORY, mac="44:19:b6:00:00:01", name="Sân"))
    collection.add(replace(ONE, mac=None))
    assert len(collection.devices) == 2
    assert collection.add(ONE) is not None
    (device,) = collection.devices
    assert (device.address, device.name) == ("10.0.0.21", "Sân")


def test_nothing_new_is_told_as_nothing() -> None:
    """The same answer again is no news."""
    collection = Collection()
    assert collection.add(ONE) == ONE
    assert collection.add(ONE) is None


def test_a_full_collection_counts() -> None:
    """Devices beyond the limit are counted, known ones still learn."""
    collection = Collection()
    for number in range(MOST_FOUND + 5):
        collection.add(replace(ONE, endpoint=f"urn:{number}", mac=None, address=f"10.1.{number // 250}.{number % 250}"))
    assert (len(collection.devices), collection.dropped) == (MOST_FOUND, 5)
    assert collection.add(replace(ONE, endpoint="urn:3", mac=None, address="10.1.0.3", name="Lá")) is not None


@given(devices, devices)
def test_sameness_has_no_order(one: Found, other: Found) -> None:
    """It does not matter which answer came first; two references are never one device."""
    assert same_device(one, other) == same_device(other, one)
    if true_endpoint(one) and true_endpoint(other) and true_endpoint(one) != true_endpoint(other):
        assert not same_device(one, other)


@given(st.lists(devices, max_size=8))
def test_no_two_of_a_collection_share_an_endpoint_and_a_mac(answers: list[Found]) -> None:
    """Each device once, by endpoint reference and MAC, in any order of answers; no mark is lost."""
    collection = Collection()
    for found in answers:
        collection.add(found)
    keys = [(true_endpoint(one), one.mac) for one in collection.devices if true_endpoint(one) and one.mac]
    assert len(keys) == len(set(keys))
    assert {true_endpoint(one) for one in answers} - {""} <= {true_endpoint(one) for one in collection.devices}
