"""The recorder's side of the vision child: feeds it key frames, keeps the newest still of each camera.

Owns the child process and the stills in memory (never on disk). Invariants: per stream only the newest
key frame waits, older ones are dropped and counted, so a slow child delays nothing; one request is under
way at a time; a child that does not answer within `ANSWER_TIMEOUT_S`, or answers nonsense, is killed and
started again by `supervise`; the sub stream is looked at, the main stream only while no sub came lately.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gateway.core import cagedchild
from gateway.core.cagedchild import CagedChild, Proof
from gateway.core.clock import Clock
from gateway.core.errors import SegmentCorrupt, WireError
from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import PublicId, StreamRole
from recorder.feed import Feed
from recorder.vision import pipe
from recorder.vision.pipe import Jpeg, Look
from recorder.vision.shows import Show, Shows, unavailable

ANSWER_TIMEOUT_S = 5.0
SUB_IS_FRESH_NS = 10_000_000_000
STILL_EVERY_NS = 10_000_000_000
"""Without anybody asking, a still is encoded that often; it costs more than decoding."""
WATCHED_FOR_NS = 60_000_000_000
"""After somebody asked for a camera's still, every key frame is encoded for that long."""
FROZEN_KEYS = 4
FROZEN_NS = 8_000_000_000
"""So many key frames in a row, over so long, are the same bit for bit only if the camera stands still: a sensor
has noise."""
STALE_MS = 120_000
"""A picture older than this says nothing of now; a stretched GOP may have a minute."""
SHOW_TIMEOUT_S = 5.0
"""Recorded pictures come after the cameras' own; nobody waits longer for one."""
COMPARABLE_NS = 60_000_000_000
"""What moved is told by two key frames no further apart."""
BLACK = 2.0
"""A picture with no spread at all (night, lens cap) may well repeat itself: nothing is said of it."""


OnMotion = Callable[[PublicId, int, float], None]
"""Camera, UTC ms of the key frame, mean absolute luma difference to the one before."""


@dataclass(frozen=True, slots=True)
class Still:
    """The newest picture of a camera."""

    captured_ms: int
    """UTC ms of its arrival at the box."""
    role: StreamRole
    sizes: tuple[Jpeg, ...]

    def at_width(self, width: int) -> Jpeg:
        """Return the smallest picture at least `width` wide, or the largest there is."""
        wide = [jpeg for jpeg in self.sizes if jpeg.width >= width]
        return min(wide, key=lambda jpeg: jpeg.width) if wide else max(self.sizes, key=lambda jpeg: jpeg.width)


@dataclass(slots=True)
class _Waiting:
    unit: AccessUnit
    captured_ms: int


@dataclass(slots=True)
class _Eye:
    """What is kept of one camera."""

    number: int
    waiting: dict[StreamRole, _Waiting] = field(default_factory=dict)
    sub_seen_ns: int | None = None
    still: Still | None = None
    still_ns: int | None = None
    asked_ns: int | None = None
    look: Look | None = None
    look_ns: int = 0
    look_role: StreamRole = StreamRole.SUB
    same_keys: int = 0
    """Key frames in a row whose picture is the newest one's."""
    same_since_ns: int = 0


@dataclass(frozen=True, slots=True)
class Sight:
    """The figures of a camera's newest key frame, with what they mean in time."""

    look: Look
    role: StreamRole
    age_ms: int
    frozen: bool


@dataclass(frozen=True, slots=True)
class VisionFacts:
    """Figures for the status page."""

    running: bool
    sandboxed: bool
    looked: int
    dropped: int
    bad: int


class Tap:
    """The vision reader of one feed: key frames only, latest wins. Called in the network thread."""

    def __init__(self, client: VisionClient, camera: PublicId, role: StreamRole) -> None:
        self._client, self._camera, self._role = client, camera, role

    def offer(self, unit: AccessUnit) -> None:
        """Let a key frame wait for the child."""
        if unit.is_key:
            self._client.offer(self._camera, self._role, unit)

    def ended(self, code: str) -> None:
        """Nothing to do: the last still stays, with its time."""


