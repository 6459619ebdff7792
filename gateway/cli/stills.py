"""Stills for the command line: asked of the gateway, which decides and writes the look down.

Owns the fetching and the decoding. Invariants: what is decoded is a JPEG that the box's own vision child
encoded, never a camera's; its size is checked before it is opened; nothing is kept on disk here.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.cli.context import Context
from gateway.cli.halfblock import Picture
from gateway.core.errors import BadInput, NotFound

MOST_BYTES = 4 << 20
MOST_SIDE = 4096


@dataclass(frozen=True, slots=True)
class Still:
    """A camera's newest picture."""

    captured_ms: int
    width: int
    height: int
    jpeg: bytes


async def newest(context: Context, camera: str, *, width: int, after_acceptance: bool) -> Still | None:
    """Return the newest still, at least `width` wide if possible; None before the first. Raises Denied."""
    params = {"camera": camera, "width": width, "after_acceptance": after_acceptance}
    async with context.client("gateway") as client:
        try:
            answer = await client.call("still", params)
        except NotFound:
            return None
    head = answer.result
    still = Still(int(head["captured_ms"]), int(head["width"]), int(head["height"]), answer.blob)
    sane = 0 < still.width <= MOST_SIDE and 0 < still.height <= MOST_SIDE and len(still.jpeg) <= MOST_BYTES
    if not sane or not still.jpeg.startswith(b"\xff\xd8"):
        raise BadInput("the still is no picture", key="still")
    return still


def scaled(still: Still, width: int, height: int) -> Picture:
    """Return a still's pixels at another size; BadInput if it does not decode."""
    import av  # noqa: PLC0415 - a tenth of a second that the other commands need not wait

    try:
        frames = av.CodecContext.create("mjpeg", "r").decode(av.Packet(still.jpeg))
        frame = frames[0].reformat(width, height, "rgb24")
    except (av.FFmpegError, IndexError, ValueError) as error:
        raise BadInput("the still does not decode", key="still") from error
    plane = frame.planes[0]
    data, line = bytes(plane), plane.line_size
    return Picture(width, height, b"".join(data[y * line : y * line + width * 3] for y in range(height)))
