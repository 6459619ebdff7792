"""What figures of a picture say of lens and light, on the drawn classroom through a real encoder."""

from __future__ import annotations

from functools import cache

import av
import pytest

from drivers.doctor import picture as rules
from drivers.doctor.facts import PictureFacts
from drivers.simulated.art import VARIANTS
from drivers.simulated.faults import Look
from drivers.simulated.scene import SceneSpec, encode
from recorder.checklist import likeness
from recorder.vision.pipe import Look as Figures
from recorder.vision.stills import look_at, luma_of

SIZES = [(320, 180), (640, 360), (1280, 720)]
RULES = {
    "covered": rules.covered,
    "dark": rules.dark,
    "bright": rules.bright,
    "blurred": rules.blurred,
    "moved": rules.moved,
}


@cache
def figures(look: Look, variant: int, size: tuple[int, int]) -> tuple[Figures, ...]:
    """Return what the vision child sees of the key frames of a loop; sensor noise as a lens has it."""
    spec = SceneSpec("Lớp Lá 1", variant, *size, fps=2, gop_frames=4, loop_frames=8, look=look, grain=2)
    loop = encode(spec)
    decoder = av.CodecContext.create("h264", "r")
    seen = []
    for unit in loop.units:
        if unit.is_key:
            nals = (loop.config.sps, loop.config.pps, *unit.nals)
            packet = av.Packet(b"".join(b"\0\0\0\1" + nal for nal in nals))
            frames = decoder.decode(packet) or decoder.decode(None)
            decoder.flush_buffers()
            seen.append(look_at(luma_of(frames[0]), None)[0])
    return tuple(seen)


def facts(seen: Figures, approved: Figures | None) -> PictureFacts:
    return PictureFacts(
        seen.luma_mean,
        seen.contrast,
        seen.detail,
        seen.clipped,
        frozen=False,
        usual_detail=approved.detail if approved else None,
        likeness=likeness(seen.outline, approved.outline) if approved else None,
    )


def verdict(picture: PictureFacts) -> set[str]:
    return {name for name, rule in RULES.items() if rule(picture)}


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("variant", range(0, VARIANTS, 3))
@pytest.mark.parametrize("look", [item for item in Look if item is not Look.FROZEN])
def test_each_state_of_the_lens_is_told_from_the_others(look: Look, variant: int, size: tuple[int, int]) -> None:
    """Against an approved picture of the same room, people elsewhere in it, each state is named and no other."""
    approved = figures(Look.NORMAL, variant, size)[0]
    expected = set() if look is Look.NORMAL else {look.value}
    for seen in figures(look, variant, size):
        assert verdict(facts(seen, approved)) == expected


@pytest.mark.parametrize("look", [Look.NORMAL, Look.COVERED, Look.DARK, Look.BRIGHT, Look.BLURRED])
def test_without_an_approved_picture_only_the_direction_is_unknown(look: Look) -> None:
    """Lens and light are judged by themselves; where the camera should look nobody said."""
    for seen in figures(look, 1, SIZES[1]):
        picture = facts(seen, None)
        assert verdict(picture) == (set() if look is Look.NORMAL else {look.value})
        assert rules.moved(picture) is None


def test_the_outline_names_nobody_and_has_one_size() -> None:
    """576 cells, whatever the camera's size; equal pictures are wholly alike, a flat one is like none."""
    outlines = [figures(Look.NORMAL, 0, size)[0].outline for size in SIZES]
    assert {len(outline) for outline in outlines} == {576}
    assert likeness(outlines[0], outlines[0]) == 1.0
    assert likeness(outlines[0], outlines[2]) > 0.6
    assert likeness(outlines[0], bytes(576)) == 0.0
    assert likeness(b"", b"") == 0.0