class VisionClient:
    """Runs the child while `run` is awaited; `still` and `sight` answer from memory."""

    def __init__(
        self,
        clock: Clock,
        *,
        sandbox: bool = True,
        command: Sequence[str] = (),
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._clock, self._sandbox, self._answer_timeout_s = clock, sandbox, answer_timeout_s
        self.command = tuple(command) or cagedchild.command("recorder.vision.child", sandbox=sandbox)
        self._lock = threading.Lock()
        self._eyes: dict[PublicId, _Eye] = {}
        self._numbers = 0
        self._gone: list[int] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._work = asyncio.Event()
        self._running = False
        self._looked = self._dropped = self._bad = 0
        self._shows = Shows()
        self.on_motion: OnMotion | None = None
        """Told of every key frame that could be compared with the one before; on the event loop."""

    def attach(self, feed: Feed) -> Tap:
        """Look at a feed from now on; returns the reader, for `feed.detach`."""
        with self._lock:
            self._eyes.setdefault(feed.camera, self._new_eye())
        tap = Tap(self, feed.camera, feed.role)
        feed.attach(tap)
        return tap

    def _new_eye(self) -> _Eye:
        self._numbers += 2
        return _Eye(self._numbers)

    def forget(self, camera: PublicId) -> None:
        """Drop a camera and its still."""
        with self._lock:
            eye = self._eyes.pop(camera, None)
            if eye is not None:
                self._gone += [eye.number, eye.number + 1]
        self._wake()

    def offer(self, camera: PublicId, role: StreamRole, unit: AccessUnit) -> None:
        """Queue a key frame; any thread, never waits."""
        if unit.size_bytes > pipe.MAX_REQUEST_BYTES // 2:
            return
        age_ms = (self._clock.mono_ns() - unit.received_mono_ns) // 1_000_000
        with self._lock:
            eye = self._eyes.get(camera)
            if eye is None:
                return
            if role is StreamRole.SUB:
                eye.sub_seen_ns = unit.received_mono_ns
            elif eye.sub_seen_ns is not None and unit.received_mono_ns - eye.sub_seen_ns < SUB_IS_FRESH_NS:
                return
            self._dropped += role in eye.waiting
            eye.waiting[role] = _Waiting(unit, self._clock.now_ms() - age_ms)
        self._wake()

    def _wake(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._work.set)

    def still(self, camera: PublicId) -> Still | None:
        """Return the newest still; asking also makes the next ones fresher."""
        with self._lock:
            eye = self._eyes.get(camera)
            if eye is None:
                return None
            eye.asked_ns = self._clock.mono_ns()
            return eye.still

    def still_ms(self, camera: PublicId) -> int | None:
        """Return when the newest still was captured, without counting as asking."""
        with self._lock:
            eye = self._eyes.get(camera)
            return eye.still.captured_ms if eye is not None and eye.still is not None else None

    def sight(self, camera: PublicId) -> Sight | None:
        """Return how the newest key frame looks, and whether the picture stands still; None without a fresh one."""
        with self._lock:
            eye = self._eyes.get(camera)
            if eye is None or eye.look is None:
                return None
            age_ms = (self._clock.mono_ns() - eye.look_ns) // 1_000_000
            return Sight(eye.look, eye.look_role, age_ms, _stands_still(eye)) if age_ms <= STALE_MS else None

    async def show(self, config: CodecConfig, nals: tuple[bytes, ...], width: int) -> Jpeg:
        """Return a recorded key frame as one JPEG, at most `width` wide.

        SegmentCorrupt if it does not decode; DaemonUnavailable if the child is away or has too much to do.
        """
        if not self._running:
            raise unavailable("the vision child is not there")
        if sum(map(len, nals)) > pipe.MAX_REQUEST_BYTES // 2:
            raise SegmentCorrupt("the key frame is too large to be shown")
        show = self._shows.put(config, nals, width)
        self._wake()
        try:
            async with asyncio.timeout(SHOW_TIMEOUT_S):
                return await show.answer
        except TimeoutError as error:
            raise unavailable("the cameras' own pictures come first") from error

    def facts(self) -> VisionFacts:
        """Return the figures of the child."""
        return VisionFacts(self._running, self._sandbox, self._looked, self._dropped, self._bad)

    async def run(self) -> None:
        """Start the child and feed it until it fails (raises) or this is cancelled."""
        self._loop = asyncio.get_running_loop()
        async with CagedChild("the vision child", self.command, Proof(pipe.READY, pipe.REFUSED), heard=True) as child:
            self._running = True
            try:
                await self._serve(child)
            finally:
                self._running = False
                self._shows.refuse_all("the vision child ended")

    async def _serve(self, child: CagedChild) -> None:
        while True:
            self._work.clear()
            while True:
                if (job := self._next()) is not None:
                    await self._one(job, child)
                elif (show := self._shows.take()) is not None:
                    await self._show(show, child)
                else:
                    break
            await self._work.wait()

    async def _show(self, show: Show, child: CagedChild) -> None:
        try:
            child.requests.write(pipe.encode_show(show.config, show.nals, show.width))
            kind, body = await self._answer(child)
            if kind not in {pipe.SHOWN, pipe.BAD}:
                raise WireError(f"the vision child answered kind {kind}")
            shown = pipe.decode_shown(body) if kind == pipe.SHOWN else None
        except BaseException:
            if not show.answer.done():
                show.answer.set_exception(unavailable("the vision child ended"))
            raise
        if show.answer.done():
            return
        if shown is None:
            show.answer.set_exception(SegmentCorrupt("the key frame does not decode"))
        else:
            show.answer.set_result(shown)

    def _next(self) -> tuple[PublicId, StreamRole, _Waiting, int] | None:
        """Take the key frame that has waited longest."""
        with self._lock:
            waiting = [
                (item.unit.received_mono_ns, camera, role)
                for camera, eye in self._eyes.items()
                for role, item in eye.waiting.items()
            ]
            if not waiting:
                return None
            _, camera, role = min(waiting)
            eye = self._eyes[camera]
            return camera, role, eye.waiting.pop(role), eye.number + (role is StreamRole.SUB)

    def _wants_still(self, camera: PublicId) -> bool:
        now_ns = self._clock.mono_ns()
        with self._lock:
            eye = self._eyes.get(camera)
            if eye is None:
                return False
            watched = eye.asked_ns is not None and now_ns - eye.asked_ns < WATCHED_FOR_NS
            return watched or eye.still_ns is None or now_ns - eye.still_ns >= STILL_EVERY_NS

    async def _answer(self, child: CagedChild) -> tuple[int, bytes]:
        async with child.in_time(self._answer_timeout_s):
            await child.requests.drain()
            return await child.next(pipe.MAX_REPLY_BYTES)

    async def _one(self, job: tuple[PublicId, StreamRole, _Waiting, int], child: CagedChild) -> None:
        camera, role, item, number = job
        with self._lock:
            gone, self._gone = self._gone, []
        for stream in gone:
            child.requests.write(pipe.encode_forget(stream))
        child.requests.write(pipe.encode_decode(number, item.unit, want_stills=self._wants_still(camera)))
        kind, body = await self._answer(child)
        if kind == pipe.BAD:
            self._bad += 1
            return
        if kind != pipe.PICTURE:
            raise WireError(f"the vision child answered kind {kind}")
        look, stills = pipe.decode_picture(body)
        self._looked += 1
        with self._lock:
            eye = self._eyes.get(camera)
            if eye is None:
                return
            seen_ns = item.unit.received_mono_ns
            compared = eye.look is not None and eye.look_role is role and seen_ns - eye.look_ns <= COMPARABLE_NS
            _note(eye, look, role, seen_ns)
            if stills:
                eye.still = Still(item.captured_ms, role, stills)
                eye.still_ns = self._clock.mono_ns()
        if compared and self.on_motion is not None:
            self.on_motion(camera, item.captured_ms, look.motion)


def _note(eye: _Eye, look: Look, role: StreamRole, seen_ns: int) -> None:
    """Keep the newest figures, and count how often the same picture came again."""
    if eye.look is not None and (eye.look.crc, eye.look_role) == (look.crc, role):
        eye.same_keys += 1
    else:
        eye.same_keys, eye.same_since_ns = 1, seen_ns
    eye.look, eye.look_role, eye.look_ns = look, role, seen_ns


def _stands_still(eye: _Eye) -> bool:
    """Say whether the picture is one and the same for too many key frames and too long."""
    lasted = eye.same_keys >= FROZEN_KEYS and eye.look_ns - eye.same_since_ns >= FROZEN_NS
    return lasted and eye.look is not None and eye.look.luma_sd >= BLACK
