"""Making a new camera ready for adoption: which maker's it is, what it lacks, and giving it that.

Owns the order of the steps. Invariants: looking changes nothing and sends no login; nothing is changed but
what `look` said is lacking; one login, through the gate that is passed in, at most one bad one; only the
address that was asked for is spoken to.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.vendors import dahua, hikvision
from drivers.vendors.http import VendorHttp
from gateway.core.clock import Clock
from gateway.core.errors import CameraBadReply, CameraError, CameraUnreachable, CameraUnsupported
from gateway.core.model import Login

USERNAME = "admin"
"""The first account of both makers, and the only one a new camera takes a password for."""
ONVIF_TRIES, ONVIF_PAUSE_S = 20, 1.0
"""ONVIF's own process starts a few seconds after it was switched on."""


class Step(StrEnum):
    """What was done to a camera, in the catalogue as `cli.activate.step.<step>`."""

    PASSWORD = "password"  # noqa: S105 - the name of a step
    CLOUD_OFF = "cloud_off"
    ONVIF = "onvif"
    ONVIF_USER = "onvif_user"


@dataclass(frozen=True, slots=True)
class Means:
    """What activation works with."""

    clock: Clock
    pool: CallPool


@dataclass(frozen=True, slots=True)
class Look:
    """What a camera is and lacks."""

    vendor: str
    address: str
    port: int
    active: bool
    onvif: bool
    """It answers an ONVIF call, with or without asking for a login."""

    @property
    def ready(self) -> bool:
        """Nothing is lacking: it can be adopted."""
        return self.active and self.onvif


async def look(address: str, port: int, means: Means) -> Look:
    """Find out whose camera this is and what it lacks; changes nothing, sends no login.

    Raises:
        CameraUnreachable: nothing answers.
        CameraUnsupported: it is neither Hikvision's nor Dahua's.

    """

    def ask() -> tuple[str, bool]:
        with VendorHttp(address, port, LoginGate(None), means.clock) as http:
            try:
                return "hikvision", hikvision.status(http).active
            except (CameraUnsupported, CameraBadReply):
                return "dahua", dahua.status(http).active

    try:
        vendor, active = await means.pool.run(ask)
    except CameraUnreachable as error:
        raise CameraUnreachable(error.message, case="no_answer", address=address, port=port) from error
    except (CameraUnsupported, CameraBadReply) as error:
        raise CameraUnsupported(
            "neither a Hikvision nor a Dahua camera answers here", case="not_vendor", address=address
        ) from error
    return Look(vendor, address, port, active, active and await onvif_answers(address, port, means))


async def onvif_answers(address: str, port: int, means: Means) -> bool:
    """Say whether an ONVIF device answers there, to a call without a login."""
    driver = OnvifDriver(address, port, LoginGate(None), pool=means.pool, clock=means.clock)
    try:
        await driver.knock()
    except CameraUnreachable:
        raise
    except CameraError:
        return False
    finally:
        await driver.close()
    return True


async def give_password(
    seen: Look, login: Login, means: Means, *, random_bytes: Callable[[int], bytes] = os.urandom
) -> tuple[Step, ...]:
    """Give a camera without a password its first one; returns what was done.

    Raises:
        CameraError: as `hikvision.activate` and `dahua.initialise`; unless `CameraUnsupported`, it may have
            taken the password.

    """

    def work() -> tuple[Step, ...]:
        with VendorHttp(seen.address, seen.port, LoginGate(None), means.clock) as http:
            if seen.vendor == "dahua":
                quiet = dahua.initialise(http, login)
                return (Step.PASSWORD, Step.CLOUD_OFF) if quiet else (Step.PASSWORD,)
            hikvision.activate(http, login.password, random_bytes=random_bytes)
            return (Step.PASSWORD,)

    return await means.pool.run(work)


async def switch_onvif_on(seen: Look, gate: LoginGate, means: Means) -> tuple[Step, ...]:
    """Switch ONVIF on and wait until it answers; returns what was done.

    Raises:
        CameraLoginRefused: the camera refused the login; it was sent once.
        CameraUnsupported: the camera has no such switch, or ONVIF does not answer.

    """

    def work() -> tuple[Step, ...]:
        assert gate.login is not None
        with VendorHttp(seen.address, seen.port, gate, means.clock) as http:
            if seen.vendor == "dahua":
                return (Step.ONVIF,) if dahua.enable_onvif(http) else ()
            done = (Step.ONVIF,) if hikvision.enable_onvif(http) else ()
            return (*done, Step.ONVIF_USER) if hikvision.ensure_onvif_user(http, gate.login) else done

    done = await means.pool.run(work)
    for number in range(ONVIF_TRIES):
        if number:
            await means.clock.sleep(ONVIF_PAUSE_S)
        try:
            if await onvif_answers(seen.address, seen.port, means):
                return done
        except CameraUnreachable:  # some restart their web server with it
            continue
    raise CameraUnsupported("ONVIF is switched on but does not answer", address=seen.address)
