"""The controls of the tests with hostile cameras: each trap snaps, each measure sees what it is for."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import av
import pytest
import requests

from drivers.simulated.farm import QUICK, Farm
from tests.fakes.frames import ENOUGH, Picture, Shown, contains_run, plain_text_of, slices, split_lengths
from tests.fakes.hostile_rtsp import HostileRtsp, attacks
from tests.fakes.hostile_soap import lies
from tests.fakes.onvif_http import FakeOnvif
from tests.fakes.third_host import ThirdHost
from tests.fakes.waiting import wait_until
from tests.fakes.watched_process import WatchedProcess

THIRD = "127.65.4.99"


def test_a_connection_a_datagram_and_a_lost_packet_are_heard() -> None:
    """Whoever speaks to the third host is noted, also where nobody listens (if packets may be read)."""
    with ThirdHost(THIRD) as third, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        with socket.create_connection((THIRD, 8554)) as peer:
            peer.sendall(b"secret")
        wait_until(lambda: b"secret" in third.data)
        assert "tcp 8554" in third.heard
        sock.sendto(b"x", (THIRD, 18777))
        wait_until(lambda: "udp 18777" in third.heard)
        packets = third.heard.count("packet")
        sock.sendto(b"x", (THIRD, 4444))
        if third.sees_packets:
            wait_until(lambda: third.heard.count("packet") > packets)


def test_another_host_is_not_its_business() -> None:
    """Packets to its neighbours are not counted."""
    with ThirdHost(THIRD) as third, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.65.4.98", 4444))
        sock.sendto(b"x", (THIRD, 18778))
        wait_until(lambda: "udp 18778" in third.heard)
        assert third.heard.count("packet") <= 1


def test_a_web_client_walks_into_the_redirect() -> None:
    """What our transport refuses is a lure that works: an ordinary client follows it."""
    with ThirdHost(THIRD) as third, FakeOnvif(auth="open", scripted={"GET": lies(THIRD)["HTTP 307"]}) as camera:
        with pytest.raises(requests.RequestException):
            requests.get(f"http://127.0.0.1:{camera.port}/x", timeout=5)
        wait_until(lambda: "tcp 80" in third.heard)


@pytest.mark.anyio
async def test_a_media_player_walks_into_the_redirect() -> None:
    """FFmpeg follows the RTSP redirect that our client refuses."""
    camera = HostileRtsp("127.0.0.1", "", attacks(THIRD), mode="redirect")

    def play() -> None:
        av.open(f"rtsp://127.0.0.1:{camera.port}/x", options={"rtsp_transport": "tcp"}, timeout=5)

    with ThirdHost(THIRD) as third:
        async with camera.running():
            with pytest.raises(av.error.FFmpegError):
                await asyncio.to_thread(play)
        wait_until(lambda: "tcp 8554" in third.heard)


def test_a_missing_or_doubled_picture_is_found() -> None:
    """A recording is a piece of what was shown, or it is not."""
    whole: list[Picture] = [(bytes([number]),) for number in range(9)]
    assert contains_run(whole, whole[2:7])
    assert contains_run(whole, [])
    for wrong in (whole[2:4] + whole[5:7], [*whole[2:4], whole[3]], [whole[3], whole[2]], [*whole, whole[0]]):
        assert not contains_run(whole, wrong)


def test_slices_are_what_is_compared() -> None:
    """Parameter sets and messages are left out, whoever wrapped the picture."""
    nals = (b"\x67sps", b"\x68pps", b"\x06sei", b"\x65key", b"\x41more")
    sample = b"".join(len(nal).to_bytes(4, "big") + nal for nal in nals)
    assert slices(split_lengths(sample)) == slices(nals) == (b"\x65key", b"\x41more")


@pytest.mark.anyio
async def test_what_a_camera_showed_is_written_down() -> None:
    """The log of a simulated camera is its loop, in order."""
    async with Farm(1, password="pw", options=QUICK, base="127.65.4.1") as farm:
        shown = Shown(farm.cameras[0])
        loop = await farm.cameras[0].streams[shown.role].ready()
        farm._pacer.stir()
        with anyio.fail_after(30):
            await shown.enough.wait()
        shown.leave()
    assert len(shown.pictures) >= ENOUGH
    assert contains_run([unit.nals for unit in loop.units] * 5, shown.pictures)


def test_a_secret_in_a_file_is_found(tmp_path: Path) -> None:
    """Wherever it lies below the folder, and nowhere else."""
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "a.db").write_bytes(b"\0\1secret\2")
    (tmp_path / "b.log").write_bytes(b"nothing")
    assert plain_text_of(tmp_path, [b"secret"]) == [str(Path("deep") / "a.db")]


def test_memory_taken_and_given_back_is_still_seen() -> None:
    """The peak tells of 100 MB that are gone again, and command lines tell their arguments."""
    code = "import sys; print(1, flush=True); input(); x = bytearray(100 << 20); del x; print(2, flush=True); input()"
    command = [sys.executable, "-c", code, "argument-of-mine"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdout.readline()
        watched = WatchedProcess(child.pid)
        before = watched.resident_bytes()
        watched.reset_peak()
        assert watched.peak_bytes() < before + (50 << 20)
        child.stdin.write("\n")
        child.stdin.flush()
        child.stdout.readline()
        assert watched.peak_bytes() > before + (90 << 20)
        assert b"argument-of-mine" in watched.command_lines()
        child.stdin.write("\n")
