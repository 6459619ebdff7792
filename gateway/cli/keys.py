"""Single keys from the terminal, without Enter.

Owns the terminal's mode while somebody is asked. Invariants: the mode is as before afterwards, whatever
happens; what was typed early is not thrown away; Ctrl+C still ends the program.
"""

from __future__ import annotations

import os
import sys
import termios
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager

ESCAPE_BYTES = 8
"""An arrow key is one read of a few bytes, and no letter."""
END = "\x04"
"""What a closed terminal reads as."""


@contextmanager
def single_keys() -> Iterator[Callable[[], str]]:
    """Yield what waits for the next key and returns it, `END` when there will be none."""
    fd = sys.stdin.fileno()
    before = termios.tcgetattr(fd)
    try:
        tty.setcbreak(fd, termios.TCSADRAIN)
        yield lambda: os.read(fd, ESCAPE_BYTES).decode("utf-8", "ignore") or END
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)
