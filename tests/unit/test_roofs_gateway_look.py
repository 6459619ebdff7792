"""Stills and classes over the gateway's control socket, as `vuon xem` asks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.access.audit import CONSOLE
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, new_public_id
from gateway.core.secrets import load_verify_key
from gateway.core.ticket import open_ticket
from gateway.core.wire import Reply
from tests.fakes.clock import NOON_MS
from tests.fakes.gateway_console import CAMERA, GATE, Box, desk, refused

pytestmark = pytest.mark.anyio
JPEG = b"\xff\xd8 a picture"


async def look(box: Box, **params: Any) -> Reply:
    return await box.client.call("still", params)


async def test_a_look_is_decided_audited_and_then_asked_for(tmp_path: Path) -> None:
    """The recorder gets a signed right to aim, for a minute, at exactly this camera; bytes come back as they are."""
    async with desk(tmp_path) as box:
        await box.school()
        answer = await look(box, camera=CAMERA, width=640)
        assert (answer.blob, answer.result["captured_ms"]) == (JPEG, NOON_MS)
        (asked,) = box.recorder.tickets
        key = load_verify_key(box.ground.config.paths.grant_key)
        grant = open_ticket(asked["ticket"], key, now_ms=NOON_MS)
        assert (grant.action, grant.camera, asked["width"]) == (Action.AIM, CAMERA, 640)
        assert (box.rows()[-1]["what"], box.rows()[-1]["device"]) == ("granted", "console")


async def test_an_accepted_box_shows_nothing_until_it_is_meant(tmp_path: Path) -> None:
    """The refusal names its case; nothing is asked of the recorder."""
    async with desk(tmp_path) as box:
        await box.school()
        await box.call("accept")
        with pytest.raises(Denied) as error:
            await look(box, camera=CAMERA)
        assert (error.value.fields["case"], error.value.fields["reason"]) == ("look_accepted", "box.accepted")
        assert box.recorder.tickets == []
        assert (await look(box, camera=CAMERA, after_acceptance=True)).blob == JPEG
        await box.parts.sharing.hide_camera(CONSOLE, CAMERA)
        with pytest.raises(Denied) as hidden:
            await look(box, camera=CAMERA, after_acceptance=True)
        assert hidden.value.fields["case"] == "look_private"


async def test_a_camera_that_is_not_ours_is_not_found(tmp_path: Path) -> None:
    """Also one that the recorder knows but nobody has told the gateway of."""
    async with desk(tmp_path) as box:
        await box.school()
        with pytest.raises(NotFound):
            await look(box, camera=new_public_id(), after_acceptance=True)


async def test_a_camera_gets_another_class_and_none(tmp_path: Path) -> None:
    """By the class's name or id; it leaves the class it had; an empty name takes it out of every class."""
    async with desk(tmp_path) as box:
        await box.school()
        await box.call("class.add", name="Chồi 1", cameras=[], plan="open")

        async def shown() -> dict[str, list[str]]:
            return {row["name"]: row["cameras"] for row in (await box.call("people.list"))["classes"]}

        await box.call("camera.assign", camera=CAMERA, **{"class": "chồi 1"})
        await box.call("camera.assign", camera=GATE, **{"class": "Mầm 1"})
        assert await shown() == {"Chồi 1": [CAMERA], "Mầm 1": [GATE]}
        assert (await box.call("camera.assign", camera=GATE))["class"] is None
        assert await shown() == {"Chồi 1": [CAMERA], "Mầm 1": []}
        assert box.rows()[-1]["what"] == "camera.assign"


async def test_an_unknown_class_or_camera_changes_nothing(tmp_path: Path) -> None:
    """The error lists the classes there are."""
    async with desk(tmp_path) as box:
        await box.school()
        error = await refused(box, "camera.assign", camera=CAMERA, **{"class": "Lá 9"})
        assert error.fields["known"] == "Mầm 1"
        with pytest.raises(BadInput):
            await box.call("camera.assign", camera=new_public_id(), **{"class": "Mầm 1"})
