"""Fixtures that every folder of tests shares."""

from __future__ import annotations

import pytest


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio: aiortc and the daemons need it."""
    return "asyncio"
