"""The ONVIF services: raw SOAP calls, logins, and state that reads back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from drivers.simulated.camera import CameraOptions, SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Faults, Quirks
from drivers.simulated.media_service import SNAPSHOT_PATH
from drivers.simulated.soap import SERVICE_PATHS
from gateway.core.media import Codec
from gateway.core.model import StreamRole
from tests.fakes.simulated import (
    PASSWORD,
    SoapAnswer,
    answer_challenge,
    get,
    post,
    soap_document,
    until,
    username_token,
)
from tests.fakes.simulated import call as blocking_call

pytestmark = pytest.mark.anyio

PLAIN = replace(QUICK, discovery=False)


def farm(quirks: Quirks | None = None) -> Farm:
    def adjust(camera: CameraOptions) -> CameraOptions:
        return replace(camera, quirks=quirks or Quirks(), faults=Faults())

    return Farm(1, password=PASSWORD, options=PLAIN, world=FarmWorld(adjust=adjust))


async def call(camera: SimulatedCamera, prefix: str, operation: str, content: str = "", **more: Any) -> SoapAnswer:
    return await asyncio.to_thread(blocking_call, camera, prefix, operation, content, **more)


async def test_identity() -> None:
    """Name, serial, MAC, scopes, host name and endpoint are told, and equal seeds give equal ones."""
    seen = []
    for _ in range(2):
        async with farm() as f:
            camera = f.cameras[0]
            serial = (await call(camera, "tds", "GetDeviceInformation")).text("SerialNumber")
            mac = (await call(camera, "tds", "GetNetworkInterfaces")).text("HwAddress")
            guid = (await call(camera, "tds", "GetEndpointReference")).text("GUID")
            scopes = (await call(camera, "tds", "GetScopes")).all("ScopeItem")
            seen.append((serial, mac, guid))
            assert guid == camera.state.identity.endpoint
            assert "onvif://www.onvif.org/name/L%E1%BB%9Bp%20L%C3%A1%201" in scopes
    assert seen[0] == seen[1]
    assert seen[0][1].startswith("02:"), "a MAC of no maker"


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


async def test_services_and_capabilities() -> None:
    """GetServices and GetCapabilities name where each service is, and those addresses answer."""
    async with farm() as f:
        camera = f.cameras[0]
        services = (
            await call(camera, "tds", "GetServices", "<tds:IncludeCapability>false</tds:IncludeCapability>")
        ).all("XAddr")
        assert services == [f"http://{camera.address}:{camera.onvif_port}{path}" for path in SERVICE_PATHS.values()]
        assert set((await call(camera, "tds", "GetCapabilities")).all("XAddr")) < set(services)


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


async def test_profiles_of_both_media_services() -> None:
    """Media1 and Media2 show the same two profiles, sizes and stream addresses."""
    async with farm() as f:
        camera = f.cameras[0]
        one, two = await call(camera, "trt", "GetProfiles"), await call(camera, "tr2", "GetProfiles")
        assert one.all("Width") == two.all("Width") == ["320", "320"]
        assert two.all("Encoding") == ["H264", "H264"]
        for role in StreamRole:
            content = "<{0}:ProfileToken>" + role.value + "</{0}:ProfileToken>"
            for prefix in ("trt", "tr2"):
                answer = await call(camera, prefix, "GetStreamUri", content.format(prefix))
                assert answer.text("Uri") == camera.rtsp_url(role)


async def test_unknown_profile_is_a_fault() -> None:
    """A token that names nothing is ter:InvalidArgVal."""
    async with farm() as f:
        for operation in ("GetStreamUri", "GetSnapshotUri", "GetProfile"):
            answer = await call(f.cameras[0], "trt", operation, "<trt:ProfileToken>x</trt:ProfileToken>")
            assert "InvalidArgVal" in answer.subcodes


GETTERS = {
    "tds": [
        "GetServiceCapabilities",
        "GetHostname",
        "GetNetworkProtocols",
        "GetNetworkDefaultGateway",
        "GetDNS",
        "GetDiscoveryMode",
        "GetUsers",
        "GetNTP",
        "GetWsdlUrl",
        "GetRelayOutputs",
        "GetCertificates",
    ],
    "trt": [
        "GetServiceCapabilities",
        "GetVideoSources",
        "GetVideoSourceConfigurations",
        "GetOSDs",
        "GetVideoSourceConfiguration",
        "GetVideoEncoderConfigurations",
        "GetVideoEncoderConfigurationOptions",
        "GetGuaranteedNumberOfVideoEncoderInstances",
        "GetAudioSources",
        "GetAudioEncoderConfigurations",
        "GetMetadataConfigurations",
        "GetCompatibleVideoEncoderConfigurations",
        "SetSynchronizationPoint",
    ],
    "tr2": [
        "GetServiceCapabilities",
        "GetVideoSourceConfigurations",
        "GetVideoEncoderConfigurations",
        "GetMasks",
        "GetVideoEncoderConfigurationOptions",
        "GetVideoEncoderInstances",
        "GetMaskOptions",
        "GetOSDs",
    ],
    "tev": ["GetServiceCapabilities", "GetEventProperties"],
}


@pytest.mark.parametrize("prefix", list(GETTERS))
async def test_mandatory_getters_answer(prefix: str) -> None:
    """Foreign clients hang where a getter is missing: each of these gives its Response."""
    async with farm() as f:
        for operation in GETTERS[prefix]:
            answer = await call(f.cameras[0], prefix, operation)
            assert answer.status == 200, operation
            assert f"{prefix}:{operation}Response".encode() in answer.body


async def test_unknown_operation_is_a_fault_not_silence() -> None:
    """What is not implemented says so at once, as a receiver's fault or, on bad firmware, as HTML."""
    async with farm() as f:
        answer = await call(f.cameras[0], "tds", "UpgradeSystemFirmware")
        assert answer.status == 500
        assert "ActionNotSupported" in answer.subcodes
        f.cameras[0].faults.html_error = True
        assert b"<html>" in (await call(f.cameras[0], "tds", "UpgradeSystemFirmware")).body


