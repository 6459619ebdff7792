"""What a camera draws into its pictures: class name and date (OSD), black polygons (masks).

Owns which calls lead from what is drawn to what is wanted. Pure. Invariants: of several plain texts the
first is ours, the others stay; a new mask is drawn before an old one goes, so that nothing is bare in
between.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Generic, TypeVar

from drivers import settingtext as text
from drivers.base import Point
from drivers.onvif.mediatypes import Mask, MaskOptions, Osd

T = TypeVar("T")
_DATES = frozenset({"Date", "DateAndTime"})
PLAIN = "Plain"


class Act(StrEnum):
    """What to do with a drawing."""

    CREATE = "create"
    SET = "set"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Order(Generic[T]):
    """One call to make."""

    act: Act
    drawing: T


def label_of(osds: Iterable[Osd]) -> str:
    """Return what is drawn, as `settingtext.label_text`."""
    shown = list(osds)
    plain = next((osd.text for osd in shown if osd.kind == PLAIN and osd.text), "")
    return text.label_text(plain, any(osd.kind in _DATES for osd in shown))


def label_orders(osds: Sequence[Osd], configuration: str, label: str, date: bool) -> list[Order[Osd]]:
    """Return what leads from these texts to that label and date."""
    orders = []
    plain = next((osd for osd in osds if osd.kind == PLAIN), None)
    if label and plain is None:
        orders.append(Order(Act.CREATE, Osd(configuration, PLAIN, label, "LowerLeft")))
    elif label and plain is not None and plain.text != label:
        orders.append(Order(Act.SET, replace(plain, text=label)))
    elif not label and plain is not None:
        orders.append(Order(Act.DELETE, plain))
    dates = [osd for osd in osds if osd.kind in _DATES]
    if date and not dates:
        orders.append(Order(Act.CREATE, Osd(configuration, "DateAndTime", "", "UpperLeft")))
    elif not date:
        orders += [Order(Act.DELETE, osd) for osd in dates]
    return orders


def shown_masks(masks: Iterable[Mask], configuration: str) -> tuple[Mask, ...]:
    """Return the masks that hide something of this source: enabled, with corners inside the picture."""
    return tuple(
        mask
        for mask in masks
        if mask.enabled
        and mask.configuration in ("", configuration)
        and 3 <= len(mask.points) <= text.MOST_CORNERS
        and all(abs(value) <= 1 for point in mask.points for value in point)
    )


def mask_orders(
    masks: Sequence[Mask], configuration: str, wanted: Iterable[tuple[Point, ...]], options: MaskOptions | None
) -> list[Order[Mask]]:
    """Return what leads from these masks to exactly those polygons: new ones first."""
    kinds = options.kinds if options is not None else ()
    kind = "Color" if not kinds or "Color" in kinds else kinds[0]
    left, orders = list(masks), []
    for polygon in wanted:
        same = next((mask for mask in left if _covers_the_same(mask, polygon)), None)
        if same is not None:
            left.remove(same)
        else:
            orders.append(Order(Act.CREATE, Mask(configuration, polygon, kind)))
    return orders + [Order(Act.DELETE, mask) for mask in left]


def _covers_the_same(mask: Mask, polygon: tuple[Point, ...]) -> bool:
    return text.agrees("mask", text.mask_text((mask.points,)), text.mask_text((polygon,)))
