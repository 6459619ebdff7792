"""What ACCESS says about every route, written down apart from the code: who finds it, and over which things.

Read it beside `docs/design/access.md`, never from the guards: a test holds the app against this table, so an error that
is in both is seen by nobody. A route that is not here fails the suite; `HOW` says what to write.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from gateway.core.model import Role

HOW = """is served, but tests/fakes/route_table.py does not say who may use it.
Add a row to ROUTES, keyed by method and path as the app has them:
  over=""        the route is about no object: `finds` says which roles find it (to others it answers 404);
  over="live"    the path has {camera}: `live` says who sees which camera live and as a still;
  over="recorded" the path has {camera}: the same for playback, holds and copies;
  over="class", "child", "person"  the path has {class_id}, {child}, {person}: whose they are;
  public=True    anybody, signed in or not: nothing of a school's people, children or cameras may be in the answer.
`body` is what a rightful request sends, `other` the second id of the path ("session", "playback", "wall", ...).
Take the answer from ACCESS (docs/design/access.md), not from the guard you just wrote."""

PRINCIPALS = frozenset(role for role in Role if role in {"principal", "vice_principal"})
"""The principal, and who stands in for them."""
STAFF = PRINCIPALS | {Role.TEACHER}
EVERYBODY = frozenset(Role)
GUARDIANS = frozenset({Role.GUARDIAN})
TECHNICAL = frozenset({Role.AUTHORITY_IT, Role.INSTALLER})
TEACHERS, HEAD = frozenset({Role.TEACHER}), frozenset({Role.PRINCIPAL})
SEE_OTHER = frozenset({303})
HOLDERS = EVERYBODY - {Role.GUARDIAN, Role.OBSERVER}
"""Whoever signs in by password."""
ALL = frozenset({"mam", "choi", "gate"})

OWN: Mapping[str, str] = {
    "teacher": "mam",
    "player": "mam",
    "mother": "mam",
    "teacher_choi": "choi",
    "father_choi": "choi",
    "observer": "mam",
}
"""Whose class is whose; the gate is nobody's class."""


def live(label: str, role: Role) -> frozenset[str]:
    """Cameras that somebody may see now: all of them the principals, those of the own class teachers and guardians."""
    return ALL if role in PRINCIPALS else frozenset({OWN[label]}) if label in OWN else frozenset()


def recorded(_label: str, role: Role) -> frozenset[str]:
    """Cameras whose past somebody may look at: the principals', all."""
    return ALL if role in PRINCIPALS else frozenset()


def families(label: str, role: Role) -> frozenset[str]:
    """Classes and children that are somebody's business: all of them the principals', else those of the own class."""
    return live(label, role)


def people(label: str, role: Role) -> frozenset[str] | None:
    """People whose things somebody may look after: everybody's the principals (None), else one's own."""
    return None if role in PRINCIPALS else frozenset({label})


REACH: Mapping[str, Callable[[str, Role], frozenset[str] | None]] = {
    "live": live,
    "recorded": recorded,
    "class": families,
    "child": families,
    "person": people,
}
"""By `over`: which things of the school somebody reaches; None = all."""
PARAMETER: Mapping[str, str] = {
    "live": "camera",
    "recorded": "camera",
    "class": "class_id",
    "child": "child",
    "person": "person",
}
"""By `over`: what it is called in the path."""


@dataclass(frozen=True)
class Row:
    """What is expected of one route."""

    finds: frozenset[Role] = EVERYBODY
    over: str = ""
    public: bool = False
    players: bool = False
    """Also whoever brings a player's token."""
    refuses: frozenset[Role] = frozenset()
    """Who finds the route and is told that it is not for them: of the box's own switches all know that they exist."""
    hidden: bool = False
    """Without a session it does not exist, instead of asking to sign in."""
    other: str = ""
    """The second id of the path."""
    strangers: int = 404
    """Answer to another's second id, and to one that names nothing."""
    body: Any = None
    """JSON, or text (SDP), or a form as bytes."""
    query: str = ""
    ok: frozenset[int] = frozenset({200, 201, 204})
    headers: Mapping[str, str] = field(default_factory=dict)


