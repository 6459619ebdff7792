"""The ONVIF door: logins, the clock, bad firmware, broken documents."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from drivers.simulated.faults import Quirks
from drivers.simulated.media_parts import SNAPSHOT_PATH
from drivers.simulated.soap import SERVICE_PATHS
from tests.fakes.simulated import (
    answer_challenge,
    get,
    post,
    soap_document,
    username_token,
)
from tests.fakes.simulated_client import call, farm
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio


async def test_clock_needs_no_login_and_shows_the_skew() -> None:
    """The clock is told to anybody, and it is wrong by the skew that was set."""
    async with farm(Quirks(clock_skew_s=86_400)) as f:
        answer = await call(f.cameras[0], "tds", "GetSystemDateAndTime", header="")
        assert answer.status == 200
        names = ("Year", "Month", "Day", "Hour", "Minute", "Second")
        year, month, day, hour, minute, second = (int(answer.text(name)) for name in names)
        told = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
        assert abs((told - datetime.now(UTC)).total_seconds() - 86_400) < 30
        assert answer.text("TZ") == "ICT-7"
        assert f.cameras[0].book.good_logins == 0


async def test_clock_behind_a_login() -> None:
    """Some firmware tells not even the time without a login."""
    async with farm(Quirks(clock_needs_login=True)) as f:
        assert (await call(f.cameras[0], "tds", "GetSystemDateAndTime", header="")).status == 401


async def test_username_token() -> None:
    """A digest token gets in; a wrong one is refused by the fault ONVIF prescribes, and counted."""
    async with farm() as f:
        assert (await call(f.cameras[0], "tds", "GetHostname")).status == 200
        refused = await call(f.cameras[0], "tds", "GetHostname", header=username_token("wrong"))
        assert refused.status == 400
        assert "NotAuthorized" in refused.subcodes
        assert f.cameras[0].bad_logins == 1


async def test_clock_window() -> None:
    """A token of our time is refused by a camera a day ahead; one of its time is taken."""
    async with farm(Quirks(clock_skew_s=86_400)) as f:
        ours = await call(f.cameras[0], "tds", "GetHostname")
        theirs = username_token(at=datetime.now(UTC) + timedelta(days=1))
        assert "NotAuthorized" in ours.subcodes
        assert (await call(f.cameras[0], "tds", "GetHostname", header=theirs)).status == 200


@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
async def test_http_digest(algorithm: str) -> None:
    """A digest camera challenges the bare call, takes the answer, and counts no bad login."""
    async with farm(Quirks(onvif_auth=("digest",), onvif_digest=(algorithm,))) as f:
        camera = f.cameras[0]
        url = f"http://{camera.address}:{camera.onvif_port}{SERVICE_PATHS['tds']}"
        data = soap_document("tds", "GetHostname")
        bare = await asyncio.to_thread(post, url, data)
        assert bare.status == 401
        header = answer_challenge(bare.challenges[0], "POST", SERVICE_PATHS["tds"])
        assert (await asyncio.to_thread(post, url, data, header)).status == 200
        wrong = answer_challenge(bare.challenges[0], "POST", SERVICE_PATHS["tds"], "wrong")
        assert (await asyncio.to_thread(post, url, data, wrong)).status == 401
        assert (camera.book.good_logins, camera.bad_logins) == (1, 1)


async def test_digest_only_camera_ignores_tokens() -> None:
    """A camera that knows only HTTP digest answers a UsernameToken with 401 and a challenge."""
    async with farm(Quirks(onvif_auth=("digest",))) as f:
        answer = await call(f.cameras[0], "tds", "GetHostname")
        assert answer.status == 401
        assert answer.challenges[0].startswith("Digest")
        assert f.cameras[0].bad_logins == 0


async def test_open_camera() -> None:
    """A camera without a login answers everything."""
    async with farm(Quirks(onvif_auth=("none",))) as f:
        assert (await call(f.cameras[0], "tds", "GetUsers", header="")).status == 200


async def test_quirks_of_services() -> None:
    """GetServices can be missing, Media2 absent or crashing with a page, and the host wrong."""
    async with farm() as f:
        camera = f.cameras[0]
        camera.quirks.no_get_services = True
        assert "ActionNotSupported" in (await call(camera, "tds", "GetServices")).subcodes
        camera.quirks.no_get_services = False
        camera.quirks.no_media2 = True
        assert not any("media2" in x for x in (await call(camera, "tds", "GetServices")).all("XAddr"))
        assert "ActionNotSupported" in (await call(camera, "tr2", "GetProfiles")).subcodes
        camera.quirks.no_media2 = False
        camera.quirks.media2_crash = True
        assert (await call(camera, "tr2", "GetProfiles")).body.startswith(b"<!DOCTYPE html>")
        camera.quirks.wrong_host = "192.0.2.9"
        uri = (await call(camera, "trt", "GetStreamUri", "<trt:ProfileToken>main</trt:ProfileToken>")).text("Uri")
        assert uri.startswith("rtsp://192.0.2.9:")


async def test_unknown_operation_is_a_fault_not_silence() -> None:
    """What is not implemented says so at once, as a receiver's fault or, on bad firmware, as HTML."""
    async with farm() as f:
        answer = await call(f.cameras[0], "tds", "UpgradeSystemFirmware")
        assert answer.status == 500
        assert "ActionNotSupported" in answer.subcodes
        f.cameras[0].faults.html_error = True
        assert b"<html>" in (await call(f.cameras[0], "tds", "UpgradeSystemFirmware")).body


