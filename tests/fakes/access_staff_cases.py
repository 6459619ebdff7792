"""What staff, officials and installers may, and what guardians may besides looking."""

from __future__ import annotations

import dataclasses
from typing import Any

from gateway.access.facts import (
    ExportOrder,
    Pause,
    Person,
    Privacy,
    Teaching,
    Thing,
)
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role
from tests.fakes.access_case import BOX, EXPORT, LIVE, NAP, ORDER, TEN, Case, case
from tests.fakes.school import (
    AUTHORITY,
    CAM,
    CAM2,
    CHILD,
    CHILD2,
    CHOI,
    DAY,
    DEPUTY,
    GATE,
    HOUR,
    INSTALLER,
    MAM,
    MINUTE,
    MOTHER,
    NOW,
    OBSERVER,
    OTHER,
    PRINCIPAL,
    TEACHER,
    VICE,
    camera,
    class_,
    local,
    person,
    pid,
)


def pauses(count: int, by: PublicId = TEACHER, at_ms: int = NOW) -> tuple[Pause, ...]:
    return tuple(
        Pause(class_id=MAM, by=by, since_ms=at_ms - n * MINUTE, until_ms=at_ms - n * MINUTE + 1)
        for n in range(1, count + 1)
    )


def thing_cases() -> list[Case]:
    """Holds, incidents, reviews and events: the school's leadership, and one's own wish for a review."""
    held, incident, event = (Thing(kind, MAM) for kind in (ObjectKind.HOLD, ObjectKind.INCIDENT, ObjectKind.EVENT))
    review = Thing(ObjectKind.REVIEW, ORDER, by=MOTHER)
    things: dict[str, Any] = {"things": (held, incident, event, review)}
    wish = ObjectRef(ObjectKind.REVIEW, ORDER)
    of_mam = {kind: ObjectRef(kind, MAM) for kind in ObjectKind}
    return [
        case("a hold is lifted", PRINCIPAL, Action.HOLD, of_mam[ObjectKind.HOLD], "role.principal", **things),
        case("not one that is gone", PRINCIPAL, Action.HOLD, ObjectRef(ObjectKind.HOLD, CHOI), "not_found", **things),
        case(
            "nor another kind's", PRINCIPAL, Action.HOLD, ObjectRef(ObjectKind.INCIDENT, ORDER), "not_found", **things
        ),
        case("an incident is read", VICE, Action.AUDIT, of_mam[ObjectKind.INCIDENT], "role.vice_principal", **things),
        case("an event too", VICE, Action.AUDIT, of_mam[ObjectKind.EVENT], "role.vice_principal", **things),
        case("by no teacher", TEACHER, Action.AUDIT, of_mam[ObjectKind.EVENT], "role.action", **things),
        case("a review is decided", PRINCIPAL, Action.REVIEW, wish, "role.principal", **things),
        case("and read by who asked", MOTHER, Action.REVIEW, wish, "role.guardian", **things),
        case("by nobody else", OTHER, Action.REVIEW, wish, "not_found", **things),
        case("a guardian asks at any hour", MOTHER, Action.REVIEW, class_(), "role.guardian", now_ms=local(19, 12)),
        case("about own classes", MOTHER, Action.REVIEW, class_(CHOI), "not_found"),
        case("a guest session is made by the leadership", VICE, Action.OBSERVE, BOX, "role.vice_principal"),
        case("not by a teacher", TEACHER, Action.OBSERVE, BOX, "role.action"),
        case("who assents for her class", TEACHER, Action.OBSERVE, class_(), "role.teacher"),
        case("and no other", TEACHER, Action.OBSERVE, class_(CHOI), "not_found"),
    ]


def vice_cases(order: ExportOrder, approved: ExportOrder) -> list[Case]:
    """What a vice-principal may as the principal does, and what stays the principal's."""
    ok, hers, another = "role.vice_principal", "role.leadership", "export.same_person"
    own = dataclasses.replace(order, requester=VICE)
    return [
        case("a vice-principal sees every camera at any hour", VICE, LIVE, camera(GATE), ok, now_ms=local(19, 23)),
        case("and every recording", VICE, Action.PLAYBACK, camera(), ok),
        case("but no private camera", VICE, LIVE, camera(), "camera.private", privacies=(Privacy(camera=CAM),)),
        case("nor an unknown one", VICE, LIVE, camera(pid("nothere")), "not_found"),
        case("she keeps footage", VICE, Action.HOLD, camera(), ok),
        case("approves another's copy", VICE, Action.APPROVE, EXPORT, ok, exports=(order,)),
        case("not her own", VICE, Action.APPROVE, EXPORT, another, exports=(own,)),
        case("takes none out alone", VICE, Action.EXPORT, camera(), "export.two_people"),
        case("fetches an approved one", VICE, Action.EXPORT, EXPORT, ok, exports=(approved,)),
        case("hides a class", VICE, Action.PAUSE, class_(), ok, until_ms=NOW + 14 * DAY, pauses=pauses(5)),
        case("stops all sharing", VICE, Action.STOP_ALL, BOX, ok),
        case("reads the audit", VICE, Action.AUDIT, person(PRINCIPAL), ok),
        case("keeps the lists", VICE, Action.PEOPLE, BOX, ok),
        case("approves a guardian", VICE, Action.APPROVE, person(MOTHER), ok),
        case("lets a teacher in", VICE, Action.APPROVE, person(TEACHER), ok),
        case("not the principal", VICE, Action.APPROVE, person(PRINCIPAL), hers),
        case("nor herself", VICE, Action.APPROVE, person(VICE), hers),
        case("nor the authority", VICE, Action.APPROVE, person(AUTHORITY), hers),
        case("ends a guardian's logins", VICE, Action.PEOPLE, person(MOTHER), ok),
        case("and her own", VICE, Action.PEOPLE, person(VICE), "self"),
        case("not the principal's", VICE, Action.PEOPLE, person(DEPUTY), hers),
        case("does not accept the box", VICE, Action.APPROVE, BOX, "role.action"),
        case("nor configure it", VICE, Action.CONFIGURE, BOX, "role.action"),
        case("nor a class", VICE, Action.CONFIGURE, class_(), "role.action"),
        case("nor aim a camera", VICE, Action.AIM, camera(), "role.action"),
    ]


