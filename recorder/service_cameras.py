"""Control calls about cameras: discover, adopt, list, rename, remove, log in.

Owns the translation between the control socket and the running cameras. Invariants: a password comes in
and never goes out; one adoption at a time; a camera is asked everything before anything is stored, so a
failed adoption leaves nothing behind; a search that finds one of ours at another address moves it there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from gateway.core.errors import BadInput, CameraUnsupported, NotFound
from gateway.core.model import Login, PublicId, Secret, StreamRole, is_public_id
from gateway.core.wire import Handler, Reply, Request
from recorder.cameras import Cameras, describe
from recorder.identity import Identity, same_camera
from recorder.registry import Camera, LoginState, NewCamera, Registry

MAX_SEARCH_S = 60
MAX_TEXT = 256


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A device that answered a search."""

    endpoint: str
    address: str
    port: int
    name: str
    hardware: str
    mac: str = ""
    reachable: bool = True
    """False: heard, but its address is outside our networks."""


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


Search: TypeAlias = Callable[[float], Awaitable[Sequence[FoundCamera]]]
"""`await search(seconds)`."""
Learn: TypeAlias = Callable[[AdoptOrder], Awaitable[NewCamera]]
"""Raises CameraError; sends the login at most once."""


def id_param(request: Request, key: str) -> PublicId:
    """Return a parameter that names something of ours; BadInput if it has not the form of an id."""
    text = request.text(key)
    if not is_public_id(text):
        raise BadInput(f"{request.method}: {key} must be a public id", key=key)
    return PublicId(text)


def camera_param(request: Request) -> PublicId:
    """Return the `camera` parameter; BadInput if it has not the form of an id."""
    return id_param(request, "camera")


async def known_camera(registry: Registry, camera: PublicId) -> Camera:
    """Return a camera, also a removed one: its footage may still be there. NotFound if it is none of ours."""
    for known in await registry.cameras(removed=True):
        if known.public_id == camera:
            return known
    raise NotFound("no such camera", key="camera")


def text_param(request: Request, key: str, default: str = "") -> str:
    """Return a short text; BadInput if it is longer than MAX_TEXT."""
    value = request.text(key, default)
    if len(value) > MAX_TEXT:
        raise BadInput(f"{request.method}: {key} is too long", key=key)
    return value


def _login(request: Request) -> Login | None:
    username = text_param(request, "username")
    return Login(username, Secret(text_param(request, "password"))) if username else None


class CameraService:
    """Handlers of the camera calls."""

    def __init__(
        self, cameras: Cameras, registry: Registry, *, search: Search, learn: Learn, search_s: float, sub_streams: bool
    ) -> None:
        self._cameras, self._registry = cameras, registry
        self._search, self._learn = search, learn
        self._search_s, self._sub_streams = search_s, sub_streams
        self._found: dict[tuple[str, int], FoundCamera] = {}
        self._adopting = asyncio.Lock()

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "discover": self.discover,
            "adopt": self.adopt,
            "camera.list": self.list_cameras,
            "camera.rename": self.rename,
            "camera.remove": self.remove,
            "camera.login": self.login,
        }

    async def discover(self, request: Request) -> Reply:
        """Search the chosen interfaces; says of each device whether it is ours."""
        seconds = request.params.get("seconds", self._search_s)
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= MAX_SEARCH_S:
            raise BadInput(f"seconds must be above 0 and at most {MAX_SEARCH_S}", key="seconds")
        found = await self._search(float(seconds))
        self._found = {(item.address, item.port): item for item in found}
        known = await self._registry.cameras()
        rows = []
        for item in found:
            ours = same_camera(known, Identity(item.endpoint, item.mac))
            if ours is not None:
                await self._follow(ours, item)
            rows.append(_row(item, ours))
        return Reply({"found": rows})

    async def _follow(self, ours: Camera, item: FoundCamera) -> None:
        if item.reachable and item.address != ours.about.address:
            await self._cameras.move(ours.public_id, item.address, item.port)

    async def adopt(self, request: Request) -> Reply:
        """Learn a camera and start recording it."""
        address = text_param(request, "address")
        port = request.number("port") if request.params.get("port") is not None else None
        rtsp_path = text_param(request, "rtsp_path") or None
        async with self._adopting:
            new = await self._ask(address, port, _login(request), rtsp_path)
            new = replace(new, name=text_param(request, "name") or new.name or address)
            task = await self._cameras.add(await self._registry.add(new))
        return Reply({"camera": describe(task.camera)})

    async def _ask(self, address: str, port: int | None, login: Login | None, rtsp_path: str | None) -> NewCamera:
        item = next((found for key, found in self._found.items() if key[0] == address and port in (None, key[1])), None)
        known = await self._registry.cameras()
        if item is not None and (ours := same_camera(known, Identity(item.endpoint, item.mac))) is not None:
            raise BadInput("this camera is adopted already", key="address", camera=ours.public_id)
        endpoint = item.endpoint if item is not None else ""
        new = await self._learn(AdoptOrder(address, port, login, rtsp_path, endpoint))
        wanted = tuple(spec for spec in new.streams if self._sub_streams or spec.role is StreamRole.MAIN)
        if not wanted:
            raise CameraUnsupported("the camera offers no stream", address=address)
        mac = new.identity.mac or (item.mac if item is not None else "")
        return replace(new, streams=wanted, identity=replace(new.identity, mac=mac), login_state=LoginState.UNTRIED)

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


def _row(item: FoundCamera, ours: Camera | None) -> dict[str, Any]:
    return {
        "endpoint": item.endpoint,
        "address": item.address,
        "port": item.port,
        "name": item.name,
        "hardware": item.hardware,
        "mac": item.mac,
        "reachable": item.reachable,
        "adopted_as": ours.public_id if ours is not None else None,
    }
