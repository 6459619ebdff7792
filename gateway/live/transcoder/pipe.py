"""Messages between vuon-live and a transcoder's process, over its stdin and stdout.

Owns the kinds of message beside those of the feed socket, whose CONFIG and UNIT frames both sides speak
(`core/feedwire.py`). Invariants: each unit, shown or quiet, is answered by at most `MOST_ANSWERS` CONFIG and UNIT
frames and one DONE; KEY is not answered; both sides cap the length before they allocate; what the process says
is untrusted (it decodes untrusted video) and parsed as such.
"""

from __future__ import annotations

from gateway.core import feedwire
from gateway.core.media import AccessUnit

READY, REFUSED, QUIET, KEY, DONE = 101, 102, 103, 104, 105
"""READY and REFUSED open the conversation. QUIET is a UNIT that is decoded but not shown. DONE has one byte: how
often decoding failed."""
MOST_UNIT_BYTES = 8 << 20
"""Pictures above that are not transcoded; key frames of 4K cameras are below 4 MB."""
MOST_ANSWER_BYTES = 1 << 20
"""A picture of 640x360."""
MOST_ANSWERS = 34
"""A decoder holds back at most 16 pictures (B-frames); each may come with a configuration."""


def encode_quiet(unit: AccessUnit) -> bytes:
    """Return the QUIET frame of a unit."""
    whole = feedwire.encode_unit(unit)
    return feedwire.frame(QUIET, whole[feedwire.HEAD.size :])


def encode_done(bad: int) -> bytes:
    """Return the DONE frame."""
    return feedwire.frame(DONE, bytes((min(bad, 255),)))
