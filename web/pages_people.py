"""Parents, classes and staff for whoever manages people.

Owns `/phu-huynh`, `/phu-huynh/tre/{child}`, `/lop` and `/nhan-su`. Invariants: they work without scripts (a form
posts, then the page is asked for again); one class at a time is shown, so a big school stays fast; what was wrong
with a form is said on the page the form is on, and what was typed is still in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, GuardianKind, ObjectKind, ObjectRef, PublicId, Role
from web.caller import Caller
from web.forms import Field, Fields, Form
from web.guards import Right
from web.pages_invite import ended_device
from web.problems import words_of
from web.render import render
from web.services import KnownCamera, Services
from web.session import services_of
from web.typed import Typed

router = APIRouter()
MANAGER = Right(Action.PEOPLE, ObjectKind.BOX)
Manager = Annotated[Caller, Depends(MANAGER)]
MAX_CHARS = 200
STAFF_TO_ADD = (Role.TEACHER, Role.VICE_PRINCIPAL, Role.PRINCIPAL, Role.INSTALLER, Role.AUTHORITY_IT, Role.OBSERVER)
PLACES: tuple[tuple[str, str], ...] = (
    ("parents", "/phu-huynh"),
    ("classes", "/lop"),
    ("staff", "/nhan-su"),
    ("import", "/nhap"),
    ("year", "/nam-hoc"),
)
"""Pages of people, in the order of their tabs."""


def acts(*names: str) -> Field:
    """Return the field that says which of a page's acts is meant."""
    return Field("act", required=True, choices=tuple(sorted(names)))


def people_page(request: Request, caller: Caller, template: str, place: str, **values: Any) -> Response:
    """Return a page of people."""
    words = words_of(request)
    error: BadInput | None = values.pop("error", None)
    said: Mapping[str, str] | None = values.pop("said", None)
    return render(
        request,
        words,
        template,
        status=200 if error is None else 400,
        caller=caller,
        page="people",
        place=place,
        places_of_people=[item for item in PLACES if item[0] != "year" or _may(request, caller, Action.CONFIGURE)],
        texts={},
        refused=refused(request, error),
        typed=Typed(said),
        **values,
    )


def refused(request: Request, error: BadInput | None) -> tuple[str, str] | None:
    """Return what was wrong with a form, and what to do, in the person's language."""
    if error is None:
        return None
    words = words_of(request)
    case = f"case.{error.fields.get('case', '')}"
    if words.has(case):
        fields = {key: value for key, value in error.fields.items() if key != "key" and isinstance(value, str | int)}
        return str(words.text(case, **fields)), str(words.text(f"{case}.hint", **fields))
    return words.catalogue.error(error.code)


@router.get("/phu-huynh")
async def parents(request: Request, caller: Manager) -> Response:
    """Show all classes, and one of them (or what was searched for) with its children and guardians."""
    return await _parents(request, caller)


async def _parents(
    request: Request, caller: Caller, error: BadInput | None = None, said: Mapping[str, str] | None = None
) -> Response:
    people = services_of(request).people
    classes = (await people.overview(caller))["classes"]
    asked, text = request.query_params.get("lop", ""), request.query_params.get("tim", "").strip()[:MAX_CHARS]
    chosen, found = None, None
    if text:
        found = await people.search(caller, text)
    elif asked or classes:
        chosen = await people.one_class(caller, asked or classes[0]["id"])
    return people_page(
        request, caller, "people.html", "parents",
        classes=classes, chosen=chosen, found=found, text=text, error=error, said=said, kinds=list(GuardianKind),
    )  # fmt: skip


NEW_CHILD = Form(
    acts("child.add"), Field("class", "id"), Field("name"), Field("guardian"), Field("kind"), Field("phone")
)


@router.post("/phu-huynh")
async def parents_act(request: Request, caller: Manager, fields: Annotated[Fields, Depends(NEW_CHILD)]) -> Response:
    """Add a child to a class."""
    try:
        await services_of(request).people.act(caller, fields["act"], fields)
    except NotFound:
        raise
    except BadInput as error:
        return await _parents(request, caller, error, fields)
    return RedirectResponse("/phu-huynh?" + urlencode({"lop": fields.get("class", "")}), 303)


CHILD_FORM = Form(
    acts(
        "child.rename", "child.move", "child.leave", "guardian.add", "guardian.end", "guardian.phone",
        "guardian.rename", "person.disable", "person.enable",
    ),
    Field("name"), Field("class", "id"), Field("day", "day"), Field("when"), Field("person", "id"), Field("kind"),
    Field("phone"),
)  # fmt: skip


@router.get("/phu-huynh/tre/{child}")
async def child_page(request: Request, child: str, caller: Manager) -> Response:
    """Show one child with everything that can be changed."""
    return await _child(request, child, caller)