async def test_encoder_reads_back_and_restarts_the_stream() -> None:
    """Encoder settings set over Media2 are read back over both services, and the next stream has them."""
    async with farm() as f:
        camera = f.cameras[0]
        wanted = (
            '<tr2:Configuration token="enc-sub" GovLength="8"><tt:Name>n</tt:Name><tt:UseCount>1</tt:UseCount>'
            "<tt:Encoding>H264</tt:Encoding><tt:Resolution><tt:Width>640</tt:Width><tt:Height>360</tt:Height></tt:Resolution>"
            "<tt:RateControl><tt:FrameRateLimit>8</tt:FrameRateLimit><tt:BitrateLimit>300</tt:BitrateLimit></tt:RateControl>"
            "<tt:Quality>3</tt:Quality></tr2:Configuration>"
        )
        assert (await call(camera, "tr2", "SetVideoEncoderConfiguration", wanted)).status == 200
        for prefix in ("trt", "tr2"):
            answer = await call(camera, prefix, "GetVideoEncoderConfigurations")
            assert answer.all("Width") == ["320", "640"]
            assert answer.all("FrameRateLimit") == ["10", "8"]
            assert answer.all("BitrateLimit") == ["256", "300"]
        loop = await camera.streams[StreamRole.SUB].ready()
        assert (loop.config.width, loop.spec.fps, loop.spec.gop_frames) == (640, 8, 8)


@pytest.mark.parametrize(
    "change",
    [
        "<tt:Resolution><tt:Width>4000</tt:Width><tt:Height>3000</tt:Height></tt:Resolution>",
        "<tt:Encoding>JPEG</tt:Encoding>",
        "<tt:RateControl><tt:FrameRateLimit>120</tt:FrameRateLimit></tt:RateControl>",
        "<tt:RateControl><tt:BitrateLimit>1</tt:BitrateLimit></tt:RateControl>",
        "<tt:RateControl><tt:FrameRateLimit>fast</tt:FrameRateLimit></tt:RateControl>",
        "<tt:H264><tt:GovLength>0</tt:GovLength></tt:H264>",
    ],
)
async def test_encoder_outside_the_options_is_refused(change: str) -> None:
    """What the encoder cannot do is a fault, and nothing changes."""
    async with farm() as f:
        before = f.cameras[0].profiles[0].encoder
        content = f'<trt:Configuration token="enc-main">{change}</trt:Configuration>'
        answer = await call(f.cameras[0], "trt", "SetVideoEncoderConfiguration", content)
        assert "ConfigModify" in answer.subcodes
        assert f.cameras[0].profiles[0].encoder == before


