"""What ffprobe says of an exported file: the foreign player that judges our footage."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Media:
    """Packets of the only video stream, in order."""

    codec: str
    width: int
    times_s: tuple[float, ...]
    decoded: int

    def longest_step_s(self) -> float:
        """Return the longest time between two pictures."""
        return max((b - a for a, b in zip(self.times_s, self.times_s[1:], strict=False)), default=0.0)


def probe(path: Path) -> Media:
    """Read and decode a file with ffprobe; a message of its own is a failure."""
    command = ["ffprobe", "-v", "error", "-count_frames", "-of", "json"]
    command += ["-show_entries", "stream=codec_name,width,nb_read_frames:packet=pts_time", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stderr == "", done.stderr
    found = json.loads(done.stdout)
    (stream,) = found["streams"]
    times = tuple(float(packet["pts_time"]) for packet in found["packets"])
    return Media(stream["codec_name"], stream["width"], times, int(stream["nb_read_frames"]))
