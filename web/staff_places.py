"""The places of the staff's pages: what the rail shows, in its order, and to whom.

Owns the table. Invariants: a place is shown to nobody whom its page refuses; an order never depends on the state of
the school.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.model import Role

LEADERS = frozenset({Role.PRINCIPAL, Role.VICE_PRINCIPAL})
STAFF = LEADERS | {Role.TEACHER}


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
    Place("live", "/", "monitor", "nav.live", STAFF),
    Place("mine", "/co/", "users", "nav.mine", frozenset({Role.TEACHER})),
    Place("rooms", "/lop-hoc", "home", "nav.rooms", LEADERS),
    Place("review", "/xem-lai", "clock", "nav.review", LEADERS),
    Place("exports", "/trich-xuat", "bookmark", "nav.exports", LEADERS),
    Place("people", "/phu-huynh", "users", "nav.people", LEADERS),
    Place("parents", "/phu-huynh/phieu", "smartphone", "nav.parents", STAFF),
    Place("consent", "/dong-y", "check-circle", "nav.consent", STAFF),
    Place("ledger", "/nhat-ky", "scroll", "nav.ledger", STAFF),
    Place("rights", "/quyen", "eye", "nav.rights", LEADERS),
    Place("keys", "/khoa", "key", "nav.keys", frozenset({Role.PRINCIPAL})),
)


def places_of(role: Role) -> tuple[Place, ...]:
    """Return the places somebody has."""
    return tuple(place for place in PLACES if role in place.roles)
