"""What a control call names: a camera, a stream, a span of time, a segment, and the time that a grant is for.

Owns the reading of these parameters for all services. Invariants: whatever comes in is checked for its form before
anything is looked up; a segment's path is parsed, never opened as text.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from gateway.core.errors import BadInput, GrantRefused, NotFound
from gateway.core.model import Grant, PublicId, StreamId, StreamRole, is_public_id
from gateway.core.wire import Request
from recorder.layout import LAST_MS, SegmentName, parse_name, parse_stream
from recorder.registry import Camera, Registry, Stream

OpenTicket: TypeAlias = Callable[[Mapping[str, Any]], Grant]
"""Verifies a ticket; raises GrantRefused."""
MAX_TEXT = 256


def id_param(request: Request, key: str) -> PublicId:
    """Return a parameter that names something of ours; BadInput if it has not the form of an id."""
    text = request.text(key)
    if not is_public_id(text):
        raise BadInput(f"{request.method}: {key} must be a public id", key=key)
    return PublicId(text)


def camera_param(request: Request) -> PublicId:
    """Return the `camera` parameter; BadInput if it has not the form of an id."""
    return id_param(request, "camera")


def text_param(request: Request, key: str, default: str = "") -> str:
    """Return a short text; BadInput if it is longer than MAX_TEXT."""
    value = request.text(key, default)
    if len(value) > MAX_TEXT:
        raise BadInput(f"{request.method}: {key} is too long", key=key)
    return value


async def known_camera(registry: Registry, camera: PublicId) -> Camera:
    """Return a camera, also a removed one: its footage may still be there. NotFound if it is none of ours."""
    for known in await registry.cameras(removed=True):
        if known.public_id == camera:
            return known
    raise NotFound("no such camera", key="camera")


def role_of(text: str) -> StreamRole:
    """Return the encoding a call names; BadInput."""
    try:
        return StreamRole(text)
    except ValueError as error:
        raise BadInput("stream must be main or sub", key="stream") from error


def span_of(request: Request) -> tuple[int, int]:
    """Return the span a call names, all of time by default; BadInput if it runs backwards."""
    from_ms, to_ms = request.number("from_ms", 0), request.number("to_ms", LAST_MS)
    if from_ms >= to_ms:
        raise BadInput("from_ms must be before to_ms", key="from_ms")
    return from_ms, to_ms


def stream_of(camera: Camera, role: StreamRole) -> Stream:
    """Return a camera's stream; NotFound."""
    for stream in camera.streams:
        if stream.role is role:
            return stream
    raise NotFound("the camera has no such stream", key="stream")


def segment_of_path(path: str) -> tuple[StreamId, SegmentName]:
    """Return what a segment's path says; BadInput. The path is parsed, never opened as text."""
    parts = path.split("/")
    number = parse_stream(parts[0]) if len(parts) == 4 else None
    name = parse_name(parts[-1])
    if number is None or name is None:
        raise BadInput("segment must be a path as `segments` gives it", key="segment")
    return number, name


def granted_span(grant: Grant) -> tuple[int, int]:
    """Return the recorded time that a grant is for; GrantRefused if it is for none."""
    if grant.from_ms is None or grant.to_ms is None:
        raise GrantRefused("the grant names no time", reason="grant.other")
    return grant.from_ms, grant.to_ms
