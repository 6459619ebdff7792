"""When an observer sees a class, and why not otherwise."""

from __future__ import annotations

import dataclasses
from typing import Any

from gateway.access.facts import (
    SCHOOL_WEEK,
    Block,
    BlockKind,
    ClassCamera,
    Consent,
    Enrolment,
    Observation,
    Pause,
    Privacy,
    Purpose,
    Resolution,
)
from gateway.core.model import Action
from tests.fakes.access_case import LIVE, Case, case
from tests.fakes.school import (
    CAM,
    CAM2,
    CHILD,
    CHILD2,
    CHOI,
    GATE,
    HOUR,
    MAM,
    MATE,
    MINUTE,
    NOW,
    OBSERVER,
    OTHER,
    camera,
    class_,
    local,
    person,
    pid,
)

START, END = NOW - HOUR, NOW + HOUR + 7 * MINUTE
ASKED = tuple(Consent(child=child, purpose=Purpose.OBSERVE) for child in (CHILD, MATE, CHILD2))
SESSION = Observation(person=OBSERVER, class_id=MAM, since_ms=START, until_ms=END, assented=True)


def seen(**change: Any) -> dict[str, Any]:
    """A session of the class, asked of all families, with changes."""
    return {"observations": (dataclasses.replace(SESSION, **change),), "consents": ASKED}


def only(*children: Any, **row: Any) -> dict[str, Any]:
    agreed = tuple(Consent(child=child, purpose=Purpose.OBSERVE, **row) for child in children)
    return {"observations": (SESSION,), "consents": agreed}


def observer_cases() -> list[Case]:
    ok, closed, consent = "role.observer", "observation.closed", "observation.consent"
    soon = NOW + 10 * MINUTE
    yard = (ClassCamera(camera=CAM, class_id=MAM), ClassCamera(camera=CAM, class_id=CHOI))
    nap = Block(MAM, SCHOOL_WEEK, 9 * 60 + 10, 9 * 60 + 20, BlockKind.NAP, guardian_visible=False)
    hidden = Block(MAM, SCHOOL_WEEK, 0, 1440, BlockKind.OTHER, guardian_visible=False)
    newcomer = Enrolment(child=pid("newcomer"), class_id=MAM, since_ms=soon)
    enrolments = (Enrolment(child=CHILD, class_id=MAM), Enrolment(child=MATE, class_id=MAM))

    def of(name: str, reason: str, **rest: Any) -> Case:
        return case(name, OBSERVER, LIVE, rest.pop("obj", camera()), reason, **rest)

    return [
        of("an observer sees nothing by herself", "not_found"),
        of("until the session ends", ok, until_ms=END, **seen()),
        of("not a second before it", closed, until_ms=START, next_ms=START, now_ms=START - 1, **seen()),
        of("from its first moment", ok, until_ms=END, now_ms=START, **seen()),
        of("not at its end", closed, now_ms=END, **seen()),
        of("no other class", "not_found", obj=camera(CAM2), **seen()),
        of("no camera of no class", "not_found", obj=camera(GATE), **seen()),
        of("the class like its camera", ok, obj=class_(), until_ms=END, **seen()),
        of("nor another's session", "not_found", **seen(person=OTHER)),
        of("not without the teacher", "observation.assent", until_ms=END, **seen(assented=False)),
        of("nor a yard with another class", closed, until_ms=None, class_cameras=yard, **seen()),
        of("no private camera", "camera.private", privacies=(Privacy(camera=CAM),), until_ms=END, **seen()),
        of("sharing stopped", "sharing.stopped", until_ms=END, sharing_stopped=True, **seen()),
        of("box not accepted", "box.not_accepted", until_ms=END, accepted=False, **seen()),
        of("clock not trusted", "clock.untrusted", until_ms=END, clock_trusted=False, **seen()),
        of("hiding from guardians hides from guardians", ok, until_ms=END, pauses=(Pause(class_id=MAM),), **seen()),
        of("a block hidden from guardians too", ok, until_ms=END, blocks=(hidden,), **seen()),
        of("until the nap", ok, until_ms=local(19, 9, 10), blocks=(nap,), **seen()),
        of(
            "the nap",
            "plan.nap",
            until_ms=local(19, 9, 20),
            next_ms=local(19, 9, 20),
            now_ms=local(19, 9, 15),
            blocks=(nap,),
            **seen(),
        ),
        of("a family that was not asked", consent, until_ms=END, **only(CHILD)),
        of("a family that said no", consent, until_ms=END, **only(CHILD, MATE, until_ms=NOW)),
        of(
            "a family of which one says no beside a yes",
            consent,
            until_ms=END,
            observations=(SESSION,),
            consents=(*ASKED, dataclasses.replace(ASKED[1], given=False)),
        ),
        of("one that says no later", ok, until_ms=soon, **only(CHILD, MATE, until_ms=soon)),
        of(
            "one for whom the principal settled it: that lets families in, no guest",
            consent,
            until_ms=END,
            resolutions=(Resolution(child=MATE, class_id=MAM),),
            **only(CHILD),
        ),
        of(
            "not for another class",
            consent,
            until_ms=END,
            resolutions=(Resolution(child=MATE, class_id=CHOI),),
            **only(CHILD),
        ),
        of("a child that joins unasked", ok, until_ms=soon, enrolments=(*enrolments, newcomer), **seen()),
        of("a camera that moves", ok, until_ms=soon, class_cameras=(dataclasses.replace(yard[0], until_ms=soon),), **seen()),
        case("a still like live", OBSERVER, Action.SNAPSHOT, camera(), ok, until_ms=END, **seen()),
        case("no recording", OBSERVER, Action.PLAYBACK, camera(), "role.action", **seen()),
        case("no sound", OBSERVER, Action.LIVE_AUDIO, camera(), "sound.off", **seen()),
        case("not who looked", OBSERVER, Action.AUDIT, class_(), "role.action", **seen()),
        case("not another person", OBSERVER, Action.PEOPLE, person(OTHER), "not_found", **seen()),
    ]  # fmt: skip
