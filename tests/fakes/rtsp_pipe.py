"""An RTSP session and a fake camera joined without sockets."""

from __future__ import annotations

from dataclasses import dataclass, field

from drivers.gate import LoginGate
from drivers.rtsp.protocol import Phase, RtspSession, Timeouts
from drivers.rtsp.source import RtspSource
from drivers.rtsp.tracks import Tracks
from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import Login, Secret
from tests.fakes.rtsp_server import FakeCamera

SECOND = 1_000_000_000
SOURCE = RtspSource("10.0.0.5", 554, "/live")
RIGHT = "right horse"


def gate(password: str = RIGHT) -> LoginGate:
    return LoginGate(Login("admin", Secret(password)))


@dataclass
class Collected:
    """A sink that keeps everything."""

    configs: list[CodecConfig | None] = field(default_factory=list)
    units: list[AccessUnit] = field(default_factory=list)

    def playing(self, config: CodecConfig | None) -> None:
        self.configs.append(config)

    def unit(self, unit: AccessUnit) -> None:
        assert self.configs, "a unit before playing"
        self.units.append(unit)


class Pipe:
    """Carries bytes both ways until both are quiet; `now_ns` is the session's clock."""

    def __init__(
        self,
        camera: FakeCamera,
        login: LoginGate | None = None,
        *,
        chunk: int = 1 << 20,
        timeouts: Timeouts | None = None,
        source: RtspSource = SOURCE,
        tracks: Tracks | None = None,
    ) -> None:
        self.camera, self.sink, self.gate = camera, Collected(), login or gate()
        self.session = RtspSession(source, self.gate, self.sink, timeouts=timeouts, random_bytes=bytes, tracks=tracks)
        self.sent = b""
        """All bytes our side ever sent."""
        self.now_ns = 0
        self._chunk = chunk

    @property
    def phase(self) -> Phase:
        return self.session.phase

    def start(self) -> Pipe:
        self.session.start(self.now_ns, "10.0.0.2")
        return self.pump()

    def pump(self) -> Pipe:
        """Let both talk until nothing more is said."""
        while out := self.session.take_output():
            self.sent += out
            self.feed(self.camera.receive(out))
        return self

    def feed(self, data: bytes) -> Pipe:
        """Give the session bytes of the camera, in chunks."""
        for at in range(0, len(data), self._chunk):
            self.session.receive(data[at : at + self._chunk], self.now_ns)
        return self

    def wait(self, seconds: float, step_s: float = 0.25) -> Pipe:
        """Let time pass, ticking as the network does."""
        for _ in range(round(seconds / step_s)):
            self.now_ns += int(step_s * SECOND)
            self.session.tick(self.now_ns)
            self.pump()
        return self
