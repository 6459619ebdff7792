"""A film recorded as a camera by the real daemon: adopted by its driver's name, kept picture by picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from drivers.film import FilmReader
from gateway.core.errors import BadInput, CameraUnreachable
from gateway.core.model import StreamRole
from tests.fakes.films import film
from tests.fakes.frames import contains_run, recorded, slices
from tests.fakes.recorderd import recorderd

pytestmark = [pytest.mark.anyio, pytest.mark.system]


async def test_a_film_is_recorded_round_and_round(tmp_path: Path) -> None:
    """Main and sub are recorded without a gap, over many rounds; names that are none are told."""
    films = tmp_path / "films"
    films.mkdir()
    main = film(films / "lop-la.mp4", pictures=20)
    film(films / "lop-la.sub.mp4", pictures=20, size=(160, 120))
    with FilmReader(main) as reader:
        loop = [slices(picture.nals) for picture in reader.batch(99)]
    async with recorderd(tmp_path, f'files = "{films}"') as daemon:
        for address, error in (
            ("file:none.mp4", CameraUnreachable), ("file:../state/cameras.db", BadInput), ("v4l2:0", BadInput),
        ):  # fmt: skip
            with pytest.raises(error):
                await daemon.call("adopt", address=address)
        camera = (await daemon.call("adopt", address="file:lop-la.mp4"))["camera"]
        assert (camera["driver"], camera["name"]) == ("file", "lop-la")
        assert [(s["stream"], s["width"]) for s in camera["streams"]] == [("main", 320), ("sub", 160)]
        with pytest.raises(BadInput):
            await daemon.call("adopt", address="file:lop-la.mp4")
        await daemon.until_recording(1)

        async def closed() -> list[dict[str, Any]]:
            rows = (await daemon.call("segments", camera=camera["id"], closed_only=True))["segments"]
            return list(rows) if {row["stream"] for row in rows} == {"main", "sub"} else []

        await daemon.until(closed)
        assert (await daemon.call("gaps", camera=camera["id"]))["gaps"] == []
        pictures = await recorded(daemon, camera["id"], StreamRole.MAIN)
        assert len(pictures) > len(loop)
        assert contains_run(loop * (len(pictures) // len(loop) + 2), pictures)
        assert await daemon.stop() == 0