async def test_h265_is_media2_only() -> None:
    """An H.265 stream has no encoder in Media1 and says H265 in Media2."""
    async with farm(Quirks(h265=True)) as f:
        camera = f.cameras[0]
        assert camera.profiles[0].encoder.codec is Codec.H265
        assert (await call(camera, "tr2", "GetProfiles")).all("Encoding") == ["H265", "H264"]
        assert (await call(camera, "trt", "GetProfiles")).all("Encoding") == ["H264"]


async def test_users() -> None:
    """A user can be made, logs in, changes the password and is deleted; the last administrator stays."""
    async with farm() as f:
        camera = f.cameras[0]
        user = "<tds:User><tt:Username>vuon</tt:Username><tt:Password>{}</tt:Password><tt:UserLevel>Operator</tt:UserLevel></tds:User>"
        assert "PasswordTooWeak" in (await call(camera, "tds", "CreateUsers", user.format("short"))).subcodes
        assert (await call(camera, "tds", "CreateUsers", user.format("Long-enough-1"))).status == 200
        assert "UsernameClash" in (await call(camera, "tds", "CreateUsers", user.format("Long-enough-1"))).subcodes
        assert (await call(camera, "tds", "GetUsers")).all("Username") == ["admin", "vuon"]
        own = username_token("Long-enough-1", username="vuon")
        assert (await call(camera, "tds", "GetHostname", header=own)).status == 200
        await call(camera, "tds", "SetUser", user.format("Another-one-2"))
        old = username_token("Long-enough-1", username="vuon")
        assert (await call(camera, "tds", "GetHostname", header=old)).status == 400
        last = "<tds:Username>admin</tds:Username>"
        assert "FixedUser" in (await call(camera, "tds", "DeleteUsers", last)).subcodes
        assert (await call(camera, "tds", "DeleteUsers", "<tds:Username>vuon</tds:Username>")).status == 200
        assert (await call(camera, "tds", "GetUsers")).all("Username") == ["admin"]


async def test_ntp_and_time() -> None:
    """NTP servers read back, by address and by name; NTP sets the clock right, Manual sets it as told."""
    async with farm(Quirks(clock_skew_s=500, wsse_window_s=1e9)) as f:
        camera = f.cameras[0]
        servers = (
            "<tds:FromDHCP>false</tds:FromDHCP><tds:NTPManual><tt:Type>IPv4</tt:Type><tt:IPv4Address>192.168.1.2</tt:IPv4Address>"
            "</tds:NTPManual><tds:NTPManual><tt:Type>DNS</tt:Type><tt:DNSname>vn.pool.ntp.org</tt:DNSname></tds:NTPManual>"
        )
        await call(camera, "tds", "SetNTP", servers)
        answer = await call(camera, "tds", "GetNTP")
        assert (answer.text("IPv4Address"), answer.text("DNSname")) == ("192.168.1.2", "vn.pool.ntp.org")
        ntp = "<tds:DateTimeType>NTP</tds:DateTimeType><tds:TimeZone><tt:TZ>UTC0</tt:TZ></tds:TimeZone>"
        await call(camera, "tds", "SetSystemDateAndTime", ntp)
        assert camera.quirks.clock_skew_s == 0
        told = await call(camera, "tds", "GetSystemDateAndTime")
        assert (told.text("DateTimeType"), told.text("TZ")) == ("NTP", "UTC0")
        date = "<tt:Time><tt:Hour>1</tt:Hour><tt:Minute>2</tt:Minute><tt:Second>3</tt:Second></tt:Time>"
        date += "<tt:Date><tt:Year>2020</tt:Year><tt:Month>{}</tt:Month><tt:Day>5</tt:Day></tt:Date>"
        manual = f"<tds:DateTimeType>Manual</tds:DateTimeType><tds:UTCDateTime>{date}</tds:UTCDateTime>"
        await call(camera, "tds", "SetSystemDateAndTime", manual.format(4))
        assert (await call(camera, "tds", "GetSystemDateAndTime")).text("Year") == "2020"
        assert "InvalidDateTime" in (await call(camera, "tds", "SetSystemDateAndTime", manual.format(14))).subcodes


