"""The cage of a child that handles untrusted video: no files, no network, no exec, no new code.

Owns the seccomp filter, its self-test and the way in. Invariants: the filter is an allow-list, everything else
fails with EPERM; memory cannot be made executable; the self-test tries what must be impossible and the
child does not take a byte of a camera unless each try was refused.
"""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, BinaryIO

from gateway.core import feedwire

EXIT_REFUSED = 3
"""The exit status of a child that cannot be caged."""
MOST_WHY_BYTES = 1_000
"""Of the reason why there is no cage."""

ALLOWED = frozenset(
    {
        "brk",
        "clock_gettime",
        "clock_nanosleep",
        "close",
        "exit",
        "exit_group",
        "fstat",
        "futex",
        "getpid",
        "getrandom",
        "getrusage",
        "gettid",
        "gettimeofday",
        "lseek",
        "madvise",
        "mremap",
        "munmap",
        "nanosleep",
        "newfstatat",
        "poll",
        "ppoll",
        "read",
        "readv",
        "restart_syscall",
        "rseq",
        "rt_sigaction",
        "rt_sigprocmask",
        "rt_sigreturn",
        "sched_getaffinity",
        "sched_yield",
        "set_robust_list",
        "sigaltstack",
        "write",
        "writev",
    }
)
"""What decoding and two pipes need; no openat, socket, clone, execve, kill, ptrace, ioctl, prctl."""
_PROT_EXEC = 4
ESCAPE = f"{tempfile.gettempdir()}/vuon-escape"
"""The self-test tries to make this file, and must fail."""
MEMORY_BYTES = 2 << 30
"""Address space, libraries included: a picture that claims 16384x16384 fails to allocate instead."""


def limit_resources(nice: int = 10) -> None:
    """Bound memory and core dumps, and let everything else run first unless `nice` is 0."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(nice)


def lock(more: Collection[str] = (), *, all_threads: bool = False) -> None:
    """Load the filter for this thread and those it starts, for ever; OSError or ImportError where that is impossible.

    Args:
        more: system calls allowed besides `ALLOWED`; `sendto` only to the peer a socket is connected to.
        all_threads: lock those in that run already, too.

    """
    import pyseccomp as seccomp  # noqa: PLC0415 - needs libseccomp; without it the child must still say REFUSED

    rules: Any = seccomp.SyscallFilter(seccomp.ERRNO(1))
    if all_threads:
        rules.set_attr(seccomp.Attr.CTL_TSYNC, 1)
    for name in sorted(ALLOWED | set(more)):
        if name == "sendto":
            rules.add_rule(seccomp.ALLOW, name, seccomp.Arg(4, seccomp.EQ, 0))
        else:
            rules.add_rule(seccomp.ALLOW, name)
    for name in ("mmap", "mprotect"):
        rules.add_rule(seccomp.ALLOW, name, seccomp.Arg(2, seccomp.MASKED_EQ, _PROT_EXEC, 0))
    rules.load()


def _fork() -> None:
    if os.fork() == 0:
        os._exit(0)


TRIES: Mapping[str, Callable[[], object]] = {
    "open a file": lambda: os.open("/etc/hostname", os.O_RDONLY),
    "list a folder": lambda: os.scandir("/"),
    "make a file": lambda: os.open(ESCAPE, os.O_CREAT | os.O_WRONLY, 0o600),
    "open an IPv4 socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM),
    "open a UDP socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
    "open a unix socket": lambda: socket.socket(socket.AF_UNIX),
    "start a process": _fork,
    "run a program": lambda: os.execv("/bin/true", ["true"]),  # noqa: S606 - must fail
    "signal a process": lambda: os.kill(os.getppid(), 0),
    "be root": lambda: os.setuid(0),
}


def escapes(tries: Mapping[str, Callable[[], object]] = TRIES) -> list[str]:
    """Try what must be impossible; returns what was possible all the same (empty = caged)."""
    possible = []
    for name, attempt in tries.items():
        try:
            attempt()
        except OSError:
            continue
        possible.append(name)
    return possible


def enter(lock: Callable[[], None] = lock, escapes: Callable[[], list[str]] = escapes) -> str:
    """Lock this process up and prove it; returns why that failed, empty on success."""
    try:
        lock()
    except (ImportError, OSError, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    possible = escapes()
    return f"still possible: {', '.join(possible)}" if possible else ""


def prove(arguments: Sequence[str], replies: BinaryIO, *, ready: int, refused: int) -> bool:
    """Limit what this child may use, lock it up and say so in its first message; False: there is no cage, so end.

    `--no-sandbox` among the arguments: the configuration said `sandbox = false`.
    """
    limit_resources()
    why = "" if "--no-sandbox" in arguments else enter()
    replies.write(feedwire.frame(refused if why else ready, why.encode()[:MOST_WHY_BYTES]))
    replies.flush()
    return not why
