"""A film on disk as coded pictures: demultiplexed, never decoded.

Owns `FilmReader` and the rule which files may be read. Invariants: only files that lie directly in the
configured folder, by a plain name with a known ending; FFmpeg is handed an open file, a container format of
our choice and no option, so it never sees a name and opens nothing by itself; pictures come out in decode
order without B-frames, each key frame with its parameter sets. Blocking: worker threads only. The folder is
as trusted as the configuration: its films are parsed in this process.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

import av
from av.bitstream import BitStreamFilterContext
from av.container import InputContainer
from av.video.stream import VideoStream

from drivers.annexb import split_annex_b
from drivers.rtsp.parametersets import ParameterSets, nal_type
from gateway.core.errors import BadInput, CameraBadReply, CameraUnreachable, CameraUnsupported
from gateway.core.media import TICKS_PER_S, Codec, CodecConfig

FORMATS = {".mp4": "mp4", ".ts": "mpegts"}
"""File ending -> FFmpeg's name of the container."""
_NAME = re.compile(r"\w[\w .-]{0,99}")
_CODECS = {"h264": Codec.H264, "hevc": Codec.H265}
_FILTERS = {Codec.H264: "h264_mp4toannexb", Codec.H265: "hevc_mp4toannexb"}
_KEYS = {Codec.H264: range(5, 6), Codec.H265: range(16, 22)}
_SLICES = {Codec.H264: range(1, 6), Codec.H265: range(32)}
_SETS = {Codec.H264: range(7, 9), Codec.H265: range(32, 35)}


def film_path(folder: Path | None, name: str) -> Path:
    """Return the file called `name` in the folder.

    Raises:
        CameraUnsupported: no folder is configured.
        BadInput: the name is none, or leads out of the folder.
        CameraUnreachable: there is no such file.

    """
    if folder is None:
        raise CameraUnsupported("no folder of films is configured", key="cameras.files")
    if not _NAME.fullmatch(name) or Path(name).suffix not in FORMATS:
        raise BadInput(f"not the name of a film: {name!r}", case="film", key="address", value=name)
    path = folder / name
    if path.resolve().parent != folder.resolve():
        raise BadInput(f"{name!r} leads out of the folder of films", case="film", key="address", value=name)
    if not path.is_file():
        raise CameraUnreachable("there is no such film", address=name)
    return path


@dataclass(frozen=True, slots=True)
class Picture:
    """One coded picture of a film."""

    nals: tuple[bytes, ...]
    pts_90k: int
    """Since the film's first picture."""
    is_key: bool
    config: CodecConfig


class FilmReader:
    """Reads one film from its beginning to its end; a context manager, used by one thread at a time."""

    def __init__(self, path: Path, sets: ParameterSets | None = None) -> None:
        """Prepare to read `path`; `sets` are those of the round before, so that epochs count on."""
        self._path, self.sets = path, sets
        self._file: BinaryIO
        self._container: InputContainer
        self._stream: VideoStream
        self._pictures: Iterator[Picture] = iter(())
        self.fps = 0.0

    def __enter__(self) -> Self:
        try:
            self._file = self._path.open("rb")
        except OSError as error:
            raise CameraUnreachable("the film cannot be opened", address=self._path.name) from error
        try:
            self._open()
        except BaseException:
            self._file.close()
            raise
        self._pictures = self._read()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._container.close()
        self._file.close()

    def _open(self) -> None:
        name = self._path.name
        try:
            self._container = av.open(self._file, "r", format=FORMATS[self._path.suffix], metadata_errors="ignore")
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise CameraBadReply("the film cannot be read", address=name) from error
        videos = self._container.streams.video
        codec = _CODECS.get(videos[0].codec_context.name) if videos else None
        if codec is None:
            self._container.close()
            raise CameraUnsupported("the film has no H.264 or H.265", address=name)
        self._stream, self.sets = videos[0], self.sets or ParameterSets(codec)
        self.fps = float(self._stream.average_rate or 0)

    def batch(self, most: int) -> list[Picture]:
        """Return the next pictures, at most so many; none at the end.

        Raises:
            CameraBadReply: the file is damaged here.
            CameraUnsupported: it has B-frames, which live viewers cannot be sent.

        """
        found: list[Picture] = []
        try:
            for picture in self._pictures:
                found.append(picture)
                if len(found) == most:
                    break
        except (av.error.FFmpegError, OSError, ValueError) as error:
            raise CameraBadReply("the film is damaged", address=self._path.name) from error
        return found

    def _read(self) -> Iterator[Picture]:
        """Yield the pictures from the first key frame on."""
        assert self.sets is not None
        unwrap = BitStreamFilterContext(_FILTERS[self.sets.codec], self._stream)
        first_90k, last_90k = None, -1
        for packet in self._container.demux(self._stream):
            for plain in unwrap.filter(packet if packet.size else None):
                nals = split_annex_b(bytes(plain))
                if plain.pts is None or not self._take(nals):
                    continue
                pts_90k = round(plain.pts * plain.time_base * TICKS_PER_S)
                if pts_90k <= last_90k:
                    raise CameraUnsupported("the film has B-frames; encode it without", address=self._path.name)
                first_90k, last_90k = pts_90k if first_90k is None else first_90k, pts_90k
                yield self._picture(nals, pts_90k - first_90k)

    def _take(self, nals: list[bytes]) -> bool:
        """Remember parameter sets; say whether a decoder could show this picture."""
        sets = self.sets
        assert sets is not None
        kinds = [nal_type(sets.codec, nal) for nal in nals]
        for kind, nal in zip(kinds, nals, strict=True):
            if kind in _SETS[sets.codec]:
                sets.take(nal)
            elif kind in _KEYS[sets.codec]:
                sets.begin_key(nal)
        return sets.config is not None and any(kind in _SLICES[sets.codec] for kind in kinds)

    def _picture(self, nals: list[bytes], pts_90k: int) -> Picture:
        sets = self.sets
        assert sets is not None
        assert sets.config is not None
        kinds = [nal_type(sets.codec, nal) for nal in nals]
        kept = tuple(nal for kind, nal in zip(kinds, nals, strict=True) if kind in _SLICES[sets.codec])
        return Picture(kept, pts_90k, any(kind in _KEYS[sets.codec] for kind in kinds), sets.config)
