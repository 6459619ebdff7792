"""`vuon nhat-ky` (`audit`): is the audit whole, and its checkpoints for somebody else to keep.

Owns the two commands and the form of a file of checkpoints. Invariants: what is wrong is named in words, row by row,
and ends with status 1; a box is asked over its socket, and only a *copy* that is named is opened here, for reading; a
chain without checkpoints from elsewhere is never called more than it is.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.access.audit_chain import Checkpoint
from gateway.access.audit_verify import Verdict
from gateway.access.audit_verify import verify as walk
from gateway.cli import show
from gateway.cli.context import LANGUAGE_ENV, ConfigOption, Context, DataOption, JsonOption
from gateway.core.errors import BadInput, ConfigError
from gateway.core.files import write_whole
from gateway.core.i18n import DEFAULT_LANGUAGE, Catalogue, catalogue
from gateway.roofs.control_audit import MOST_KEPT, told

HEAD = "# vuon-audit-checkpoints-1"
KEY = "# box-key "
VERIFY_S = 600.0


def verify(
    kept: Annotated[
        Path | None,
        typer.Option("--moc", "--kept", help="Tệp mốc giữ ở nơi khác · checkpoints that were kept elsewhere"),
    ] = None,
    copy: Annotated[
        Path | None, typer.Option("--ban-sao", "--copy", help="Kiểm tra một bản sao gateway.db · a copy, offline")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--khoa", "--key", help="Khóa công khai của hộp · the box's public key, for a copy")
    ] = None,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """Kiểm tra nhật ký có bị sửa, xóa, cắt hay viết lại không · verify the audit chain (audit verify)."""
    context = Context(config, data)
    points, box_key = read_points(kept) if kept is not None else ([], None)
    if copy is not None:
        result = told(_walk_copy(copy, read_key(key) if key is not None else box_key or own_key(context), points))
    else:
        newest = sorted(points, key=lambda point: point.seq)[-MOST_KEPT:]
        params = {"kept": [point.fields for point in newest]} if newest else {}
        result = context.run(context.ask("gateway", "audit.verify", params, timeout_s=VERIFY_S))
    if as_json:
        context.json(result)
    else:
        _say(context, result, kept=bool(points))
    if not result["ok"]:
        raise typer.Exit(1)


def points(
    out: Annotated[Path | None, typer.Option("--ra", "-o", "--out", help="Tệp · file; không có: in ra · print")] = None,
    every: Annotated[bool, typer.Option("--tat-ca", "--all", help="Mọi mốc, không chỉ cuối ngày · all")] = False,
    config: ConfigOption = None,
    data: DataOption = None,
    as_json: JsonOption = False,
) -> None:
    """In các mốc đã ký của nhật ký, để giữ ở nơi khác · signed checkpoints to keep elsewhere (audit points)."""
    context = Context(config, data)
    result = context.run(context.ask("gateway", "audit.points", {"all": every}))
    if as_json:
        context.json(result)
        return
    text = "\n".join(_lines(result, context.config.site.timezone)) + "\n"
    if out is None:
        typer.echo(text, nl=False)
        return
    write_whole(out, text.encode(), 0o644)
    context.say("cli.audit.points", count=len(result["points"]), file=out)


def _lines(result: Mapping[str, Any], zone: str) -> Iterator[str]:
    yield HEAD
    yield KEY + str(result["key"])
    for row in result["points"]:
        at = f"{show.day(row['at_ms'], zone)} {show.clock(row['at_ms'], zone)}"
        yield f"{row['seq']} {row['head']} {row['signature']} {at}"


def read_points(path: Path) -> tuple[list[Checkpoint], Ed25519PublicKey | None]:
    """Return the checkpoints of a file and the box key it names; BadInput with the line that is none.

    A line is `number head signature` as `audit points` writes it, or a JSON object as the hub has it.
    """
    found, key = [], None
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        text = line.strip()
        if text.startswith(KEY):
            key = _key_of(text.removeprefix(KEY).encode(), path)
        elif text and not text.startswith("#"):
            try:
                found.append(Checkpoint.from_fields(_fields(text)))
            except (ValueError, TypeError) as error:
                raise BadInput(
                    f"{path}: line {number} is no checkpoint",
                    case="audit_point",
                    key="kept",
                    path=str(path),
                    line=number,
                ) from error
    return found, key


def _fields(text: str) -> Mapping[str, Any]:
    if not text.startswith("{"):
        seq, head, signature, *_when = [*text.split(), "", "", ""]
        return {"seq": seq, "head": head, "signature": signature}
    value = json.loads(text)
    return dict(value.get("data") or value)


def read_key(path: Path) -> Ed25519PublicKey:
    """Return a public key from a file: raw, hex or base64; BadInput."""
    return _key_of(path.read_bytes(), path)


def _key_of(data: bytes, path: Path) -> Ed25519PublicKey:
    candidates = [data]
    with contextlib.suppress(ValueError):
        candidates.append(bytes.fromhex(data.decode("ascii")))
    with contextlib.suppress(ValueError):
        candidates.append(base64.b64decode(data.strip(), validate=True))
    for raw in candidates:
        if len(raw) == 32:
            return Ed25519PublicKey.from_public_bytes(raw)
    raise BadInput(f"{path} holds no public key", case="audit_key", key="key", path=str(path))


def own_key(context: Context) -> Ed25519PublicKey:
    """Return this box's public key."""
    path = context.config.paths.grant_key
    return read_key(path.with_name(path.name + ".pub"))


def _walk_copy(path: Path, key: Ed25519PublicKey, points: Iterable[Checkpoint]) -> Verdict:
    """Verify a copy; BadInput if it is no gateway.db."""
    if not path.is_file():
        raise BadInput(f"there is no file {path}", case="audit_copy", key="copy", path=str(path))
    log = path.with_name(path.name + "-wal")
    # Without its log beside it the file is all there is; with it SQLite must be let see it.
    still = "" if log.exists() and log.stat().st_size else "&immutable=1"
    try:
        with contextlib.closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{still}", uri=True)) as conn:
            conn.row_factory = sqlite3.Row
            conn.isolation_level = None
            return walk(conn, key, points)
    except sqlite3.DatabaseError as error:
        raise BadInput(f"{path} is no gateway.db: {error}", case="audit_copy", key="copy", path=str(path)) from error


def _say(context: Context, result: Mapping[str, Any], *, kept: bool) -> None:
    words = _words(context)
    if result["ok"]:
        counted = {"rows": result["rows"], "checkpoints": result["checkpoints"], "erased": result.get("erased", 0)}
        context.line(words.text("cli.audit.ok", **counted))
        if counted["erased"]:
            context.line(words.text("cli.audit.erased", **counted))
        if not kept:
            context.line(words.text("cli.audit.alone"))
        return
    context.line(words.text("cli.audit.broken", rows=result["rows"]))
    for item in result["findings"]:
        context.line("  " + finding(words, item["problem"], item["seq"], item["to_seq"]))
    context.line(words.text("cli.audit.next"))


def finding(words: Catalogue, problem: str, seq: int, to_seq: int) -> str:
    """Return what is wrong at one place, in words."""
    rows = str(seq) if seq == to_seq else f"{seq}-{to_seq}"
    key = f"audit.problem.{problem}"
    return words.text(key, rows=rows, last=to_seq, left=seq - 1) if key in words.texts else f"{problem} {rows}"


def _words(context: Context) -> Catalogue:
    """Return the words of the person at the terminal; a copy may be looked at where there is no box."""
    try:
        return context.words
    except ConfigError:
        return catalogue(os.environ.get(LANGUAGE_ENV) or DEFAULT_LANGUAGE)
