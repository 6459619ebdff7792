"""The paper of a recovery holder, as one printable file.

Owns its words and form. Invariants: one file that loads nothing; it shows the private half as groups with checks and
as a QR code, and nothing else in the project ever shows it; it says what it is for, whom to call, and that losing
passphrase and both sheets loses the recordings.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import segno

from gateway.core.config import Site
from gateway.core.i18n import Catalogue
from gateway.core.keysheet import RecoveryKey, encode_sheet, qr_text


@dataclass(frozen=True, slots=True)
class RecoverySheet:
    """One sheet; rendered in one language."""

    key: RecoveryKey
    site: Site
    made_ms: int

    def html(self, words: Catalogue) -> str:
        """Return the whole file."""
        from gateway.cli.sheet import template  # noqa: PLC0415 - jinja2 is for printing only

        lines = encode_sheet(self.key)
        qr = segno.make(qr_text(lines), error="m", micro=False)
        day = dt.datetime.fromtimestamp(self.made_ms / 1000, ZoneInfo(self.site.timezone)).strftime("%d/%m/%Y")
        page: str = template("recovery.html").render(
            t=words.text,
            lang=words.language,
            site=self.site,
            place=self.key.place,
            day=day,
            lines=[line.split(" ") for line in lines],
            qr=qr.svg_data_uri(scale=5, border=4),
        )
        return page
