"""What `/metrics` tells: the health of cameras, disks and live video, and never who watches or what is seen.

Owns the registry of names and the reading of the daemons' statuses into samples. Pure. Invariants: labels are public
ids, codes and roles of streams only; no name of a person, child, class, camera or site, no address, no folder, no
grant; a daemon that does not answer is `vuon_up 0` and has no other figure; each name has a row in
docs/ref/metrics.md.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gateway.health.exposition import Metric, Sample

_CAMERA, _STREAM = ("camera",), ("camera", "stream")
_WAY = ("camera", "stream", "path")
"""Open sessions are told by what they share: a label of their own would be a series that nobody ends."""

METRICS: tuple[Metric, ...] = (
    Metric("vuon_up", "gauge", "1 if the daemon answers.", ("daemon",)),
    Metric("vuon_uptime_seconds", "gauge", "Time since the daemon began.", ("daemon",)),
    Metric("vuon_resident_bytes", "gauge", "Memory that the daemon holds.", ("daemon",)),
    Metric(
        "vuon_condition", "gauge", "1 for what is wrong now; docs/ref/conditions.md.", ("code", "about", "severity")
    ),
    Metric("vuon_time_trusted", "gauge", "1 if the recorder's clock may decide about deletion."),
    Metric("vuon_cameras", "gauge", "Cameras the box has."),
    Metric("vuon_cameras_up", "gauge", "Cameras that are connected."),
    Metric("vuon_cameras_recording", "gauge", "Cameras that are recorded."),
    Metric("vuon_camera_up", "gauge", "1 if the camera is connected.", _CAMERA),
    Metric("vuon_camera_recording", "gauge", "1 if the camera is recorded.", _CAMERA),
    Metric("vuon_camera_frozen", "gauge", "1 if its picture stands still.", _CAMERA),
    Metric("vuon_camera_gaps_today", "gauge", "Gaps in the footage since midnight.", _CAMERA),
    Metric("vuon_camera_gap_seconds_today", "gauge", "Time without footage since midnight.", _CAMERA),
    Metric("vuon_camera_complete_ratio", "gauge", "Share of the school day without a gap.", _CAMERA),
    Metric("vuon_camera_clock_skew_seconds", "gauge", "By how much its clock is ahead of the box's.", _CAMERA),
    Metric("vuon_stream_fps", "gauge", "Pictures a second that arrive.", _STREAM),
    Metric("vuon_stream_bits_per_second", "gauge", "Rate that arrives.", _STREAM),
    Metric("vuon_stream_lost_packets_total", "counter", "Packets lost between camera and box in this run.", _STREAM),
    Metric("vuon_stream_reader_drops_total", "counter", "Pictures left out for readers that were too slow.", _STREAM),
    Metric("vuon_stream_last_segment_seconds", "gauge", "UTC of the newest picture on disk.", _STREAM),
    Metric("vuon_volume_ok", "gauge", "1 if the footage disk is in use.", ("volume",)),
    Metric("vuon_volume_free_bytes", "gauge", "Free on the footage disk.", ("volume",)),
    Metric("vuon_volume_size_bytes", "gauge", "Size of the footage disk.", ("volume",)),
    Metric("vuon_vision_looked_total", "counter", "Key frames looked at."),
    Metric("vuon_vision_dropped_total", "counter", "Key frames left out because newer ones waited."),
    Metric("vuon_vision_bad_total", "counter", "Key frames that could not be decoded."),
    Metric("vuon_upstream_waiting", "gauge", "Documents that wait for the hub.", ("lane",)),
    Metric("vuon_upstream_connected", "gauge", "1 if the hub answers; absent without a hub."),
    Metric("vuon_live_sessions", "gauge", "Connections of viewers.", ("state",)),
    Metric("vuon_live_viewers", "gauge", "Connections by camera.", _CAMERA),
    Metric("vuon_live_places", "gauge", "What viewers are given: video, smaller, turn, stills.", ("place",)),
    Metric("vuon_live_outside", "gauge", "Viewers beyond the uplink."),
    Metric("vuon_live_waiting", "gauge", "Guardians whose turn has not come."),
    Metric("vuon_live_turns_total", "counter", "Turns given at a full uplink."),
    Metric("vuon_live_cpu_ratio", "gauge", "Share of one core that live video uses."),
    Metric("vuon_live_late_ratio", "gauge", "Share of the last seconds in which pictures left late."),
    Metric("vuon_live_full", "gauge", "1 while the box computes at its limit."),
    Metric(
        "vuon_live_uplink_limit_bits_per_second", "gauge", "live.uplink_bps; absent where viewers are on the LAN only."
    ),
    Metric("vuon_live_uplink_bits_per_second", "gauge", "What viewers outside draw."),
    Metric("vuon_live_uplink_dropped_frames_total", "counter", "Pictures dropped because the uplink was behind."),
    Metric("vuon_live_frames_total", "counter", "Pictures sent."),
    Metric("vuon_live_packets_total", "counter", "RTP packets sent."),
    Metric("vuon_live_bytes_total", "counter", "Bytes sent."),
    Metric("vuon_live_skipped_frames_total", "counter", "Pictures left out for viewers whose socket was full."),
    Metric("vuon_live_full_socket_total", "counter", "Times a viewer's socket was full."),
    Metric("vuon_live_too_late_total", "counter", "Times the uplink was too full for a viewer's pictures."),
    Metric("vuon_live_nacks_total", "counter", "Packets that viewers asked for again."),
    Metric("vuon_live_resent_total", "counter", "Packets sent again."),
    Metric("vuon_live_switched_total", "counter", "Changes between main and sub."),
    Metric("vuon_live_ended_total", "counter", "Sessions that ended, by reason.", ("reason",)),
    Metric("vuon_live_paths_total", "counter", "Sessions that ended, by way: host, srflx, relay, none.", ("path",)),
    Metric("vuon_live_dropped_packets_total", "counter", "Packets of strangers that the filters dropped.", ("kind",)),
    Metric("vuon_live_open_sessions", "gauge", "Open sessions.", _WAY),
    Metric("vuon_live_open_frames", "gauge", "Pictures sent to open sessions.", _WAY),
    Metric("vuon_live_open_bytes", "gauge", "Bytes sent to open sessions.", _WAY),
    Metric("vuon_live_open_lost_packets", "gauge", "Packets that their receivers missed.", _WAY),
    Metric("vuon_live_open_resent", "gauge", "Packets sent again to open sessions.", _WAY),
    Metric("vuon_live_open_loss_ratio", "gauge", "Loss in the last report: the worst of the open sessions.", _WAY),
    Metric("vuon_live_open_rtt_seconds", "gauge", "Round trip: the longest of the open sessions.", _WAY),
    Metric("vuon_live_open_age_seconds", "gauge", "Time since the oldest of the open sessions began.", _WAY),
)

_CAMERA_FLAGS = {"vuon_camera_up": "connected", "vuon_camera_recording": "recording", "vuon_camera_frozen": "frozen"}
_STREAM_FIGURES = {
    "vuon_stream_fps": "fps",
    "vuon_stream_bits_per_second": "bitrate_bps",
    "vuon_stream_lost_packets_total": "lost_packets",
    "vuon_stream_reader_drops_total": "reader_drops",
}
_TOTALS = ("frames", "packets", "bytes", "skipped_frames", "full_socket", "too_late", "nacks", "resent", "switched")
_OPEN_FIGURES: Mapping[str, tuple[str, float, Callable[[list[float]], float]]] = {
    "vuon_live_open_frames": ("frames", 1.0, sum),
    "vuon_live_open_bytes": ("bytes", 1.0, sum),
    "vuon_live_open_lost_packets": ("lost", 1.0, sum),
    "vuon_live_open_resent": ("resent", 1.0, sum),
    "vuon_live_open_loss_ratio": ("loss_pct", 0.01, max),
    "vuon_live_open_rtt_seconds": ("rtt_ms", 0.001, max),
    "vuon_live_open_age_seconds": ("age_s", 1.0, max),
}
"""What of a session's facts, in which unit, and what is told of several."""

