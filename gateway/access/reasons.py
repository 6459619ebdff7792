"""Why the answer is what it is: every reason code of decisions, endings and refused logins.

Owns the list. Invariants: a code is stable and has a text in both catalogues (`reason.<code>`, a test
compares); a code that is told to a guardian (`told`) says nothing about another family.
"""

from __future__ import annotations

from enum import StrEnum

from gateway.core.model import Decision


class Reason(StrEnum):
    """Reason codes; the first group allows, all others refuse or end."""

    # allowed
    PRINCIPAL = "role.principal"
    VICE_PRINCIPAL = "role.vice_principal"
    TEACHER = "role.teacher"
    GUARDIAN = "role.guardian"
    HEALTH = "role.health"
    INSTALLER = "role.installer"
    OBSERVER = "role.observer"
    SELF = "self"
    OWN_CHILD = "own_child"
    CONSOLE = "console"
    # who asks, for what
    PERSON_UNKNOWN = "person.unknown"
    PERSON_DISABLED = "person.disabled"
    ROLE = "role.action"
    NOT_FOUND = "not_found"
    SOUND_OFF = "sound.off"
    # the box
    CLOCK_UNTRUSTED = "clock.untrusted"
    SHARING_STOPPED = "sharing.stopped"
    NOT_ACCEPTED = "box.not_accepted"
    ACCEPTED = "box.accepted"
    # the camera and the class
    CAMERA_PRIVATE = "camera.private"
    CONSENT_MISSING = "consent.missing"
    CLASS_PAUSED = "class.paused"
    CLASS_NOT_OPEN = "class.not_open"
    STAFF_NOTICE = "class.staff_notice"
    ADAPTATION_OVER = "adaptation.over"
    ON_SITE_ONLY = "on_site.only"
    QUOTA_SPENT = "quota.spent"
    # an observation session
    OBSERVATION_CLOSED = "observation.closed"
    OBSERVATION_ASSENT = "observation.assent"
    OBSERVATION_CONSENT = "observation.consent"
    OBSERVATION_OVER = "observation.over"
    # the hour
    CALENDAR_CLOSED = "calendar.closed"
    WINDOW_NONE = "window.none"
    WINDOW_CLOSED = "window.closed"
    PLAN_NONE = "plan.none"
    PLAN_NAP = "plan.nap"
    PLAN_CARE = "plan.care"
    PLAN_HIDDEN = "plan.hidden"
    # staff
    LEADERSHIP = "role.leadership"
    PAUSE_TOO_MANY = "pause.too_many"
    EXPORT_TWO_PEOPLE = "export.two_people"
    EXPORT_SAME_PERSON = "export.same_person"
    # the life of a stream
    POLICY_ERROR = "policy.error"
    DEVICE_OTHER = "device.other"
    STREAM_REPLACED = "stream.replaced"
    VIEWER_LEFT = "viewer.left"
    VIEWER_GONE = "viewer.gone"
    GRANT_UNKNOWN = "grant.unknown"
    MEDIA_FAILED = "media.failed"
    # logins and devices
    SESSION_ENDED = "session.ended"
    SESSION_IDLE = "session.idle"
    SESSION_EXPIRED = "session.expired"
    SESSION_UNPROVEN = "session.unproven"
    LOGIN_STALE = "login.stale"
    LOGIN_UNSET = "login.unset"
    LOGIN_UNKNOWN = "login.unknown"
    LOGIN_SECOND = "login.second"
    DEVICE_LIMIT = "device.limit"
    DEVICE_WAITING = "device.waiting"
    DEVICE_REFUSED = "device.refused"
    DEVICE_UNKNOWN = "device.unknown"
    DEVICE_PROOF = "device.proof"
    HANDOVER_UNKNOWN = "handover.unknown"
    CODE_UNKNOWN = "code.unknown"
    CODE_TRIES = "code.tries"
    SLIP_UNKNOWN = "slip.unknown"
    SLIP_USED = "slip.used"
    SLIP_EXPIRED = "slip.expired"
    SLIP_DIGITS = "slip.digits"
    SLIP_VOID = "slip.void"
    RATE = "rate"


SHUT = frozenset({Reason.CLASS_PAUSED, Reason.CLASS_NOT_OPEN, Reason.STAFF_NOTICE})
"""What shuts a class to all its guardians by somebody's doing: a tap, a family's answer, a missing signature."""


def told(reason: str) -> str:
    """Return the code that whoever is shut out is told: one for all of `SHUT`, so that none learns of another's answer.

    The audit, and what staff are told, keep the true one.
    """
    return Reason.CLASS_PAUSED if reason in SHUT else reason


def told_decision(decision: Decision) -> Decision:
    """Return a decision as a guardian is told it; without a pause's end, by which the two could be told apart."""
    if decision.allowed or decision.reason not in SHUT:
        return decision
    return Decision(False, told(decision.reason))
