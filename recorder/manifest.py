"""What a copy says of itself: `manifest.json` and `chu-ky.json`, and the check of both.

Owns the two forms and their canonical bytes. Invariants: the manifest is signed as the bytes it is sent as;
the signature file has one possible form for one signature, so no byte of it can change unseen; the signed
context keeps this signature from standing for a grant, a request or an audit row; the manifest names people
by their ids only. The box's key is the gateway's: it signs what the recorder measured. Pure.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from recorder.exportpackage import Measured, cut_name, film_facts
from recorder.exportplan import CopyPlan, Cut, flags_of
from recorder.rows import TICKS_PER_MS

FORMAT = "vuon-export-1"
CONTEXT = b"vuon-export-1\0"
MANIFEST_NAME, SIGNATURE_NAME, PAGE_NAME = "manifest.json", "chu-ky.json", "kiem-tra.html"
UNKNOWN = "unknown"
"""What a run's time is worth if nobody noted it; else a value of `runs.TimeQuality`."""
HOLE_MS = 1_000
"""Shorter holes are pauses between two pictures."""


class Hole(NamedTuple):
    """Time of the asked span without footage; true time, UTC ms."""

    start_ms: int
    end_ms: int


def canonical(value: Mapping[str, Any]) -> bytes:
    """Return the one form in which a value is signed and sent: readable, keys in order, UTF-8."""
    return json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True).encode() + b"\n"


def make_manifest(plan: CopyPlan, found: Measured, page: bytes) -> bytes:
    """Return the bytes of `manifest.json`."""
    files = [
        {"name": item.name, "kind": item.kind, "bytes": item.size_bytes, "sha256": item.sha256} for item in found.sums
    ]
    files.append({"name": PAGE_NAME, "kind": "page", "bytes": len(page), "sha256": hashlib.sha256(page).hexdigest()})
    facts = {key: value for key, value in plan.facts.items() if key not in {"ledger", "runs", "streams"}}
    roles = {int(number): str(role) for number, role in plan.facts["streams"].items()}
    films = film_facts(plan, found)
    return canonical(
        facts
        | {
            "format": FORMAT,
            "given": {
                "from_ms": min(film["start_ms"] for film in films),
                "to_ms": max(film["end_ms"] for film in films),
            },
            "files": files,
            "films": films,
            "segments": _segments(plan, found, roles),
            "gaps": _gaps(plan, found, roles),
            "lost": [
                {"stream": roles[item.stream], "start_ms": item.start_ms, "end_ms": item.end_ms, "why": item.why}
                for item in found.lost
            ],
        }
    )


def _segments(plan: CopyPlan, found: Measured, roles: Mapping[int, str]) -> list[dict[str, Any]]:
    runs = plan.facts["runs"]
    listed = []
    for cut, heads in zip(plan.cuts, found.heads, strict=True):
        if any(heads):
            listed.append(
                {
                    "file": cut_name(cut),
                    "stream": roles[cut.row.stream],
                    "run": int(cut.row.run),
                    "start_ms": cut.start_ms,
                    "end_ms": cut.end_ms,
                    "offset_ms": cut.row.offset_ms,
                    "time_quality": runs.get(str(int(cut.row.run)), UNKNOWN),
                    "records": sum(bool(head) for head in heads),
                    **flags_of(cut.row),
                }
            )
    return listed


def spans_of(cuts: Iterable[tuple[Cut, Sequence[int]]]) -> list[tuple[int, int]]:
    """Return what the kept records show, in order, true time in UTC ms."""
    spans: list[tuple[int, int]] = []
    for cut, heads in cuts:
        shift = cut.row.offset_ms * TICKS_PER_MS
        for gop, head in zip(cut.row.table(), heads, strict=True):
            if head:
                spans.append(((gop.start_90k + shift) // TICKS_PER_MS, -(-(gop.end_90k + shift) // TICKS_PER_MS)))
    return spans


def holes(spans: Iterable[tuple[int, int]], from_ms: int, to_ms: int) -> list[Hole]:
    """Return where [from_ms, to_ms) has no footage for longer than `HOLE_MS`."""
    found, at_ms = list[Hole](), from_ms
    for start_ms, end_ms in [*sorted(spans), (to_ms, to_ms)]:
        if min(start_ms, to_ms) - at_ms > HOLE_MS:
            found.append(Hole(at_ms, min(start_ms, to_ms)))
        at_ms = max(at_ms, end_ms)
    return found


def _gaps(plan: CopyPlan, found: Measured, roles: Mapping[int, str]) -> list[dict[str, Any]]:
    asked = plan.facts["asked"]
    listed = []
    for stream in sorted({int(cut.row.stream) for cut in plan.cuts}):
        cuts = [(cut, heads) for cut, heads in zip(plan.cuts, found.heads, strict=True) if cut.row.stream == stream]
        told = [(item[1], item[2], item[3]) for item in plan.facts["ledger"] if item[0] == stream]
        told += [(item.start_ms, item.end_ms, item.why) for item in found.lost if item.stream == stream]
        for hole in holes(spans_of(cuts), asked["from_ms"], asked["to_ms"]):
            causes = sorted({why for start, end, why in told if start < hole.end_ms and end > hole.start_ms})
            listed.append({"stream": roles[stream], **hole._asdict(), "causes": causes or [UNKNOWN]})
    return listed


# the signature


def sign_manifest(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """Return the bytes of `chu-ky.json`."""
    public = key.public_key().public_bytes_raw()
    return _signature_file(manifest, public, key.sign(CONTEXT + manifest))


def _signature_file(manifest: bytes, public: bytes, signature: bytes) -> bytes:
    return canonical(
        {
            "format": FORMAT,
            "algorithm": "Ed25519",
            "manifest_sha256": hashlib.sha256(manifest).hexdigest(),
            "public_key": base64.b64encode(public).decode("ascii"),
            "fingerprint": fingerprint(public),
            "signature": base64.b64encode(signature).decode("ascii"),
        }
    )


def fingerprint(public: bytes) -> str:
    """Return the mark of a box's key as it is printed and compared: SHA-256 in groups of four."""
    digest = hashlib.sha256(public).hexdigest()
    return " ".join(digest[at : at + 4] for at in range(0, 64, 4))


def check_signature(manifest: bytes, signature_file: bytes) -> tuple[str | None, str]:
    """Return which of the two files is altered (None: neither) and the signer's fingerprint ("" if unreadable)."""
    try:
        stated = json.loads(signature_file)
        public = base64.b64decode(stated["public_key"], validate=True)
        signature = base64.b64decode(stated["signature"], validate=True)
        key = Ed25519PublicKey.from_public_bytes(public)
        whole = signature_file == _signature_file(manifest, public, signature)
        same = stated["manifest_sha256"] == hashlib.sha256(manifest).hexdigest()
    except (ValueError, KeyError, TypeError, binascii.Error):
        return SIGNATURE_NAME, ""
    try:
        key.verify(signature, CONTEXT + manifest)
    except InvalidSignature:
        return (SIGNATURE_NAME if same else MANIFEST_NAME), fingerprint(public)
    return (None if whole else SIGNATURE_NAME), fingerprint(public)