async def test_hostname_and_scopes() -> None:
    """Host name and added scopes read back."""
    async with farm() as f:
        camera = f.cameras[0]
        await call(camera, "tds", "SetHostname", "<tds:Name>la-1</tds:Name>")
        assert (await call(camera, "tds", "GetHostname")).text("Name") == "la-1"
        await call(camera, "tds", "AddScopes", "<tds:ScopeItem>onvif://www.onvif.org/room/1</tds:ScopeItem>")
        assert "onvif://www.onvif.org/room/1" in (await call(camera, "tds", "GetScopes")).all("ScopeItem")


async def test_osd() -> None:
    """An OSD text is made over one service, read over the other, changed and deleted."""
    async with farm() as f:
        camera = f.cameras[0]
        osd = (
            '<{0}:OSD token="{1}"><tt:VideoSourceConfigurationToken>vsc0</tt:VideoSourceConfigurationToken><tt:Type>Text</tt:Type>'
            "<tt:Position><tt:Type>UpperLeft</tt:Type></tt:Position><tt:TextString><tt:Type>Plain</tt:Type>"
            "<tt:PlainText>{2}</tt:PlainText></tt:TextString></{0}:OSD>"
        )
        token = (await call(camera, "tr2", "CreateOSD", osd.format("tr2", "", "Lớp Lá 1 &lt;A&gt;"))).text("OSDToken")
        assert (await call(camera, "trt", "GetOSDs")).all("PlainText") == ["Lớp Lá 1 <A>"]
        await call(camera, "trt", "SetOSD", osd.format("trt", token, "Lop La 2"))
        assert (await call(camera, "tr2", "GetOSDs")).all("PlainText") == ["Lop La 2"]
        assert (await call(camera, "trt", "DeleteOSD", f"<trt:OSDToken>{token}</trt:OSDToken>")).status == 200
        assert (await call(camera, "trt", "GetOSDs")).all("PlainText") == []
        assert "NoConfig" in (await call(camera, "trt", "DeleteOSD", f"<trt:OSDToken>{token}</trt:OSDToken>")).subcodes


async def test_masks() -> None:
    """A privacy mask reads back with its polygon, and is gone when deleted."""
    async with farm() as f:
        camera = f.cameras[0]
        points = "".join(f'<tt:Point x="{x}" y="{y}"/>' for x, y in ((-0.5, -0.5), (0.5, -0.5), (0.0, 0.5)))
        mask = (
            f"<tr2:Mask><tr2:ConfigurationToken>vsc0</tr2:ConfigurationToken><tr2:Polygon>{points}</tr2:Polygon>"
            "<tr2:Type>Color</tr2:Type><tr2:Enabled>true</tr2:Enabled></tr2:Mask>"
        )
        token = (await call(camera, "tr2", "CreateMask", mask)).text("Token")
        shown = await call(camera, "tr2", "GetMasks")
        assert shown.element("Masks").get("token") == token
        assert [p.get("x") for p in shown.element("Polygon")] == ["-0.5", "0.5", "0.0"]
        assert (await call(camera, "tr2", "DeleteMask", f"<tr2:Token>{token}</tr2:Token>")).status == 200
        assert b"Polygon" not in (await call(camera, "tr2", "GetMasks")).body
        assert "InvalidPolygon" in (await call(camera, "tr2", "CreateMask", "<tr2:Mask/>")).subcodes


async def test_imaging() -> None:
    """Imaging settings have options, read back as set, and refuse nonsense."""
    async with farm() as f:
        camera = f.cameras[0]
        source = "<timg:VideoSourceToken>vs0</timg:VideoSourceToken>"
        wish = source + "<timg:ImagingSettings><tt:Brightness>{}</tt:Brightness></timg:ImagingSettings>"
        assert (await call(camera, "timg", "SetImagingSettings", wish.format(70))).status == 200
        assert (await call(camera, "timg", "GetImagingSettings", source)).text("Brightness") == "70.0"
        for nonsense in ("700", "much"):
            answer = await call(camera, "timg", "SetImagingSettings", wish.format(nonsense))
            assert "SettingsInvalid" in answer.subcodes
        for operation in ("GetOptions", "GetStatus", "GetMoveOptions"):
            assert (await call(camera, "timg", operation, source)).status == 200
        assert "NoSource" in (await call(camera, "timg", "GetImagingSettings")).subcodes


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
