"""Which kinds of object a role may do something to at all; everything else is `role.action`.

Owns the table. Invariant: default deny: a role's own rules can only narrow what stands here.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.core.model import Action, ObjectKind, Role

_K = ObjectKind
_SELF = {Action.PEOPLE: frozenset({_K.PERSON})}
"""One's own sessions and devices."""

_LEADERS: Mapping[Action, frozenset[ObjectKind]] = {
    Action.LIVE: frozenset({_K.CAMERA, _K.CLASS}),
    Action.SNAPSHOT: frozenset({_K.CAMERA}),
    Action.PLAYBACK: frozenset({_K.CAMERA}),
    Action.EXPORT: frozenset({_K.CAMERA, _K.EXPORT}),
    Action.HOLD: frozenset({_K.CAMERA, _K.HOLD, _K.INCIDENT}),
    Action.HEALTH: frozenset({_K.BOX, _K.CAMERA}),
    Action.PEOPLE: frozenset({_K.BOX, _K.CLASS, _K.CHILD, _K.PERSON}),
    Action.AUDIT: frozenset({_K.BOX, _K.CAMERA, _K.CLASS, _K.PERSON, _K.EVENT, _K.INCIDENT}),
    Action.PAUSE: frozenset({_K.CLASS}),
    Action.STOP_ALL: frozenset({_K.BOX}),
    Action.APPROVE: frozenset({_K.PERSON, _K.EXPORT}),
    Action.INVITE: frozenset({_K.CLASS}),
    Action.REVIEW: frozenset({_K.REVIEW, _K.INCIDENT}),
    Action.OBSERVE: frozenset({_K.BOX}),
}
"""What running the school's day takes. The vice-principal has all of it, so that a copy has its second person and
the school its morning when the principal is away; what binds the school or changes the box is the principal's."""

MAY: Mapping[Role, Mapping[Action, frozenset[ObjectKind]]] = {
    Role.PRINCIPAL: {
        **_LEADERS,
        Action.CONFIGURE: frozenset({_K.BOX, _K.CAMERA, _K.CLASS}),
        Action.APPROVE: frozenset({_K.BOX, _K.PERSON, _K.EXPORT}),
        Action.AIM: frozenset({_K.CAMERA}),
    },
    Role.VICE_PRINCIPAL: _LEADERS,
    Role.TEACHER: {
        Action.LIVE: frozenset({_K.CAMERA, _K.CLASS}),
        Action.SNAPSHOT: frozenset({_K.CAMERA}),
        Action.PAUSE: frozenset({_K.CLASS}),
        Action.AUDIT: frozenset({_K.CLASS}),
        Action.INVITE: frozenset({_K.CLASS}),
        Action.PEOPLE: frozenset({_K.PERSON, _K.CLASS}),
        Action.OBSERVE: frozenset({_K.CLASS}),
    },
    Role.GUARDIAN: {
        Action.LIVE: frozenset({_K.CAMERA, _K.CLASS}),
        Action.SNAPSHOT: frozenset({_K.CAMERA}),
        Action.AUDIT: frozenset({_K.CLASS}),
        Action.PEOPLE: frozenset({_K.PERSON, _K.CHILD}),
        Action.REVIEW: frozenset({_K.CLASS, _K.REVIEW}),
    },
    Role.OBSERVER: {
        Action.LIVE: frozenset({_K.CAMERA, _K.CLASS}),
        Action.SNAPSHOT: frozenset({_K.CAMERA}),
        **_SELF,
    },
    Role.AUTHORITY_IT: {Action.HEALTH: frozenset({_K.BOX, _K.CAMERA}), **_SELF},
    Role.INSTALLER: {
        Action.CONFIGURE: frozenset({_K.BOX, _K.CAMERA}),
        Action.AIM: frozenset({_K.CAMERA}),
        Action.HEALTH: frozenset({_K.BOX, _K.CAMERA}),
        **_SELF,
    },
}
