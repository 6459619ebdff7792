"""What we need out of a reply, each read in two ways: from zeep's answer and by hand.

Owns the pairs of readers; pure. Invariants: `..._told` takes what zeep made of a reply and returns something
empty when zeep made nothing of it; `..._in` takes the reply's own element and compares local names only, so
that wrong namespaces, missing elements and strangers between them do no harm; both are cut to size.
"""

from __future__ import annotations

import email.utils
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from drivers import xml
from drivers.discovery.neighbours import normal_mac
from drivers.onvif import profiles as rules
from drivers.onvif import soap
from drivers.rtsp.source import MOST_URL_CHARS

MOST_SERVICES = 64
_IN_CAPABILITIES: Mapping[str, str] = {soap.MEDIA_NS: "Media", soap.EVENTS_NS: "Events"}


def entries_of(answer: object, most: int = MOST_SERVICES) -> list[Any]:
    """Return zeep's list, cut to size; a damaged reply makes it a single thing or nothing: then none."""
    return answer[:most] if isinstance(answer, list) else []


def services_told(answer: object) -> dict[str, str]:
    """Return namespace -> address of GetServices."""
    entries = entries_of(answer)
    return {str(rules.path(item, "Namespace")): str(xaddr) for item in entries if (xaddr := rules.path(item, "XAddr"))}


def services_in(answer: etree._Element) -> dict[str, str]:
    """Return the same, by hand."""
    entries = [item for item in answer if xml.local(item) == "Service"][:MOST_SERVICES]
    told = ((xml.text_of(item, "Namespace"), xml.text_of(item, "XAddr", MOST_URL_CHARS)) for item in entries)
    return {namespace: xaddr for namespace, xaddr in told if xaddr}


def capabilities_told(answer: object) -> dict[str, str]:
    """Return namespace -> address of GetCapabilities, of the services we use."""
    told = ((namespace, rules.path(answer, name, "XAddr")) for namespace, name in _IN_CAPABILITIES.items())
    return {namespace: str(xaddr) for namespace, xaddr in told if xaddr}


def capabilities_in(answer: etree._Element) -> dict[str, str]:
    """Return the same, by hand."""
    parts = ((namespace, xml.first(answer, name)) for namespace, name in _IN_CAPABILITIES.items())
    told = ((namespace, xml.text_of(part, "XAddr", MOST_URL_CHARS)) for namespace, part in parts)
    return {namespace: xaddr for namespace, xaddr in told if xaddr}


def macs_told(answer: object) -> list[tuple[bool, str]]:
    """Return enabled and MAC of each interface of GetNetworkInterfaces that has one."""
    told = ((rules.path(item, "Enabled"), rules.path(item, "Info", "HwAddress")) for item in entries_of(answer))
    return [(bool(enabled), mac) for enabled, address in told if (mac := normal_mac(str(address)))]


def macs_in(answer: etree._Element) -> list[tuple[bool, str]]:
    """Return the same, by hand."""
    entries = [item for item in answer if xml.local(item) == "NetworkInterfaces"][:MOST_SERVICES]
    told = ((xml.text_of(item, "Enabled").lower(), xml.text_of(item, "HwAddress", 64)) for item in entries)
    return [(enabled in {"true", "1"}, mac) for enabled, address in told if (mac := normal_mac(address))]


def profiles_told(answer: object) -> tuple[rules.Profile, ...]:
    """Return the profiles of Media1, or none if one lost its picture (by hand: `profiles.from_media1_answer`)."""
    found = rules.from_media1(entries_of(answer, rules.MOST_PROFILES))
    return found if all(profile.width and profile.source for profile in found) else ()


def uri_told(answer: object) -> str:
    """Return the address of GetStreamUri or GetSnapshotUri."""
    return str(rules.path(answer, "Uri") or "")


def uri_in(answer: etree._Element) -> str:
    """Return the same, by hand."""
    return xml.text_of(answer, "Uri", MOST_URL_CHARS)


def clock_of(answer: etree._Element) -> datetime | None:
    """Read the UTC time of GetSystemDateAndTime; None when it is missing or no time at all."""
    utc = xml.first(answer, "UTCDateTime")
    try:
        year, month, day, hour, minute, second = (
            int(xml.text_of(utc, name, 8)) for name in ("Year", "Month", "Day", "Hour", "Minute", "Second")
        )
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    except ValueError:
        return None


def http_date(headers: Mapping[str, str]) -> datetime | None:
    """Read the Date header of a reply; None when it is missing or broken."""
    try:
        return email.utils.parsedate_to_datetime(headers.get("Date", "")).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None
