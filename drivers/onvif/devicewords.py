"""Time, time server and users of the device service, as the settings need them.

Owns the XML of Get/SetSystemDateAndTime, Get/SetNTP and of the user calls (ONVIF Core §8.3, §8.2.5, §8.4).
Pure. Invariants: a password is in the one string that is sent and nowhere else; what a camera says is
bounded and printable; dates go out as UTC.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime
from xml.sax.saxutils import escape

from lxml import etree

from drivers import settingtext as text
from drivers import xml
from drivers.onvif.soap import printable
from gateway.core.model import Login

SCHEMA_NS = "http://www.onvif.org/ver10/schema"
MOST_USERS = 64
ADMINISTRATOR = "Administrator"
_T = f'xmlns:t="{SCHEMA_NS}"'


@dataclass(frozen=True, slots=True)
class TimeSetup:
    """How a camera keeps time."""

    mode: str
    """`ntp` or `manual`; "" when it does not say."""
    zone: str
    daylight_saving: bool


def time_of(answer: etree._Element) -> TimeSetup:
    """Read GetSystemDateAndTimeResponse."""
    modes = {"ntp": text.NTP, "manual": text.MANUAL}
    return TimeSetup(
        modes.get(xml.text_of(answer, "DateTimeType", 16).lower(), ""),
        printable(xml.text_of(answer, "TZ"), 64),
        xml.text_of(answer, "DaylightSavings", 8).lower() in ("true", "1"),
    )


def set_time(setup: TimeSetup, utc_ms: int | None) -> str:
    """Return the content of SetSystemDateAndTime; `utc_ms` None leaves the clock itself alone."""
    kind = "NTP" if setup.mode == text.NTP else "Manual"
    moment = ""
    if utc_ms is not None:
        at = datetime.fromtimestamp(utc_ms / 1000, UTC)
        moment = (
            f"<m:UTCDateTime><t:Time><t:Hour>{at.hour}</t:Hour><t:Minute>{at.minute}</t:Minute>"
            f"<t:Second>{at.second}</t:Second></t:Time><t:Date><t:Year>{at.year}</t:Year>"
            f"<t:Month>{at.month}</t:Month><t:Day>{at.day}</t:Day></t:Date></m:UTCDateTime>"
        )
    return (
        f"<m:DateTimeType>{kind}</m:DateTimeType>"
        f"<m:DaylightSavings>{str(setup.daylight_saving).lower()}</m:DaylightSavings>"
        f"<m:TimeZone><t:TZ {_T}>{escape(setup.zone)}</t:TZ></m:TimeZone>"
    ) + moment.replace("<m:UTCDateTime>", f"<m:UTCDateTime {_T}>")


def ntp_of(answer: etree._Element) -> str:
    """Read GetNTPResponse: `dhcp`, or the addresses of the time servers in order."""
    if xml.text_of(answer, "FromDHCP", 8).lower() in ("true", "1"):
        return text.FROM_DHCP
    servers = []
    for item in list(xml.all_named(answer, "NTPManual"))[:8]:
        told = (xml.text_of(item, name, 128) for name in ("IPv4Address", "IPv6Address", "DNSname"))
        servers.append(next((printable(value, 100) for value in told if value), ""))
    return " ".join(server for server in servers if server)


def set_ntp(wanted: str) -> str:
    """Return the content of SetNTP for `dhcp` or addresses and names separated by spaces."""
    if wanted == text.FROM_DHCP:
        return "<m:FromDHCP>true</m:FromDHCP>"
    return "<m:FromDHCP>false</m:FromDHCP>" + "".join(_server(item) for item in wanted.split())


def _server(server: str) -> str:
    try:
        kind = f"IPv{ipaddress.ip_address(server).version}"
    except ValueError:
        kind, place = "DNS", f"<t:DNSname>{escape(server)}</t:DNSname>"
    else:
        place = f"<t:{kind}Address>{escape(server)}</t:{kind}Address>"
    return f"<m:NTPManual {_T}><t:Type>{kind}</t:Type>{place}</m:NTPManual>"


def users_of(answer: etree._Element) -> dict[str, str]:
    """Read GetUsersResponse: user -> level."""
    users = list(xml.all_named(answer, "User"))[:MOST_USERS]
    return {printable(xml.text_of(user, "Username"), 64): xml.text_of(user, "UserLevel", 32) for user in users}


def user(login: Login) -> str:
    """Return a User element of an administrator, with the password."""
    return (
        f"<m:User {_T}><t:Username>{escape(login.username)}</t:Username>"
        f"<t:Password>{escape(login.password.reveal())}</t:Password><t:UserLevel>{ADMINISTRATOR}</t:UserLevel></m:User>"
    )


def delete_user(username: str) -> str:
    """Return the content of DeleteUsers for one user."""
    return f"<m:Username>{escape(username)}</m:Username>"


def free_name(taken: frozenset[str]) -> str | None:
    """Return the first free name for the gateway's own user; None if all are taken."""
    names = (text.OWN_USER, *(f"{text.OWN_USER}{number}" for number in range(2, 10)))
    return next((name for name in names if name not in taken), None)


def factory_name(users: dict[str, str], own: str) -> str | None:
    """Return the account the camera came with: its one administrator beside us, or `admin` among several."""
    others = [name for name, level in users.items() if level == ADMINISTRATOR and name != own]
    others = [name for name in others if not text.agrees("user.own", name, text.OWN_USER)]
    return others[0] if len(others) == 1 else next((name for name in others if name == "admin"), None)
