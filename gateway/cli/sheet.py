"""The acceptance sheet: what was found at the handover, as one printable file.

Owns the words and the form; everything it says was asked before (`gateway.cli.handover`). Invariants: one file
that loads nothing (its policy forbids it), every text escaped; no secret has a place in it; what was not
examined is said so and never counted as well; a page is A4.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from gateway.cli import show
from gateway.cli.cameras import CODECS
from gateway.cli.stills import Still
from gateway.core.config import Config
from gateway.core.i18n import Catalogue

MARKS = {"red": show.BAD, "yellow": show.LOOK}
MASK = "no_mask"
Lines = list[tuple[str, str, str]]
"""Faults as the sheet shows them: mark, severity, text."""


@dataclass(frozen=True, slots=True)
class Visit:
    """What is known of one camera: rows of `status` and `camera.list`, its class, first footage, still, report."""

    about: Mapping[str, Any]
    class_name: str | None
    first_ms: int | None
    """When the oldest footage that is kept begins."""
    still: Still | None
    no_still: str = ""
    """Error or reason code; empty where there is a still, or none came yet."""
    report: Mapping[str, Any] | None = None
    """What the doctor found: faults, unknown, fine."""
    not_examined: str = ""
    """Error code when the doctor could not look; empty with a report, or where there is no doctor."""


@dataclass(frozen=True, slots=True)
class Handover:
    """Everything the sheet says."""

    config: Config
    made_ms: int
    version: str
    time_trusted: bool
    volumes: Sequence[Mapping[str, Any]]
    visits: Sequence[Visit]
    box_report: Mapping[str, Any] | None = None
    accepted: bool = field(default=False)


class Sheet:
    """Renders a handover in one language; pure but for the template."""

    def __init__(self, handover: Handover, words: Catalogue) -> None:
        self._all, self._words = handover, words
        self._zone = handover.config.site.timezone

    def html(self) -> str:
        """Return the whole file."""
        made = self._all
        page: str = template("handover.html").render(
            t=self._words.text,
            lang=self._words.language,
            site=made.config.site,
            made_at=self._moment(made.made_ms),
            time_trusted=made.time_trusted,
            summary=self._summary(),
            cameras=[self._camera(visit) for visit in made.visits],
            box_faults=self._faults(made.box_report) if made.box_report is not None else [],
        )
        return page

    def _summary(self) -> list[tuple[str, str]]:
        made, text = self._all, self._words.text
        recording = sum(bool(visit.about.get("recording")) for visit in made.visits)
        keep = made.config.retention
        limit = keep.max_bytes_per_stream
        kept = text("sheet.kept", days=keep.days)
        if limit:
            kept += "; " + text("sheet.kept_most", size=show.number(limit / show.GIB, self._words.language, 1))
        disks = "; ".join(
            text("sheet.disk", size=show.number(row["total_bytes"] / show.GIB, self._words.language), path=row["path"])
            for row in made.volumes
        )
        return [
            ("sheet.count", text("sheet.of", good=recording, count=len(made.visits))),
            ("sheet.retention", kept),
            ("sheet.disks", disks or show.NOTHING),
            ("sheet.encrypted", text("sheet.yes" if made.config.recording.encrypt else "sheet.no")),
            ("sheet.version", made.version),
            ("sheet.doctor", text("sheet.examined" if self._examined() else "sheet.not_examined")),
        ]

    def _examined(self) -> bool:
        return bool(self._all.visits) and all(visit.report is not None for visit in self._all.visits)

    def _camera(self, visit: Visit) -> dict[str, Any]:
        about, text = visit.about, self._words.text
        good = bool(about.get("recording"))
        faults = self._faults(visit.report) if visit.report is not None else [self._unexamined(visit)]
        return {
            "name": str(about["name"]),
            "class_name": visit.class_name or text("sheet.no_class"),
            "recording": f"{show.GOOD} {text('sheet.yes')}" if good else f"{show.BAD} {text('sheet.no')}",
            "fault_count": len(visit.report["faults"]) if visit.report is not None else "?",
            "picture": _data_uri(visit.still) if visit.still is not None else "",
            "taken": text("sheet.taken", at=self._moment(visit.still.captured_ms)) if visit.still is not None else "",
            "no_picture": self._no_picture(visit),
            "rows": self._rows(visit),
            "faults": faults or [(show.GOOD, "fine", text("sheet.no_faults"))],
        }

    def _rows(self, visit: Visit) -> list[tuple[str, str]]:
        about, text = visit.about, self._words.text
        device = " ".join(str(about.get(key) or "") for key in ("manufacturer", "model")).strip()
        since = self._moment(visit.first_ms) if visit.first_ms is not None else text("sheet.unknown")
        rows = [
            ("sheet.class", visit.class_name or text("sheet.no_class")),
            ("sheet.device", device or text("sheet.unknown")),
            ("sheet.firmware", str(about.get("firmware") or text("sheet.unknown"))),
            ("sheet.serial", str(about.get("serial") or text("sheet.unknown"))),
            ("sheet.address", " / ".join(str(about[key]) for key in ("address", "mac") if about.get(key))),
        ]
        rows += [(f"sheet.stream.{row['stream']}", self._stream(row)) for row in about.get("streams", [])]
        rows += [
            ("sheet.since", since),
            ("sheet.gaps", text("sheet.gaps_today", count=about.get("gaps_today", 0), s=self._gap_s(about))),
            ("sheet.mask", text(f"sheet.mask.{_mask(visit.report)}")),
        ]
        return rows

    def _gap_s(self, about: Mapping[str, Any]) -> str:
        return show.number(float(about.get("gap_seconds_today") or 0), self._words.language)

    def _stream(self, row: Mapping[str, Any]) -> str:
        language, parts = self._words.language, []
        if row.get("width") and row.get("height"):
            parts.append(f"{row['width']}×{row['height']}")
        if row.get("fps"):
            parts.append(self._words.text("cli.stream.fps", fps=show.number(row["fps"], language)))
        if row.get("codec"):
            parts.append(CODECS.get(str(row["codec"]).lower(), str(row["codec"])))
        if row.get("bitrate_bps"):
            parts.append(show.number(row["bitrate_bps"] / 1e6, language, 1) + "\N{NO-BREAK SPACE}Mb/s")
        return ", ".join(parts) or self._words.text("sheet.unknown")

    def _faults(self, report: Mapping[str, Any]) -> Lines:
        lines = [
            (MARKS.get(item["severity"], show.LOOK), str(item["severity"]), self._fault(item))
            for item in report["faults"]
        ]
        if unknown := report.get("unknown"):
            topics = ", ".join(self._words.texts.get(f"fault.{code}.topic", code) for code in unknown)
            lines.append(("?", "unknown", self._words.text("sheet.not_known", what=topics)))
        return lines

    def _fault(self, item: Mapping[str, Any]) -> str:
        template = self._words.texts.get(f"fault.{item['code']}")
        if template is None:  # of another version
            return str(item["code"])
        figures = {name: self._figure(value) for name, value in (item.get("figures") or {}).items()}
        try:
            return template.format(**figures)
        except (KeyError, IndexError, ValueError):  # figures of another version
            return template

    def _figure(self, value: object) -> str:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return show.number(value, self._words.language, 0 if value == int(value) else 1)
        return str(value)

    def _unexamined(self, visit: Visit) -> tuple[str, str, str]:
        why = self._words.error(visit.not_examined)[0] if visit.not_examined else ""
        text = self._words.text("sheet.not_examined")
        return "?", "unknown", f"{text}: {why}" if why else text

    def _no_picture(self, visit: Visit) -> str:
        key = f"sheet.no_picture.{visit.no_still}"
        return self._words.text(key if key in self._words.texts else "sheet.no_picture")

    def _moment(self, at_ms: int) -> str:
        return f"{dt.datetime.fromtimestamp(at_ms / 1000, ZoneInfo(self._zone)):%d/%m/%Y %H:%M:%S}"


def _mask(report: Mapping[str, Any] | None) -> str:
    """Return what the doctor says of the privacy mask: missing, fine (has one, or needs none), unknown."""
    if report is None:
        return "unknown"
    if any(item["code"] == MASK for item in report["faults"]):
        return "missing"
    return "fine" if MASK in report.get("fine", ()) else "unknown"


def _data_uri(still: Still) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(still.jpeg).decode("ascii")


@lru_cache(maxsize=4)
def template(name: str) -> Any:
    """Return one of the printable forms."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # noqa: PLC0415 - no other command needs it

    return Environment(
        loader=PackageLoader("gateway.cli", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)
