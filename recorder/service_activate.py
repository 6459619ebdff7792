"""The control call that makes a new camera ready: its first password, and ONVIF switched on.

Owns the order of `camera.activate`. Invariants: without `go` nothing is changed and no login is sent; the
only password that ever leaves this socket is one the box made, and only until its camera is adopted; it is
on disk before the camera is told; one activation at a time; a camera that is ours already is left alone.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.core.errors import BadInput, CameraError, CameraLoginRefused, CameraUnsupported
from gateway.core.model import Login, Secret
from gateway.core.wire import Handler, Reply, Request
from recorder.adoption import adopted_already
from recorder.pending import PendingLogins, refused_first
from recorder.registry import Registry

PASSWORD, ONVIF = "password", "onvif"
MAX_TEXT = 256


@dataclass(frozen=True, slots=True)
class Needs:
    """What a device is and lacks."""

    vendor: str
    address: str
    port: int
    active: bool
    """It has a password."""
    onvif: bool
    """It answers ONVIF."""

    @property
    def steps(self) -> tuple[str, ...]:
        """What would be done, in order."""
        return (() if self.active else (PASSWORD,)) + (() if self.onvif else (ONVIF,))


class Activator(Protocol):
    """What the roof hands in; every method raises CameraError."""

    async def look(self, address: str, port: int | None) -> Needs:
        """Find out what a device lacks; changes nothing and sends no login. `port` None: as last found."""

    def new_login(self) -> Login:
        """Return a fresh password for a camera's first account."""

    async def give_password(self, needs: Needs, login: Login) -> tuple[str, ...]:
        """Give a device its first password; returns the steps done."""

    async def switch_onvif_on(self, needs: Needs, login: Login) -> tuple[str, ...]:
        """Switch ONVIF on, with one login; returns the steps done."""


class ActivateService:
    """Handler of `camera.activate`."""

    def __init__(self, activator: Activator, pending: PendingLogins, registry: Registry) -> None:
        self._activator, self._pending, self._registry = activator, pending, registry
        self._busy = asyncio.Lock()

    def handlers(self) -> Mapping[str, Handler]:
        """Return the call by name."""
        return {"camera.activate": self.activate}

    async def activate(self, request: Request) -> Reply:
        """Say what a device lacks and, with `go`, give it that.

        Takes `address`, `port`, `go`, and `username` and `password` for a device that has a password already.
        Returns `vendor`, `address`, `port`, `needs` (what it lacked), `kept` (the box knows its password) and
        `done` (steps); with `go`, if the box gave it its password, `username` and `password`, and `trouble`
        (an error's code and message) if ONVIF could not be switched on: by hand that password is needed.
        """
        address, port = _address(request), request.number("port") if request.params.get("port") is not None else None
        for known in await self._registry.cameras():
            if known.about.address == address:
                raise adopted_already(known)
        async with self._busy:
            needs = await self._activator.look(address, port)
            kept = await self._pending.find(address)
            told: dict[str, Any] = {"vendor": needs.vendor, "address": needs.address, "port": needs.port}
            told |= {"needs": list(needs.steps), "kept": kept is not None, "done": []}
            if request.params.get("go") is not True:
                return Reply(told)
            return Reply(told | await self._make_ready(needs, kept, _login(request)))

    async def _make_ready(self, needs: Needs, kept: Login | None, given: Login | None) -> dict[str, Any]:
        done: tuple[str, ...] = ()
        if needs.active:
            kept = kept if given is None else None  # what is kept may be of another camera that was at this address
        else:
            kept, done = await self._give_password(needs)
            given = kept
        ours: dict[str, Any] = {} if kept is None else {"username": kept.username, "password": kept.password.reveal()}
        if needs.onvif:
            return ours | {"done": list(done)}
        login = given or kept
        if login is None:
            raise BadInput("the device has a password: it is needed to switch ONVIF on", key="password")
        try:
            done += await self._activator.switch_onvif_on(needs, login)
        except CameraLoginRefused as error:
            raise refused_first(error, needs.address, login, kept) from error
        except CameraError as error:
            if not ours:
                raise
            ours["trouble"] = {"code": error.code, "message": error.message}  # its password must be told all the same
        return ours | {"done": list(done)}

    async def _give_password(self, needs: Needs) -> tuple[Login, tuple[str, ...]]:
        login = await self._pending.keep(needs.address, self._activator.new_login())
        try:
            return login, await self._activator.give_password(needs, login)
        except CameraUnsupported:
            # Any other error leaves open whether the camera took it: then it is kept, and found at the next try.
            if not (await self._activator.look(needs.address, needs.port)).active:
                await self._pending.forget(needs.address)
            raise


def _address(request: Request) -> str:
    text = request.text("address")
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError as error:
        raise BadInput(f"{request.method}: address must be an IPv4 address", key="address") from error


def _login(request: Request) -> Login | None:
    username, password = request.text("username", ""), request.text("password", "")
    if len(username) > MAX_TEXT or len(password) > MAX_TEXT:
        raise BadInput(f"{request.method}: username or password is too long", key="password")
    return Login(username, Secret(password)) if username and password else None
