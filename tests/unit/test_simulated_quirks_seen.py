"""Every quirk of a simulated camera does something that a client can see.

`QUIRKS` names one proof for each field; a field without a proof fails a test.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import fields

import pytest

from drivers.simulated.discovery import Announced, Responder
from drivers.simulated.faults import Faults, KeepAlive, Quirks
from drivers.simulated.markup import find, local, parse
from drivers.simulated.media_parts import SNAPSHOT_PATH
from gateway.core.errors import BadInput
from gateway.core.media import Codec
from gateway.core.model import StreamRole
from tests.fakes.clock import FakeClock
from tests.fakes.simulated import (
    answer_challenge,
    get,
    post,
    probe_message,
    username_token,
)  # fmt: skip
from tests.fakes.simulated_client import camera, described, soap, talk
from tests.fakes.simulated_onvif_proofs import ONVIF_QUIRKS
from tests.fakes.simulated_rtsp_proofs import TRANSPORT_QUIRKS
from tests.fakes.vendor_quirks import activation, inactive, onvif_off, vendor

pytestmark = pytest.mark.anyio

Proof = Callable[[], Awaitable[None]]


async def rtsp_digest() -> None:
    async with camera(rtsp_digest=("SHA-256", "MD5")) as cam:
        answer = await talk(cam, lambda client: client.once("DESCRIBE", client.url))
        assert ["SHA-256" in line for line in answer.values("WWW-Authenticate")] == [True, False]
        assert (await talk(cam, described, algorithm="SHA-256")).status == 200


async def rtsp_basic() -> None:
    basic = "Authorization: Basic YWRtaW46TWF0LWtoYXUtMTI="
    async with camera() as cam:
        assert (await talk(cam, lambda client: client.once("DESCRIBE", client.url, basic))).status == 401
        cam.quirks.rtsp_basic = True
        assert (await talk(cam, lambda client: client.once("DESCRIBE", client.url, basic))).status == 200


async def rtsp_qop() -> None:
    async with camera(rtsp_qop=True) as cam:
        answer = await talk(cam, lambda client: client.once("DESCRIBE", client.url))
        assert 'qop="auth"' in answer.values("WWW-Authenticate")[0]
        assert (await talk(cam, described)).status == 200


async def rtsp_anonymous() -> None:
    async with camera(rtsp_anonymous=True) as cam:
        assert (await talk(cam, lambda client: client.once("DESCRIBE", client.url))).status == 200


async def keepalive() -> None:
    async with camera() as cam:
        for kind, named in ((KeepAlive.BOTH, True), (KeepAlive.GET_PARAMETER, True), (KeepAlive.OPTIONS, False)):
            await cam.switch("keepalive", str(kind))
            public = await talk(cam, lambda client: client.once("OPTIONS", "*").values("Public")[0])
            assert ("GET_PARAMETER" in public) is named


async def session_timeout_s() -> None:
    async with camera(session_timeout_s=7) as cam:
        assert (await talk(cam, lambda client: client.setup())).values("Session")[0].endswith(";timeout=7")


async def tcp_only() -> None:
    async with camera(tcp_only=True) as cam:
        udp = "RTP/AVP;unicast;client_port=41000-41001"
        assert (await talk(cam, lambda client: client.setup(transport=udp))).status == 461


async def udp_only() -> None:
    async with camera(udp_only=True) as cam:
        assert (await talk(cam, lambda client: client.setup())).status == 461


async def wrong_content_base() -> None:
    async with camera(wrong_content_base="10.1.2.3:554") as cam:
        assert (await talk(cam, described)).values("Content-Base")[0].startswith("rtsp://10.1.2.3:554/")


async def h265() -> None:
    async with camera(h265=True) as cam:
        assert b"H265/90000" in (await talk(cam, described)).body
        assert cam.profiles[1].encoder.codec is Codec.H264


async def b_frames() -> None:
    async with camera(b_frames=2) as cam:
        loop = await cam.streams[StreamRole.MAIN].ready()
        assert any(unit.lag_90k > 0 for unit in loop.units)


async def no_sub() -> None:
    async with camera(no_sub=True) as cam:
        url = cam.rtsp_url(StreamRole.SUB)
        assert (await talk(cam, lambda client: client.ask("DESCRIBE", url))).status == 404


async def channels_off() -> None:
    async with camera(channels_off=("1",)) as cam:
        assert (await talk(cam, described)).status == 404


async def onvif() -> None:
    async with camera(onvif=False) as cam:
        assert cam.onvif_port == 0
        with pytest.raises(BadInput):
            await cam.switch("onvif", value=True)
        assert (await talk(cam, described)).status == 200


async def onvif_auth() -> None:
    async with camera(onvif_auth=("none",)) as cam:
        assert (await soap(cam, header="")).status == 200
        await cam.switch("onvif_auth", ["digest"])
        assert (await soap(cam, header="")).status == 401


async def onvif_digest() -> None:
    async with camera(onvif_auth=("digest",), onvif_digest=("SHA-256",)) as cam:
        url = f"http://{cam.address}:{cam.onvif_port}{SNAPSHOT_PATH}"
        (challenge,) = (await asyncio.to_thread(get, url)).challenges
        assert "algorithm=SHA-256" in challenge
        answer = await asyncio.to_thread(get, url, answer_challenge(challenge, "GET", SNAPSHOT_PATH))
        assert (answer.status, answer.body[:2]) == (200, b"\xff\xd8")


async def clock_skew_s() -> None:
    async with camera() as cam:
        true_ms = cam.state.clock.now_ms()
        await cam.switch("clock_skew_s", -86_400 * 365 * 10)
        year = int((await soap(cam, "GetSystemDateAndTime", header="")).text("Year"))
        assert true_ms / 31_557_600_000 + 1970 - year >= 9


async def wsse_window_s() -> None:
    async with camera(clock_skew_s=60.0) as cam:
        assert (await soap(cam)).status == 200
        await cam.switch("wsse_window_s", 30)
        assert (await soap(cam)).status == 400


async def takes_old_tokens() -> None:
    async with camera() as cam:
        token = username_token()
        assert [(await soap(cam, header=token)).status for _ in range(2)] == [200, 400]
        await cam.switch("takes_old_tokens", True)
        assert (await soap(cam, header=token)).status == 200


async def clock_needs_login() -> None:
    async with camera(clock_needs_login=True) as cam:
        assert (await soap(cam, "GetSystemDateAndTime", header="")).status == 401
        assert (await soap(cam, "GetSystemDateAndTime")).status == 200


async def wrong_host() -> None:
    async with camera(wrong_host="192.168.1.64") as cam:
        assert (await soap(cam, "GetCapabilities")).text("XAddr").startswith("http://192.168.1.64:")


async def no_get_services() -> None:
    async with camera(no_get_services=True) as cam:
        assert "ActionNotSupported" in (await soap(cam, "GetServices")).subcodes


async def no_media2() -> None:
    async with camera(no_media2=True) as cam:
        assert "ActionNotSupported" in (await soap(cam, "GetProfiles", "tr2")).subcodes
        assert not any("media2" in url for url in (await soap(cam, "GetServices")).all("XAddr"))


async def media2_crash() -> None:
    async with camera(media2_crash=True) as cam:
        answer = await soap(cam, "GetProfiles", "tr2")
        assert (answer.status, b"<html>" in answer.body) == (500, True)
        assert (await soap(cam, "GetProfiles", "trt")).status == 200


async def max_pull_points() -> None:
    async with camera(max_pull_points=1) as cam:
        statuses = [(await soap(cam, "CreatePullPointSubscription", "tev")).status for _ in range(2)]
        assert statuses == [200, 500]


async def needs_termination_time() -> None:
    async with camera(needs_termination_time=True) as cam:
        assert "InvalidArgVal" in (await soap(cam, "CreatePullPointSubscription", "tev")).subcodes


async def absolute_time_only() -> None:
    async with camera(absolute_time_only=True) as cam:
        wish = "<tev:InitialTerminationTime>PT60S</tev:InitialTerminationTime>"
        answer = await soap(cam, "CreatePullPointSubscription", "tev", content=wish)
        assert "UnacceptableInitialTerminationTime" in answer.subcodes


async def unsubscribe_kills_all() -> None:
    async with camera(unsubscribe_kills_all=True) as cam:
        made = [await soap(cam, "CreatePullPointSubscription", "tev") for _ in range(2)]
        path = "/onvif" + made[0].text("Address").partition("/onvif")[2]
        assert cam.events.subscriptions == 2
        assert (await soap(cam, "Unsubscribe", "wsnt", path=path)).status == 200
        assert cam.events.subscriptions == 0


class Deaf(Responder):
    """A responder without sockets: what it would send, and when."""

    def __init__(self) -> None:
        super().__init__()
        self.out: list[bytes] = []

    def _send(self, camera: Announced, action: str, body: object, to: tuple[str, int], *, relates_to: str = "") -> None:
        self.out.append(str(body).encode())


async def sloppy_match() -> None:
    async with camera(sloppy_match=True) as cam:
        responder = Deaf()
        responder._answer(cam._announced, parse(probe_message()), ("127.0.0.1", 1))
        (body,) = responder.out
        assert body.startswith(b"<d:ProbeMatch>")


async def discovery_delay_s() -> None:
    async with camera(discovery_delay_s=0.05) as cam:
        responder = Deaf()
        responder._answer(cam._announced, parse(probe_message()), ("127.0.0.1", 1))
        assert responder.out == []
        while responder._pending:  # noqa: ASYNC110 - a timer of the loop sets no event of ours
            await asyncio.sleep(0.01)
        assert b"ProbeMatches" in responder.out[0]


async def ignores_set() -> None:
    order = '<{0}:Configuration token="enc-main" GovLength="25"/>'
    async with camera(ignores_set=("media2",)) as cam:
        for prefix, gop in (("tr2", cam.profiles[0].encoder.gop_frames), ("trt", 25)):
            body = order.format(prefix)
            assert (await soap(cam, "SetVideoEncoderConfiguration", prefix, content=body)).status == 200
            assert cam.profiles[0].encoder.gop_frames == gop


async def refuses_profile() -> None:
    order = '<tr2:Configuration token="enc-main" Profile="{}"/>'
    async with camera(refuses_profile="High") as cam:
        refused = await soap(cam, "SetVideoEncoderConfiguration", "tr2", content=order.format("High"))
        assert b"ConfigModify" in refused.body
        assert (await soap(cam, "SetVideoEncoderConfiguration", "tr2", content=order.format("Main"))).status == 200


async def osd_ascii() -> None:
    words = "<tt:TextString><tt:Type>Plain</tt:Type><tt:PlainText>Lớp Lá</tt:PlainText></tt:TextString>"
    async with camera(osd_ascii="garbled") as cam:
        assert (await soap(cam, "CreateOSD", "trt", content=f"<trt:OSD>{words}</trt:OSD>")).status == 200
        assert [text for _, text in cam.state.osds.values()] == ["L?p L?"]
        await cam.switch("osd_ascii", "refused")
        assert b"ConfigModify" in (await soap(cam, "CreateOSD", "trt", content=f"<trt:OSD>{words}</trt:OSD>")).body


async def needs_symbol() -> None:
    user = "<tds:User><tt:Username>x</tt:Username><tt:Password>{}</tt:Password><tt:UserLevel>User</tt:UserLevel></tds:User>"
    async with camera(needs_symbol=True) as cam:
        assert b"PasswordTooWeak" in (await soap(cam, "CreateUsers", "tds", content=user.format("Abcdefgh12"))).body
        assert (await soap(cam, "CreateUsers", "tds", content=user.format("Abcdefgh-1"))).status == 200


async def dhcp() -> None:
    async with camera(dhcp=True) as cam:
        assert b"<tt:DHCP>true</tt:DHCP>" in (await soap(cam, "GetNetworkInterfaces", "tds")).body


async def manufacturer() -> None:
    async with camera(manufacturer="HIKVISION") as cam:
        assert b"Manufacturer>HIKVISION<" in (await soap(cam, "GetDeviceInformation", "tds")).body


async def model() -> None:
    async with camera(model="DS-2CD2143G0-I") as cam:
        assert b"Model>DS-2CD2143G0-I<" in (await soap(cam, "GetDeviceInformation", "tds")).body


async def firmware() -> None:
    async with camera(firmware="V5.5.82 build 190220") as cam:
        assert b"FirmwareVersion>V5.5.82 build 190220<" in (await soap(cam, "GetDeviceInformation", "tds")).body


async def lockout_after() -> None:
    async with camera(lockout_after=2) as cam:
        for _ in range(2):
            await talk(cam, described, password="wrong")
        assert (await talk(cam, described)).status == 401
        assert cam.statistics()["lockouts"] == 1


async def lockout_s() -> None:
    clock = FakeClock()
    async with camera(clock, lockout_after=1, lockout_s=5.0) as cam:
        await talk(cam, described, password="wrong")
        assert (await talk(cam, described)).status == 401
        clock.tick(5)
        assert (await talk(cam, described)).status == 200


OWN_QUIRKS: dict[str, Proof] = {
    proof.__name__: proof
    for proof in (
        rtsp_digest, rtsp_basic, rtsp_qop, rtsp_anonymous, keepalive, session_timeout_s, tcp_only, udp_only,
        wrong_content_base, h265, b_frames, no_sub, channels_off, onvif, onvif_auth, onvif_digest, clock_skew_s, wsse_window_s,
        takes_old_tokens, clock_needs_login, wrong_host, no_get_services, no_media2, media2_crash, max_pull_points,
        needs_termination_time, absolute_time_only, unsubscribe_kills_all, sloppy_match, discovery_delay_s,
        lockout_after, lockout_s, vendor, inactive, onvif_off, activation,
        ignores_set, refuses_profile, osd_ascii, needs_symbol,
        dhcp, manufacturer, model, firmware,
    )
}  # fmt: skip
QUIRKS: dict[str, Proof] = {**OWN_QUIRKS, **ONVIF_QUIRKS, **TRANSPORT_QUIRKS}


def test_every_quirk_has_its_proof() -> None:
    """No quirk is only a name."""
    assert set(QUIRKS) == {field.name for field in fields(Quirks)}


@pytest.mark.parametrize("name", QUIRKS)
async def test_the_quirk_can_be_seen_from_outside(name: str) -> None:
    """A client of the camera notices that this quirk is on."""
    await QUIRKS[name]()


async def test_a_good_camera_has_none_of_it() -> None:
    """With every switch at its default, login, services, discovery, video and still work."""
    async with camera() as cam:
        assert (cam.faults, cam.quirks) == (Faults(), Quirks())
        assert (await talk(cam, described)).status == 200
        assert (await soap(cam, "GetServices")).status == 200
        responder = Deaf()
        responder._answer(cam._announced, parse(probe_message()), ("127.0.0.1", 1))
        assert local(parse(b"<d xmlns:d='d' xmlns:a='a'>" + responder.out[0] + b"</d>")[0]) == "ProbeMatches"
        url = f"http://{cam.address}:{cam.onvif_port}{SNAPSHOT_PATH}"
        refused = await asyncio.to_thread(get, url)
        signed = answer_challenge(refused.challenges[0], "GET", SNAPSHOT_PATH)
        assert (await asyncio.to_thread(get, url, signed)).status == 200
        assert find(parse((await asyncio.to_thread(post, url, b"<a/>")).body), "Fault") is not None