def staff_cases() -> list[Case]:
    order = ExportOrder(ORDER, CAM, 0, HOUR, PRINCIPAL)
    soon, child = NOW + 10 * MINUTE, ObjectRef(ObjectKind.CHILD, CHILD)
    approved, selfmade = (dataclasses.replace(order, approver=who) for who in (DEPUTY, PRINCIPAL))
    night = local(19, 23)
    return [
        case(
            "a principal sees every camera at any hour", PRINCIPAL, LIVE, camera(GATE), "role.principal", now_ms=night
        ),
        case(
            "whatever guardians may not",
            PRINCIPAL,
            LIVE,
            camera(),
            "role.principal",
            sharing_stopped=True,
            clock_trusted=False,
            accepted=False,
        ),
        case("but no unknown camera", PRINCIPAL, LIVE, camera(pid("nothere")), "not_found"),
        case("nor a private one", PRINCIPAL, LIVE, camera(), "camera.private", privacies=(Privacy(camera=CAM),)),
        case("nor its still", PRINCIPAL, Action.SNAPSHOT, camera(), "camera.private", privacies=(Privacy(camera=CAM),)),
        case(
            "recordings stay",
            PRINCIPAL,
            Action.PLAYBACK,
            camera(),
            "role.principal",
            until_ms=None,
            privacies=(Privacy(camera=CAM),),
        ),
        case(
            "privacy that begins",
            PRINCIPAL,
            LIVE,
            camera(),
            "role.principal",
            until_ms=soon,
            privacies=(Privacy(camera=CAM, since_ms=soon),),
        ),
        case("no sound for anyone", PRINCIPAL, Action.LIVE_AUDIO, camera(), "sound.off"),
        case("one person exports nothing", PRINCIPAL, Action.EXPORT, camera(), "export.two_people"),
        case("an order alone neither", PRINCIPAL, Action.EXPORT, EXPORT, "export.two_people", exports=(order,)),
        case(
            "an order approved by oneself neither",
            PRINCIPAL,
            Action.EXPORT,
            EXPORT,
            "export.two_people",
            exports=(selfmade,),
        ),
        case("an approved order", PRINCIPAL, Action.EXPORT, EXPORT, "role.principal", exports=(approved,)),
        case("approving one's own order", PRINCIPAL, Action.APPROVE, EXPORT, "export.same_person", exports=(order,)),
        case("approving another's order", DEPUTY, Action.APPROVE, EXPORT, "role.principal", exports=(order,)),
        case("an order that is not there", PRINCIPAL, Action.EXPORT, EXPORT, "not_found"),
        case(
            "an incident that is not there", PRINCIPAL, Action.AUDIT, ObjectRef(ObjectKind.INCIDENT, MAM), "not_found"
        ),
        *thing_cases(),
        case("a principal runs the school", PRINCIPAL, Action.STOP_ALL, BOX, "role.principal"),
        case(
            "a disabled principal nothing",
            PRINCIPAL,
            LIVE,
            camera(),
            "person.disabled",
            persons=(Person(PRINCIPAL, Role.PRINCIPAL, True),),
        ),
        # vice-principal
        *vice_cases(order, approved),
        # teacher
        case("a teacher sees her class", TEACHER, LIVE, camera(), "role.teacher", now_ms=night),
        case("no other class", TEACHER, LIVE, camera(CAM2), "not_found"),
        case("no camera without class", TEACHER, LIVE, camera(GATE), "not_found"),
        case(
            "not after she left",
            TEACHER,
            LIVE,
            camera(),
            "not_found",
            teachings=(Teaching(person=TEACHER, class_id=MAM, until_ms=NOW),),
        ),
        case(
            "until she leaves",
            TEACHER,
            LIVE,
            camera(),
            "role.teacher",
            until_ms=soon,
            teachings=(Teaching(person=TEACHER, class_id=MAM, until_ms=soon),),
        ),
        case("no recordings", TEACHER, Action.PLAYBACK, camera(), "role.action"),
        case("no export", TEACHER, Action.EXPORT, camera(), "role.action"),
        case("no configuration", TEACHER, Action.CONFIGURE, BOX, "role.action"),
        case(
            "a fifth pause", TEACHER, Action.PAUSE, class_(), "role.teacher", until_ms=NOW + 14 * DAY, pauses=pauses(4)
        ),
        case(
            "no sixth pause before midnight",
            TEACHER,
            Action.PAUSE,
            class_(),
            "pause.too_many",
            until_ms=local(20, 0),
            next_ms=local(20, 0),
            pauses=pauses(5),
        ),
        case(
            "the principal's pauses do not count",
            TEACHER,
            Action.PAUSE,
            class_(),
            "role.teacher",
            until_ms=NOW + 14 * DAY,
            pauses=pauses(5, PRINCIPAL),
        ),
        case(
            "yesterday's pauses do not count",
            TEACHER,
            Action.PAUSE,
            class_(),
            "role.teacher",
            until_ms=NOW + 14 * DAY,
            pauses=pauses(5, at_ms=NOW - DAY),
        ),
        case(
            "the principal has a sixth",
            PRINCIPAL,
            Action.PAUSE,
            class_(),
            "role.principal",
            until_ms=NOW + 14 * DAY,
            pauses=pauses(5),
        ),
        case("no pause of another class", TEACHER, Action.PAUSE, class_(CHOI), "not_found"),
        # the others
        case("authority sees health", AUTHORITY, Action.HEALTH, BOX, "role.health"),
        case("of a camera too", AUTHORITY, Action.HEALTH, camera(), "role.health"),
        case("never a picture", AUTHORITY, LIVE, camera(), "role.action"),
        case("nor a still", AUTHORITY, Action.SNAPSHOT, camera(), "role.action"),
        case("nor a recording", AUTHORITY, Action.PLAYBACK, camera(), "role.action"),
        case("an installer aims before acceptance", INSTALLER, Action.AIM, camera(), "role.installer", accepted=False),
        case("not after", INSTALLER, Action.AIM, camera(), "box.accepted"),
        case("configures before acceptance", INSTALLER, Action.CONFIGURE, BOX, "role.installer", accepted=False),
        case("not afterwards", INSTALLER, Action.CONFIGURE, BOX, "box.accepted"),
        case("still sees health", INSTALLER, Action.HEALTH, BOX, "role.health"),
        case("never live", INSTALLER, LIVE, camera(), "role.action", accepted=False),
        case(
            "never a hidden camera",
            INSTALLER,
            Action.AIM,
            camera(),
            "camera.private",
            accepted=False,
            privacies=(Privacy(camera=CAM),),
        ),
        # guardians, other actions
        case("stills like live", MOTHER, Action.SNAPSHOT, camera(), "role.guardian", until_ms=TEN),
        case("the class like its camera", MOTHER, LIVE, class_(), "role.guardian", until_ms=TEN),
        case("no other class", MOTHER, LIVE, class_(CHOI), "not_found"),
        case("no recordings", MOTHER, Action.PLAYBACK, camera(), "role.action"),
        case("no export", MOTHER, Action.EXPORT, camera(), "role.action"),
        case("no sound", MOTHER, Action.LIVE_AUDIO, camera(), "sound.off"),
        case("no health", MOTHER, Action.HEALTH, BOX, "role.action"),
        case("no pause", MOTHER, Action.PAUSE, class_(), "role.action"),
        case("who saw my class", MOTHER, Action.AUDIT, class_(), "role.guardian", sharing_stopped=True),
        case("not who saw another", MOTHER, Action.AUDIT, class_(CHOI), "not_found"),
        case("my child's consent", MOTHER, Action.PEOPLE, child, "own_child"),
        case("not another child's", MOTHER, Action.PEOPLE, ObjectRef(ObjectKind.CHILD, CHILD2), "not_found"),
        case("my own devices", MOTHER, Action.PEOPLE, person(MOTHER), "self"),
        case("not another's", MOTHER, Action.PEOPLE, person(OTHER), "not_found"),
        case("everyone's own devices", OBSERVER, Action.PEOPLE, person(OBSERVER), "self"),
        case("a teacher's own", TEACHER, Action.PEOPLE, person(TEACHER), "self"),
        case("an authority's own", AUTHORITY, Action.PEOPLE, person(AUTHORITY), "self"),
        case("an authority not another's", AUTHORITY, Action.PEOPLE, person(MOTHER), "not_found"),
        case("an installer not another's", INSTALLER, Action.PEOPLE, person(MOTHER), "not_found"),
        case("a principal everyone's", PRINCIPAL, Action.PEOPLE, person(MOTHER), "role.principal"),
        case("the other family's class", OTHER, LIVE, camera(), "not_found"),
        case("its own", OTHER, LIVE, camera(CAM2), "role.guardian", until_ms=NAP),
    ]
