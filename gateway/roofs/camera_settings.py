"""Settings on cameras: the drivers' objects behind the recorder's words.

Owns the standard wish of this box (its time server, its zone, the camera's name) and the translation both
ways. Invariants: without a configured time server ours is offered only to a camera that has none; every call uses
the camera's own login gate; a new login has to play the camera's stream before it is stored; the connection is
closed when the order has ended.
"""

from __future__ import annotations

import datetime as dt
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from drivers import settings as rules
from drivers import settingtext as text
from drivers.base import CameraSettings, Change, LoginMode, Outcome, Probe, StreamInfo
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import StreamPlayer, first_look
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.model import Login
from gateway.roofs.onvifvisits import OnvifVisits
from recorder.registry import Camera, StreamSpec
from recorder.settings import Keeper, SettingChange, SettingOutcome, SettingsWish, Settled

BOX = "box"
"""Configured as the time server: this box, at the address the camera reaches it at."""
_NO_PORT = 9
"""Discard: nothing is sent there."""


def own_address(towards: str) -> str | None:
    """Return our address on the way to a host; sends nothing. None when there is no way."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((towards, _NO_PORT))
        except OSError:
            return None
        return str(probe.getsockname()[0])


def posix_zone(zone: ZoneInfo, now_ms: int) -> str:
    """Return a zone as cameras write it, by its present offset: `ICT-7` for Viet Nam (no summer time there)."""
    at = dt.datetime.fromtimestamp(now_ms / 1000, zone)
    east_s = int((at.utcoffset() or dt.timedelta()).total_seconds())
    hours, minutes = divmod(abs(east_s) // 60, 60)
    name = at.tzname() or ""
    letters = name if name.isascii() and name.isalpha() and len(name) >= 3 else "ICT" if east_s == 25_200 else "LOC"
    return f"{letters}{'-' if east_s > 0 else ''}{hours}" + (f":{minutes:02d}" if minutes else "")


@dataclass(slots=True)
class SettingsDesk:
    """Implements `recorder.settings.CameraSetter` by the ONVIF driver."""

    config: Config
    clock: Clock
    player: StreamPlayer
    visits: OnvifVisits
    time_for: Callable[[str], str | None] = lambda _: None
    """Our own time server as the host given reaches it (`CameraLan.time_for`)."""

    async def plan(self, camera: Camera, gate: LoginGate, wish: SettingsWish) -> Sequence[SettingChange]:
        """Say what differs from what this box wants of the camera."""
        keys = rules.check_keys(wish.keys)
        async with self.visits.to(camera, gate) as driver:
            changes = await driver.plan(self._wanted(camera, wish, keys))
        return [_to_recorder(item) for item in changes if not keys or item.setting in keys]

    def _wanted(self, camera: Camera, wish: SettingsWish, keys: frozenset[str]) -> CameraSettings:
        server = self.config.cameras.ntp_server
        facts = rules.BoxFacts(
            (own_address(camera.about.address) if server == BOX else server) or None,
            posix_zone(ZoneInfo(self.config.site.timezone), self.clock.now_ms()),
            camera.name,
            ntp_fallback=None if server else self.time_for(camera.about.address),
        )
        about = Probe(OnvifDriver.name, LoginMode.UNKNOWN)  # how many channels share the login, the driver finds out
        by_name = "user.factory" in keys or None
        wanted = replace(rules.standard(about, facts), masks=wish.masks, factory_password=by_name)
        return rules.narrowed(wanted, keys) if keys else wanted

    async def apply(self, camera: Camera, gate: LoginGate, changes: Sequence[SettingChange], keeper: Keeper) -> Settled:
        """Make the changes; what was read back of encoders says what the streams are now."""
        async with self.visits.to(camera, gate) as driver:
            driver.hand_logins_to(_Proving(keeper, camera, self.player))
            outcomes = await driver.apply([Change(c.setting, c.before, c.after, c.blocked) for c in changes])
        told = tuple(map(_outcome, outcomes))
        return Settled(told, restated((stream.spec for stream in camera.streams), told))


@dataclass(frozen=True, slots=True)
class _Proving:
    """A keeper that first sees the new login play the main stream: ONVIF users have no RTSP on some cameras."""

    keeper: Keeper
    camera: Camera
    player: StreamPlayer

    async def keep(self, login: Login) -> None:
        """Prove, then keep; raises `CameraError` if the stream does not play."""
        spec = self.camera.streams[0].spec
        gate = LoginGate(login, pin=self.camera.about.tls_pin)
        await first_look(self.player, RtspSource(spec.host, spec.port, spec.path, spec.tls), gate)
        await self.keeper.keep(login)

    async def let_go(self) -> None:
        """Pass on."""
        await self.keeper.let_go()

    async def show(self, login: Login) -> None:
        """Pass on."""
        await self.keeper.show(login)

    async def former(self) -> Login | None:
        """Pass on."""
        return await self.keeper.former()

    async def forget_former(self) -> None:
        """Pass on."""
        await self.keeper.forget_former()


def restated(specs: Iterable[StreamSpec], outcomes: Sequence[SettingOutcome]) -> tuple[StreamSpec, ...]:
    """Return the streams whose encoders were changed, with what was read back."""
    now = {item.change.setting: item.now for item in outcomes if item.applied}
    return tuple(changed for spec in specs if (changed := _with_parts(spec, now)) != spec)


def _with_parts(spec: StreamSpec, now: Mapping[str, str]) -> StreamSpec:
    def told(part: str, default: str) -> str:
        return now.get(f"{spec.role}.{part}", default)

    width, height = text.read_size(told("size", text.size_text(spec.width, spec.height)))
    return replace(
        spec,
        codec=told("codec", spec.codec),
        width=width,
        height=height,
        fps=float(told("fps", str(spec.fps))),
        bitrate_bps=int(told("bitrate", str(spec.bitrate_bps))),
    )


def _to_recorder(change: Change) -> SettingChange:
    return SettingChange(change.setting, change.before, change.after, str(change.blocked))


def _outcome(outcome: Outcome) -> SettingOutcome:
    return SettingOutcome(_to_recorder(outcome.change), outcome.applied, outcome.now, str(outcome.why))


def stream_spec(info: StreamInfo) -> StreamSpec:
    """Translate a stream as a driver learned it into what the registry stores."""
    return StreamSpec(
        role=info.role,
        host=info.source.host,
        port=info.source.port,
        path=info.source.path,
        codec=info.codec.value if info.codec is not None else "",
        width=info.width,
        height=info.height,
        fps=info.fps,
        bitrate_bps=info.bitrate_bps,
        token=info.token,
        tls=info.source.tls,
    )
