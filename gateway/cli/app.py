"""The `vuon` command: every verb in unaccented Vietnamese with its English alias.

Owns the list of commands. Invariants: each command has both names (the English one hidden from the list
and named in the help text) and the same frame for errors; the CLI is a client of the control sockets and
opens nothing of the daemons'.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer

from gateway.cli import (
    activate,
    audit,
    camera_settings,
    cameras,
    completeness,
    consent,
    demo,
    doctor,
    erase,
    footage,
    footage_key,
    handover,
    holds,
    hub,
    importing,
    observing,
    people,
    players,
    preview,
    retention,
    rooms,
    roster,
    running,
    signin,
    slips,
    status,
    turn,
    volumes,
    why,
)
from gateway.cli.context import guarded
from gateway.cli.usage import Verb, Verbs
from gateway.core.version import __version__

app = typer.Typer(
    cls=Verbs,
    help="Vườn: hộp camera của trường mầm non · the camera gateway of a kindergarten",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
key_app = typer.Typer(cls=Verbs, help="Khóa hình đã ghi · the key of the recordings", no_args_is_help=True)
player_app = typer.Typer(cls=Verbs, help="Mã cho trình phát WHEP · tokens of WHEP players", no_args_is_help=True)
signin_app = typer.Typer(cls=Verbs, help="Cách nhân viên đăng nhập · how staff sign in", no_args_is_help=True)
observe_app = typer.Typer(
    cls=Verbs, no_args_is_help=True, help="Dự giờ: khách xem một lớp trong một buổi · guests of a class (observe)"
)
turn_app = typer.Typer(
    cls=Verbs, help="Máy chủ STUN, TURN cho người xem ở ngoài · servers on the way", no_args_is_help=True
)
audit_app = typer.Typer(cls=Verbs, help="Nhật ký truy cập · the audit", no_args_is_help=True)


def version() -> None:
    """Phiên bản · version."""
    typer.echo(__version__)


COMMANDS: tuple[tuple[str, str | None, Callable[..., Any]], ...] = (
    ("demo", None, demo.demo),
    ("run", None, running.run),
    ("tinh-trang", "status", status.status),
    ("tim", "discover", cameras.discover),
    ("kich-hoat", "activate", activate.activate),
    ("nhan", "adopt", cameras.adopt),
    ("xem", "preview", preview.preview),
    ("ban-giao", "handover", handover.handover),
    ("mat-khau-camera", "camera-password", cameras.camera_password),
    ("cai-dat-camera", "camera-settings", camera_settings.camera_settings),
    ("go-camera", "remove", cameras.remove),
    ("kiem-tra", "doctor", doctor.doctor),
    ("do-day", "completeness", completeness.completeness),
    ("doan", "segments", footage.segments),
    ("trich-xuat", "export", footage.export),
    ("giu", "hold", holds.hold),
    ("reindex", None, footage.reindex),
    ("luu-tru", "retention", retention.retention),
    ("xoa", "erase", erase.erase),
    ("o-dia", "volumes", volumes.volumes),
    ("ma", "code", people.code),
    ("phieu", "slip", people.slip),
    ("gio-xem", "hours", rooms.hours),
    ("tam-an", "hide", rooms.hide),
    ("dan-tuong", "wall", rooms.wall),
    ("thong-bao", "notice", rooms.notice),
    ("in-phieu", "slips", slips.print_slips),
    ("thu-hoi", "revoke", people.revoke),
    ("chia-se", "sharing", people.sharing),
    ("tai-khoan", "people", people.people),
    ("nhap", "import", importing.import_list),
    ("lop", "classes", roster.classes),
    ("tre", "children", roster.children),
    ("nam-hoc", "school-year", roster.school_year),
    ("phu-trach", "responsible", roster.responsible),
    ("dong-y", "consent", consent.consent),
    ("quyen", "why", why.why),
    ("quy-dinh", "rules", why.rules),
    ("phien-ban", "version", version),
)

for name, alias, function in COMMANDS:
    app.command(name, cls=Verb)(guarded(function))
    if alias is not None:
        app.command(alias, cls=Verb, hidden=True)(guarded(function))

KEY_COMMANDS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("tinh-trang", "status", footage_key.status),
    ("mo", "unlock", footage_key.unlock),
    ("dong", "lock", footage_key.lock),
    ("mat-khau", "passphrase", footage_key.passphrase),
    ("doi-khoa", "rotate", footage_key.rotate),
    ("ban-giao", "handover", footage_key.handover),
    ("nguoi-giu", "holder", footage_key.holder),
    ("phuc-hoi", "recover", footage_key.recover),
    ("niem-phong", "seal", footage_key.seal),
)
PLAYER_COMMANDS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("tao", "new", players.new),
    ("danh-sach", "list", players.list_all),
    ("huy", "revoke", players.revoke),
)
AUDIT_COMMANDS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("xac-minh", "verify", audit.verify),
    ("moc", "points", audit.points),
)
OBSERVE_COMMANDS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("tao", "new", observing.new),
    ("danh-sach", "list", observing.list_all),
    ("dong-y", "assent", observing.assent),
    ("tu-choi", "decline", observing.decline),
    ("ma", "code", observing.code),
    ("ket-thuc", "end", observing.end),
)
TURN_COMMANDS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("tinh-trang", "status", turn.status),
    ("mat-khau", "secret", turn.secret),
    ("quen", "forget", turn.forget),
)
SIGNIN_COMMANDS: tuple[tuple[str, str, Callable[..., Any]], ...] = (
    ("danh-sach", "list", signin.list_all),
    ("ten", "name", signin.rename),
    ("cap-lai", "reset", signin.reset),
    ("tat-buoc-hai", "second-off", signin.second_off),
)
GROUPS = (
    (key_app, KEY_COMMANDS),
    (player_app, PLAYER_COMMANDS),
    (signin_app, SIGNIN_COMMANDS),
    (turn_app, TURN_COMMANDS),
    (audit_app, AUDIT_COMMANDS),
    (observe_app, OBSERVE_COMMANDS),
)
for group, commands in GROUPS:
    for name, alias, function in commands:
        group.command(name, cls=Verb)(guarded(function))
        group.command(alias, cls=Verb, hidden=True)(guarded(function))
app.add_typer(key_app, name="khoa")
app.add_typer(key_app, name="key", hidden=True)
app.add_typer(player_app, name="trinh-phat")
app.add_typer(player_app, name="player", hidden=True)
app.add_typer(signin_app, name="dang-nhap")
app.add_typer(signin_app, name="signin", hidden=True)
app.add_typer(observe_app, name="du-gio")
app.add_typer(observe_app, name="observe", hidden=True)
app.add_typer(turn_app, name="chuyen-tiep")
app.add_typer(turn_app, name="turn", hidden=True)
app.add_typer(audit_app, name="nhat-ky")
app.add_typer(audit_app, name="audit", hidden=True)
app.add_typer(hub.app, name="hub")
