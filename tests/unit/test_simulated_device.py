"""The device service over its state: what is set is read back, and what cannot be is refused whole."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from drivers.simulated.device_service import LEAST_PASSWORD, MOST_SCOPE_CHARS, MOST_SCOPES, MOST_USERS
from drivers.simulated.discovery import about, message
from drivers.simulated.faults import Quirks
from tests.fakes.simulated import PASSWORD
from tests.fakes.simulated_bench import Bench, named, texts


def user(name: str, password: str = "Long-enough-1", level: str = "Operator") -> str:
    words = f"<tt:Username>{name}</tt:Username>"
    words += f"<tt:Password>{password}</tt:Password>" if password else ""
    return f"<tds:User>{words}<tt:UserLevel>{level}</tt:UserLevel></tds:User>"


def moment(year: object, month: object = 4, day: object = 5, hour: object = 1) -> str:
    time = f"<tt:Time><tt:Hour>{hour}</tt:Hour><tt:Minute>2</tt:Minute><tt:Second>3</tt:Second></tt:Time>"
    date = f"<tt:Date><tt:Year>{year}</tt:Year><tt:Month>{month}</tt:Month><tt:Day>{day}</tt:Day></tt:Date>"
    return f"<tds:DateTimeType>Manual</tds:DateTimeType><tds:UTCDateTime>{time}{date}</tds:UTCDateTime>"


def test_the_clock_goes_on_from_what_it_was_set_to() -> None:
    """After a manual time the camera is wrong by a fixed distance, which the clock's passing does not change."""
    bench = Bench()
    bench.ask("tds", "SetSystemDateAndTime", moment(2026))
    told = datetime(2026, 4, 5, 1, 2, 3, tzinfo=UTC).timestamp() * 1000
    assert bench.state.now_ms() == told
    bench.clock.tick(90)
    assert bench.state.now_ms() == told + 90_000
    answer = bench.ask("tds", "GetSystemDateAndTime")
    assert [texts(answer, name)[0] for name in ("DateTimeType", "Hour", "Minute", "Second")] == [
        "Manual",
        "1",
        "3",
        "33",
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        moment(2026, 13), moment(2026, 2, 30), moment(2026, hour=24), moment("soon"), moment(""), moment("²"),
        moment(1970), moment(9999), moment(10**30), moment(-5),
    ],
)  # fmt: skip
def test_no_clock_runs_at_an_impossible_time(wrong: str) -> None:
    """A date that is none, or that no clock of a camera can show, is refused and leaves the clock alone."""
    bench = Bench(Quirks(clock_skew_s=7))
    assert bench.refused("tds", "SetSystemDateAndTime", wrong) == "InvalidDateTime"
    assert (bench.state.quirks.clock_skew_s, bench.state.time_type) == (7, "Manual")


def test_other_ways_of_time() -> None:
    """NTP takes the skew away, a zone alone is kept, a third kind of clock is refused."""
    bench = Bench(Quirks(clock_skew_s=500))
    zone = "<tds:TimeZone><tt:TZ>CST-8</tt:TZ></tds:TimeZone>"
    bench.ask("tds", "SetSystemDateAndTime", f"<tds:DateTimeType>Manual</tds:DateTimeType>{zone}")
    assert (bench.state.quirks.clock_skew_s, bench.state.time_zone) == (500, "CST-8")
    bench.ask("tds", "SetSystemDateAndTime", "<tds:DateTimeType>NTP</tds:DateTimeType>")
    assert (bench.state.quirks.clock_skew_s, bench.state.time_zone, bench.state.time_type) == (0, "CST-8", "NTP")
    for kind in ("GPS", ""):
        wish = f"<tds:DateTimeType>{kind}</tds:DateTimeType>"
        assert bench.refused("tds", "SetSystemDateAndTime", wish) == "InvalidDateTime"


