"""The ONVIF client against a camera we wrote on our own: logins, repairs, profiles, pictures."""

from __future__ import annotations

from datetime import timedelta

import pytest

from drivers.base import LoginMode
from drivers.gate import GateState, LoginGate
from drivers.onvif.client import OnvifClient
from drivers.onvif.transport import Limits
from gateway.core.errors import (
    CameraBadReply,
    CameraLoginRefused,
    CameraOverloaded,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.media import Codec
from gateway.core.model import Login, Secret
from tests.fakes.clock import FakeClock
from tests.fakes.onvif_http import JPEG, PASSWORD, USER, Answer, FakeOnvif, envelope, fault, media1_profile

GOOD = Login(USER, Secret(PASSWORD))
WRONG = Login(USER, Secret("not-this"))
QUICK = Limits(total_s=5.0)


def client_of(camera: FakeOnvif, login: Login | None = GOOD) -> tuple[OnvifClient, LoginGate]:
    gate = LoginGate(login)
    return OnvifClient("127.0.0.1", camera.port, gate, clock=FakeClock(), limits=QUICK), gate


def everything(client: OnvifClient) -> None:
    """What adoption asks, in its order."""
    client.read_clock()
    client.learn_login()
    client.device_information()
    client.mac()
    for profile in client.profiles():
        client.stream_source(profile)


MATRIX = [
    pytest.param({"auth": "open"}, LoginMode.OPEN, id="no login"),
    pytest.param({"auth": "wsse"}, LoginMode.WSSE, id="wsse"),
    pytest.param({"auth": "wsse", "skew": timedelta(days=-1)}, LoginMode.WSSE, id="wsse, clock a day behind"),
    pytest.param(
        {"auth": "wsse", "skew": timedelta(days=3), "clock_wants_login": True}, LoginMode.WSSE, id="wsse, clock hidden"
    ),
    pytest.param({"auth": "digest"}, LoginMode.DIGEST, id="digest md5"),
    pytest.param({"auth": "digest", "algorithms": ("SHA-256",)}, LoginMode.DIGEST, id="digest sha-256"),
    pytest.param({"auth": "digest", "algorithms": ("MD5", "SHA-256")}, LoginMode.DIGEST, id="md5 then sha-256"),
    pytest.param({"auth": "digest", "algorithms": ("SHA-256", "MD5")}, LoginMode.DIGEST, id="sha-256 then md5"),
    pytest.param({"auth": "digest", "clock_wants_login": True}, LoginMode.DIGEST, id="digest, clock wants login"),
    pytest.param(
        {"auth": "wsse", "open_operations": frozenset({"GetDeviceInformation"})}, LoginMode.WSSE, id="login asked late"
    ),
    pytest.param(
        {"auth": "wsse", "advertised_host": "10.1.2.3", "advertised_port": 99}, LoginMode.WSSE, id="wrong host"
    ),
    pytest.param({"auth": "wsse", "media2": True}, LoginMode.WSSE, id="media2"),
]


@pytest.mark.parametrize(("traits", "mode"), MATRIX)
def test_login_matrix(traits: dict[str, object], mode: LoginMode) -> None:
    """Whatever way a camera wants its login, the right password works without one bad login."""
    with FakeOnvif(**traits) as camera:  # type: ignore[arg-type]  # the matrix is a table of traits
        client, gate = client_of(camera)
        everything(client)
        client.close()
        assert client.login_mode is mode
        assert camera.bad_logins == 0
        assert gate.state is (GateState.UNPROVEN if mode is LoginMode.OPEN else GateState.PROVEN)


@pytest.mark.parametrize(
    "traits", [{"auth": "wsse"}, {"auth": "digest"}, {"auth": "digest", "algorithms": ("SHA-256",)}]
)
def test_a_wrong_password_is_sent_once(traits: dict[str, object]) -> None:
    """A refused password is sent exactly once, whatever is asked afterwards and by whichever client."""
    with FakeOnvif(**traits) as camera:  # type: ignore[arg-type]  # see above
        client, gate = client_of(camera, WRONG)
        second = OnvifClient("127.0.0.1", camera.port, gate, clock=FakeClock(), limits=QUICK)
        for one in (client, client, second, second):
            with pytest.raises(CameraLoginRefused):
                everything(one)
        client.close()
        second.close()
        assert camera.bad_logins == 1
        assert gate.state is GateState.REFUSED


def test_learning_sends_no_password() -> None:
    """Clock and login mode are learned without a user name or a password on the wire."""
    with FakeOnvif(auth="digest") as camera:
        client, gate = client_of(camera)
        client.read_clock()
        client.learn_login()
        client.close()
        assert gate.state is GateState.UNPROVEN
        assert not any(USER.encode() in body for body in camera.bodies)


def test_no_stored_login_is_told_apart() -> None:
    """A camera that wants a login while none is stored is refused without a bad login."""
    with FakeOnvif() as camera:
        client, _ = client_of(camera, None)
        with pytest.raises(CameraLoginRefused) as caught:
            client.device_information()
        client.close()
        assert caught.value.fields.get("stored") is False
        assert camera.bad_logins == 0


def test_basic_only_is_not_spoken() -> None:
    """A camera that offers nothing but Basic never gets the password."""
    with FakeOnvif(auth="basic") as camera:
        client, gate = client_of(camera)
        with pytest.raises(CameraUnsupported):
            client.learn_login()
        client.close()
        assert gate.state is GateState.UNPROVEN
        assert camera.bad_logins == 0


@pytest.mark.parametrize("auth", ["wsse", "digest"])
def test_refusal_after_success_is_overload(auth: str) -> None:
    """A login that worked and is then refused means overload, and the password is kept."""
    with FakeOnvif(auth=auth) as camera:
        client, gate = client_of(camera)
        client.device_information()
        camera.password = "changed"
        with pytest.raises(CameraOverloaded):
            client.device_information()
        client.close()
        assert gate.state is GateState.PROVEN


def test_a_stale_nonce_is_renewed() -> None:
    """A proven Digest login survives the camera's change of nonce."""
    with FakeOnvif(auth="digest") as camera:
        client, gate = client_of(camera)
        client.device_information()
        camera.nonce = "n3xt"
        assert client.device_information().serial == "SN7"
        client.close()
        assert gate.state is GateState.PROVEN


def test_clock_offset_is_measured() -> None:
    """The clock call tells the camera's offset and needs no login."""
    with FakeOnvif(skew=timedelta(seconds=-90)) as camera:
        client, _ = client_of(camera)
        assert client.read_clock().skew_ms == -90_000
        client.close()
        assert camera.authorised == []


def test_clock_from_http_date() -> None:
    """A camera whose clock call wants a login tells its time in the Date header; without one, nothing."""
    with FakeOnvif(clock_wants_login=True, skew=timedelta(hours=2)) as camera:
        client, _ = client_of(camera)
        assert client.read_clock().skew_ms == 7_200_000
        camera.date_header = False
        assert client.read_clock().skew_ms is None
        client.close()


@pytest.mark.parametrize(
    "broken",
    ["<tds:GetSystemDateAndTimeResponse/>", "<tt:UTCDateTime><tt:Date><tt:Year>0</tt:Year></tt:Date></tt:UTCDateTime>"],
)
def test_clock_without_time(broken: str) -> None:
    """A clock answer without a usable time falls back to the Date header."""
    with FakeOnvif(scripted={"GetSystemDateAndTime": Answer(200, envelope(f"<tds:R>{broken}</tds:R>"))}) as camera:
        client, _ = client_of(camera)
        assert client.read_clock().skew_ms == 0
        client.close()


def test_device_information_with_broken_bytes() -> None:
    """Invalid UTF-8, control characters and overlong texts in the information do no harm."""
    body = envelope(
        "<tds:GetDeviceInformationResponse><tds:Manufacturer>A@B</tds:Manufacturer><tds:Model>"
        + "x" * 500
        + "</tds:Model></tds:GetDeviceInformationResponse>"
    )
    with FakeOnvif(
        auth="open", scripted={"GetDeviceInformation": Answer(200, body.replace(b"@", b"\xff\xfe\x01"))}
    ) as camera:
        client, _ = client_of(camera)
        about = client.device_information()
        client.close()
        assert about.manufacturer.startswith("A")
        assert about.manufacturer.isprintable()
        assert len(about.model) == 100
        assert about.serial == ""


def test_mac_is_normalised_or_absent() -> None:
    """The MAC comes in one form; a camera that tells administrators only has none."""
    with FakeOnvif() as camera:
        client, _ = client_of(camera)
        assert client.mac() == "02:ab:00:00:00:07"
        camera.scripted["GetNetworkInterfaces"] = fault("NotAuthorized", "administrators only")
        assert client.mac() is None
        client.close()


def test_streams_are_at_the_camera_we_reached() -> None:
    """Stream addresses keep path, query and port, lose the login, and get our host."""
    with FakeOnvif() as camera:
        client, _ = client_of(camera)
        source = client.stream_source(client.profiles()[0])
        client.close()
        assert source.url() == "rtsp://127.0.0.1:8554/live/small?x=1&y=2"


@pytest.mark.parametrize(
    ("uri", "url"), [("rtsps://10.9.9.9/x", "rtsps://127.0.0.1:322/x"), ("RTSPS://a:7/", "rtsps://127.0.0.1:7/")]
)
def test_streams_over_tls(uri: str, url: str) -> None:
    """What a camera names `rtsps` is spoken to so, at the host we reached."""
    with FakeOnvif() as camera:
        client, _ = client_of(camera)
        assert client.source_from(uri).url() == url
        client.close()


@pytest.mark.parametrize("uri", ["", "http://1.2.3.4/x", "rtsp://1.2.3.4:99999/x", "rtsp://1.2.3.4/a b", "rtsp://[x/"])
def test_unusable_stream_addresses(uri: str) -> None:
    """What is no RTSP address is a bad reply, never a request to somewhere."""
    with FakeOnvif() as camera:
        client, _ = client_of(camera)
        with pytest.raises(CameraBadReply):
            client.source_from(uri)
        client.close()


def test_services_without_getservices() -> None:
    """A camera without GetServices is asked the old way."""
    with FakeOnvif(scripted={"GetServices": fault("ActionNotSupported", "no", 500)}) as camera:
        client, _ = client_of(camera)
        assert len(client.profiles()) == 2
        client.close()
        assert "GetCapabilities" in camera.calls


@pytest.mark.parametrize(
    "inner",
    ["", "junk", "<tds:Service/>", "<tds:Service><tds:XAddr>http://x/</tds:XAddr></tds:Service>", "&#1;tds:Service>"],
)
def test_damaged_service_lists(inner: str) -> None:
    """A service list that is empty, or that zeep turns into no list, is asked for the old way."""
    body = envelope(f"<tds:GetServicesResponse>{inner}</tds:GetServicesResponse>")
    with FakeOnvif(scripted={"GetServices": Answer(200, body)}) as camera:
        client, _ = client_of(camera)
        assert len(client.profiles()) == 2
        client.close()
        no_media = envelope("<tds:GetCapabilitiesResponse><tds:Capabilities/></tds:GetCapabilitiesResponse>")
        camera.scripted["GetCapabilities"] = Answer(200, no_media)
        client, _ = client_of(camera)
        with pytest.raises(CameraUnsupported):
            client.profiles()
        client.close()


def test_one_impossible_xaddr_does_not_spoil_the_rest() -> None:
    """A service whose address is none is left out; the others are used."""
    with FakeOnvif() as camera:
        bad = "<tds:Service><tds:Namespace>urn:x</tds:Namespace><tds:XAddr>http://[</tds:XAddr></tds:Service>"
        body = camera._getservices("").replace("</tds:GetServicesResponse>", f"{bad}</tds:GetServicesResponse>")
        camera.scripted["GetServices"] = Answer(200, envelope(body))
        client, _ = client_of(camera)
        assert "urn:x" not in client.services()
        assert len(client.profiles()) == 2
        client.close()


def test_media2_knows_h265() -> None:
    """Media2 tells codec and GOP of an H.265 stream, and its address."""
    with FakeOnvif(media2=True) as camera:
        client, _ = client_of(camera)
        (profile,) = client.profiles()
        assert (profile.codec, profile.width, profile.gop, profile.bitrate_bps) == (Codec.H265, 2560, 50, 4_096_000)
        assert client.stream_source(profile).path == "/live/m0?x=1&y=2"
        client.close()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(500, b"<!DOCTYPE html><html><body>500</body></html>", (("Content-Type", "text/html"),)),
        fault("ActionNotSupported", "no", 500),
        Answer(200, envelope("<tr2:GetProfilesResponse/>")),
    ],
)
def test_media2_crash_leaves_media1(answer: Answer) -> None:
    """A camera whose Media2 crashes or is empty is read through Media1."""
    with FakeOnvif(media2=True) as camera:
        client, _ = client_of(camera)
        client.services()
        true_profiles = camera._getprofiles("")
        camera.scripted["GetProfiles"] = answer
        seen = len(camera.calls)
        with pytest.raises((CameraUnsupported, CameraBadReply)):
            client.profiles()
        assert camera.calls[seen:] == ["GetProfiles", "GetProfiles"]
        camera.scripted["GetProfiles"] = Answer(200, envelope(true_profiles))
        assert {profile.token for profile in client.profiles()} == {"small", "big"}
        client.close()