Status = Mapping[str, Any]


def samples_of(
    daemons: Mapping[str, Status | None], conditions: Sequence[Mapping[str, str]], waiting: Mapping[str, int]
) -> Iterator[Sample]:
    """Yield every figure.

    Args:
        daemons: `status` of recorder, live and gateway; None for one that does not answer.
        conditions: `{code, subject, severity}` of what is wrong now.
        waiting: documents that wait for the hub, by lane.

    """
    for name, status in daemons.items():
        facts = (status or {}).get("daemon", {})
        yield Sample("vuon_up", (name,), float(status is not None))
        yield Sample("vuon_uptime_seconds", (name,), facts.get("uptime_s"))
        yield Sample("vuon_resident_bytes", (name,), facts.get("rss_bytes"))
    for item in conditions:
        yield Sample("vuon_condition", (item["code"], item["subject"], item["severity"]), 1.0)
    for lane, count in waiting.items():
        yield Sample("vuon_upstream_waiting", (lane,), count)
    upstream = (daemons.get("gateway") or {}).get("upstream", {})
    if upstream.get("configured"):
        yield Sample("vuon_upstream_connected", (), float(bool(upstream.get("connected"))))
    if (recorder := daemons.get("recorder")) is not None:
        yield from _recorder(recorder)
    if (live := daemons.get("live")) is not None:
        yield from _live(live)


