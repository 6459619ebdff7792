"""A device to activate, as the recorder's activation service sees it through the drivers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gateway.core.errors import CameraError, CameraLoginRefused, CameraUnreachable
from gateway.core.model import Login, Secret
from recorder.service_activate import Needs

NEW = Needs("hikvision", "10.0.0.9", 80, active=False, onvif=False)


@dataclass
class FakeActivator:
    """One device at 10.0.0.9; what it does wrong is a field."""

    device: Needs = NEW
    password: str = ""
    """What the device has taken."""
    fails_giving: CameraError | None = None
    takes_it_all_the_same: bool = False
    """The password arrived although the call failed."""
    fails_onvif: CameraError | None = None
    made: int = 0
    told: list[str] = field(default_factory=list)

    async def look(self, address: str, port: int | None) -> Needs:
        self.told.append("look")
        if address != self.device.address:
            raise CameraUnreachable("no answer", address=address)
        return replace(self.device, port=port or self.device.port)

    def new_login(self) -> Login:
        self.made += 1
        return Login("admin", Secret(f"Password{self.made}Abcdefg"))

    async def give_password(self, needs: Needs, login: Login) -> tuple[str, ...]:
        self.told.append("password")
        if self.fails_giving is None or self.takes_it_all_the_same:
            self.password = login.password.reveal()
            self.device = replace(self.device, active=True)
        if self.fails_giving is not None:
            raise self.fails_giving
        return ("password",)

    async def switch_onvif_on(self, needs: Needs, login: Login) -> tuple[str, ...]:
        self.told.append("onvif")
        if self.fails_onvif is not None:
            raise self.fails_onvif
        if login.password.reveal() != self.password:
            raise CameraLoginRefused("the camera refused the login")
        self.device = replace(self.device, onvif=True)
        return ("onvif",)
