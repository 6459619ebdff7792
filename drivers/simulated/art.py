"""The drawn classroom: what a simulated camera sees at one instant.

Owns the drawing only: pure functions of (variant, label, time), no encoder, no clock, no files. Warm
walls, windows, low tables, children and a teacher who walk about, and a wall clock whose hand turns once a
loop. Invariants: `frame(t)` equals `frame(t + loop_s)`, so that a loop has no seam; no two frames of a
loop are alike; every picture says that it is simulated.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

import cv2
import numpy as np

from drivers.simulated.faults import Look
from drivers.simulated.lettering import Colour, Picture, draw, text_width

_WALLS: tuple[Colour, ...] = (
    (196, 226, 248), (206, 232, 222), (230, 222, 205), (205, 210, 245),
    (190, 235, 240), (225, 215, 235), (212, 238, 214), (200, 218, 235),
)  # fmt: skip
_SHIRTS: tuple[Colour, ...] = (
    (70, 90, 220), (60, 160, 80), (200, 120, 50), (60, 190, 230), (170, 80, 160), (90, 140, 240), (180, 170, 60),
)  # fmt: skip
_SKIN: Colour = (165, 196, 236)
_HAIR: Colour = (38, 34, 40)
_INK: Colour = (52, 44, 40)
_WHITE: Colour = (250, 250, 250)
SIMULATED = "MÔ PHỎNG"
"""Drawn on every picture: nobody must take it for a classroom."""

VARIANTS = len(_WALLS)


@dataclass(frozen=True, slots=True)
class _Walker:
    """One figure on a closed path: whole turns a loop, so that the loop has no seam."""

    x: float
    y: float
    reach_x: float
    reach_y: float
    turns: int
    phase: float
    shirt: Colour
    height: float

    def at(self, part: float) -> tuple[float, float]:
        angle = math.tau * (self.turns * part + self.phase)
        return self.x + self.reach_x * math.cos(angle), self.y + self.reach_y * math.sin(angle)


class Classroom:
    """One class's room; `frame` may be called from any one thread at a time."""

    def __init__(self, variant: int, label: str, width: int, height: int, *, loop_s: float) -> None:
        self._size, self._loop_s, self._label = (width, height), loop_s, label
        self._variant = variant % VARIANTS
        dice = random.Random(variant)  # noqa: S311 - a drawing, not a secret: the same variant must look the same
        self._walkers = sorted(_people(dice), key=lambda walker: walker.y)
        self._empty = self._furniture()

    def frame(self, time_s: float, *, look: Look = Look.NORMAL) -> Picture:
        """Return the picture (BGR) at `time_s` of the loop, as a lens in state `look` shows it."""
        time_s = 0.0 if look is Look.FROZEN else time_s % self._loop_s
        if look is Look.COVERED:
            picture = np.full_like(self._empty, 18)
        else:
            picture = self._empty.copy()
            part = time_s / self._loop_s
            self._wall_clock(picture, part)
            for walker in self._walkers:
                self._figure(picture, walker, part)
            picture = _through(picture, look)
        self._caption(picture, time_s)
        return picture

    def _px(self, x: float, y: float) -> tuple[int, int]:
        return round(x * self._size[0]), round(y * self._size[1])

    def _box(
        self, picture: Picture, box: tuple[float, float, float, float], fill: Colour, edge: Colour | None = None
    ) -> None:
        start, end = self._px(box[0], box[1]), self._px(box[2], box[3])
        cv2.rectangle(picture, start, end, fill, -1)
        if edge is not None:
            cv2.rectangle(picture, start, end, edge, max(1, self._size[1] // 240), cv2.LINE_AA)

    def _furniture(self) -> Picture:
        width, height = self._size
        picture = np.empty((height, width, 3), np.uint8)
        wall = np.array(_WALLS[self._variant], np.float32)
        shade = np.linspace(1.0, 0.9, height, dtype=np.float32)[:, None]
        picture[:] = (shade * wall)[:, None, :].astype(np.uint8)
        self._box(picture, (0, 0.46, 1, 1), (120, 170, 205))
        self._box(picture, (0, 0.45, 1, 0.465), (95, 135, 170))
        for x in (0.06, 0.26):
            self._box(picture, (x, 0.1, x + 0.15, 0.36), (245, 235, 200), (150, 165, 185))
            self._box(picture, (x + 0.072, 0.1, x + 0.078, 0.36), (150, 165, 185))
        self._box(picture, (0.5, 0.1, 0.8, 0.36), (90, 120, 70), (70, 110, 150))
        for row, y in enumerate((0.58, 0.8)):
            for x in (0.14, 0.44, 0.74):
                self._table(picture, x + 0.05 * row - 0.03, y)
        return picture

    def _table(self, picture: Picture, x: float, y: float) -> None:
        for leg in (-0.06, 0.06):
            self._box(picture, (x + leg - 0.006, y, x + leg + 0.006, y + 0.1), (90, 120, 150))
        self._box(picture, (x - 0.085, y - 0.02, x + 0.085, y + 0.02), (150, 205, 240), (100, 150, 190))

    def _wall_clock(self, picture: Picture, part: float) -> None:
        centre, radius = self._px(0.9, 0.2), round(0.085 * self._size[1])
        thick = max(1, self._size[1] // 180)
        cv2.circle(picture, centre, radius, _WHITE, -1, cv2.LINE_AA)
        cv2.circle(picture, centre, radius, _INK, thick, cv2.LINE_AA)
        for hour in range(12):
            angle = math.tau * hour / 12
            cv2.circle(picture, _ray(centre, angle, radius * 0.82), thick, _INK, -1, cv2.LINE_AA)
        cv2.line(picture, centre, _ray(centre, math.tau * part, radius * 0.75), (50, 50, 210), thick, cv2.LINE_AA)
        cv2.circle(picture, centre, thick + 1, _INK, -1, cv2.LINE_AA)

    def _figure(self, picture: Picture, who: _Walker, part: float) -> None:
        x, y = who.at(part)
        tall = who.height * self._size[1]
        foot_x, foot_y = self._px(x, y)
        step = math.sin(math.tau * 12 * part + who.phase * 7) * tall * 0.07
        thick = max(2, round(tall * 0.09))
        hip = (foot_x, round(foot_y - tall * 0.35))
        for side in (-1, 1):
            cv2.line(picture, hip, (round(foot_x + side * (tall * 0.08 + step)), foot_y), _INK, thick, cv2.LINE_AA)
            hand = (round(foot_x + side * tall * 0.24), round(foot_y - tall * 0.42 + side * step))
            cv2.line(picture, (foot_x, round(foot_y - tall * 0.66)), hand, _SKIN, max(2, thick - 1), cv2.LINE_AA)
        body = (foot_x, round(foot_y - tall * 0.52))
        cv2.ellipse(picture, body, (round(tall * 0.15), round(tall * 0.22)), 0, 0, 360, who.shirt, -1, cv2.LINE_AA)
        head = (foot_x, round(foot_y - tall * 0.86))
        cv2.circle(picture, head, round(tall * 0.14), _SKIN, -1, cv2.LINE_AA)
        cv2.ellipse(picture, head, (round(tall * 0.15), round(tall * 0.14)), 0, 180, 360, _HAIR, -1, cv2.LINE_AA)

    def _caption(self, picture: Picture, time_s: float) -> None:
        width, height = self._size
        cap = max(8.0, height * 0.034)
        margin = round(cap * 0.8)
        strip = round(cap * 2.3)
        picture[:strip] = (picture[:strip].astype(np.uint16) * 2 // 5).astype(np.uint8)
        draw(picture, self._label, (margin, round(cap * 1.7)), cap, _WHITE)
        clock = f"{int(time_s):02d}.{round(time_s * 1000) % 1000:03d} s"
        draw(picture, clock, (width - text_width("00.000 s", cap) - margin, round(cap * 1.7)), cap, _WHITE)
        draw(picture, SIMULATED, (margin, height - margin), cap, _WHITE)


def _ray(centre: tuple[int, int], angle: float, length: float) -> tuple[int, int]:
    """Return the point `length` from `centre`; angle 0 is up, clockwise."""
    return round(centre[0] + length * math.sin(angle)), round(centre[1] - length * math.cos(angle))


def _people(dice: random.Random) -> list[_Walker]:
    children = [
        _Walker(
            x=0.12 + 0.13 * place + dice.uniform(-0.03, 0.03),
            y=dice.choice((0.66, 0.74, 0.9, 0.95)),
            reach_x=dice.uniform(0.02, 0.09),
            reach_y=dice.uniform(0.005, 0.02),
            turns=dice.choice((-2, -1, 1, 2)),
            phase=dice.random(),
            shirt=dice.choice(_SHIRTS),
            height=dice.uniform(0.19, 0.24),
        )
        for place in range(7)
    ]
    teacher = _Walker(0.5, 0.66, 0.3, 0.03, 1, dice.random(), dice.choice(_SHIRTS), 0.38)
    return [*children, teacher]


def _through(picture: Picture, look: Look) -> Picture:
    """Return what a lens in state `look` makes of the scene."""
    height, width = picture.shape[:2]
    if look is Look.DARK:
        return (picture // 12).astype(np.uint8)
    if look is Look.BRIGHT:
        return np.clip(picture.astype(np.uint16) + 150, 0, 255).astype(np.uint8)
    if look is Look.BLURRED:
        side = max(3, height // 24) | 1
        return np.asarray(cv2.GaussianBlur(picture, (side, side), 0), np.uint8)
    if look is Look.MOVED:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 9, 1.0)
        turn[0, 2] += width * 0.25
        return np.asarray(cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REPLICATE), np.uint8)
    return picture
