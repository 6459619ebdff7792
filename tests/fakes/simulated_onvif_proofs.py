"""Proofs of the quirks of a simulated camera's ONVIF side: what a plain client sees of each."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from drivers.simulated.faults import Quirks
from tests.fakes.simulated import SoapAnswer
from tests.fakes.simulated_client import camera, described, soap, talk
from tests.fakes.simulated_rtsp_proofs import shown_certificate

AT_ONCE = "<tev:Timeout>PT30S</tev:Timeout><tev:MessageLimit>1</tev:MessageLimit>"


def until(text: str) -> str:
    return f"<tev:InitialTerminationTime>{text}</tev:InitialTerminationTime>"


def path_of(made: SoapAnswer) -> str:
    return "/onvif" + made.text("Address").partition("/onvif")[2]


async def onvif_audio() -> None:
    async with camera(onvif_audio=True) as cam:
        assert (await soap(cam, "GetProfiles", "trt")).all("AudioEncoderConfiguration")
        assert (await soap(cam, "GetProfiles", "tr2")).all("AudioEncoder")


async def device_path() -> None:
    async with camera(device_path="/onvif/device") as cam:
        assert (await soap(cam, "GetDeviceInformation", "tds")).status == 404
        told = await soap(cam, "GetServices", "tds", path="/onvif/device")
        assert told.all("XAddr")[0].endswith("/onvif/device")
        assert cam.calls == {"lost.GetDeviceInformation": 1, "onvif.GetServices": 1}


async def z_only() -> None:
    async with camera(z_only=True) as cam:
        end = datetime.fromtimestamp(cam.state.now_ms() / 1000 + 600, UTC)
        for text, good in ((f"{end:%Y-%m-%dT%H:%M:%S}+00:00", False), (f"{end:%Y-%m-%dT%H:%M:%SZ}", True)):
            answer = await soap(cam, "CreatePullPointSubscription", "tev", content=until(text))
            assert (answer.status == 200) is good


async def no_renew() -> None:
    async with camera(no_renew=True) as cam:
        made = await soap(cam, "CreatePullPointSubscription", "tev")
        answer = await soap(cam, "Renew", "wsnt", path=path_of(made))
        assert "ActionNotSupported" in answer.subcodes


async def subscriptions_leak() -> None:
    async with camera(subscriptions_leak=True, max_pull_points=1) as cam:
        made = await soap(cam, "CreatePullPointSubscription", "tev")
        for point in cam.events._points.values():
            point.ends_ns = 0
        assert (await soap(cam, "PullMessages", "tev", path=path_of(made))).status != 200
        assert (await soap(cam, "CreatePullPointSubscription", "tev")).status == 500
        assert (await soap(cam, "Unsubscribe", "wsnt", path=path_of(made))).status == 200
        assert (await soap(cam, "CreatePullPointSubscription", "tev")).status == 200


async def echoed_subscription() -> None:
    async with camera(echoed_subscription=True) as cam:
        made = await soap(cam, "CreatePullPointSubscription", "tev")
        assert path_of(made).endswith("/subscription/")
        assert made.text("SubscriptionId")
        assert (await soap(cam, "PullMessages", "tev", path=path_of(made))).status != 200


async def pull_at_once() -> None:
    async with camera(pull_at_once=True) as cam:
        made = await soap(cam, "CreatePullPointSubscription", "tev")
        answer = await soap(cam, "PullMessages", "tev", content=AT_ONCE, path=path_of(made))
        assert answer.status == 200  # long before the client's own patience of less than 30 s ends
        assert not answer.all("NotificationMessage")


async def event_flags_lie() -> None:
    async with camera(event_flags_lie=True) as cam:
        assert (await soap(cam, "GetCapabilities")).text("WSPullPointSupport") == "false"
        assert (await soap(cam, "CreatePullPointSubscription", "tev")).status == 200


async def lockout_told() -> None:
    async with camera(lockout_told=True, lockout_after=1, lockout_s=600.0, onvif_auth=("digest",)) as cam:
        await talk(cam, described, password="wrong")
        answer = await soap(cam, header="")
        assert (answer.status, b"<lockStatus>lock<" in answer.body) == (401, True)
        await cam.switch("onvif_auth", ["wsse"])
        assert b"locked" in (await soap(cam, header="")).body


async def https() -> None:
    async with camera(https=True) as cam:
        assert cam.certificate is not None
        shown = await asyncio.to_thread(shown_certificate, cam.address, cam.onvif_port)
        assert shown == cam.certificate.fingerprint
        assert cam.state.url("/").startswith("https://")


ONVIF_QUIRKS = {
    proof.__name__: proof
    for proof in (
        onvif_audio,
        device_path,
        z_only,
        no_renew,
        subscriptions_leak,
        echoed_subscription,
        pull_at_once,
        event_flags_lie,
        lockout_told,
        https,
    )
}
assert set(ONVIF_QUIRKS) <= set(Quirks.__slots__)
