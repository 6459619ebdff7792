"""Keeping children running: the only place that catches every exception.

Owns `supervise` (run a child for ever, with back-off), `contained` (one failure must not end its
siblings) and `failure_of` (the same for a thread that serves many). Invariants: nothing is swallowed:
each failure reaches the `FaultSink` with its name, or the caller; cancellation always passes; back-off is
jittered and bounded, starts over after a healthy while, and is never shorter than the other side asked
for (`fields["retry_after_s"]` of a VuonError).
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import ParamSpec, TypeAlias

from gateway.core.clock import Clock
from gateway.core.errors import VuonError

P = ParamSpec("P")

FaultSink: TypeAlias = Callable[[str, BaseException], None]
"""Called with the child's name and its error; must not raise."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after the n-th failure in a row."""

    first_s: float = 0.5
    factor: float = 2.0
    most_s: float = 30.0
    healthy_after_s: float = 60.0
    """A run that lasted this long counts as healthy: the next wait starts at `first_s`."""
    spread: float = 0.5
    """Share of the pause that is random: 1.0 spreads a fleet that lost its hub over the whole pause."""

    def wait_s(self, failures: int, jitter: float) -> float:
        """Return the pause after `failures` in a row; `jitter` in [0, 1) picks it from the spread."""
        longest_s = min(self.most_s, self.first_s * self.factor ** min(failures - 1, 30))
        return longest_s * (1 - self.spread + self.spread * jitter)


MOST_ASKED_S = 3600.0
"""A peer may ask for patience, but not switch us off."""


def asked_s(error: Exception | None) -> float:
    """Return the pause that the other side asked for, 0 for none."""
    asked = error.fields.get("retry_after_s", 0) if isinstance(error, VuonError) else 0
    return min(float(asked), MOST_ASKED_S) if isinstance(asked, int | float) else 0.0


async def supervise(
    name: str,
    run: Callable[[], Awaitable[None]],
    *,
    clock: Clock,
    on_fault: FaultSink,
    backoff: Backoff | None = None,
    jitter: Callable[[], float] = random.random,
) -> None:
    """Run `run` for ever: after a failure report it, wait, start again; returns only by cancellation.

    A `run` that returns normally is started again at once after `first_s`.
    """
    rule, failures = backoff or Backoff(), 0
    while True:
        started_ns = clock.mono_ns()
        async with contained(name, on_fault) as outcome:
            await run()
        if clock.mono_ns() - started_ns >= rule.healthy_after_s * 1e9:
            failures = 0
        failures = failures + 1 if outcome.failed else 0
        await clock.sleep(max(rule.wait_s(max(failures, 1), jitter()), asked_s(outcome.error)))


def failure_of(step: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Exception | None:
    """Run one step of a thread that serves many; return its failure instead of raising it.

    The caller decides whom the failure concerns and hands it on; it must not drop it.
    """
    try:
        step(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - the one place: a stream's failure must not end its siblings
        return error
    return None


class Outcome:
    """What became of a `contained` block."""

    error: Exception | None = None

    @property
    def failed(self) -> bool:
        """Say whether the block failed."""
        return self.error is not None


@asynccontextmanager
async def contained(
    name: str, on_fault: FaultSink, *, passing: tuple[type[Exception], ...] = ()
) -> AsyncIterator[Outcome]:
    """Report any failure of the block instead of raising it; `passing` are raised all the same."""
    outcome = Outcome()
    try:
        yield outcome
    except passing:
        raise
    except Exception as error:  # noqa: BLE001 - the one place: everything above must outlive this child
        outcome.error = error
        on_fault(name, error)
