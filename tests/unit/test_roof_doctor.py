"""The doctor of the roof: recorder's figures into facts, and what cannot be fixed from here."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address
from pathlib import Path

import pytest

from drivers.doctor.said import Said
from drivers.gate import LoginGate
from gateway.core.config import Config, parse_config
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import CameraId, Login, PublicId, Secret, StreamId, StreamRole
from gateway.core.typed import quoted
from gateway.roofs.onvifvisits import OnvifVisits
from gateway.roofs.recorder_doctor import BoxDoctor, is_leased, measured
from recorder.camera import State
from recorder.checklist import Checklist, View
from recorder.meter import MeterFacts
from recorder.registry import Camera, Stream
from recorder.service_doctor import Seen, StreamSeen
from recorder.vision.client import Sight
from recorder.vision.pipe import Look
from tests.fakes.camera_settings import Hurry, adopted, settings_bench
from tests.fakes.clock import FakeClock
from tests.fakes.igd import igd
from tests.fakes.recording import new_camera

LOOK = Look(640, 360, 1.5, 0.25, 100.0, 40.0, 7, 38.0, 0.2, 0.01, bytes(576))
METER = MeterFacts(CodecConfig(Codec.H264, b"\x67\x42", b"\x68"), 2.0, False, 15.0, 0.0, ())


def seen(**changes: object) -> Seen:
    about = new_camera()
    streams = tuple(Stream(StreamId(n), PublicId("c" * 16), spec) for n, spec in enumerate(about.streams))
    whole = Seen(
        camera=Camera(CameraId(1), PublicId("c" * 16), about, streams, 0),
        state=State.UP,
        streams={item.role: StreamSeen(item.spec, METER) for item in streams},
        sight=Sight(LOOK, StreamRole.SUB, 100, frozen=False),
        likeness=0.9,
        checklist=Checklist("QCVN 1", needs_mask=False, view=View(StreamRole.SUB, bytes(576), 0.25, 1)),
        outages=0,
        refusals=0,
        doors=(),
    )
    return replace(whole, **changes)  # type: ignore[arg-type]  # fields of Seen


def doctor(text: str = "") -> BoxDoctor:
    return BoxDoctor(parse_config(text) if text else Config(), FakeClock(), OnvifVisits(FakeClock()))


def test_figures_become_the_doctors_words() -> None:
    """Streams by role, the picture with its approved figures, the checklist."""
    found = measured(seen(), sub_streams=True)
    assert found.sub is not None
    assert (found.main.promised_fps, found.main.codec, found.sub.width) == (15.0, Codec.H264, 640)
    assert found.picture is not None
    assert (found.picture.detail, found.picture.usual_detail, found.picture.likeness) == (0.2, 0.25, 0.9)
    assert (found.qcvn, found.needs_mask, found.factory_password) == ("QCVN 1", False, False)


def test_an_approved_picture_of_another_stream_is_not_compared() -> None:
    """Sharpness of the main stream says nothing of the sub stream's."""
    other = replace(seen().checklist, view=View(StreamRole.MAIN, bytes(576), 0.25, 1))
    picture = measured(seen(checklist=other), sub_streams=True).picture
    assert picture is not None
    assert picture.usual_detail is None
    assert measured(seen(sight=None), sub_streams=True).picture is None


@pytest.mark.parametrize(("sub_streams", "missing"), [(True, True), (False, False)])
def test_a_sub_stream_we_were_told_to_leave_is_unknown(sub_streams: bool, missing: bool) -> None:
    """Only where sub streams are recorded is a camera without one at fault."""
    main_only = {StreamRole.MAIN: seen().streams[StreamRole.MAIN]}
    assert (measured(seen(streams=main_only), sub_streams=sub_streams).sub is None) is missing


def test_what_cannot_be_set_from_here_is_no_offer() -> None:
    """Without a time server the clock needs a person; a camera without ONVIF needs one for everything."""
    words = Said({"time.clock": "manual +300 s", "time.ntp": "", "audio": "main=a+b"})
    onvif = replace(seen().camera.about, driver="onvif")
    at = replace(seen().camera, about=onvif)

    def fixable(box: BoxDoctor, which: Seen) -> dict[str, bool]:
        return {fault["code"]: fault["fixable"] for fault in box.judge(which, words)["faults"]}

    without = fixable(doctor(), seen(camera=at))
    served = fixable(doctor('[cameras]\nntp_server = "box"'), seen(camera=at))
    commands = {item["code"]: item["command"] for item in doctor().judge(seen(camera=at), words)["faults"]}
    assert commands == {"audio_on": "vuon kiem-tra 'Lớp 1' --sua-loi", "clock_skew": "", "no_ntp": ""}
    assert without == {"audio_on": True, "clock_skew": False, "no_ntp": False}
    assert served == {"audio_on": True, "clock_skew": True, "no_ntp": True}
    rtsp = replace(seen().camera, about=replace(onvif, driver="rtsp"))
    assert set(fixable(doctor(), seen(camera=rtsp)).values()) == {False}


