"""Bench `transcode`: what a watched camera without H.264 costs, beside plain ffmpeg doing the same.

Owns the source and both runs. Invariants: both get the same access units at the same pace, one process each, one
thread, the same size, rate and preset; a round in which a picture did not come out is no result; lateness is from
the moment a unit is handed over to the moment its small picture is whole on our side.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache, partial
from typing import Any

import av
import numpy as np

from bench.harness import Options, Reading, Table, Variant, compare
from bench.schedstat import Meter, memory_of
from drivers.annexb import split_annex_b
from gateway.core.media import TICKS_PER_S, AccessUnit, Codec, CodecConfig
from gateway.core.reap import reap
from gateway.live.transcoder.pace import FPS, HEIGHT, WIDTH
from gateway.live.transcoder.process import Transcoder, command

SOURCE_FPS, GOP_S, LOOP_S = 20, 2, 4
SHAPES = {"640x360": 400_000, "1920x1080": 2_000_000, "2560x1440": 3_000_000, "3840x2160": 6_000_000}
"""Size of the source and its bits a second, as cameras are set."""
SETTLE_S = 2.0
MOST_S = 10.0
LOOK_EVERY = 10
MOST_BEHIND_S = 0.5
NOTES = (
    "H.265 in, 20 pictures a second, GOP 2 s, sensor noise; out: H.264 baseline 640x360, 10 pictures a second.",
    "ffmpeg: the system's own, hevc and libx264 with one thread each, `fps` and `scale`, the same preset and rate.",
    "Its lateness has in it what a raw stream and `fps` wait for: the picture after, in (50 ms) and out (100 ms).",
    "Fed: CPU of this process meanwhile, which is vuon-live's share: it feeds the pipe and takes the pictures.",
)
_VPS, _SPS, _PPS = 32, 33, 34


@lru_cache(maxsize=1)
def source(size: str) -> tuple[AccessUnit, ...]:
    """Encode a loop of a panning, noisy picture as a camera would."""
    width, height = map(int, size.split("x"))
    encoder = av.CodecContext.create("libx265", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, SOURCE_FPS), Fraction(SOURCE_FPS, 1)
    encoder.bit_rate, keys = SHAPES[size], GOP_S * SOURCE_FPS
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "x265-params": f"keyint={keys}:min-keyint={keys}:scenecut=0:bframes=0:repeat-headers=1:log-level=none",
    }
    dice = np.random.default_rng(1)
    scene = dice.integers(0, 255, (height // 16 + 12, width // 16 + 24), dtype=np.uint8).repeat(16, 0).repeat(16, 1)
    packets = []
    for number in range(LOOP_S * SOURCE_FPS):
        luma = scene[number : number + height, 2 * number : 2 * number + width].astype(np.int16)
        luma += dice.integers(-3, 4, luma.shape, dtype=np.int16)
        grey = av.VideoFrame.from_ndarray(np.clip(luma, 0, 255).astype(np.uint8), format="gray")
        frame = grey.reformat(format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return tuple(_units(packets, width, height))


def _units(packets: list[av.Packet[av.VideoStream]], width: int, height: int) -> list[AccessUnit]:
    units: list[AccessUnit] = []
    config = CodecConfig(Codec.H265, b"", b"", width=width, height=height)
    for number, packet in enumerate(packets):
        nals = split_annex_b(bytes(packet))
        kinds = {nal[0] >> 1 & 0x3F: nal for nal in nals}
        if kinds.keys() >= {_VPS, _SPS, _PPS} and not config.sps:
            config = CodecConfig(Codec.H265, kinds[_SPS], kinds[_PPS], kinds[_VPS], width, height, 1)
        slices = tuple(nal for nal in nals if nal[0] >> 1 & 0x3F < _VPS)
        is_key = any(16 <= nal[0] >> 1 & 0x3F <= 21 for nal in slices)
        units.append(AccessUnit(slices, number * TICKS_PER_S // SOURCE_FPS, is_key, 0, config))
    return units


@dataclass(slots=True)
class Clocked:
    """When each source picture was handed over, and what came of it."""

    given_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    octets: int = 0
    behind_s: float = 0.0
    """How late the last picture was handed over: the machine, or the way measured, does not keep up."""

    def reading(self, meter: Meter, own: Meter, rss_bytes: int, seconds: float) -> Reading:
        """Return a round's figures; invalid when pictures are missing."""
        late = sorted(self.late_s) or [0.0]
        missing = round(seconds * FPS) - len(self.late_s)
        invalid = f"{missing} pictures missing" if missing > 2 else ""
        if self.behind_s > MOST_BEHIND_S:
            invalid = f"{self.behind_s:.1f} s behind at the end"
        return Reading(
            {
                "CPU %": meter.used().cpu_percent,
                "fed %": own.used().cpu_percent,
                "late p50 ms": 1000 * late[len(late) // 2],
                "late p99 ms": 1000 * late[len(late) * 99 // 100],
                "kbit/s out": self.octets * 8 / seconds / 1000,
                "RSS MB": rss_bytes / 1e6,
            },
            invalid,
        )


async def paced(number: int, began_s: float) -> float:
    """Wait until a picture is due; returns by how much it is late."""
    late_s = time.monotonic() - began_s - number / SOURCE_FPS
    await asyncio.sleep(max(0.0, -late_s))
    return max(0.0, late_s)


async def ours(size: str, seconds: float) -> Reading:
    """Measure our process."""
    loop = source(size)
    out = Clocked()
    async with Transcoder(command()) as transcoder:
        meter, own = Meter([transcoder.pid], time.monotonic), Meter([os.getpid()], time.monotonic)
        began_s = time.monotonic()
        settle, whole = round(SETTLE_S * SOURCE_FPS), round((SETTLE_S + seconds) * SOURCE_FPS)
        for number in range(whole):
            out.behind_s = await paced(number, began_s)
            if number >= settle and (number - settle) % LOOK_EVERY == 0:
                meter.look()
                own.look()
            unit = loop[number % len(loop)]
            pts_90k = number * TICKS_PER_S // SOURCE_FPS
            given_s = time.monotonic()
            made = await transcoder.give(AccessUnit(unit.nals, pts_90k, unit.is_key, 0, unit.config))
            if number >= settle and made:
                out.late_s.append(time.monotonic() - given_s)
                out.octets += sum(item.size_bytes for item in made)
        meter.look()
        own.look()
        return out.reading(meter, own, memory_of([transcoder.pid]).rss_bytes, seconds)


def ffmpeg() -> list[str]:
    """Return the control's command."""
    return [
        shutil.which("ffmpeg") or "ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-flags", "low_delay",
        "-fflags", "nobuffer", "-probesize", "32", "-framerate", str(SOURCE_FPS), "-f", "hevc", "-i", "pipe:0",
        "-filter_threads", "1", "-vf", f"fps={FPS},scale={WIDTH}:{HEIGHT}:flags=fast_bilinear",
        "-c:v", "libx264", "-threads", "1", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline",
        "-crf", "26", "-maxrate", "700k", "-bufsize", "700k", "-g", str(GOP_S * FPS), "-bf", "0",
        "-flush_packets", "1", "-f", "h264", "pipe:1",
    ]  # fmt: skip


def pictures_in(data: bytes) -> int:
    """Count the slices in a piece of an Annex B stream (one a picture)."""
    kinds = Counter(nal[0] & 0x1F for nal in split_annex_b(data))
    return kinds[1] + kinds[5]


async def control(size: str, seconds: float) -> Reading:
    """Measure ffmpeg."""
    loop = source(size)
    out = Clocked()
    process = await asyncio.create_subprocess_exec(
        *ffmpeg(), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    settle, whole = round(SETTLE_S * SOURCE_FPS), round((SETTLE_S + seconds) * SOURCE_FPS)
    reading = asyncio.create_task(_listen(process.stdout, out, settle))
    meter, own = Meter([process.pid], time.monotonic), Meter([os.getpid()], time.monotonic)
    began_s = time.monotonic()
    rss_bytes = 0
    try:
        for number in range(whole):
            out.behind_s = await paced(number, began_s)
            if number >= settle and (number - settle) % LOOK_EVERY == 0:
                meter.look()
                own.look()
                rss_bytes = memory_of([process.pid]).rss_bytes
            unit = loop[number % len(loop)]
            sets = (unit.config.vps, unit.config.sps, unit.config.pps) if unit.is_key else ()
            out.given_s.append(time.monotonic())
            process.stdin.write(b"".join(b"\0\0\0\1" + nal for nal in (*sets, *unit.nals)))
            await process.stdin.drain()
        meter.look()
        own.look()
        process.stdin.close()
        await reading
    finally:
        reading.cancel()
        await asyncio.wait([reading])
        await reap(process)
    return out.reading(meter, own, rss_bytes, seconds)


async def _listen(stdout: asyncio.StreamReader, out: Clocked, settle: int) -> None:
    """Take what comes out; picture k is of source picture k * SOURCE_FPS / FPS."""
    every, shown = SOURCE_FPS // FPS, 0
    while data := await stdout.read(1 << 20):
        now_s = time.monotonic()
        for _ in range(pictures_in(data)):
            number = shown * every
            shown += 1
            if number >= settle and number < len(out.given_s):
                out.late_s.append(now_s - out.given_s[number])
        out.octets += len(data) if shown * every > settle else 0


def run(options: Options) -> list[Table]:
    """Measure each size of source."""
    seconds = min(options.seconds, MOST_S)
    tables = []
    for size in SHAPES:
        variants = [
            Variant("transcoder (caged)", partial(_measured, ours, size, seconds)),
            Variant("ffmpeg", partial(_measured, control, size, seconds), control=True),
        ]
        tables.append(compare(f"transcode: H.265 {size} to 640x360", variants, options, NOTES))
        source.cache_clear()
    return tables


def _measured(way: Callable[[str, float], Coroutine[Any, Any, Reading]], size: str, seconds: float) -> Reading:
    source(size)
    return asyncio.run(way(size, seconds))
