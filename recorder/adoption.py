"""From what was learned of a device to the cameras we store: names, streams, what is ours already.

Owns what is asked and learned (`AdoptOrder`, `Device`) and the pure rules of adoption. Invariants: a recorder's
channel is named after the recorder and its number unless it is one camera; no camera gets the name of another unless
somebody wished for that name; a stream that is not to be recorded is
not stored; a login counts as untried until RTSP took it too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.core.errors import BadInput, CameraUnsupported
from gateway.core.model import Login, StreamRole
from gateway.core.typed import tidy
from recorder.identity import same_camera, same_channel
from recorder.registry import MAX_NAME, NATIVE, Camera, LoginState, NewCamera

CHANNEL_WORD = "kênh"
"""In the names of a recorder's cameras, which are the school's own and in its language."""
ROOM = 20
"""Characters of a name that are kept for a number and a channel."""
ENGINES = (NATIVE, "pyav", "auto")
"""`auto`: the second one only if ours shows no picture now; what was found is stored and does not change."""


@dataclass(frozen=True, slots=True)
class AdoptOrder:
    """What a driver needs to learn a camera."""

    address: str
    port: int | None
    """None: try the usual ports."""
    login: Login | None
    rtsp_path: str | None
    endpoint: str = ""
    """What the search said of this address, if it said anything."""
    channels: str = ""
    """Of a recorder: `1,3-5`; empty = all."""
    clear_text: bool = False
    """The installer allowed the password to be sent as it is."""
    engine: str = NATIVE
    """What is to play it, one of `ENGINES`."""
    onvif_path: str = ""
    """Where the camera that was at this port before spoke ONVIF; empty: not known."""
    onvif_tls: bool | None = None
    """Whether it did so over TLS; None: not known."""


@dataclass(frozen=True, slots=True)
class Device:
    """What was learned at one address: the cameras it has, and the channels that have no picture."""

    cameras: tuple[NewCamera, ...]
    empty: tuple[int, ...] = ()


def channel_name(name: str, channel: int) -> str:
    """Return `<name> kênh <n>`, cut to the length of a camera's name; channel 0 is the name alone."""
    end = f" {CHANNEL_WORD} {channel}" if channel else ""
    return name[: MAX_NAME - len(end)].rstrip() + end


def with_mac(device: Device, mac: str) -> Device:
    """Return a device with the MAC that was heard on the wire where it tells none itself.

    Whatever asks what is ours already asks with it: a recorder may be known by nothing else.
    """
    filled = (replace(item, identity=replace(item.identity, mac=item.identity.mac or mac)) for item in device.cameras)
    return replace(device, cameras=tuple(filled))


class Twin(NamedTuple):
    """A name that a camera of ours has, which one of a device's cameras would have had, and what that is called."""

    taken: str
    name: str


def own_name(device: Device, known: Sequence[Camera], wished: str, address: str) -> tuple[str, tuple[Twin, ...]]:
    """Return the name a device is adopted under, and which of its cameras' names are one of ours already.

    A name that nobody wished for gets a number then, so that two cameras are told apart: "Lớp Lá 1 (2)".
    """
    fresh = [item.identity.channel for item in device.cameras if same_camera(known, item.identity) is None]
    ours = {tidy(camera.name) for camera in known}
    base = wished or next((item.name for item in device.cameras if item.name), "") or address

    def taken(name: str) -> list[int]:
        return [channel for channel in fresh if tidy(channel_name(name, channel)) in ours]

    name = base
    if not wished and taken(base):
        short = base[: MAX_NAME - ROOM].rstrip()
        numbered = (f"{short} ({number})" for number in range(2, len(known) + 3))  # one of them is free: ours are fewer
        name = next(item for item in numbered if not taken(item))
    return name, tuple(Twin(channel_name(base, channel), channel_name(name, channel)) for channel in taken(base))


def to_adopt(
    device: Device, known: Sequence[Camera], *, name: str, order: AdoptOrder, sub_streams: bool
) -> tuple[NewCamera, ...]:
    """Return the cameras to store, those that are ours already left out.

    Raises:
        BadInput: all of them are (field `camera`: one of ours).
        CameraUnsupported: a camera offers no stream, or there is no camera.

    """
    found = [_made_ready(new, name, order.address, sub_streams=sub_streams) for new in device.cameras]
    ours = [same_camera(known, new.identity) for new in found]
    fresh = tuple(new for new, camera in zip(found, ours, strict=True) if camera is None)
    if not found:
        raise CameraUnsupported("no channel of it has a picture", address=order.address)
    if not fresh:
        raise adopted_already(next(camera for camera in ours if camera is not None))
    return fresh


def adopted_already(camera: Camera) -> BadInput:
    """Return the error of an order to adopt or prepare a camera that is ours."""
    return BadInput(
        "this camera is adopted already",
        case="adopted",
        key="address",
        camera=camera.public_id,
        address=camera.about.address,
        name=camera.name,
    )


def _made_ready(new: NewCamera, name: str, address: str, *, sub_streams: bool) -> NewCamera:
    wanted = tuple(spec for spec in new.streams if sub_streams or spec.role is StreamRole.MAIN)
    if not wanted:
        raise CameraUnsupported("the camera offers no stream", address=address)
    base = name or new.name or address
    return replace(
        new,
        name=channel_name(base, new.identity.channel),
        streams=wanted,
        login_state=LoginState.UNTRIED,
    )


def to_replace(old: Sequence[Camera], fresh: Sequence[NewCamera]) -> list[tuple[Camera, NewCamera]]:
    """Pair the cameras of a device with those of the one that took its place, channel by channel.

    A camera keeps its name. A stream that the old one had and the new one lacks ends it: its footage would stop
    without a word.

    Raises:
        CameraUnsupported: no channel fits, or one has fewer streams than before.

    """
    pairs = []
    for camera in old:
        new = next((item for item in fresh if same_channel(item.identity, camera.about.identity)), None)
        if new is None:
            continue
        missing = {stream.role for stream in camera.streams} - {spec.role for spec in new.streams}
        if missing:
            raise CameraUnsupported(
                "the new camera has fewer streams than the old one", address=new.address, missing=min(missing).value
            )
        pairs.append((camera, replace(new, name=camera.name)))
    if not pairs:
        raise CameraUnsupported("the new device has none of the old one's channels", channels=len(fresh))
    return pairs
