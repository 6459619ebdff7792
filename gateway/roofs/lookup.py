"""Finding a person, class or camera by what somebody typed.

Owns the rule. Pure. Invariants: nothing is guessed: no part of a name matches, and a name that two have
matches neither; an id always matches its one row.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from gateway.core.errors import BadInput
from gateway.core.model import PublicId
from gateway.core.typed import tidy

CASES = {"child": "child_name"}
"""What is told under another case than its own name: `child` is a process."""
MOST_NAMES = 12
"""A school has hundreds of families: an error is read, not searched."""


def only(name: str, rows: Sequence[tuple[PublicId, str]], what: str) -> PublicId:
    """Return the id of the one row called `name` (or with that id).

    BadInput lists the names when there is none, and the ids when there are several: two mothers may have
    one name, and a right must not be taken from the wrong one.
    """
    wanted = tidy(name)
    found = [row_id for row_id, known in rows if name.strip() == row_id or wanted == tidy(known)]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(found)
        raise BadInput(f"{name!r} is {len(found)} times here: {ids}", case="several", key=what, name=name, known=ids)
    known = _known(wanted, [known for _, known in rows])
    case = CASES.get(what, what)
    raise BadInput(f"there is no {what} {name!r}; there are: {known}", case=case, key=what, name=name, known=known)


def _known(wanted: str, names: Sequence[str]) -> str:
    """Return the names there are; of a long list those that look like what was typed, and dots."""
    known = list(dict.fromkeys(names))
    if len(known) <= MOST_NAMES:
        return ", ".join(known) or "-"
    by_tidy = {tidy(name): name for name in known}
    near = difflib.get_close_matches(wanted, by_tidy, MOST_NAMES, 0.5)
    return ", ".join([*(by_tidy[item] for item in near), "…"])
