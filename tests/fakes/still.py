"""Stills as the box's vision child makes them, for the command line."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from gateway.core.wire import Reply
from tests.fakes.clock import NOON_MS


def jpeg(width: int = 320, height: int = 180, *, left: int = 60, right: int = 60) -> bytes:
    """A grey picture whose left third and the rest have these levels."""
    picture: NDArray[Any] = np.full((height, width, 3), right, np.uint8)
    picture[:, : width // 3] = left
    done, data = cv2.imencode(".jpg", picture)
    assert done
    return bytes(data.tobytes())


def answer(data: bytes | None = None, *, width: int = 320, height: int = 180, captured_ms: int = NOON_MS) -> Reply:
    """What the gateway's `still` answers."""
    return Reply({"captured_ms": captured_ms, "width": width, "height": height}, jpeg() if data is None else data)
