"""How a file is refused whole, and how big one may be.

Owns the bounds that whoever sends a file needs as well, and the error. Invariant: each case has a text and a remedy in
both catalogues (`case.import_<case>`).
"""

from __future__ import annotations

from gateway.core.errors import BadInput

MAX_BYTES = 5 << 20


def refused(case: str, **fields: str | int) -> BadInput:
    """Return the error of a file that is refused whole."""
    return BadInput(f"the file is refused: {case}", case=f"import_{case}", key="file", **fields)
