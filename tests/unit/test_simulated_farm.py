"""A farm of cameras, its switches, the process around it, and a client of the trade."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from lxml import etree
from onvif import ONVIFCamera

from drivers.simulated import __main__ as command
from drivers.simulated.art import VARIANTS
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.control import handlers
from drivers.simulated.farm import (
    CLASSES,
    NEUTRAL_LABEL,
    QUICK,
    RECORDER,
    Farm,
    FarmOptions,
    camera_options,
    class_name,
)
from drivers.simulated.faults import Look
from drivers.simulated.markup import local
from drivers.simulated.scene import SceneStore
from gateway.core.errors import BadInput, ConfigError, NotFound
from gateway.core.media import Codec
from gateway.core.model import Login, Secret, StreamRole
from gateway.core.unixdoor import Peer
from gateway.core.wire import ControlClient, Reply, Request
from tests.fakes.simulated import PASSWORD, RtspClient, call
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

PLAIN = replace(QUICK, discovery=False)
LOGIN = Login("admin", Secret(PASSWORD))


def test_names_are_distinct() -> None:
    """Every camera of a large farm has a class of its own."""
    assert len({class_name(n) for n in range(100)}) == 100
    assert class_name(0) == CLASSES[0]


def test_pictures_of_large_farms_are_shared_and_neutral() -> None:
    """The first eight cameras show their names; the others share one picture that names no class."""
    options = [camera_options(FarmOptions(), n, class_name(n), "127.0.1.11", LOGIN) for n in range(32)]
    assert [o.label for o in options[:8]] == list(CLASSES)
    assert {(o.label, o.variant) for o in options[8:]} == {(NEUTRAL_LABEL, 0)}
    assert {o.variant for o in options[:8]} == set(range(VARIANTS))


def test_too_many_cameras() -> None:
    """A farm refuses a count that its addresses cannot hold."""
    with pytest.raises(BadInput):
        Farm(1000, password=PASSWORD)


@pytest.mark.parametrize("base", ["192.168.1.5", "0.0.0.0", "127.255.255.254", "localhost", "::1"])
def test_loopback_only(base: str) -> None:
    """A farm refuses any address that others could reach, and what is no address."""
    with pytest.raises(BadInput):
        Farm(4, base=base, password=PASSWORD)


async def test_32_cameras_in_one_process() -> None:
    """Thirty-two cameras have addresses and identities of their own, from two encodings."""
    store = SceneStore()
    async with Farm(32, password=PASSWORD, options=PLAIN) as f:
        assert [camera.address for camera in f.cameras] == [f"127.0.1.{11 + n}" for n in range(32)]
        identities = [camera.state.identity for camera in f.cameras]
        for field in ("endpoint", "serial", "mac"):
            assert len({getattr(identity, field) for identity in identities}) == 32
        assert len({stream.spec for camera in f.cameras for stream in camera.streams.values()}) == 2

        def one(camera: SimulatedCamera) -> int:
            with RtspClient(camera) as client:
                client.setup(StreamRole.SUB)
                client.play()
                return len(client.take(2))

        got = await asyncio.gather(*(asyncio.to_thread(one, camera) for camera in f.cameras))
        assert got == [2] * 32
    assert store.encoded == 0


async def test_given_names_and_options() -> None:
    """Names and base are as asked; a farm for RTSP only has no ONVIF port."""
    options = replace(PLAIN, rtsp_only=True)
    async with Farm(2, names=["Bếp"], base="127.0.2.5", password=Secret(PASSWORD), options=options) as f:
        assert [camera.name for camera in f.cameras] == ["Bếp", class_name(1)]
        assert [camera.address for camera in f.cameras] == ["127.0.2.5", "127.0.2.6"]
        assert [camera.onvif_port for camera in f.cameras] == [0, 0]
        assert all(camera.rtsp_port for camera in f.cameras)


async def test_main_and_sub_show_the_same_instant() -> None:
    """Loops of both streams are equally long, so that their clocks agree."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        loops = [await stream.ready() for stream in f.cameras[0].streams.values()]
        assert len({len(loop.units) / loop.spec.fps for loop in loops}) == 1


