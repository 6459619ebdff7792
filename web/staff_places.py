"""The places of the staff's pages: what the rail shows, in its order, and to whom.

Owns the table. Invariants: a place is shown to nobody whom its page refuses; an order never depends on the state of
the school.
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


PLACES = (
    Place("live", "/", "monitor", "nav.live", STAFF_ROLES),
    Place("mine", "/co/", "users", "nav.mine", frozenset({Role.TEACHER})),
    Place("rooms", "/lop-hoc", "home", "nav.rooms", LEADER_ROLES),
    Place("observe", "/du-gio", "calendar", "nav.observe", LEADER_ROLES),
    Place("review", "/xem-lai", "clock", "nav.review", LEADER_ROLES),
    Place("exports", "/trich-xuat", "bookmark", "nav.exports", LEADER_ROLES),
    Place("people", "/phu-huynh", "users", "nav.people", LEADER_ROLES),
    Place("parents", "/phu-huynh/phieu", "smartphone", "nav.parents", STAFF_ROLES),
    Place("consent", "/dong-y", "check-circle", "nav.consent", STAFF_ROLES),
    Place("ledger", "/nhat-ky", "scroll", "nav.ledger", STAFF_ROLES),
    Place("rights", "/quyen", "eye", "nav.rights", LEADER_ROLES),
    Place("keys", "/khoa", "key", "nav.keys", frozenset({Role.PRINCIPAL})),
)


def places_of(role: Role) -> tuple[Place, ...]:
    """Return the places somebody has."""
    return tuple(place for place in PLACES if role in place.roles)