SPAN = {"from_ms": 1_795_000_000_000, "to_ms": 1_795_000_060_000}
SDP = {"content-type": "application/sdp"}
FRAGMENT = {"content-type": "application/trickle-ice-sdpfrag"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
OFFER = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789abcdef0123456789\r\n"
CANDIDATE = "a=candidate:1 1 udp 1 192.0.2.7 9 typ host\r\n"
PLAYBACK = "/api/cameras/{camera}/playback/{playback}"

PROOF = {
    "challenge": "x",
    "signature": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
}
POINT = "BGsX0fLhLEJH-Lzm5WOkQPJ3A32BLeszoPShOUXYmMKWT-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"
"""The base point of P-256: a key that nobody has bound."""
NO_ENTRY, NO_DEVICE = frozenset({403}), b"may=zzzzzzzzzzzzzzzz"
MANAGERS = Row(EVERYBODY, refuses=EVERYBODY - PRINCIPALS)
"""Managing people is the leaders'."""
MANAGERS_FORM = replace(MANAGERS, body=b"act=none", headers=FORM, ok=frozenset({400}))

ROUTES: Mapping[tuple[str, str], Row] = {
    # for anybody
    ("GET", "/vao"): Row(public=True, ok=frozenset({200, 303})),
    ("POST", "/vao"): Row(public=True, body=b"code=aaaa-bbbb-cccc-dddd", headers=FORM, ok=frozenset({403})),
    ("GET", "/api/me"): Row(public=True),
    ("GET", "/p/moi"): Row(public=True),
    ("GET", "/P/MOI"): Row(public=True),
    ("GET", "/p/cho"): Row(public=True),
    ("GET", "/p/app"): Row(public=True),
    ("POST", "/api/slip/look"): Row(public=True, body={"secret": "no-such-slip"}, ok=frozenset({403})),
    ("POST", "/api/slip"): Row(public=True, body={"secret": "no-such-slip"} | PROOF | {"key": POINT}, ok=NO_ENTRY),
    ("POST", "/api/device/challenge"): Row(public=True, ok=frozenset({200, 403})),  # 403: not from a page of ours
    ("POST", "/api/device/session"): Row(public=True, body={"id": "z" * 16} | PROOF, ok=NO_ENTRY),
    ("POST", "/api/device/app"): Row(public=True, body={"token": "none", "key": POINT} | PROOF, ok=NO_ENTRY),
    ("GET", "/api/device/{key}/standing"): Row(public=True, ok=frozenset({404})),  # one that names nothing
    ("GET", "/static/{version}/{path:path}"): Row(public=True, ok=frozenset({404})),
    ("GET", "/manifest.webmanifest"): Row(public=True),
    ("OPTIONS", "/whep/{path:path}"): Row(public=True),
    ("GET", "/whep/{path:path}"): Row(public=True, ok=frozenset({405})),
    ("HEAD", "/whep/{path:path}"): Row(public=True, ok=frozenset({405})),
    ("PUT", "/whep/{path:path}"): Row(public=True, ok=frozenset({405})),
    # one's own session
    ("POST", "/ra"): Row(ok=frozenset({303})),
    ("POST", "/api/session/active"): Row(),
    ("GET", "/api/events"): Row(),
    ("GET", "/"): Row(ok=frozenset({200, 303})),
    ("POST", "/vao/ma"): Row(public=True, body=b"half=none&code=000000", headers=FORM, ok=frozenset({403})),
    ("GET", "/xac-nhan"): Row(),
    ("POST", "/xac-nhan"): Row(body=b"password=wrong", headers=FORM, ok=frozenset({403})),
    ("GET", "/api/session/fresh"): Row(),
    ("POST", "/api/session/fresh"): Row(body={"password": "wrong"}, ok=frozenset({403})),
    ("GET", "/api/sessions"): Row(),
    ("POST", "/api/sessions/end-others"): Row(),
    ("POST", "/api/sessions/{session}/end"): Row(ok=frozenset({404})),  # one that names nothing
    ("GET", "/tai-khoan"): Row(HOLDERS),
    ("POST", "/tai-khoan"): Row(HOLDERS, body=b"act=end_others", headers=FORM, ok=frozenset({303})),
    ("GET", "/mat-khau"): Row(HOLDERS),
    ("POST", "/mat-khau"): Row(HOLDERS, body=b"new=one&repeat=other", headers=FORM, ok=frozenset({400})),
    ("GET", "/tai-khoan/lop-hai"): Row(HOLDERS, ok=frozenset({200, 303})),
    ("POST", "/tai-khoan/lop-hai"): Row(HOLDERS, body=b"act=off", headers=FORM, ok=frozenset({303})),
    ("GET", "/tai-khoan/nhan-vien"): Row(EVERYBODY, refuses=EVERYBODY - PRINCIPALS),
    ("POST", "/tai-khoan/nhan-vien"): Row(
        EVERYBODY,
        refuses=EVERYBODY - PRINCIPALS,
        body=b"act=rename&person=zzzzzzzzzzzzzzzz&name=x",
        headers=FORM,
        ok=frozenset({400}),
    ),
    ("GET", "/api/people/{person}/sessions"): Row(HEAD, "person"),
    # guardians
    ("GET", "/p/"): Row(GUARDIANS),
    ("GET", "/p/tai-khoan"): Row(GUARDIANS),
    ("POST", "/p/may/ket-thuc"): Row(GUARDIANS, body=NO_DEVICE, headers=FORM, ok=frozenset({404})),
    ("GET", "/p/app.webmanifest"): Row(GUARDIANS),
    ("GET", "/p/dong-y"): Row(GUARDIANS, ok=frozenset({200, 303})),
    ("POST", "/p/dong-y"): Row(GUARDIANS, body=b"", headers=FORM, ok=frozenset({400})),
    ("POST", "/p/gui-tiep"): Row(GUARDIANS, body=b"giu=", headers=FORM),
    ("POST", "/p/dong-y/rut"): Row(GUARDIANS, body=b"muc=observe", headers=FORM, ok=frozenset({404})),
    ("GET", "/p/dong-y/phieu"): Row(GUARDIANS),
    ("GET", "/p/nhac.ics"): Row(GUARDIANS, ok=frozenset({404})),  # open now: nothing to be reminded of
    ("GET", "/api/class"): Row(GUARDIANS),
    # slips and phones: a class is invited by its teacher and the leaders, a phone is let in by the leaders
    ("GET", "/phu-huynh/phieu"): Row(STAFF),
    ("POST", "/phu-huynh/phieu"): Row(STAFF, body=b"", headers=FORM, ok=frozenset({400})),
    ("POST", "/phu-huynh/may/ket-thuc"): Row(STAFF, body=NO_DEVICE, headers=FORM, ok=frozenset({404})),
    ("GET", "/phu-huynh/cho-duyet"): Row(PRINCIPALS),
    ("POST", "/phu-huynh/cho-duyet"): Row(
        PRINCIPALS, body=b"duyet=zzzzzzzzzzzzzzzz", headers=FORM, ok=frozenset({404})
    ),
    # people and lists
    ("GET", "/phu-huynh"): MANAGERS,
    ("POST", "/phu-huynh"): MANAGERS_FORM,
    ("GET", "/phu-huynh/tre/{child}"): replace(MANAGERS, other="child"),
    ("POST", "/phu-huynh/tre/{child}"): replace(
        MANAGERS_FORM, other="child", body=b"act=child.rename&name=B%C3%A9+An-b1", ok=frozenset({303})
    ),
    ("GET", "/lop"): MANAGERS,
    ("POST", "/lop"): MANAGERS_FORM,
    ("GET", "/nhan-su"): MANAGERS,
    ("POST", "/nhan-su"): MANAGERS_FORM,
    ("GET", "/nhap"): MANAGERS,
    ("POST", "/nhap"): MANAGERS_FORM,
    ("POST", "/nhap/hoan-tac"): replace(MANAGERS_FORM, body=b"act=zzzzzzzzzzzzzzzz", ok=frozenset({404})),
    ("GET", "/nhap/{draft}"): replace(MANAGERS, other="draft"),
    ("POST", "/nhap/{draft}"): replace(MANAGERS_FORM, other="draft", body=b"act=answers", ok=frozenset({303})),
    ("GET", "/nam-hoc"): MANAGERS,
    ("POST", "/nam-hoc"): replace(MANAGERS_FORM, body=b"act=look", ok=frozenset({200, 400})),
    ("GET", "/quyen"): MANAGERS,
    # consent: paper is put in by the teacher of the class; what counts is the principal's alone
    ("GET", "/dong-y"): Row(STAFF),
    ("GET", "/dong-y/lop/{class_id}"): Row(STAFF, "class"),
    ("GET", "/dong-y/lop/{class_id}/phieu"): Row(STAFF, "class"),
    ("GET", "/dong-y/lop/{class_id}/tong-hop"): Row(PRINCIPALS, "class"),
    ("GET", "/dong-y/lop/{class_id}/nhap"): Row(STAFF, "class"),
    ("POST", "/dong-y/lop/{class_id}/nhap"): Row(STAFF, "class", body=b"", headers=FORM, ok=frozenset({400})),
    ("POST", "/dong-y/lop/{class_id}/giay/{sheet}"): Row(
        STAFF, "class", other="sheet", body=b"viec=bo", headers=FORM, ok=frozenset({303})
    ),
    ("POST", "/dong-y/lop/{class_id}/be/{child}"): Row(
        HEAD,
        "class",
        other="child",
        body=b"muc=view&cach=angle&thoa-thuan=xong",
        headers=FORM,
        ok=frozenset({303, 400}),  # 400: there is nothing to settle (any more)
    ),
    ("GET", "/dong-y/be/{child}"): Row(HEAD, "child"),
    ("POST", "/dong-y/co-so"): Row(HEAD, body=b"co-so=regulation&so-hieu=12", headers=FORM, ok=frozenset({303})),
    ("POST", "/dong-y/van-ban"): Row(HEAD, body=b"muc=view&rong=0", headers=FORM, ok=frozenset({400})),
    # live pictures
    ("GET", "/camera/{camera}"): Row(STAFF, "live"),
    ("GET", "/api/cameras"): Row(STAFF),
    ("GET", "/api/cameras/{camera}"): Row(STAFF, "live"),
    ("GET", "/api/cameras/{camera}/still.jpg"): Row(EVERYBODY, "live", refuses=TECHNICAL),
    ("POST", "/whep/{camera}"): Row(EVERYBODY, "live", players=True, refuses=TECHNICAL, body=OFFER, headers=SDP),
    ("PATCH", "/whep/{camera}/{session}"): Row(
        EVERYBODY, "live", players=True, other="session", body=CANDIDATE, headers=FRAGMENT
    ),
    ("DELETE", "/whep/{camera}/{session}"): Row(EVERYBODY, "live", players=True, other="session"),
    ("POST", "/wall/{camera}"): Row(STAFF, "live", body={"offer": OFFER}),
    ("POST", "/wall/{camera}/{wall}/{slot}"): Row(STAFF, "live", other="wall", strangers=410),
    # recorded pictures
    ("GET", "/xem-lai"): Row(PRINCIPALS),
    ("GET", "/xem-lai/{camera}"): Row(PRINCIPALS, "recorded"),
    ("GET", "/api/cameras/{camera}/days"): Row(PRINCIPALS, "recorded"),
    ("GET", "/api/cameras/{camera}/timeline"): Row(
        PRINCIPALS, "recorded", query="from={from_ms}&to={to_ms}".format(**SPAN)
    ),
    ("POST", "/api/cameras/{camera}/playback"): Row(PRINCIPALS, "recorded", body=SPAN),
    ("DELETE", PLAYBACK): Row(PRINCIPALS, "recorded", other="playback"),
    ("GET", PLAYBACK + "/index"): Row(PRINCIPALS, "recorded", other="playback", query="stream=main"),
    ("GET", PLAYBACK + "/thumb.jpg"): Row(
        PRINCIPALS, "recorded", other="playback", query="at={from_ms}".format(**SPAN)
    ),
    ("GET", PLAYBACK + "/{stream}/init-{config}.mp4"): Row(PRINCIPALS, "recorded", other="playback"),
    ("GET", PLAYBACK + "/{stream}/{hour_ms}.m3u8"): Row(PRINCIPALS, "recorded", other="playback"),
    ("GET", PLAYBACK + "/{stream}/{start_ms}-{run}.m4s"): Row(PRINCIPALS, "recorded", other="playback"),
    # what is kept and copied
    ("GET", "/trich-xuat"): Row(PRINCIPALS),
    ("GET", "/api/copies"): Row(PRINCIPALS),
    ("GET", "/api/holds"): Row(PRINCIPALS),
    ("POST", "/api/cameras/{camera}/holds"): Row(PRINCIPALS, "recorded", body=SPAN | {"why": "va chạm"}),
    ("DELETE", "/api/holds/{hold}"): Row(PRINCIPALS, other="hold", body={"why": "xong"}),
    ("GET", "/api/exports"): Row(PRINCIPALS),
    ("POST", "/api/cameras/{camera}/exports"): Row(PRINCIPALS, "recorded", body=SPAN | {"why": "va chạm"}),
    ("POST", "/api/exports/{order}/approve"): Row(PRINCIPALS, other="order"),
    ("POST", "/api/exports/{order}/cancel"): Row(PRINCIPALS, other="order", body={"why": "thôi"}),
    ("GET", "/api/exports/{order}/file"): Row(PRINCIPALS, other="ready order"),
    # class rooms
    ("GET", "/co/"): Row(TEACHERS),
    ("GET", "/co/thong-bao"): Row(TEACHERS),
    ("POST", "/co/thong-bao"): Row(TEACHERS, body=b"ban=1", headers=FORM, ok=SEE_OTHER),
    ("POST", "/co/{class_id}/an"): Row(TEACHERS, "class", body=b"phut=5", headers=FORM, ok=SEE_OTHER),
    ("POST", "/co/{class_id}/hien"): Row(TEACHERS, "class", body=b"", headers=FORM, ok=SEE_OTHER),
    ("POST", "/co/{class_id}/ly-do"): Row(TEACHERS, "class", body=b"ly_do=", headers=FORM, ok=SEE_OTHER),
    ("POST", "/co/{class_id}/xin"): Row(TEACHERS, "class", body=b"", headers=FORM, ok=SEE_OTHER | {400}),
    ("GET", "/lop-hoc"): Row(PRINCIPALS),
    ("POST", "/lop-hoc/{class_id}/an"): Row(PRINCIPALS, "class", body=b"phut=15", headers=FORM, ok=SEE_OTHER),
    ("POST", "/lop-hoc/{class_id}/hien"): Row(PRINCIPALS, "class", body=b"", headers=FORM, ok=SEE_OTHER),
    ("POST", "/lop-hoc/{class_id}/tra-loi"): Row(
        PRINCIPALS, "class", body=b"xin=9&cho=1", headers=FORM, ok=frozenset({404})
    ),
    ("GET", "/lop-hoc/thong-bao"): Row(PRINCIPALS),
    ("POST", "/lop-hoc/thong-bao/{person}"): Row(
        PRINCIPALS, other="person", body=b"ngay=&so=", headers=FORM, ok=frozenset({400})
    ),
    ("GET", "/lop-hoc/{class_id}"): Row(HEAD, "class"),
    ("POST", "/lop-hoc/{class_id}"): Row(HEAD, "class", body=b"viec=thu", headers=FORM),
    ("POST", "/lop-hoc/{class_id}/dan-tuong"): Row(HEAD, "class", body=b"", headers=FORM),
    ("POST", "/lop-hoc/{class_id}/go-dan-tuong"): Row(HEAD, "class", body=b"", headers=FORM, ok=SEE_OTHER),
    ("GET", "/lop-hoc/lich"): Row(HEAD),
    ("POST", "/lop-hoc/lich"): Row(HEAD, body=b"ngay=2026-12-31&kieu=nghi", headers=FORM, ok=SEE_OTHER),
    ("POST", "/lop-hoc/lich/xoa"): Row(HEAD, body=b"ngay=2027-12-31", headers=FORM, ok=frozenset({404})),
    # guests: the leaders make a visit, the teacher of the class says her word, the guest has one page
    ("GET", "/du-gio"): Row(PRINCIPALS),
    ("POST", "/du-gio"): Row(PRINCIPALS, body=b"ten=x&lop=", headers=FORM, ok=frozenset({400})),
    ("POST", "/du-gio/{visit}/ma"): Row(PRINCIPALS, other="visit", body=b"", headers=FORM),
    ("POST", "/du-gio/{visit}/ket-thuc"): Row(PRINCIPALS, other="visit", body=b"", headers=FORM, ok=SEE_OTHER),
    ("POST", "/co/{class_id}/du-gio"): Row(
        TEACHERS, "class", body=b"y=co&buoi=zzzzzzzzzzzzzzzz", headers=FORM, ok=frozenset({404})
    ),
    ("GET", "/khach/"): Row(frozenset({Role.OBSERVER})),
    ("GET", "/khach/het"): Row(public=True, ok=frozenset({200, 303})),
    ("GET", "/api/observation"): Row(frozenset({Role.OBSERVER})),
    # the sheet on the wall: with its secret, on the school's own network, whoever asks
    ("GET", "/tuong/{secret}"): Row(public=True, ok=frozenset({404})),
    ("POST", "/tuong/{secret}/an"): Row(public=True, body=b"", headers=FORM, ok=frozenset({403, 404})),
    ("POST", "/tuong/{secret}/hien"): Row(public=True, body=b"", headers=FORM, ok=frozenset({403, 404})),
    ("POST", "/tuong/{secret}/xin"): Row(public=True, body=b"", headers=FORM, ok=frozenset({403, 404})),
    # the audit
    ("GET", "/nhat-ky"): Row(STAFF),
    ("POST", "/nhat-ky/kiem-lai"): Row(EVERYBODY, refuses=EVERYBODY - PRINCIPALS, ok=frozenset({200, 303})),
    ("POST", "/nhat-ky/tep"): Row(EVERYBODY, refuses=EVERYBODY - PRINCIPALS, body=b"", headers=FORM),
    ("GET", "/p/nhat-ky"): Row(GUARDIANS),
    ("GET", "/xoa-du-lieu"): Row(EVERYBODY, refuses=EVERYBODY - {Role.PRINCIPAL}),
    ("POST", "/xoa-du-lieu"): Row(
        EVERYBODY, refuses=EVERYBODY - {Role.PRINCIPAL}, body=b"", headers=FORM, ok=frozenset({400})
    ),
    # the box
    ("POST", "/api/sharing/stop"): Row(EVERYBODY, refuses=EVERYBODY - PRINCIPALS),
    ("POST", "/api/sharing/resume"): Row(EVERYBODY, refuses=EVERYBODY - PRINCIPALS),
    ("GET", "/khoa"): Row(EVERYBODY, refuses=EVERYBODY - {Role.PRINCIPAL}),
    ("POST", "/khoa"): Row(
        EVERYBODY, refuses=EVERYBODY - {Role.PRINCIPAL}, body=b"act=lock", headers=FORM, ok=frozenset({303})
    ),
    ("GET", "/metrics"): Row(PRINCIPALS | TECHNICAL, hidden=True),
}

LISTED = frozenset({"disabled", "signed_out"})
"""People whose session is over."""