async def test_switches() -> None:
    """Faults, quirks and acts are switched by name; nonsense is BadInput and changes nothing."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        camera = f.cameras[0]
        await camera.switch("look", "dark")
        await camera.switch("clock_skew_s", 30)
        await camera.switch("password", "Another-1")
        await camera.switch("gop_frames", 20)
        assert (await camera.streams[StreamRole.MAIN].ready()).spec.gop_frames == 20
        await camera.switch("b_frames", 2)
        assert max(unit.lag_90k for unit in (await camera.streams[StreamRole.SUB].ready()).units) > 0
        assert camera.faults.look is Look.DARK
        assert camera.quirks.clock_skew_s == 30.0
        assert camera.book.password_of("admin") == "Another-1"
        for name, value in (
            ("nonsense", 1),
            ("silent", "x"),
            ("onvif", False),
            ("password", ""),
            ("password", 5),
            ("gop_frames", 0),
        ):
            with pytest.raises(BadInput):
                await camera.switch(name, value)


async def test_h265_switch_restarts_the_stream() -> None:
    """Switching to H.265 and back changes what is sent, and ends the running session."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        camera = f.cameras[0]

        def watch() -> None:
            with RtspClient(camera) as client:
                client.setup()
                client.play()
                with pytest.raises((ConnectionResetError, AssertionError)):
                    client.take(1_000_000)

        watching = asyncio.create_task(asyncio.to_thread(watch))
        await until(lambda: camera.calls.get("rtp_packets", 0) > 0)
        await camera.switch("h265", value=True)
        await watching
        assert (await camera.streams[StreamRole.MAIN].ready()).config.codec is Codec.H265
        await camera.switch("h265", value=False)
        assert (await camera.streams[StreamRole.MAIN].ready()).config.codec is Codec.H264


async def test_statistics_are_json() -> None:
    """Counters can be sent as they are, and hold no password."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        text = json.dumps(f.cameras[0].statistics(), ensure_ascii=False)
        assert PASSWORD not in text
        assert PASSWORD not in repr(f.cameras[0].options)
        assert '"bad_logins": 0' in text


async def test_control_methods() -> None:
    """`fault` switches one camera, `counters` tells of one or all, and wrong calls are refused."""
    async with Farm(2, password=PASSWORD, options=PLAIN) as f:
        table = handlers(f.cameras)

        async def call(method: str, **params: Any) -> dict[str, Any]:
            reply = await table[method](Request(method, params, b"", Peer(1, 0, 0)))
            assert isinstance(reply, Reply)
            return reply.result

        assert await call("fault", camera=1, name="silent", value=True) == {}
        assert [camera.faults.silent for camera in f.cameras] == [False, True]
        assert len((await call("counters"))["cameras"]) == 2
        assert (await call("counters", camera=1))["cameras"][0]["address"] == f.cameras[1].address
        with pytest.raises(NotFound):
            await call("counters", camera=2)
        with pytest.raises(BadInput):
            await call("fault", camera=0, name="silent")


async def test_onvif_zeep_works() -> None:
    """The library that most programs use reads device, profiles, address, clock and sets an encoder."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        camera = f.cameras[0]

        def client() -> None:
            c = ONVIFCamera(camera.address, camera.onvif_port, "admin", PASSWORD)
            assert c.devicemgmt.GetDeviceInformation().SerialNumber == camera.state.identity.serial
            assert c.devicemgmt.GetSystemDateAndTime().DateTimeType == "Manual"
            assert c.devicemgmt.GetNetworkInterfaces()[0].Info.HwAddress == camera.state.identity.mac
            assert c.devicemgmt.GetUsers()[0].UserLevel == "Administrator"
            assert len(c.devicemgmt.GetServices({"IncludeCapability": False})) == 5
            media = c.create_media_service()
            main, sub = media.GetProfiles()
            setup = {"Stream": "RTP-Unicast", "Transport": {"Protocol": "RTSP"}}
            uri = media.GetStreamUri({"StreamSetup": setup, "ProfileToken": main.token}).Uri
            assert uri == camera.rtsp_url()
            options = media.GetVideoEncoderConfigurationOptions({"ProfileToken": sub.token})
            assert options.H264.GovLengthRange.Max >= 50
            encoder = sub.VideoEncoderConfiguration
            encoder.RateControl.FrameRateLimit = 4
            media.SetVideoEncoderConfiguration({"Configuration": encoder, "ForcePersistence": True})
            again = media.GetVideoEncoderConfiguration({"ConfigurationToken": encoder.token})
            assert again.RateControl.FrameRateLimit == 4
            imaging = c.create_imaging_service()
            assert imaging.GetImagingSettings({"VideoSourceToken": "vs0"}).Brightness == 50.0
            c.create_events_service().CreatePullPointSubscription({"InitialTerminationTime": "PT60S"})

        await asyncio.to_thread(client)
        assert camera.bad_logins == 0


def parse_command(*argv: str) -> Any:
    return command.parser().parse_args(argv)


def test_password_sources(tmp_path: Path) -> None:
    """The password comes from a file or the environment; without one the command explains itself."""
    file = tmp_path / "password"
    file.write_text("From-file-1\n", encoding="utf-8")
    assert command.password_from(parse_command("--password-file", str(file)), {}).reveal() == "From-file-1"
    assert command.password_from(parse_command(), {"VUON_SIM_PASSWORD": "x"}).reveal() == "x"
    assert command.password_from(parse_command("--password", "argv"), {"VUON_SIM_PASSWORD": "x"}).reveal() == "argv"
    with pytest.raises(ConfigError, match="VUON_SIM_PASSWORD"):
        command.password_from(parse_command(), {})
    with pytest.raises(ConfigError):
        command.password_from(parse_command("--password-file", str(tmp_path / "absent")), {})


