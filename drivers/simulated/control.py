"""The farm's control socket: switch a fault, read the counters.

Owns the meaning of the methods of service "simulated"; `gateway.core.wire` owns the socket. Invariant:
nothing here can be reached over the network.
"""

from __future__ import annotations

from collections.abc import Sequence

from drivers.simulated.camera import SimulatedCamera
from gateway.core.errors import BadInput, NotFound
from gateway.core.wire import Handler, Reply, Request


def handlers(cameras: Sequence[SimulatedCamera]) -> dict[str, Handler]:
    """Return the methods.

    - `fault` {camera: index, name, value} -> {}: see `SimulatedCamera.switch`
    - `counters` {camera?: index} -> {"cameras": [...]}: see `SimulatedCamera.statistics`
    """

    def pick(request: Request) -> SimulatedCamera:
        index = request.number("camera")
        if not 0 <= index < len(cameras):
            raise NotFound(f"there is no camera {index}", camera=index)
        return cameras[index]

    async def fault(request: Request) -> Reply:
        if "value" not in request.params:
            raise BadInput("fault: value is missing", key="value")
        await pick(request).switch(request.text("name"), request.params["value"])
        return Reply({})

    async def counters(request: Request) -> Reply:
        chosen = [pick(request)] if "camera" in request.params else list(cameras)
        return Reply({"cameras": [camera.statistics() for camera in chosen]})

    return {"fault": fault, "counters": counters}
