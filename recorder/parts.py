"""What the recorder is made of, as the roof hands it over.

Owns the values `Parts` (objects of this and other packages) and `Settings` (the configuration in the recorder's
words). Nothing here acts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.secrets import SealKey
from gateway.core.supervise import FaultSink
from recorder.camera import Tools
from recorder.cameraevents import Listen
from recorder.discovery import Discovery
from recorder.exportbook import ExportBook
from recorder.exportjob import Pace, gently
from recorder.finder import FindRule
from recorder.gaps import GapLedger
from recorder.groups import GroupBook
from recorder.journal import Journal
from recorder.keyframes import AskKeyFrame
from recorder.keystore import KeyStore
from recorder.params import OpenTicket
from recorder.pending import PendingLogins
from recorder.registry import Registry
from recorder.rules import RuleBook
from recorder.runs import RunBook
from recorder.schoolday import SchoolHours
from recorder.service_activate import Activator
from recorder.service_cameras import Learn
from recorder.service_doctor import Doctor
from recorder.settingbook import SettingBook
from recorder.settings import CameraSetter
from recorder.skew import ClockReport
from recorder.store import Store
from recorder.vision.client import VisionClient


@dataclass(frozen=True, slots=True)
class Settings:
    """What the configuration says about the recorder's own behaviour."""

    control_socket: Path
    feed_socket: Path
    zone: ZoneInfo
    rules: RuleBook
    search_s: float
    sub_streams: bool
    find: FindRule | None = None
    """When a camera that is away is searched for; None = the usual rule."""
    allowed_uids: frozenset[int] | None = None
    hours: SchoolHours | None = None
    """When school is, for completeness; None = the usual week."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the roof built."""

    db: Database
    journal: Journal
    registry: Registry
    runs: RunBook
    ledger: GapLedger
    store: Store
    vision: VisionClient | None
    tools: Tools
    discovery: Discovery
    learn: Learn
    activator: Activator
    pending: PendingLogins
    groups: GroupBook
    open_ticket: OpenTicket
    watched: Callable[[bool], None]
    """Called with whether somebody watches live: pictures may then not wait."""
    daemon: Callable[[], dict[str, Any]]
    clock: Clock
    on_fault: FaultSink
    seal: SealKey
    """Seals what people write about footage."""
    keys: KeyStore | None = None
    """The school's footage key; None: footage is not encrypted."""
    listen: Listen | None = None
    """Hears what cameras report; None: nobody listens."""
    settings: tuple[SettingBook, CameraSetter] | None = None
    """The book of settings on cameras and who speaks to them; None: their calls are not offered."""
    doctor: Doctor | None = None
    """Judges cameras; None: the doctor's calls are unknown."""
    exports: ExportBook | None = None
    """The book of copies; None: their calls are not offered."""
    export_pace: Pace = gently
    """How copies rest between records."""
    lan: Callable[[], dict[str, Any]] | None = None
    """What the box serves on the cameras' network, for the status."""
    ask_key_frame: AskKeyFrame | None = None
    """Asks cameras for key frames; None: nobody does."""
    reports: Callable[[], Sequence[ClockReport]] | None = None
    """The last sender reports of all streams; None: nobody tells."""