async def test_still_needs_a_login_and_is_a_jpeg() -> None:
    """The snapshot address challenges, and gives a JPEG to the right answer; other addresses are 404."""
    async with farm() as f:
        camera = f.cameras[0]
        url = (await call(camera, "trt", "GetSnapshotUri", "<trt:ProfileToken>main</trt:ProfileToken>")).text("Uri")
        bare = await asyncio.to_thread(get, url)
        assert bare.status == 401
        header = answer_challenge(bare.challenges[0], "GET", SNAPSHOT_PATH)
        answer = await asyncio.to_thread(get, url, header)
        assert answer.status == 200
        assert answer.body[:3] == b"\xff\xd8\xff"
        assert (await asyncio.to_thread(get, url + "x", header)).status == 404


async def test_reboot_ends_sessions() -> None:
    """A reboot is answered, counted, and ends subscriptions."""
    async with farm() as f:
        camera = f.cameras[0]
        await call(camera, "tev", "CreatePullPointSubscription")
        assert (await call(camera, "tds", "SystemReboot")).text("Message")
        assert camera.state.boots == 1
        assert camera.events.subscriptions == 0


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        b"<a/>",
        b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>',
    ],
)
async def test_broken_documents_are_faults(data: bytes) -> None:
    """What is no call is answered with a sender's fault, and nothing of a file comes back."""
    async with farm() as f:
        url = f"http://{f.cameras[0].address}:{f.cameras[0].onvif_port}/onvif/device_service"
        answer = await asyncio.to_thread(post, url, data)
        assert answer.status == 400
        assert "WellFormed" in answer.subcodes
        assert b"root:" not in answer.body


async def test_calls_are_counted_before_they_are_answered() -> None:
    """Even a call that hangs for ever is in the counters, and ends when the camera is left."""
    async with farm() as f:
        camera = f.cameras[0]
        camera.faults.hang = True
        waiting = asyncio.create_task(call(camera, "tds", "GetHostname"))
        await until(lambda: camera.counters.count("GetHostname") == 1)
        assert not waiting.done()
    with pytest.raises(OSError, match=r"."):
        await waiting


async def test_lockout_is_one_for_all_protocols() -> None:
    """Bad ONVIF logins lock RTSP and stills of the same camera, too."""
    async with farm(Quirks(lockout_after=2)) as f:
        camera = f.cameras[0]
        for _ in range(2):
            await call(camera, "tds", "GetHostname", header=username_token("wrong"))
        assert (await call(camera, "tds", "GetHostname")).status == 400
        assert camera.book.locked()
        assert camera.statistics()["lockouts"] == 1