def test_no_video_profile_is_unsupported() -> None:
    """A camera that offers JPEG only is not for us."""
    jpeg = envelope(
        f"<trt:GetProfilesResponse>{media1_profile('j', 'vs0', (640, 480), 'JPEG')}</trt:GetProfilesResponse>"
    )
    with FakeOnvif(scripted={"GetProfiles": Answer(200, jpeg)}) as camera:
        client, _ = client_of(camera)
        with pytest.raises(CameraUnsupported):
            client.profiles()
        client.close()


def test_snapshot_is_fetched_from_the_camera() -> None:
    """A picture comes from the camera we reached, with its own HTTP login, and is a JPEG."""
    with FakeOnvif() as camera:
        client, _ = client_of(camera)
        profile = client.profiles()[0]
        assert client.snapshot(profile) == JPEG
        assert client.snapshot(profile) == JPEG
        client.close()
        assert camera.bad_logins == 0
        assert camera.calls.count("GET") == 3  # the first one asks how to log in


@pytest.mark.parametrize(
    "answer",
    [Answer(200, b"<html>no picture</html>"), Answer(500, JPEG), Answer(200, b"")],
    ids=["html", "500", "empty"],
)
def test_snapshot_that_is_no_jpeg(answer: Answer) -> None:
    """What does not begin like a JPEG is a bad reply."""
    with FakeOnvif(scripted={"GET": answer}) as camera:
        client, _ = client_of(camera)
        with pytest.raises(CameraBadReply):
            client.snapshot(client.profiles()[0])
        client.close()