@pytest.mark.parametrize(
    ("server", "ours", "fixable"),
    [("", "10.0.0.9", True), ("10.0.0.9", "10.0.0.9", True), ("10.7.7.7", "10.0.0.9", False), ("", None, False)],
    ids=["none set", "ours set", "another set", "no time served"],
)
def test_a_clock_is_put_right_by_our_own_time_server_where_there_is_no_other(
    server: str, ours: str | None, fixable: bool
) -> None:
    """What the plan would offer, the doctor offers; and nothing else."""
    words = Said({"time.clock": "manual +300 s", "time.ntp": server})
    at = replace(seen().camera, about=replace(seen().camera.about, driver="onvif"))
    report = replace(doctor(), time_for=lambda _: ours).judge(seen(camera=at), words)
    faults = {fault["code"]: fault["fixable"] for fault in report["faults"]}
    assert faults == {"clock_skew": fixable, "no_ntp": fixable}


@pytest.mark.parametrize(
    ("leases", "ours"),
    [
        ({"02:00:00:00:00:01": "10.0.0.1"}, True),
        ({"02:00:00:00:00:01": "10.0.0.7"}, False),
        ({"02:00:00:00:00:02": "10.0.0.1"}, False),
        ({}, False),
    ],
)
def test_an_address_is_ours_if_we_gave_it_to_this_very_camera(leases: dict[str, str], ours: bool) -> None:
    """A camera whose MAC nobody knows is taken by its address alone."""
    book = {mac: IPv4Address(address) for mac, address in leases.items()}
    assert is_leased(seen().camera, book) is ours
    about = seen().camera.about
    nameless = replace(seen().camera, about=replace(about, identity=replace(about.identity, mac="")))
    assert is_leased(nameless, book) is ("10.0.0.1" in leases.values())


@pytest.mark.anyio
async def test_the_doctor_tells_no_fault_of_an_address_we_gave() -> None:
    """Only where the camera says DHCP: with a lease of ours it is none, with another's it is."""
    async with settings_bench(dhcp=True) as bench:
        camera = adopted(bench)

        async def told(leases: dict[str, str]) -> bool:
            async def given() -> dict[str, IPv4Address]:
                return {mac: IPv4Address(address) for mac, address in leases.items()}

            box = BoxDoctor(Config(), Hurry(), OnvifVisits(Hurry()), leases=given)
            said = await box.visit(camera, LoginGate(camera.about.login))
            codes = {fault["code"] for fault in box.judge(seen(camera=camera), said)["faults"]}
            return "dhcp_address" in codes

        assert not await told({"02:00:00:00:00:01": bench.camera.address})
        assert await told({"02:00:00:00:00:01": "127.0.1.250"})
        assert await told({})


def test_a_factory_login_is_known_without_sending_it() -> None:
    """The stored login is compared with the makers' lists; nothing leaves the box, and no password the report."""
    about = replace(seen().camera.about, login=Login("admin", Secret("12345")))
    report = doctor().judge(seen(camera=replace(seen().camera, about=about)), Said())
    assert [fault["code"] for fault in report["faults"]] == ["factory_password"]
    assert "12345" not in str(report)


@pytest.mark.anyio
async def test_a_camera_without_onvif_is_not_visited() -> None:
    """It has no words; nothing is sent."""
    rtsp = replace(seen().camera, about=replace(seen().camera.about, driver="rtsp", address="203.0.113.1"))
    assert await doctor().visit(rtsp, LoginGate(None)) == Said()


@pytest.mark.anyio
async def test_the_boxs_network_is_judged_with_the_modems_words(tmp_path: Path) -> None:
    """An open door to one of our cameras is named; the line as the modem tells it."""
    box = BoxDoctor(
        parse_config('[cameras]\ninterfaces = ["127.0.0.1"]\nloopback = true'), FakeClock(), OnvifVisits(FakeClock())
    )  # fmt: skip
    with igd(entries=[(9000, "TCP", "10.0.0.1", 80, "1")], uplink="4100000"):
        report = await box.box([seen().camera], time_trusted=True)
    assert [fault["code"] for fault in report["faults"]] == ["exposed", "uplink"]
    assert report["faults"][0]["figures"]["doors"] == "9000 → 10.0.0.1:80"
    assert report["fine"] == ["box_clock"]


@pytest.mark.parametrize(
    ("name", "typed"),
    [("Bếp", "Bếp"), ("Lớp Lá 1", "'Lớp Lá 1'"), ("$(x)", "'$(x)'"), ("a'b", "'a'\"'\"'b'"), ("", "''")],
)
def test_a_name_is_written_as_it_is_typed(name: str, typed: str) -> None:
    """With quotes where the shell needs them."""
    assert quoted(name) == typed
