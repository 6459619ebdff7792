"""The cage of the vision child: no files, no network, no other processes, no exec, no new code.

Owns the seccomp filter and its self-test. Invariants: the filter is an allow-list, everything else
fails with EPERM; memory cannot be made executable; the self-test tries what must be impossible and the
child does not read a single picture unless each try was refused.
"""

from __future__ import annotations

import os
import resource
import socket
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

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


def limit_resources() -> None:
    """Bound memory and core dumps and let everything else run first."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(10)


def lock() -> None:
    """Load the filter for this process, for ever; OSError or ImportError where that is impossible."""
    import pyseccomp as seccomp  # noqa: PLC0415 - needs libseccomp; without it the child must still say REFUSED

    rules: Any = seccomp.SyscallFilter(seccomp.ERRNO(1))
    for name in sorted(ALLOWED):
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
