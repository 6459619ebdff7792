"""Changing the accounts of a camera without ever locking ourselves out.

Owns the three moves: to a user of our own, back to the login of before, and a random password for the
account the camera came with. Invariants: a new login is proven by one call before the old one is
forgotten, and a login that is not kept is taken off the camera again; a move that has begun is not
cancelled half way, and before a user is deleted whoever logs in by it has let go; the factory account
is only changed while we log in by another one; passwords go to the `LoginKeeper` and nowhere else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from drivers.base import LoginKeeper
from drivers.gate import GateState, LoginGate
from drivers.onvif import devicewords as words
from drivers.onvif.client import OnvifClient
from drivers.onvif.pace import Line
from drivers.onvif.passwords import new_password
from drivers.onvif.settings_read import Desk
from drivers.settings import Why
from drivers.settingtext import OWN_USER, agrees
from gateway.core.errors import (
    CameraBadReply,
    CameraError,
    CameraLoginRefused,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.finish import to_the_end
from gateway.core.model import Login, Secret


class Accounts:
    """The accounts of one camera."""

    def __init__(
        self,
        desk: Desk,
        line: Line,
        make_client: Callable[[LoginGate], OnvifClient],
        password: Callable[[], Secret] = new_password,
    ) -> None:
        self._desk, self._line = desk, line
        self._make_client, self._password = make_client, password
        self.keeper: LoginKeeper | None = None
        """Takes the passwords; None: none is made."""

    async def set_user(self, target: str) -> None:
        """Log in by our own user (made anew), or by the user of before.

        Raises:
            CameraUnsupported: nobody keeps the login, no name is free, or the former login is not known.
            CameraError: the camera refuses the user or its login; the old login is still in use then.

        """
        keeper, left = self._kept_by(), self._desk.client.username
        back = not agrees("user.own", target, OWN_USER)
        await to_the_end(self._back_to(target) if back else self._to_own())
        await keeper.let_go()
        if back and agrees("user.own", left, OWN_USER):
            await self._desk.device("DeleteUsers", words.delete_user(left))

    async def _to_own(self) -> None:
        keeper = self._kept_by()
        users = words.users_of(await self._desk.device("GetUsers"))
        name = words.free_name(frozenset(users))
        if name is None:
            raise CameraUnsupported("the camera has too many users of ours", user=OWN_USER)
        login = Login(name, self._password())
        await self._desk.device("CreateUsers", words.user(login))
        try:
            await self._go_on_by(login, keeper)
        except BaseException:
            with contextlib.suppress(CameraError):
                await self._desk.device("DeleteUsers", words.delete_user(name))
            raise

    async def _go_on_by(self, login: Login, keeper: LoginKeeper) -> None:
        """Prove a login, have it kept, and ask by it from now on."""
        client = await self._proven(login)
        try:
            await keeper.keep(login)
        except BaseException:
            client.close()
            raise
        self._desk.exchange(client)

    async def _back_to(self, username: str) -> None:
        keeper = self._kept_by()
        former = await keeper.former()
        if former is None or former.username != username:
            raise CameraUnsupported("the login of before is not known", why=Why.NO_FORMER_LOGIN)
        try:
            await self._go_on_by(former, keeper)
        except CameraLoginRefused:
            await keeper.forget_former()
            raise

    async def set_factory_password(self) -> None:
        """Give the account the camera came with a random password, and show it.

        It is shown as soon as the camera may have taken it, also when the answer was lost.

        Raises:
            CameraUnsupported: we log in by this account ourselves, or cannot tell which one it is.
            CameraError: the camera refuses the password, or does not take it.

        """
        keeper, own = self._kept_by(), self._desk.client.username
        if not agrees("user.own", own, OWN_USER):
            raise CameraUnsupported("the gateway needs a user of its own first", why=Why.OWN_USER_FIRST)
        users = words.users_of(await self._desk.device("GetUsers"))
        name = words.factory_name(users, own)
        if name is None:
            raise CameraUnsupported("the camera's own account cannot be told from others", users=len(users))
        login = Login(name, self._password())
        await to_the_end(self._set_password(login, keeper))
        (await self._proven(login)).close()

    async def _set_password(self, login: Login, keeper: LoginKeeper) -> None:
        try:
            await self._desk.device("SetUser", words.user(login))
        except CameraUnreachable:
            await keeper.show(login)
            raise
        await keeper.show(login)

    def _kept_by(self) -> LoginKeeper:
        if self.keeper is None:
            raise CameraUnsupported("nobody here keeps a new login")
        return self.keeper

    async def _proven(self, login: Login) -> OnvifClient:
        """Return a client whose login the camera took; one try.

        Raises:
            CameraLoginRefused: it did not.
            CameraBadReply: it asks nobody for a login, so that nothing is proven.

        """
        gate = LoginGate(login, pin=self._desk.client.pin)
        client = self._make_client(gate)
        try:
            client.trust_clock_of(self._desk.client)
            await self._line.call(lambda: client.ask_device("GetUsers"))
            if gate.state is not GateState.PROVEN:
                raise CameraBadReply("the camera asks nobody for a login", user=login.username)
        except BaseException:
            client.close()
            raise
        return client
