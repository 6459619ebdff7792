"""Rights of the process: what systemd gave a daemon stays with the daemon.

Owns the one call. Invariant: after it, programs that the daemon starts have no capability of their own; the
daemon keeps those it has.
"""

from __future__ import annotations

import ctypes

_PR_CAP_AMBIENT, _CLEAR_ALL = 47, 4
_LIBC = ctypes.CDLL(None, use_errno=True)


def keep_from_children() -> None:
    """Empty the ambient set (capabilities(7)); kernels before 4.3 have none, and nothing to pass on."""
    _LIBC.prctl(_PR_CAP_AMBIENT, _CLEAR_ALL, 0, 0, 0)
