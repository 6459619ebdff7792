"""Network namespaces of a test's own: made together, and taken away whatever happens.

Nothing in them is joined to the machine's own network. One that cannot be removed does not keep the others.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
HANG_S = 60
_NUMBERS = itertools.count()


class NoNamespaces(Exception):
    """This machine does not let us make them."""


def ip(*arguments: str) -> None:
    """Run `ip`; raises CalledProcessError."""
    subprocess.run(["ip", *arguments], check=True, capture_output=True, timeout=HANG_S)


def python_in(space: str, *arguments: str) -> list[str]:
    """Return the command that runs Python inside a namespace."""
    return ["ip", "netns", "exec", space, sys.executable, *arguments]


def mark_of(kind: str) -> str:
    """Return what the names of one lab's namespaces begin with: the machine has one list of them for all processes."""
    return f"{kind}{os.getpid()}x{next(_NUMBERS)}"


class Lab:
    """Namespaces and the processes in them; entered = all of it stands. A lab says how it is built and ended."""

    spaces: list[str]
    """The namespaces there are, in the order in which they were made."""

    def _build(self) -> None:
        raise NotImplementedError

    def _end(self) -> None:
        """End the processes."""
        raise NotImplementedError

    def __enter__(self) -> Self:
        try:
            self._build()
        except (OSError, subprocess.CalledProcessError) as error:
            self._clear()
            raise NoNamespaces(str(error)) from error
        except BaseException:
            self._clear()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._clear()

    def _clear(self) -> None:
        self._end()
        for name in reversed(self.spaces):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                ip("netns", "del", name)
        self.spaces.clear()

    def _space(self, name: str) -> str:
        ip("netns", "add", name)
        self.spaces.append(name)
        ip("-n", name, "link", "set", "lo", "up")
        return name
