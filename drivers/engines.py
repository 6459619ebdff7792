"""Which engine plays a camera: ours, or FFmpeg's where a person or the probe at adoption says so.

Owns `settle`. Invariants: without a word of the person who adopts, the engine is ours; the probe runs at
adoption only, on request, and says what ours failed with; a refused login, a camera that is away or has no
room pins nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from drivers.gate import LoginGate
from drivers.manychannels import LearnedDevice
from drivers.rtsponly import StreamPlayer, first_look
from gateway.core.errors import CameraBadReply, CameraError, CameraSilent


class Engine(StrEnum):
    """What takes a stream apart."""

    NATIVE = "native"
    PYAV = "pyav"


AUTO = "auto"
"""Asked for at adoption: ours if it shows a picture, else the other if that one does."""
_PINNING = (CameraBadReply, CameraSilent)
"""What another way of taking a stream apart may cure."""


@dataclass(frozen=True, slots=True)
class Settled:
    """A learned device and what is to play its cameras."""

    learned: LearnedDevice
    engine: Engine
    why: str = ""
    """What our engine failed with, if the probe pinned the other."""


async def settle(
    asked: str,
    learn: Callable[[StreamPlayer], Awaitable[LearnedDevice]],
    gate: LoginGate,
    players: Mapping[str, StreamPlayer],
) -> Settled:
    """Learn a device with the engine asked for: `native`, `pyav` or `auto`.

    An engine that was named other than by default, or that the probe tries, must show a picture of the first
    main stream before anything is stored. Raises the CameraError of the engine tried last.
    """
    if asked == Engine.NATIVE:
        return Settled(await learn(players[Engine.NATIVE]), Engine.NATIVE)
    if asked != AUTO:
        return Settled(await _seen(learn, gate, players[Engine(asked)]), Engine(asked))
    try:
        return Settled(await _seen(learn, gate, players[Engine.NATIVE]), Engine.NATIVE)
    except _PINNING as error:
        failed: CameraError = error
    learned = await _seen(learn, gate, players[Engine.PYAV])
    return Settled(learned, Engine.PYAV, f"{failed.code}: {failed.message}")


async def _seen(
    learn: Callable[[StreamPlayer], Awaitable[LearnedDevice]], gate: LoginGate, player: StreamPlayer
) -> LearnedDevice:
    learned = await learn(player)
    await first_look(player, learned.about.streams[0].source, gate, picture=True)
    return learned