def test_ntp_servers_by_kind() -> None:
    """Addresses of both families and names read back as what they are; a new list replaces the old one."""
    bench = Bench()
    manual = [
        "<tt:Type>IPv4</tt:Type><tt:IPv4Address>192.168.1.2</tt:IPv4Address>",
        "<tt:Type>IPv6</tt:Type><tt:IPv6Address>2001:db8::1</tt:IPv6Address>",
        "<tt:Type>DNS</tt:Type><tt:DNSname>vn.pool.ntp.org</tt:DNSname>",
        "<tt:Type>IPv4</tt:Type>",
    ]
    bench.ask("tds", "SetNTP", "".join(f"<tds:NTPManual>{item}</tds:NTPManual>" for item in manual))
    answer = bench.ask("tds", "GetNTP")
    assert texts(answer, "Type") == ["IPv4", "IPv6", "DNS"]
    assert texts(answer, "IPv6Address") == ["2001:db8::1"]
    assert texts(answer, "FromDHCP") == ["false"]
    bench.ask("tds", "SetNTP", "<tds:FromDHCP>1</tds:FromDHCP>")
    answer = bench.ask("tds", "GetNTP")
    assert (texts(answer, "FromDHCP"), named(answer, "NTPManual")) == (["true"], [])


def test_scopes_are_added_and_replaced_but_never_the_fixed_ones() -> None:
    """Added scopes are configurable, setting replaces them, and the camera's own stay fixed."""
    bench = Bench()
    before = bench.state.scopes()
    bench.ask("tds", "AddScopes", "<tds:ScopeItem>onvif://a</tds:ScopeItem><tds:ScopeItem> onvif://b </tds:ScopeItem>")
    bench.ask("tds", "SetScopes", "<tds:Scopes>onvif://c</tds:Scopes>")
    answer = bench.ask("tds", "GetScopes")
    assert texts(answer, "ScopeItem") == [*before, "onvif://c"]
    assert texts(answer, "ScopeDef") == ["Fixed"] * len(before) + ["Configurable"]


def test_scopes_are_bounded_because_discovery_sends_them_all() -> None:
    """More scopes or longer ones than fit are refused whole, and a full list still fits one datagram."""
    bench = Bench()
    item = "<tds:ScopeItem>{}</tds:ScopeItem>"
    assert bench.refused("tds", "AddScopes", item.format("x" * (MOST_SCOPE_CHARS + 1))) == "TooManyScopes"
    assert bench.refused("tds", "AddScopes", item.format("x") * (MOST_SCOPES + 1)) == "TooManyScopes"
    assert bench.state.scopes_added == []
    bench.ask("tds", "AddScopes", item.format("&amp;" * MOST_SCOPE_CHARS) * MOST_SCOPES)
    assert bench.refused("tds", "AddScopes", item.format("x")) == "TooManyScopes"
    assert len(message("Hello", about(bench.state))) < 65_507


def test_users_are_made_all_or_none() -> None:
    """One bad user of three leaves none of them; names, passwords and levels are checked first."""
    bench = Bench()
    for bad, code in (
        (user("c", "x" * (LEAST_PASSWORD - 1)), "PasswordTooWeak"),
        (user("c", ""), "PasswordTooWeak"),
        (user("c", level="Root"), "UserLevel"),
        (user("admin"), "UsernameClash"),
    ):
        assert bench.refused("tds", "CreateUsers", user("a") + user("b") + bad) == code
        assert list(bench.state.book.users) == ["admin"]
    many = "".join(user(f"u{n}") for n in range(MOST_USERS))
    assert bench.refused("tds", "CreateUsers", many) == "TooManyUsers"


def test_a_user_is_changed_without_losing_what_was_not_said() -> None:
    """A level without a password keeps the password, and a stranger in the list changes nobody."""
    bench = Bench()
    bench.ask("tds", "SetUser", user("admin", ""))
    assert (bench.state.book.password_of("admin"), bench.state.book.users["admin"].level) == (PASSWORD, "Operator")
    assert bench.refused("tds", "SetUser", user("admin", "Another-one-2") + user("stranger")) == "UsernameMissing"
    assert bench.refused("tds", "SetUser", user("admin", "short")) == "PasswordTooWeak"
    assert bench.state.book.password_of("admin") == PASSWORD
    assert texts(bench.ask("tds", "GetUsers"), "UserLevel") == ["Operator"]