def test_typed_errors() -> None:
    """Missing services, faults and nobody at all are told apart."""
    with FakeOnvif(auth="open") as camera:
        client, _ = client_of(camera)
        camera.scripted["GetDeviceInformation"] = Answer(404, b"not found")
        with pytest.raises(CameraUnsupported):
            client.learn_login()
        camera.scripted["GetDeviceInformation"] = Answer(503, b"busy")
        with pytest.raises(CameraOverloaded):
            client.learn_login()
        camera.scripted["GetDeviceInformation"] = fault("InvalidArgVal", "bad value")
        with pytest.raises(CameraBadReply) as caught:
            client.learn_login()
        assert caught.value.fields["codes"] == ("Sender", "InvalidArgVal")
        camera.scripted["GetStreamUri"] = fault("OutofMemory", "full", 500)
        with pytest.raises(CameraOverloaded):
            client.stream_source(client.profiles()[0])
        client.close()
    with pytest.raises(CameraUnreachable):
        client.learn_login()
    client.close()


def test_soap_1_1_faults_are_understood() -> None:
    """A login refusal in a SOAP 1.1 fault is a request for a login, not garbage."""
    old = (
        b'<?xml version="1.0"?><E:Envelope xmlns:E="http://schemas.xmlsoap.org/soap/envelope/"><E:Body><E:Fault>'
        b"<faultcode>ter:NotAuthorized</faultcode><faultstring>Sender not Authorized</faultstring></E:Fault></E:Body></E:Envelope>"
    )
    with FakeOnvif(auth="open", scripted={"GetProfiles": Answer(500, old)}) as camera:
        client, gate = client_of(camera, None)
        with pytest.raises(CameraLoginRefused):
            client.profiles()
        client.close()
        assert gate.state is GateState.UNPROVEN


def test_no_secret_in_errors() -> None:
    """Neither message nor fields of an error carry the password."""
    with FakeOnvif() as camera:
        client, _ = client_of(camera, WRONG)
        with pytest.raises(CameraLoginRefused) as caught:
            everything(client)
        client.close()
        assert "not-this" not in f"{caught.value!r} {caught.value.fields}"
