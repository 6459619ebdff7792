"""What a simulated camera has of its maker: a state, a discovery, a door on the port that ONVIF uses, too.

Owns their joining for one camera; a camera without a vendor has a part that does nothing. Invariants: while
the camera has no password or its ONVIF is off, ONVIF and stills are not found (404), as on a real one; an
inactive camera has no user; left by `silence` it answers no vendor's discovery.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable

from drivers.simulated import dahuaweb, isapi
from drivers.simulated.counters import Counters
from drivers.simulated.faults import Quirks
from drivers.simulated.logins import DigestGate, LoginBook
from drivers.simulated.onvifd import Door
from drivers.simulated.state import CameraState
from drivers.simulated.vendor import HIKVISION, VendorSide, check_vendor
from drivers.simulated.vendorwire import Vendored, VendorResponder
from drivers.simulated.web import HttpReply, HttpRequest

REALM = "IP Camera"


class VendorPart:
    """One camera's maker, if it has one."""

    def __init__(self, quirks: Quirks, book: LoginBook, responder: VendorResponder | None) -> None:
        self.side = side_of(quirks, book)
        self.onvif_book = book if self.side is None else self.side.onvif_book
        self.books = tuple({id(each): each for each in (book, self.onvif_book)}.values())
        """Every list of users, each once."""
        self._responder = responder
        self._vendored: Vendored | None = None

    def attach(self, state: CameraState, counters: Counters, on_change: Callable[[], Awaitable[None]]) -> None:
        """Join the camera; `on_change` is called when it became active or its ONVIF was switched."""
        if self.side is not None:
            self.side.on_change = on_change
            self._vendored = Vendored(state, self.side, counters)

    @property
    def active(self) -> bool:
        """Has a password."""
        return self.side is None or self.side.active

    @property
    def speaks_onvif(self) -> bool:
        """Answers ONVIF."""
        return self.side is None or self.side.ready

    def announce(self) -> None:
        """Answer the vendor's discovery from now on; raises AddressTaken."""
        self.silence()
        if self._responder is not None and self._vendored is not None:
            self._responder.add(self._vendored)

    def silence(self) -> None:
        """Answer it no more."""
        if self._responder is not None and self._vendored is not None:
            self._responder.remove(self._vendored)

    def door(self, state: CameraState) -> Door | None:
        """Return the maker's web interface, None without a maker."""
        return None if self.side is None else door_of(state, self.side)


def side_of(quirks: Quirks, book: LoginBook) -> VendorSide | None:
    """Return how a vendor's camera starts, None without a vendor; an inactive one loses its users."""
    if not quirks.vendor:
        return None
    vendor = check_vendor(quirks.vendor)
    if quirks.inactive:
        book.users.clear()
    onvif_book = book
    if vendor == HIKVISION:
        onvif_book = LoginBook({} if quirks.onvif_off else dict(book.users), quirks, book.clock)
    return VendorSide(
        vendor, book, onvif_book, not quirks.inactive, onvif_on=not quirks.onvif_off, generation=quirks.activation
    )


def door_of(state: CameraState, side: VendorSide) -> Door:
    """Return the door of one camera."""
    digest = DigestGate(REALM, side.book, os.urandom(32))
    hikvision = isapi.Isapi(state, side, digest)
    dahua = dahuaweb.DahuaWeb(side, digest)
    is_hikvision = side.vendor == HIKVISION
    prefixes: tuple[str, ...] = isapi.PREFIXES if is_hikvision else dahuaweb.PREFIXES

    async def answer(request: HttpRequest) -> HttpReply | None:
        if request.path.startswith(prefixes):
            return await (hikvision.answer(request) if is_hikvision else dahua.answer(request))
        return None if side.ready else HttpReply(404)

    return answer
