"""Video encoders between ONVIF's values and the texts of settings.

Owns the translation both ways. Pure. Invariants: a changed encoder is the camera's own with only the asked
parts replaced; what a camera did not say has no text, and so is never planned for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from drivers import settingtext as text
from drivers.onvif import mediatypes as types
from drivers.settings import EncoderOptions
from gateway.core.errors import CameraUnsupported
from gateway.core.media import Codec


def texts_of(encoder: types.VideoEncoder) -> dict[str, str]:
    """Return an encoder's settings as texts, by part: codec, size, fps, gop, bitrate, profile."""
    told = {
        "codec": encoder.codec.value if encoder.codec is not None else "",
        "size": text.size_text(encoder.width, encoder.height) if encoder.width and encoder.height else "",
        "fps": text.rate_text(encoder.fps) if encoder.fps > 0 else "",
        "gop": str(encoder.gop) if encoder.gop else "",
        "bitrate": str(encoder.bitrate_bps) if encoder.bitrate_bps else "",
        "profile": encoder.profile,
    }
    return {part: value for part, value in told.items() if value}


def with_parts(encoder: types.VideoEncoder, parts: Mapping[str, str]) -> types.VideoEncoder:
    """Return the encoder with these parts replaced.

    Raises:
        CameraUnsupported: an encoder has no such part, or a value is no such value.

    """
    try:
        for part, value in parts.items():
            encoder = _with(encoder, part, value)
    except ValueError as error:
        raise CameraUnsupported("an encoder cannot be set to this", parts=dict(parts)) from error
    return encoder


def _with(encoder: types.VideoEncoder, part: str, value: str) -> types.VideoEncoder:
    match part:
        case "codec":
            return replace(encoder, encoding=Codec(value).value.upper())
        case "size":
            width, height = text.read_size(value)
            return replace(encoder, width=width, height=height)
        case "fps":
            return replace(encoder, fps=float(value))
        case "gop":
            return replace(encoder, gop=int(value))
        case "bitrate":
            return replace(encoder, bitrate_bps=int(value))
        case "profile":
            return replace(encoder, profile=value)
        case _:
            raise ValueError(part)


def options_of(told: Iterable[types.EncoderOptions]) -> dict[Codec, EncoderOptions]:
    """Return what a camera offers, by codec; a codec that we do not record is left out."""
    offered = {}
    for options in told:
        codec = next((item for item in Codec if item.value.upper() == options.encoding), None)
        if codec is not None:
            offered[codec] = EncoderOptions(
                options.sizes, options.fps, _span(options.gop), _span(options.bitrate_bps), options.profiles
            )
    return offered


def _span(span: types.Span) -> tuple[int, int] | None:
    return (max(1, round(span.least)), round(span.most)) if span.most > 0 and span.least <= span.most else None
