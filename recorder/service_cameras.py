"""Control calls about cameras: adopt, replace, list, rename, remove, log in.

Owns the translation between the control socket and the running cameras. Invariants: a password comes in
and never goes out; one adoption at a time; a camera is asked everything before anything is stored, so a
failed adoption leaves nothing behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from gateway.core.errors import BadInput, CameraLoginRefused, CameraUnreachable, CameraUnsupported
from gateway.core.model import Login, Secret
from gateway.core.wire import Handler, Reply, Request
from recorder.adoption import ENGINES, AdoptOrder, Device, adopted_already, own_name, to_adopt, to_replace, with_mac
from recorder.cameras import Cameras, describe
from recorder.discovery import FoundCamera
from recorder.identity import Identity, of_device
from recorder.params import camera_param, known_camera, text_param
from recorder.pending import PendingLogins, refused_first
from recorder.registry import NATIVE, Camera, Registry

Last: TypeAlias = Callable[[], Mapping[tuple[str, int], FoundCamera]]
"""What the last search found, by address and port."""
Learn: TypeAlias = Callable[[AdoptOrder], Awaitable[Device]]
"""Raises CameraError, BadInput for channels that are no list; sends the login at most once."""


def _login(request: Request) -> Login | None:
    username = text_param(request, "username")
    return Login(username, Secret(text_param(request, "password"))) if username else None


def _engine(request: Request) -> str:
    engine = text_param(request, "engine", NATIVE)
    if engine not in ENGINES:
        raise BadInput(f"{engine!r} is no engine", case="engine", key="engine", value=engine, known=", ".join(ENGINES))
    return engine


class CameraService:
    """Handlers of the camera calls."""

    def __init__(
        self,
        cameras: Cameras,
        registry: Registry,
        *,
        last: Last,
        learn: Learn,
        pending: PendingLogins,
        sub_streams: bool,
    ) -> None:
        self._cameras, self._registry, self._pending = cameras, registry, pending
        self._last, self._learn, self._sub_streams = last, learn, sub_streams
        self._adopting = asyncio.Lock()

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "adopt": self.adopt,
            "camera.list": self.list_cameras,
            "camera.rename": self.rename,
            "camera.remove": self.remove,
            "camera.login": self.login,
            "camera.replace": self.replace,
        }

    async def adopt(self, request: Request) -> Reply:
        """Learn a camera, or the channels of a recorder, and start recording.

        Without a login the one we gave it before adoption is used.
        """
        order, wished = self._order(request, text_param(request, "address")), text_param(request, "name")
        async with self._adopting:
            known = await self._registry.cameras()
            whole = [camera for camera in of_device(known, self._heard(order)) if not camera.about.identity.channel]
            if whole:
                raise adopted_already(whole[0])
            kept = await self._pending.find(order.address)
            order = replace(order, login=order.login or kept)
            try:
                device = with_mac(await self._learn(order), self._heard(order).mac)
            except CameraLoginRefused as error:
                raise refused_first(error, order.address, order.login, kept) from error
            name, taken = own_name(device, known, wished, order.address)
            fresh = to_adopt(device, known, name=name, order=order, sub_streams=self._sub_streams)
            cameras = [(await self._cameras.add(await self._registry.add(new))).camera for new in fresh]
            if order.login is kept:  # another login: what is kept belongs to another camera that was at this address
                await self._pending.forget(order.address)
        rows = [describe(camera) for camera in cameras]
        already = len(device.cameras) - len(fresh)
        more = {
            "empty": list(device.empty),
            "already": already,
            "taken": [twin._asdict() for twin in taken],
            "numbered": bool(taken) and not wished,
        }
        return Reply({"camera": rows[0], "cameras": rows, **more})

    async def replace(self, request: Request) -> Reply:
        """Give the device that took a camera's place that camera's name and footage; a recorder's: all channels'."""
        camera = await known_camera(self._registry, camera_param(request))
        order = self._order(request, text_param(request, "address") or camera.about.address)
        async with self._adopting:
            known = await self._registry.cameras()
            old = of_device(known, camera.about.identity) or (camera,)
            others = [item for item in known if item not in old]
            device = with_mac(await self._learn_in_place(order, camera, old), self._heard(order).mac)
            fresh = to_adopt(device, others, name=camera.name, order=order, sub_streams=self._sub_streams)
            pairs = to_replace(old, fresh)
            done = [await self._cameras.replace(item.public_id, new) for item, new in pairs]
        rows = [describe(item) for item in done]
        left = [item.public_id for item in old if item.public_id not in {row["id"] for row in rows}]
        return Reply({"cameras": rows, "left": left})

    async def _learn_in_place(self, order: AdoptOrder, camera: Camera, old: Sequence[Camera]) -> Device:
        """Learn what is where a camera was: at the port and path it had, unless the installer says otherwise."""
        if camera.about.driver == "rtsp" and order.rtsp_path is None:
            main = camera.streams[0].spec
            numbers = [item.about.identity.channel for item in old if item.about.identity.channel]
            order = replace(order, rtsp_path=f":{main.port}{main.path}", channels=",".join(map(str, numbers)))
        if order.port is not None:
            return await self._learn(order)
        try:
            about = camera.about
            place = replace(order, port=about.port, onvif_path=about.onvif_path, onvif_tls=about.onvif_tls)
            return await self._learn(place)
        except (CameraUnreachable, CameraUnsupported):  # no login was sent to what speaks no ONVIF there
            return await self._learn(order)

    def _order(self, request: Request, address: str) -> AdoptOrder:
        port = request.number("port") if request.params.get("port") is not None else None
        order = AdoptOrder(
            address,
            port,
            _login(request),
            text_param(request, "rtsp_path") or None,
            channels=text_param(request, "channels"),
            clear_text=request.params.get("clear_text") is True,
            engine=_engine(request),
        )
        return replace(order, endpoint=self._heard(order).endpoint)

    def _heard(self, order: AdoptOrder) -> Identity:
        """Return what the last search told of an address."""
        fits = (item for key, item in self._last().items() if key[0] == order.address and order.port in (None, key[1]))
        item = next(fits, None)
        return Identity(item.endpoint, item.mac) if item is not None else Identity()

    async def list_cameras(self, request: Request) -> Reply:
        """Return the adopted cameras; with `removed` also those taken away whose footage may exist."""
        cameras = await self._registry.cameras(removed=request.params.get("removed") is True)
        return Reply({"cameras": [describe(camera) | {"removed_ms": camera.removed_ms} for camera in cameras]})

    async def rename(self, request: Request) -> Reply:
        """Change the name people see."""
        camera = await self._cameras.rename(camera_param(request), text_param(request, "name"))
        return Reply({"camera": describe(camera)})

    async def remove(self, request: Request) -> Reply:
        """Stop recording a camera and forget its login."""
        await self._cameras.remove(camera_param(request))
        return Reply({})

    async def login(self, request: Request) -> Reply:
        """Store another login; the camera is tried with it at once."""
        login = _login(request)
        if login is None:
            raise BadInput("username must not be empty", key="username")
        await self._cameras.relogin(camera_param(request), login)
        return Reply({})