def test_names_file(tmp_path: Path) -> None:
    """Names are a JSON list of text, nothing else."""
    file = tmp_path / "names.json"
    file.write_text('["Lớp Lá 1"]', encoding="utf-8")
    assert command.names_from(file) == ["Lớp Lá 1"]
    assert command.names_from(None) == []
    for wrong in ('{"a": 1}', "[1]", "nonsense"):
        file.write_text(wrong, encoding="utf-8")
        with pytest.raises(ConfigError):
            command.names_from(file)


def test_wrong_arguments_end_with_two(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a password the command says what to do and ends with status 2."""
    monkeypatch.delenv("VUON_SIM_PASSWORD", raising=False)
    assert command.main(["--cameras", "1"]) == 2
    assert "VUON_SIM_PASSWORD" in capsys.readouterr().err


async def test_process_with_control_socket(tmp_path: Path) -> None:
    """The process says where its cameras are, takes faults over its socket, and ends in order on SIGTERM."""
    control = tmp_path / "cameras.sock"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "drivers.simulated", "--cameras", "2", "--quick", "--no-discovery"),
        *("--onvif-port", "0", "--rtsp-port", "0", "--control", str(control)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        cwd=Path(command.__file__).parents[2],
        env={**os.environ, "VUON_SIM_PASSWORD": PASSWORD},
    )
    try:
        assert child.stdout is not None
        ready = json.loads(await child.stdout.readline())
        assert ready["ready"] is True
        assert [camera["name"] for camera in ready["cameras"]] == list(CLASSES[:2])
        async with ControlClient(control, "simulated") as client:
            await client.call("fault", {"camera": 0, "name": "offline", "value": True})
            address = (ready["cameras"][0]["address"], ready["cameras"][0]["rtsp_port"])
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection(*address)
            await client.call("fault", {"camera": 0, "name": "offline", "value": False})
            (await asyncio.open_connection(*address))[1].close()
            with pytest.raises(BadInput):
                await client.call("fault", {"camera": 0, "name": "nonsense", "value": False})
            assert len((await client.call("counters")).result["cameras"]) == 2
    finally:
        child.send_signal(signal.SIGTERM)
        _, errors = await child.communicate()
    assert (child.returncode, errors) == (0, b"")
    assert not control.exists()


async def test_a_moved_camera_answers_at_its_new_address_only() -> None:
    """With the same ports and identity; only loopback addresses are taken."""
    async with Farm(1, password=PASSWORD, base="127.84.0.1", options=PLAIN) as farm:
        (camera,) = farm.cameras
        ports, identity = (camera.rtsp_port, camera.onvif_port), camera.state.identity
        await camera.switch("address", "127.84.0.9")
        assert (camera.rtsp_port, camera.onvif_port, camera.state.identity) == (*ports, identity)
        assert camera.rtsp_url().startswith("rtsp://127.84.0.9:")
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.84.0.1", ports[0])
        answer = await asyncio.to_thread(_options, camera)
        assert answer == 200
        for wrong in ("192.168.1.1", "here", 5):
            with pytest.raises(BadInput):
                await camera.switch("address", wrong)


def _options(camera: SimulatedCamera) -> int:
    with RtspClient(camera) as client:
        return client.once("OPTIONS", "*").status


async def test_a_recorder_has_many_sources_and_one_of_everything_else() -> None:
    """16 channels with two profiles each, 16 video sources, one pair of encoded scenes."""
    async with Farm(1, password=PASSWORD, base="127.84.0.1", options=replace(RECORDER, discovery=False)) as farm:
        (device,) = farm.cameras
        assert len(device.state.shown_profiles()) == 32
        assert [profile.source for profile in device.state.sources()] == [f"vs{n}" for n in range(16)]
        assert len(device.streams) == 2
        sources = await asyncio.to_thread(call, device, "trt", "GetVideoSources")
        assert [e.get("token") for e in etree.fromstring(sources.body).iter() if local(e) == "VideoSources"] == [
            f"vs{n}" for n in range(16)
        ]
        one = "<trt:ConfigurationToken>vsc3</trt:ConfigurationToken>"
        found = await asyncio.to_thread(call, device, "trt", "GetVideoSourceConfiguration", one)
        assert found.text("SourceToken") == "vs3"
        none = "<trt:ConfigurationToken>vsc99</trt:ConfigurationToken>"
        assert (await asyncio.to_thread(call, device, "trt", "GetVideoSourceConfiguration", none)).status == 400


@pytest.mark.parametrize("channels", [0, 65])
def test_a_recorder_has_a_sensible_number_of_channels(channels: int) -> None:
    """As those on the market."""
    with pytest.raises(BadInput):
        Farm(1, password=PASSWORD, options=replace(PLAIN, channels=channels))
