"""Which acts need somebody who proved a moment ago who they are.

Owns the list; `Logins.stale` knows how old a proof is, `FactStore` brings the two together and is the only place that
refuses. Pure. Invariant: what takes a picture away from people (a pause, the stop switch, a private camera) is never
held up by it.
"""

from __future__ import annotations

from gateway.core.model import Action, ObjectKind

SENSITIVE = frozenset(
    {
        (Action.PEOPLE, ObjectKind.BOX),
        (Action.CONFIGURE, ObjectKind.BOX),
        (Action.CONFIGURE, ObjectKind.CLASS),
        (Action.APPROVE, ObjectKind.BOX),
    }
)
"""People, settings, keys; copies and codes say it for themselves (`Need.fresh`)."""


def needs_fresh(action: Action, kind: ObjectKind, *, wished: bool = False) -> bool:
    """Say whether an act needs a fresh login."""
    return wished or (action, kind) in SENSITIVE
