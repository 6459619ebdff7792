"""The places of the staff's pages: what the rail and a phone's bar show, in their order, and to whom.

Owns the table. Invariants: a place is shown to nobody whom its page refuses; an order never depends on the state of
the school; a phone's bar holds so few places that no thumb misses, and everything else is one tap behind it.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.model import LEADER_ROLES, STAFF_ROLES, Role


class Place(NamedTuple):
    """One entry of the rail."""

    name: str
    """What a page calls itself, to be marked as the present one."""
    href: str
    icon: str
    label: str
    """Key of its words."""
    roles: frozenset[Role]
    tab: bool = False
    """Whether it stands in a phone's bar before others do."""


class Bar(NamedTuple):
    """The places of a phone: those in the bar, and those in the sheet that its last tab opens."""

    tabs: tuple[Place, ...]
    rest: tuple[Place, ...]


MOST_TABS = 4
"""Beside the tab that opens the sheet: five tabs of 64 px are what 320 px hold."""
PLACES = (
    Place("live", "/", "monitor", "nav.live", STAFF_ROLES, tab=True),
    Place("mine", "/co/", "users", "nav.mine", frozenset({Role.TEACHER}), tab=True),
    Place("rooms", "/lop-hoc", "home", "nav.rooms", LEADER_ROLES, tab=True),
    Place("observe", "/du-gio", "calendar", "nav.observe", LEADER_ROLES),
    Place("review", "/xem-lai", "clock", "nav.review", LEADER_ROLES, tab=True),
    Place("exports", "/trich-xuat", "bookmark", "nav.exports", LEADER_ROLES),
    Place("people", "/phu-huynh", "users", "nav.people", LEADER_ROLES, tab=True),
    Place("parents", "/phu-huynh/phieu", "smartphone", "nav.parents", STAFF_ROLES),
    Place("consent", "/dong-y", "check-circle", "nav.consent", STAFF_ROLES),
    Place("ledger", "/nhat-ky", "scroll", "nav.ledger", STAFF_ROLES),
    Place("rights", "/quyen", "eye", "nav.rights", LEADER_ROLES),
    Place("keys", "/khoa", "key", "nav.keys", frozenset({Role.PRINCIPAL})),
)


def places_of(role: Role) -> tuple[Place, ...]:
    """Return the places somebody has."""
    return tuple(place for place in PLACES if role in place.roles)


def bar_of(role: Role) -> Bar:
    """Return somebody's places as a phone shows them; both parts keep the order of the rail."""
    places = places_of(role)
    first = sorted(places, key=lambda place: not place.tab)[:MOST_TABS]
    return Bar(
        tuple(place for place in places if place in first), tuple(place for place in places if place not in first)
    )
