"""A healthy camera and a healthy box, and for each fault what breaks exactly that."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

from hypothesis import strategies as st

from drivers.doctor.facts import BoxFacts, CameraFacts, Forward, PictureFacts, StreamFacts
from gateway.core.media import Codec

Break: TypeAlias = Callable[[CameraFacts, int], CameraFacts]
"""(healthy facts, a number that varies how badly) -> the same facts with one leg broken."""


def pictures() -> st.SearchStrategy[PictureFacts]:
    """Pictures of lit rooms, with and without an approved view."""
    return st.builds(
        PictureFacts,
        luma_mean=st.floats(45, 200),
        contrast=st.floats(2, 90),
        detail=st.floats(0.15, 0.5),
        clipped=st.floats(0, 0.35),
        frozen=st.just(False),
        usual_detail=st.none() | st.floats(0.15, 0.2),
        likeness=st.none() | st.floats(0.35, 1),
    )


def streams(
    *, least_height: int, most_height: int, most_bps: int, profiles: tuple[str, ...]
) -> st.SearchStrategy[StreamFacts]:
    """Streams that do as they promise."""

    def build(fps: int, gop_s: float, height: int, bps: int, profile: str, loss: float) -> StreamFacts:
        return StreamFacts(
            codec=Codec.H264, profile=profile, width=height * 16 // 9, height=height, fps_promised=fps,
            fps=fps * 0.98, gop_s=gop_s, key_gap_s=gop_s, bitrate_bps=bps, b_frames=False, loss=loss,
        )  # fmt: skip

    return st.builds(
        build,
        st.integers(5, 30),
        st.floats(0.5, 2.1),
        st.integers(least_height, most_height),
        st.integers(64_000, most_bps),
        st.sampled_from(profiles),
        st.floats(0, 0.009),
    )


def healthy() -> st.SearchStrategy[CameraFacts]:
    """Cameras with nothing wrong, everything known but perhaps the approved view."""
    return st.builds(
        CameraFacts,
        state=st.just("up"),
        clock_skew_ms=st.integers(-5_000, 5_000),
        time_zone_right=st.just(True),
        uses_ntp=st.just(True),
        factory_password=st.just(False),
        main=streams(least_height=720, most_height=2160, most_bps=16_000_000, profiles=("Baseline", "Main", "High")),
        sub=streams(least_height=180, most_height=720, most_bps=1_000_000, profiles=("Baseline",)),
        smart_codec=st.just(False) | st.none(),
        audio=st.just(False),
        labelled=st.just(True),
        refusals=st.integers(0, 2),
        outages=st.integers(0, 3),
        dhcp=st.just(False),
        masks=st.integers(1, 8),
        needs_mask=st.booleans(),
        qcvn=st.text(min_size=1, max_size=20),
        bad_firmware=st.just(""),
        open_ports=st.just(()),
        picture=pictures(),
    )


def _main(facts: CameraFacts, **changes: object) -> CameraFacts:
    return replace(facts, main=replace(facts.main, **changes))  # type: ignore[arg-type]  # fields of StreamFacts


def _sub(facts: CameraFacts, **changes: object) -> CameraFacts:
    assert facts.sub is not None
    return replace(facts, sub=replace(facts.sub, **changes))  # type: ignore[arg-type]  # fields of StreamFacts


def _picture(facts: CameraFacts, **changes: object) -> CameraFacts:
    assert facts.picture is not None
    return replace(facts, picture=replace(facts.picture, **changes))  # type: ignore[arg-type]  # fields of PictureFacts


def _either(facts: CameraFacts, n: int, **changes: object) -> CameraFacts:
    return _main(facts, **changes) if n % 2 else _sub(facts, **changes)


BREAKS: dict[str, Break] = {
    "not_answering": lambda f, n: replace(f, state=("down", "silent", "connecting")[n % 3]),
    "login_refused": lambda f, n: replace(f, state="login_refused"),
    "frozen": lambda f, n: _picture(f, frozen=True),
    "covered": lambda f, n: _picture(f, contrast=1.5 / (1 + n)),
    "moved": lambda f, n: _picture(f, likeness=0.29 - n % 100 / 100),
    "dark": lambda f, n: _picture(f, luma_mean=16.0 + n % 24),
    "bright": lambda f, n: _picture(f, clipped=0.41 + n % 59 / 100),
    "blurred": lambda f, n: _picture(f, detail=0.07 / (1 + n)),
    "factory_password": lambda f, n: replace(f, factory_password=True),
    "no_mask": lambda f, n: replace(f, needs_mask=True, masks=0),
    "bad_firmware": lambda f, n: replace(f, bad_firmware="CVE-2021-36260"),
    "open_ports": lambda f, n: replace(f, open_ports=(23, 8000)[: 1 + n % 2]),
    "audio_on": lambda f, n: replace(f, audio=True),
    "no_sub": lambda f, n: replace(f, sub=None),
    "h265_sub": lambda f, n: _sub(f, codec=Codec.H265, profile=None),
    "sub_profile": lambda f, n: _sub(f, profile=("Main", "High", "Extended")[n % 3]),
    "sub_size": lambda f, n: _sub(f, height=721 + n),
    "sub_bitrate": lambda f, n: _sub(f, bitrate_bps=1_000_001 + n),
    "h265_main": lambda f, n: _main(f, codec=Codec.H265, profile=None),
    "b_frames": lambda f, n: _either(f, n, b_frames=True),
    "smart_codec": lambda f, n: replace(f, smart_codec=True) if n % 3 == 0 else _either(f, n, key_gap_s=3.3 + n),
    "long_gop": lambda f, n: _either(f, n, gop_s=2.3 + n, key_gap_s=2.3 + n),
    "clock_skew": lambda f, n: replace(f, clock_skew_ms=(5_001 + n) * (-1) ** n),
    "no_ntp": lambda f, n: replace(f, uses_ntp=False),
    "wrong_zone": lambda f, n: replace(f, time_zone_right=False),
    "no_label": lambda f, n: replace(f, labelled=False),
    "packet_loss": lambda f, n: _either(f, n, loss=0.011 + n % 100 / 200),
    "low_fps": lambda f, n: _either(f, n, fps=2.5, fps_promised=5.0),
    "session_limit": lambda f, n: replace(f, refusals=3 + n),
    "outages": lambda f, n: replace(f, outages=4 + n),
    "dhcp_address": lambda f, n: replace(f, dhcp=True),
    "no_qcvn": lambda f, n: replace(f, qcvn=""),
}

HEALTHY_BOX = BoxFacts(True, (Forward(8443, "TCP", "192.168.1.2", 443),), frozenset({"192.168.1.20"}), 40_000_000)
BOX_BREAKS: dict[str, BoxFacts] = {
    "exposed": replace(HEALTHY_BOX, forwards=(Forward(8000, "TCP", "192.168.1.20", 80, "cam"),)),
    "box_clock": replace(HEALTHY_BOX, time_trusted=False),
    "uplink": replace(HEALTHY_BOX, uplink_bps=4_100_000),
}
