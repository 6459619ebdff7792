"""What a rightful form of each page holds, as far as it names things: for trying every id with what is another's.

Written apart from the declarations of the routes; a form with an id that is not here fails the suite.
"""

from __future__ import annotations

from collections.abc import Mapping

NEW = "tên mới"
FORMS: Mapping[str, tuple[Mapping[str, str], ...]] = {
    "/tai-khoan": ({"act": "end", "session": "{session}"},),
    "/tai-khoan/nhan-vien": (
        {"act": "rename", "person": "{teacher}", "name": "ten.moi"},
        {"act": "reset", "person": "{teacher}"},
    ),
    "/p/dong-y": ({"be": "{child}", "muc": "view", "tra-loi": "khong", "giam-ho": "1", "van-ban": "a" * 64},),
    "/p/dong-y/rut": ({"be": "{child}", "muc": "view"},),
    "/p/may/ket-thuc": ({"may": "{device}"},),
    "/phu-huynh/phieu": ({"ai": "{guardian}", "lop": "{class}"},),
    "/phu-huynh/may/ket-thuc": ({"may": "{device}", "lop": "{class}"}, {"may": "{device}", "tre": "{child}"}),
    "/phu-huynh/cho-duyet": ({"duyet": "{device}"}, {"tu-choi": "{device}"}),
    "/phu-huynh": ({"act": "child.add", "class": "{class}", "name": NEW},),
    "/phu-huynh/tre/{child}": (
        {"act": "child.move", "class": "{class}"},
        {"act": "guardian.end", "person": "{guardian}"},
        {"act": "guardian.phone", "person": "{guardian}", "phone": "0912345678"},
        {"act": "guardian.rename", "person": "{guardian}", "name": NEW},
        {"act": "person.disable", "person": "{guardian}"},
        {"act": "person.enable", "person": "{guardian}"},
    ),
    "/lop": (
        {"act": "class.rename", "class": "{class}", "name": NEW},
        {"act": "class.end", "class": "{class}"},
        {"act": "teach", "class": "{class}", "person": "{teacher}"},
        {"act": "unteach", "class": "{class}", "person": "{teacher}"},
        {"act": "camera.give", "class": "{class}", "camera": "{camera}"},
        {"act": "camera.take", "class": "{class}", "camera": "{camera}"},
    ),
    "/nhan-su": (
        {"act": "person.rename", "person": "{teacher}", "name": NEW},
        {"act": "person.disable", "person": "{teacher}"},
        {"act": "person.enable", "person": "{teacher}"},
    ),
    "/nhap/hoan-tac": ({"act": "{act}"},),
    "/nam-hoc": ({"act": "apply", "class-{class}": "-", "shown": "x"},),
    "/dong-y/lop/{class_id}/nhap": (
        {"ngay": "2026-11-16", "so-scan": "7", "view-{child}": "co", "ky-{child}": "{guardian}"},
        {"ngay": "2026-11-16", "so-scan": "7", "record-{child}": "khong", "observe-{child}": "co"},
    ),
    "/du-gio": (
        {"khach": "{observer}", "lop": "{class}", "ngay": "2026-11-20", "tu": "08:00", "den": "09:00"},
        {"ten": NEW, "lop": "{class}", "ngay": "2026-11-20", "tu": "08:00", "den": "09:00"},
    ),
    "/co/{class_id}/du-gio": ({"buoi": "{visit}", "y": "co"}, {"buoi": "{visit}", "y": "khong"}),
    "/nhat-ky/tep": ({"nguoi": "{teacher}", "lop": "{class}", "camera": "{camera}"},),
    "/xoa-du-lieu": ({"ai": "child:{child}", "ten": "ai đó", "ly-do": "left", "ai-yeu-cau": "school"},),
}
"""By the route's path: forms with `{kind}` where an id stands."""
ONLY_BACK = frozenset(
    {("/phu-huynh/phieu", "class"), ("/phu-huynh/may/ket-thuc", "class"), ("/phu-huynh/may/ket-thuc", "child")}
)
"""Ids that say which page to come back to and nothing else: it decides by itself who may see it."""
FILTERS = frozenset({"/nhat-ky/tep"})
"""Forms that only choose what is shown of all that one may see: what is not there is no line."""
