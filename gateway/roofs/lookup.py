"""Finding a person, class or camera by what somebody typed.

Owns the rule. Pure. Invariants: nothing is guessed: no part of a name matches, and a name that two have
matches neither; an id always matches its one row.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from gateway.core.errors import BadInput
from gateway.core.model import PublicId


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
    known = ", ".join(dict.fromkeys(known for _, known in rows)) or "-"
    raise BadInput(f"there is no {what} {name!r}; there are: {known}", case=what, key=what, name=name, known=known)


def tidy(name: str) -> str:
    """Return a name as it is compared: composed accents (Unicode NFC), single spaces, no case."""
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()
