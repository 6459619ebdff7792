"""The doctor, as the recorder asks for it: measured facts in, a report out.

Owns the translation between the recorder's words and `drivers.doctor`, and the visit to a camera. Invariants: a
visit goes through the camera's one login gate, one call a second; a camera that does not answer, or has no
ONVIF, is still judged by what was measured; a report carries no address of a stream and no login.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any
from zoneinfo import ZoneInfo

from drivers.discovery.upnp import ask_modems
from drivers.doctor.facts import BoxFacts, PictureFacts
from drivers.doctor.faults import BOX_FAULTS, CAMERA_FAULTS
from drivers.doctor.passwords import is_factory
from drivers.doctor.report import as_row, examine
from drivers.doctor.said import Measured, Said, StreamMeasured, facts_of
from drivers.gate import LoginGate
from drivers.onvif import checkup
from drivers.onvif.driver import OnvifDriver
from drivers.settings import ORDER, takes_fallback
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.media import Codec
from gateway.core.model import StreamRole
from gateway.core.typed import quoted
from gateway.roofs.camera_settings import posix_zone
from gateway.roofs.onvifvisits import OnvifVisits
from recorder.host import Gate
from recorder.registry import Camera, NewCamera
from recorder.service_doctor import Seen, StreamSeen


async def _no_leases() -> Mapping[str, IPv4Address]:
    return {}


@dataclass(frozen=True, slots=True)
class BoxDoctor:
    """Judges the cameras of a box; fulfils `recorder.service_doctor.Doctor`."""

    config: Config
    clock: Clock
    visits: OnvifVisits
    time_for: Callable[[str], str | None] = lambda _: None
    """Our own time server as the host given reaches it (`CameraLan.time_for`)."""
    leases: Callable[[], Awaitable[Mapping[str, IPv4Address]]] = _no_leases
    """The addresses the box gives, by MAC."""

    async def visit(self, camera: Camera, gate: Gate) -> Said:
        """Ask an ONVIF camera what it is set to; others have no words for it."""
        if camera.about.driver != OnvifDriver.name:
            return Said()
        assert isinstance(gate, LoginGate)  # the recorder knows the gates it was given by a protocol only
        async with self.visits.to(camera, gate) as driver:
            said = await checkup.look(driver)
        return said.with_lease() if said.dhcp and is_leased(camera, await self.leases()) else said

    def judge(self, seen: Seen, said: Said) -> dict[str, Any]:
        """Judge a camera by what was measured and what it says of itself."""
        about = seen.camera.about
        zone = posix_zone(ZoneInfo(self.config.site.timezone), self.clock.now_ms())
        facts = facts_of(measured(seen, sub_streams=self.config.recording.sub_streams), said, zone)
        place = {"camera": quoted(about.name), "address": about.address}
        return as_row(examine(CAMERA_FAULTS.values(), facts, place, self._beyond(about, said)))

    def _beyond(self, about: NewCamera, said: Said) -> frozenset[str]:
        """Return what cannot be set from here: anything of a camera without ONVIF, the time without a server for it."""
        if about.driver != OnvifDriver.name:
            return frozenset(ORDER)
        if self.config.cameras.ntp_server or takes_fallback(said.settings, self.time_for(about.address)):
            return frozenset()
        return frozenset({"time.ntp", "time.clock"})

    async def box(self, cameras: Sequence[Camera], *, time_trusted: bool) -> dict[str, Any]:
        """Ask the modems of our networks what they let in, and judge it."""
        options = self.config.cameras
        told = await ask_modems(options.interfaces, self.visits.pool, self.clock, loopback=options.loopback)
        addresses = frozenset(camera.about.address for camera in cameras)
        facts = BoxFacts(time_trusted, told.forwards, addresses, told.uplink_bps, told.whole)
        return as_row(examine(BOX_FAULTS.values(), facts, {}))


def is_leased(camera: Camera, leases: Mapping[str, IPv4Address]) -> bool:
    """Say whether the box gave a camera its address, and will not give it another one; a MAC that is known decides."""
    mac, address = camera.about.identity.mac, camera.about.address
    return address in {str(ours) for known, ours in leases.items() if mac in ("", known)}


def measured(seen: Seen, *, sub_streams: bool) -> Measured:
    """Return what the recorder saw, in the doctor's words; nothing is known of sub streams it was told to leave."""
    sub = seen.streams.get(StreamRole.SUB)
    checklist = seen.checklist
    return Measured(
        state=seen.state.value,
        main=_stream(seen.streams[StreamRole.MAIN]),
        sub=_stream(sub) if sub is not None else None if sub_streams else StreamMeasured(),
        picture=_picture(seen),
        factory_password=is_factory(seen.camera.about.login),
        outages=seen.outages,
        refusals=seen.refusals,
        open_ports=seen.doors,
        needs_mask=checklist.needs_mask,
        qcvn=checklist.qcvn,
    )


def _stream(seen: StreamSeen) -> StreamMeasured:
    meter, spec = seen.meter, seen.spec
    return StreamMeasured(
        config=meter.config,
        fps=meter.fps,
        key_gap_s=meter.key_gap_s,
        b_frames=meter.b_frames,
        loss=meter.loss,
        promised_fps=spec.fps,
        codec=next((codec for codec in Codec if codec.value == spec.codec), None),
        width=spec.width,
        height=spec.height,
    )


def _picture(seen: Seen) -> PictureFacts | None:
    if seen.sight is None:
        return None
    look, view = seen.sight.look, seen.checklist.view
    usual = view.detail if view is not None and view.role is seen.sight.role else None
    return PictureFacts(
        luma_mean=look.luma_mean,
        contrast=look.contrast,
        detail=look.detail,
        clipped=look.clipped,
        frozen=seen.sight.frozen,
        usual_detail=usual,
        likeness=seen.likeness,
    )
