"""A recorder and a live daemon that answer everything with marked bodies: who got one can be seen in the answer."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.core.errors import NotFound
from gateway.core.model import new_public_id
from gateway.core.wire import ControlServer, Handler, Reply, Request

OFFER = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef0123456789\r\n"


def camera_of(request: Request) -> str:
    """Whose picture a ticket is for, unchecked; without a ticket what was named."""
    ticket = request.params.get("ticket")
    if ticket is None:
        return request.text("camera")
    return str(json.loads(base64.urlsafe_b64decode(ticket["grant"]))["camera"])


def picture(camera: str) -> bytes:
    """What only those may get who may see this camera."""
    return f"picture-of-{camera}".encode()


def counted(asked: Counter[str], handler: Handler) -> Handler:
    """A handler that counts each call by its method."""

    async def count(request: Request) -> Reply | AsyncIterator[bytes]:
        asked[request.method] += 1
        return await handler(request)

    return count


class MarkedRecorder:
    """Answers by ticket; counts what it was asked."""

    def __init__(self) -> None:
        self.cameras: dict[str, str] = {}
        """Names by id."""
        self.asked: Counter[str] = Counter()
        self.now_ms = 0
        self.orders: dict[str, dict[str, Any]] = {}
        self.holds: dict[str, dict[str, Any]] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """The methods that the gateway calls for a web request."""
        own: dict[str, Handler] = {
            "status": self._status,
            "still": self._still,
            "playback.days": self._about,
            "playback.timeline": self._about,
            "playback.streams": self._streams,
            "playback.index": self._index,
            "playback.init": self._init,
            "playback.segment": self._segment,
            "playback.media": self._media,
            "playback.thumb": self._still,
            "hold.place": self._hold,
            "hold.renew": self._hold,
            "hold.lift": self._nothing,
            "hold.list": self._hold_list,
            "export.list": self._orders,
            "export.start": self._start,
            "export.cancel": self._nothing,
            "export.manifest": self._manifest,
            "export.sign": self._sign,
            "export.size": self._size,
            "export.file": self._file,
            "key.status": self._key,
            "key.lock": self._key,
            "key.unlock": self._key,
        }
        return {name: counted(self.asked, handler) for name, handler in own.items()}

    async def _status(self, _request: Request) -> Reply:
        rows = [
            {"id": camera, "name": name, "state": "up", "connected": True, "recording": True, "streams": []}
            for camera, name in self.cameras.items()
        ]
        return Reply({"cameras": rows, "volumes": []})

    async def _still(self, request: Request) -> Reply:
        facts = {"captured_ms": self.now_ms - 500, "width": 320, "height": 180}
        return Reply(facts, picture(camera_of(request)))

    async def _about(self, request: Request) -> Reply:
        return Reply({"days": [], "spans": [], "mark": picture(camera_of(request)).decode()})

    async def _streams(self, _request: Request) -> Reply:
        return Reply({"streams": ["main", "sub"]})

    async def _index(self, request: Request) -> Reply:
        mark = picture(camera_of(request)).decode()
        return Reply({"segments": [], "configs": [], "newest_ms": self.now_ms, "mark": mark})

    async def _init(self, request: Request) -> Reply:
        return Reply({"mime": "video/mp4"}, picture(camera_of(request)))

    async def _segment(self, request: Request) -> Reply:
        return Reply({"size_bytes": len(picture(camera_of(request))), "closed": True})

    async def _media(self, request: Request) -> AsyncIterator[bytes]:
        return _chunks([picture(camera_of(request))])

    async def _hold(self, request: Request) -> Reply:
        self.holds[request.text("hold")] = {"hold": request.text("hold")}
        return Reply({"hold": {}})

    async def _hold_list(self, _request: Request) -> Reply:
        return Reply({"holds": list(self.holds.values()), "found": []})

    async def _orders(self, _request: Request) -> Reply:
        return Reply({"orders": list(self.orders.values())})

    async def _start(self, request: Request) -> Reply:
        order = request.text("order")
        self.orders[order] = {"order": order, "state": "measured", "camera": camera_of(request)}
        return Reply({})

    async def _manifest(self, request: Request) -> Reply:
        return Reply({}, b"manifest of " + request.text("order").encode())

    async def _sign(self, request: Request) -> Reply:
        self.orders[request.text("order")]["state"] = "ready"
        return Reply({})

    async def _size(self, request: Request) -> Reply:
        return Reply({"bytes": len(picture(camera_of(request)))})

    async def _file(self, request: Request) -> AsyncIterator[bytes]:
        return _chunks([picture(camera_of(request))])

    async def _key(self, _request: Request) -> Reply:
        facts = {"encrypted": True, "mode": "box", "unlocked": True, "place": "file", "disk": "apart"}
        return Reply({**facts, "passphrase_set": False, "since_ms": self.now_ms, "former": 0, "holders": []})

    async def _nothing(self, _request: Request) -> Reply:
        return Reply({})


class MarkedLive:
    """Opens sessions for whoever brings a ticket, and counts."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.sessions: dict[str, dict[str, Any]] = {}
        self.walls: dict[str, str] = {}

    def handlers(self) -> Mapping[str, Handler]:
        """The methods that the gateway calls."""
        own: dict[str, Handler] = {
            "open": self._open,
            "open_wall": self._open_wall,
            "join_wall": self._join,
            "candidate": self._candidate,
            "renew": self._renew,
            "close": self._nothing,
            "close_grants": self._close_grants,
            "sessions": self._renew,
            "status": self._nothing,
        }
        return {name: counted(self.asked, handler) for name, handler in own.items()}

    def _new(self, request: Request) -> dict[str, Any]:
        grant = json.loads(base64.urlsafe_b64decode(request.params["ticket"]["grant"]))
        session = str(new_public_id())
        self.sessions[session] = {
            "session": session, "grant": grant["id"], "camera": grant["camera"], "stream": "sub", "state": "live",
            "started_ms": 0, "frames": 0, "bytes": 0, "lost": 0, "rtt_ms": None,
        }  # fmt: skip
        return {"session": session, "answer": picture(grant["camera"]).decode()}

    async def _open(self, request: Request) -> Reply:
        return Reply(self._new(request))

    async def _open_wall(self, request: Request) -> Reply:
        opened, wall = self._new(request), str(new_public_id())
        device = json.loads(base64.urlsafe_b64decode(request.params["ticket"]["grant"]))["device"]
        self.walls[wall] = device
        return Reply(opened | {"wall": wall})

    async def _join(self, request: Request) -> Reply:
        from gateway.core.errors import WallGone

        device = json.loads(base64.urlsafe_b64decode(request.params["ticket"]["grant"]))["device"]
        if self.walls.get(request.text("wall")) != device:
            raise WallGone("no such wall, or another's")
        return Reply({"session": self._new(request)["session"]})

    async def _candidate(self, request: Request) -> Reply:
        if request.text("session") not in self.sessions:
            raise NotFound("no such session")
        return Reply({})

    async def _renew(self, _request: Request) -> Reply:
        return Reply({"sessions": list(self.sessions.values())})

    async def _close_grants(self, request: Request) -> Reply:
        gone = set(request.params["grants"])
        over = [name for name, item in self.sessions.items() if item["grant"] in gone]
        for name in over:
            del self.sessions[name]
        return Reply({"closed": len(over)})

    async def _nothing(self, _request: Request) -> Reply:
        return Reply({"daemon": {"name": "live"}})


async def _chunks(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


@asynccontextmanager
async def marked_daemons(recorder: Path, live: Path) -> AsyncIterator[tuple[MarkedRecorder, MarkedLive]]:
    """Serve both on their control sockets."""
    faults: list[BaseException] = []

    def sink(_name: str, error: BaseException) -> None:
        faults.append(error)

    found = MarkedRecorder(), MarkedLive()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(ControlServer(recorder, "recorder", found[0].handlers(), on_fault=sink))
        await stack.enter_async_context(ControlServer(live, "live", found[1].handlers(), on_fault=sink))
        yield found
    assert faults == []
