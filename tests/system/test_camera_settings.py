"""Settings of a camera through the recorder daemon: real process, real sockets, a simulated camera."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import NotFound
from tests.fakes.recorderd import PASSWORD, Recorderd, recorderd, small_farm

pytestmark = [pytest.mark.anyio, pytest.mark.system]
KEYS = ["user.own", "main.gop", "osd.label"]


def brief(answer: dict[str, Any]) -> list[tuple[str, str, bool]]:
    return [(item["setting"], item["now"], item["applied"]) for item in answer["outcomes"]]


async def until_another_run_records(daemon: Recorderd, camera: str, known: set[int]) -> set[int]:
    """Wait for a segment of a run that was not there before; returns all runs of the main stream."""

    async def runs() -> set[int]:
        segments = (await daemon.call("segments", camera=camera, stream="main"))["segments"]
        found = {int(segment["run"]) for segment in segments}
        return found if found - known else set()

    return set(await daemon.until(runs))


async def test_apply_and_undo_while_recording(tmp_path: Path) -> None:
    """The plan changes nothing; apply gives the box its own login and restarts the encoder; recording goes on.

    Undo restores users and encoder, and recording goes on again; the camera saw no bad login, and no password
    lies in clear in the database or the log.
    """
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (cam,) = farm.cameras
        (camera,) = await daemon.adopt_all(farm)
        await daemon.until_recording(1)
        first = await until_another_run_records(daemon, camera, set())

        plan = await daemon.call("camera.plan", camera=camera, settings=KEYS)
        assert [(c["setting"], c["before"], c["after"]) for c in plan["changes"]] == [
            ("user.own", "admin", "vuon"),
            ("main.gop", "10", "20"),
            ("osd.label", "", f"{cam.name} +date"),
        ]
        assert cam.profiles[0].encoder.gop_frames == 10

        applied = await daemon.call("camera.apply", camera=camera, settings=KEYS, who="installer")
        assert brief(applied) == [
            ("user.own", "vuon", True),
            ("main.gop", "20", True),
            ("osd.label", f"{cam.name} +date", True),
        ]
        ours = cam.book.password_of("vuon")
        assert ours is not None
        assert cam.profiles[0].encoder.gop_frames == 20
        second = await until_another_run_records(daemon, camera, first)
        assert (await daemon.call("camera.plan", camera=camera, settings=KEYS))["changes"] == []

        undone = await daemon.call("camera.undo", camera=camera)
        assert brief(undone) == [("user.own", "admin", True), ("main.gop", "10", True), ("osd.label", "", True)]
        assert list(cam.book.users) == ["admin"]
        assert cam.profiles[0].encoder.gop_frames == 10
        assert cam.state.osds == {}
        await until_another_run_records(daemon, camera, second)
        with pytest.raises(NotFound):
            await daemon.client.call("camera.undo", {"camera": camera})

        assert cam.bad_logins == 0
        types = [row["type"] for row in (await daemon.call("journal"))["events"]]
        assert types.count("camera.settings.v1") == 2
        assert "camera.state.v1" in types
        stored = (
            b"".join(path.read_bytes() for path in (tmp_path / "state").glob("cameras.db*")) + daemon.log().encode()
        )
        assert PASSWORD.encode() not in stored
        assert ours.encode() not in stored
