"""How a simulated camera of a vendor stands: whose it is, whether it has a password, whether ONVIF is on.

Owns that state and what changes it. Invariants: a camera without a password has no user at all; its first
password can be given once; like the real ones a Hikvision camera keeps its ONVIF users in a list of their
own, while a Dahua camera has one list for everything.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from drivers.simulated.logins import LoginBook, User
from gateway.core.errors import BadInput
from gateway.core.model import Secret

HIKVISION, DAHUA = "hikvision", "dahua"
VENDORS = (HIKVISION, DAHUA)
ADMIN = "admin"
LEAST_PASSWORD, MOST_PASSWORD = 8, 16


@dataclass(slots=True)
class VendorSide:
    """One camera as its maker's own protocols see it; used in the event loop only."""

    vendor: str
    book: LoginBook
    """Its users, for everything but a Hikvision camera's ONVIF."""
    onvif_book: LoginBook
    """The ONVIF users; the same object where there is one list."""
    active: bool
    onvif_on: bool
    generation: int = 0
    """Hikvision: `supportVersion` of the activation."""
    on_change: Callable[[], Awaitable[None]] | None = None
    """Called when the camera became active or its ONVIF was switched."""
    passwords_given: int = 0
    refused: int = 0
    """First passwords that were not taken."""

    @property
    def ready(self) -> bool:
        """Answers ONVIF."""
        return self.active and self.onvif_on

    async def give_password(self, username: str, password: str) -> bool:
        """Take the first password; False (and nothing done) if there is one, or this one is too weak."""
        kinds = sum(any(test(c) for c in password) for test in (str.isupper, str.islower, str.isdigit))
        fits = LEAST_PASSWORD <= len(password) <= MOST_PASSWORD and password.isascii() and kinds >= 2
        if self.active or username != ADMIN or not fits:
            self.refused += 1
            return False
        self.active = True
        self.passwords_given += 1
        self.book.users[ADMIN] = User(Secret(password))
        await self._changed()
        return True

    async def set_onvif(self, *, on: bool) -> None:
        """Switch ONVIF on or off."""
        if on != self.onvif_on:
            self.onvif_on = on
            await self._changed()

    async def _changed(self) -> None:
        if self.on_change is not None:
            await self.on_change()


def check_vendor(name: str) -> str:
    """Return a vendor's name; raises BadInput for one that is not simulated."""
    if name not in VENDORS:
        raise BadInput(f"{name!r} is none of {', '.join(VENDORS)}", key="vendor", value=name)
    return name