async def _child(
    request: Request,
    child: str,
    caller: Caller,
    error: BadInput | None = None,
    said: Mapping[str, str] | None = None,
) -> Response:
    people = services_of(request).people
    row, classes = await people.child(caller, child), (await people.overview(caller))["classes"]
    named = [item for item in classes if item["name"]]
    invites = services_of(request).invites
    devices = {kin["id"]: await invites.devices(caller, kin["id"]) for kin in row["guardians"]}
    return people_page(
        request, caller, "people_child.html", "parents",
        child=row, classes=named, kinds=list(GuardianKind), error=error, said=said, today=_today(request),
        devices=devices, ended=await ended_device(request, caller),
    )  # fmt: skip


@router.post("/phu-huynh/tre/{child}")
async def child_act(
    request: Request, child: str, caller: Manager, fields: Annotated[Fields, Depends(CHILD_FORM)]
) -> Response:
    """Rename, move or let leave; add a guardian, correct one, end one."""
    try:
        await services_of(request).people.act(caller, fields["act"], {**fields, "child": child})
    except NotFound:
        raise
    except BadInput as error:
        return await _child(request, child, caller, error, fields)
    return RedirectResponse(f"/phu-huynh/tre/{child}", 303)


CLASS_FORM = Form(
    acts("class.add", "class.rename", "class.end", "camera.give", "camera.take", "teach", "unteach"),
    Field("class", "id"),
    Field("person", "id"),
    Field("camera", "id"),
    Field("shared", choices=("1",)),
    Field("name"),
)


@router.get("/lop")
async def classes_page(request: Request, caller: Manager) -> Response:
    """Show all classes with their teachers."""
    return await _classes(request, caller)


async def _classes(
    request: Request, caller: Caller, error: BadInput | None = None, said: Mapping[str, str] | None = None
) -> Response:
    people = services_of(request).people
    classes = [item for item in (await people.overview(caller))["classes"] if item["name"]]
    staff = (await people.staff(caller))["people"]
    board = await request.app.state.board.now()
    cameras = {
        row.id: board.cameras.get(row.id, {}).get("name") or row.place or row.id for row in _cameras(request, caller)
    }
    teachers = [row for row in staff if row["role"] == Role.TEACHER and not row["disabled"]]
    return people_page(
        request, caller, "people_classes.html", "classes",
        classes=classes, teachers=teachers, cameras=cameras, error=error, said=said,
        may_configure=_may(request, caller, Action.CONFIGURE),
    )  # fmt: skip


def _cameras(request: Request, caller: Caller) -> Sequence[KnownCamera]:
    return services_of(request).rights.cameras(caller)


@router.post("/lop")
async def classes_act(request: Request, caller: Manager, fields: Annotated[Fields, Depends(CLASS_FORM)]) -> Response:
    """Add, rename or close a class; give it to a teacher or take it back."""
    try:
        await services_of(request).people.act(caller, fields["act"], fields)
    except NotFound:
        raise
    except BadInput as error:
        return await _classes(request, caller, error, fields)
    return RedirectResponse("/lop", 303)


STAFF_FORM = Form(
    acts("person.add", "person.rename", "person.disable", "person.enable", "responsible.add", "responsible.end"),
    Field("person", "id"), Field("name"), Field("role"), Field("row"), Field("day", "day"), Field("title"),
    Field("decision"), Field("decision_day", "day"), Field("since", "day"), Field("until", "day"),
)  # fmt: skip


@router.get("/nhan-su")
async def staff_page(request: Request, caller: Manager) -> Response:
    """Show the staff and the responsible persons of the unit."""
    return await _staff(request, caller)


async def _staff(
    request: Request, caller: Caller, error: BadInput | None = None, said: Mapping[str, str] | None = None
) -> Response:
    staff = await services_of(request).people.staff(caller)
    return people_page(
        request, caller, "people_staff.html", "staff",
        staff=staff, roles=STAFF_TO_ADD, error=error, said=said, may_name=_may(request, caller, Action.APPROVE),
        changeable=in_care(request, caller, [row["id"] for row in staff["people"]]),
        today=_today(request),
    )  # fmt: skip


@router.post("/nhan-su")
async def staff_act(request: Request, caller: Manager, fields: Annotated[Fields, Depends(STAFF_FORM)]) -> Response:
    """Add, rename, disable or enable; name a responsible person or say when one ends."""
    try:
        await services_of(request).people.act(caller, fields["act"], fields)
    except NotFound:
        raise
    except BadInput as error:
        return await _staff(request, caller, error, fields)
    return RedirectResponse("/nhan-su", 303)


def in_care(request: Request, caller: Caller, persons: Iterable[PublicId]) -> frozenset[PublicId]:
    """Return those of the persons whose name and rights the caller may change: no act is offered that is refused."""
    rights = services_of(request).rights
    return frozenset(
        person
        for person in persons
        if rights.decide(caller, Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person)).allowed
    )


def _may(request: Request, caller: Caller, action: Action) -> bool:
    services: Services = services_of(request)
    return services.rights.decide(caller, action, ObjectRef(ObjectKind.BOX, services.site.box)).allowed


def _today(request: Request) -> str:
    services = services_of(request)
    return words_of(request).local(services.clock.now_ms()).date().isoformat()
