"""The ONVIF services: every getter answers, and what is set reads back."""

from __future__ import annotations

import pytest

from drivers.simulated.faults import Quirks
from drivers.simulated.soap import SERVICE_PATHS
from gateway.core.media import Codec
from gateway.core.model import StreamRole
from tests.fakes.simulated import (
    username_token,
)
from tests.fakes.simulated_client import call, farm

pytestmark = pytest.mark.anyio


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


async def test_services_and_capabilities() -> None:
    """GetServices and GetCapabilities name where each service is, and those addresses answer."""
    async with farm() as f:
        camera = f.cameras[0]
        services = (
            await call(camera, "tds", "GetServices", "<tds:IncludeCapability>false</tds:IncludeCapability>")
        ).all("XAddr")
        assert services == [f"http://{camera.address}:{camera.onvif_port}{path}" for path in SERVICE_PATHS.values()]
        assert set((await call(camera, "tds", "GetCapabilities")).all("XAddr")) < set(services)


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