def test_one_administrator_stays() -> None:
    """Deleting several at once is refused whole when nobody could administer the camera then."""
    bench = Bench()
    bench.ask("tds", "CreateUsers", user("boss", level="Administrator") + user("helper"))
    name = "<tds:Username>{}</tds:Username>"
    everybody = name.format("admin") + name.format("boss")
    assert bench.refused("tds", "DeleteUsers", everybody) == "FixedUser"
    assert bench.refused("tds", "DeleteUsers", name.format("helper") + name.format("nobody")) == "UsernameMissing"
    assert list(bench.state.book.users) == ["admin", "boss", "helper"]
    bench.ask("tds", "DeleteUsers", name.format("admin") + name.format("helper"))
    assert list(bench.state.book.users) == ["boss"]


def test_passwords_never_come_back() -> None:
    """Neither the list of users nor any other getter holds a password."""
    bench = Bench()
    bench.ask("tds", "CreateUsers", user("vuon", "Very-secret-9"))
    answer = bench.ask("tds", "GetUsers")
    assert texts(answer, "Username") == ["admin", "vuon"]
    assert texts(answer, "Password") == []


def test_network_and_capabilities_say_where_the_camera_is() -> None:
    """Interface, ports and every service address name this camera, or the host it wrongly believes to have."""
    bench = Bench()
    assert texts(bench.ask("tds", "GetNetworkInterfaces"), "Address") == ["127.0.9.1"]
    assert texts(bench.ask("tds", "GetNetworkProtocols"), "Port") == ["80", "554"]
    bench.quirks.wrong_host = "192.168.7.7"
    for operation in ("GetServices", "GetCapabilities"):
        assert all(
            url.startswith("http://192.168.7.7:80/onvif/") for url in texts(bench.ask("tds", operation), "XAddr")
        )
    assert texts(bench.ask("trt", "GetStreamUri", "<trt:ProfileToken>sub</trt:ProfileToken>"), "Uri") == [
        "rtsp://192.168.7.7:554/2?a=b"
    ]


@pytest.mark.parametrize(
    ("auth", "token", "digest"),
    [(("wsse", "digest"), "true", "true"), (("digest",), "false", "true"), (("wsse",), "true", "false")],
)
def test_capabilities_tell_the_logins_that_work(auth: tuple[str, ...], token: str, digest: str) -> None:
    """UsernameToken and HttpDigest are told as the camera takes them."""
    security = named(Bench(Quirks(onvif_auth=auth)).ask("tds", "GetServiceCapabilities"), "Security")[0]
    assert (security.get("UsernameToken"), security.get("HttpDigest")) == (token, digest)


def test_a_reboot_is_told_by_discovery() -> None:
    """Rebooting counts up the metadata version, so that a client knows to ask everything again."""
    bench = Bench()
    versions = []
    for _ in range(3):
        versions.append(about(bench.state).partition("MetadataVersion>")[2][:1])
        bench.ask("tds", "SystemReboot")
    assert versions == ["1", "2", "3"]
    assert bench.reboots == 3


def test_hostname_is_kept_unless_it_is_empty() -> None:
    """A name reads back whatever is in it; an empty one changes nothing."""
    bench = Bench()
    bench.ask("tds", "SetHostname", "<tds:Name>l&amp;á-1</tds:Name>")
    bench.ask("tds", "SetHostname", "<tds:Name> </tds:Name>")
    assert texts(bench.ask("tds", "GetHostname"), "Name") == ["l&á-1"]


def test_a_camera_may_claim_another_make() -> None:
    """Maker, model and firmware as switched; each by itself."""
    bench = Bench()
    own = bench.ask("tds", "GetDeviceInformation")
    bench.state.quirks.manufacturer, bench.state.quirks.firmware = "HIKVISION", "V5.5.82 build 190220"
    answer = bench.ask("tds", "GetDeviceInformation")
    assert texts(answer, "Manufacturer") == ["HIKVISION"]
    assert texts(answer, "FirmwareVersion") == ["V5.5.82 build 190220"]
    assert texts(answer, "Model") == texts(own, "Model")


@pytest.mark.parametrize("dhcp", [False, True])
def test_a_camera_tells_where_its_address_comes_from(dhcp: bool) -> None:
    """DHCP or fixed."""
    bench = Bench()
    bench.state.quirks.dhcp = dhcp
    assert texts(bench.ask("tds", "GetNetworkInterfaces"), "DHCP") == [str(dhcp).lower()]