def _recorder(status: Status) -> Iterator[Sample]:
    cameras = status.get("cameras", ())
    yield Sample("vuon_time_trusted", (), _flag(status.get("time_trusted")))
    yield Sample("vuon_cameras", (), len(cameras))
    yield Sample("vuon_cameras_up", (), sum(bool(camera.get("connected")) for camera in cameras))
    yield Sample("vuon_cameras_recording", (), sum(bool(camera.get("recording")) for camera in cameras))
    for camera in cameras:
        yield from _camera(camera)
    for number, volume in enumerate(status.get("volumes", ()), 1):
        label, well = (str(volume.get("id") or number),), volume.get("state") == "ok"
        yield Sample("vuon_volume_ok", label, float(well))
        yield Sample("vuon_volume_free_bytes", label, volume.get("free_bytes") if well else None)
        yield Sample("vuon_volume_size_bytes", label, volume.get("total_bytes") if well else None)
    vision = status.get("vision") or {}
    for name in ("looked", "dropped", "bad"):
        yield Sample(f"vuon_vision_{name}_total", (), vision.get(name))


def _camera(camera: Status) -> Iterator[Sample]:
    label, skew_ms = (str(camera["id"]),), camera.get("skew_ms")
    for name, key in _CAMERA_FLAGS.items():
        yield Sample(name, label, _flag(camera.get(key)))
    yield Sample("vuon_camera_gaps_today", label, camera.get("gaps_today"))
    yield Sample("vuon_camera_gap_seconds_today", label, camera.get("gap_seconds_today"))
    percent = (camera.get("complete") or {}).get("percent")
    yield Sample("vuon_camera_complete_ratio", label, None if percent is None else percent / 100)
    yield Sample("vuon_camera_clock_skew_seconds", label, None if skew_ms is None else skew_ms / 1000)
    for stream in camera.get("streams", ()):
        both, last_ms = (str(camera["id"]), str(stream["stream"])), stream.get("last_segment_ms")
        for name, key in _STREAM_FIGURES.items():
            yield Sample(name, both, stream.get(key))
        yield Sample("vuon_stream_last_segment_seconds", both, None if last_ms is None else last_ms / 1000)


def _live(status: Status) -> Iterator[Sample]:
    rows, places = status.get("open", ()), status.get("places", {})
    for state, count in Counter(str(row["state"]) for row in rows).items():
        yield Sample("vuon_live_sessions", (state,), count)
    yield from _by_label("vuon_live_viewers", status.get("viewers", {}))
    yield from _by_label("vuon_live_places", places.get("places", {}))
    yield Sample("vuon_live_outside", (), places.get("outside"))
    yield Sample("vuon_live_waiting", (), places.get("waiting"))
    yield Sample("vuon_live_turns_total", (), places.get("turns_given"))
    yield Sample("vuon_live_cpu_ratio", (), places.get("cpu"))
    yield Sample("vuon_live_late_ratio", (), places.get("late"))
    yield Sample("vuon_live_full", (), _flag(places.get("full")))
    if places.get("uplink_bps"):
        yield Sample("vuon_live_uplink_limit_bits_per_second", (), places["uplink_bps"])
        yield Sample("vuon_live_uplink_bits_per_second", (), places.get("uplink_drawn_bps"))
        yield Sample("vuon_live_uplink_dropped_frames_total", (), places.get("uplink_dropped_frames"))
    totals = status.get("totals", {})
    for name in _TOTALS:
        yield Sample(f"vuon_live_{name}_total", (), totals.get(name))
    yield from _by_label("vuon_live_ended_total", status.get("ended", {}))
    yield from _by_label("vuon_live_paths_total", status.get("paths", {}))
    yield from _by_label("vuon_live_dropped_packets_total", status.get("dropped", {}))
    yield from _open(rows)


def _open(rows: Iterable[Status]) -> Iterator[Sample]:
    """Yield the figures of the open sessions, those of one camera, stream and way together."""
    alike: dict[tuple[str, str, str], list[Status]] = {}
    for row in rows:
        alike.setdefault((str(row["camera"]), str(row["stream"]), str(row["path"])), []).append(row)
    for label, group in alike.items():
        yield Sample("vuon_live_open_sessions", label, len(group))
        for name, (key, factor, of) in _OPEN_FIGURES.items():
            values = [row[key] * factor for row in group if row.get(key) is not None]
            yield Sample(name, label, of(values) if values else None)


def _by_label(name: str, counts: Mapping[str, float]) -> Iterable[Sample]:
    return (Sample(name, (str(label),), value) for label, value in counts.items())


def _flag(value: object) -> float | None:
    return None if value is None else float(bool(value))
