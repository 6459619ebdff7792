"""What people may who are neither the school's own nor a family: authority, installer.

Owns these rules, and what everyone may: one's own sessions and devices. Pure.
"""

from __future__ import annotations

from gateway.access.ask import Answer, Ask, no
from gateway.access.reasons import Reason
from gateway.core.model import Action


def oneself(ask: Ask, _at_ms: int) -> Answer:
    """One's own sessions and devices are everyone's own business; another person is not there."""
    return Answer(True, Reason.SELF) if ask.obj.id == ask.person.id else no(Reason.NOT_FOUND)


def authority(ask: Ask, at_ms: int) -> Answer:
    """Allow health, never a picture."""
    return Answer(True, Reason.HEALTH) if ask.action is Action.HEALTH else oneself(ask, at_ms)


def installer(ask: Ask, at_ms: int) -> Answer:
    """Allow setting up until the box is accepted; health always."""
    if ask.action in {Action.HEALTH, Action.PEOPLE}:
        return authority(ask, at_ms)
    return no(Reason.ACCEPTED) if ask.facts.accepted else Answer(True, Reason.INSTALLER)
