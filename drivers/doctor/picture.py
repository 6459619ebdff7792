"""What the figures of a picture say about lens and light.

Owns the thresholds. Pure. Invariants: one root, one fault: a covered lens is not also called dark, nor a dark
picture dirty; what the worse state hides cannot be told (None). The figures were taken apart on drawn scenes
(see the tests); a threshold stands in the middle of a wide gap, so that a busy or a plain room is no fault.
"""

from __future__ import annotations

from drivers.doctor.facts import PictureFacts

FLAT = 1.6
"""Below this contrast a coarse picture has no shapes: hand, cap, spray paint."""
DARK = 40.0
"""Mean luma; video black is 16, a room by daylight has 90-180."""
BURNT = 0.4
"""Share that is burnt out: a window takes a tenth, a lamp into the lens or a stuck iris takes most."""
SOFT = 0.11
"""Fine structure of a sharp picture is 0.15-0.35 of its contrast, of a dirty lens below 0.09."""
SOFTENED = 0.5
"""Against the approved picture: half of its fine structure is gone."""
UNLIKE = 0.3
"""Outlines of the same room, people walking, are alike by 0.5 and more; of another view by 0.15 and less."""


def covered(picture: PictureFacts) -> bool:
    """Say whether there is nothing to see."""
    return picture.contrast < FLAT


def dark(picture: PictureFacts) -> bool | None:
    """Say whether the room is too dark to see anybody."""
    return None if covered(picture) else picture.luma_mean < DARK


def bright(picture: PictureFacts) -> bool | None:
    """Say whether most of the picture is burnt out."""
    return None if covered(picture) else picture.clipped > BURNT


def _fit_to_compare(picture: PictureFacts) -> bool:
    return not (covered(picture) or dark(picture) or bright(picture))


def blurred(picture: PictureFacts) -> bool | None:
    """Say whether the picture lost its fine structure."""
    if not _fit_to_compare(picture):
        return None
    if picture.usual_detail is not None:
        return picture.detail < SOFTENED * picture.usual_detail
    return picture.detail < SOFT


def moved(picture: PictureFacts) -> bool | None:
    """Say whether the camera looks elsewhere than when its picture was approved; None if nobody approved one."""
    if picture.likeness is None or not _fit_to_compare(picture) or blurred(picture):
        return None
    return picture.likeness < UNLIKE
