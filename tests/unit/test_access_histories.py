"""Histories: whatever the school does in whatever order, the running picture and the judge agree.

A machine sets facts, lets time pass, opens and closes the mother's stream. Invariant after every step: the policy says
what the independent judge says, and a stream that was allowed until an instant is refused at it.
"""

from __future__ import annotations

import dataclasses
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gateway.access.ask import Asking
from gateway.access.facts import (
    ClassCamera,
    ClassRules,
    Consent,
    Enrolment,
    Facts,
    Guardian,
    Pause,
    Privacy,
    Purpose,
    Resolution,
    Span,
)
from gateway.access.policy import decide
from gateway.core.model import Action, Decision
from tests.fakes.access_oracle import sees
from tests.fakes.school import CAM, CHILD, CHOI, DAY, HOUR, MAM, MATE, MINUTE, MOTHER, NOW, camera, facts

children = st.sampled_from((CHILD, MATE))
classes = st.sampled_from((MAM, CHOI))


class Histories(RuleBasedStateMachine):
    """A school's days."""

    @initialize()
    def found(self) -> None:
        """The school opens: the mother may see."""
        self.now_ms, self.facts = NOW, facts()
        self.past: tuple[Span, ...] = ()
        self.since_ms: int | None = None
        self.promised: Decision | None = None

    @property
    def asking(self) -> Asking:
        running = () if self.since_ms is None else (Span(since_ms=self.since_ms),)
        return Asking(viewed=(*self.past, *running))

    def ask(self) -> Decision:
        return decide(self.facts, MOTHER, Action.LIVE, camera(), self.now_ms, self.asking)

    def change(self, **fields: Any) -> None:
        self.facts = dataclasses.replace(self.facts, version=self.facts.version + 1, **fields)
        self.promised = None
        if self.since_ms is not None and not self.ask().allowed:
            self.close()

    def end_rows(self, field: str, **match: Any) -> tuple[Any, ...]:
        """End the rows of a field that match and hold now."""
        return tuple(
            dataclasses.replace(row, until_ms=self.now_ms)
            if row.holds(self.now_ms) and all(getattr(row, key) == value for key, value in match.items())
            else row
            for row in getattr(self.facts, field)
        )

    @rule(child=children)
    def consent(self, child: Any) -> None:
        row = Consent(child=child, purpose=Purpose.VIEW, since_ms=self.now_ms)
        self.change(consents=(*self.end_rows("consents", child=child), row))

    @rule(child=children)
    def withdraw(self, child: Any) -> None:
        self.change(consents=self.end_rows("consents", child=child))

    @rule(child=children)
    def resolve(self, child: Any) -> None:
        self.change(resolutions=(*self.facts.resolutions, Resolution(child=child, class_id=MAM, since_ms=self.now_ms)))

    @rule(child=children, class_id=classes)
    def move(self, child: Any, class_id: Any) -> None:
        row = Enrolment(child=child, class_id=class_id, since_ms=self.now_ms)
        self.change(enrolments=(*self.end_rows("enrolments", child=child), row))

    @rule(minutes=st.integers(1, 15) | st.none())
    def pause(self, minutes: int | None) -> None:
        until_ms = None if minutes is None else self.now_ms + minutes * MINUTE
        row = Pause(class_id=MAM, since_ms=self.now_ms, until_ms=until_ms)
        self.change(pauses=(*self.end_rows("pauses"), row))

    @rule()
    def resume(self) -> None:
        self.change(pauses=self.end_rows("pauses"))

    @rule(minutes=st.integers(1, 60))
    def hide_camera(self, minutes: int) -> None:
        row = Privacy(camera=CAM, since_ms=self.now_ms, until_ms=self.now_ms + minutes * MINUTE)
        self.change(privacies=(*self.end_rows("privacies"), row))

    @rule(class_id=classes)
    def assign(self, class_id: Any) -> None:
        row = ClassCamera(camera=CAM, class_id=class_id, since_ms=self.now_ms)
        self.change(class_cameras=(*self.end_rows("class_cameras", camera=CAM), row))

    @rule(hours=st.integers(1, 48) | st.none())
    def tie(self, hours: int | None) -> None:
        until_ms = None if hours is None else self.now_ms + hours * HOUR
        row = Guardian(person=MOTHER, child=CHILD, since_ms=self.now_ms, until_ms=until_ms)
        self.change(guardians=(*self.end_rows("guardians", person=MOTHER), row))

    @rule()
    def untie(self) -> None:
        self.change(guardians=self.end_rows("guardians", person=MOTHER))

    @rule(stopped=st.booleans())
    def stop_all(self, stopped: bool) -> None:
        self.change(sharing_stopped=stopped)

    @rule(minutes=st.sampled_from((None, 0, 20, 90)), days=st.sampled_from((None, 1, 400)))
    def narrow(self, minutes: int | None, days: int | None) -> None:
        self.change(rules=(ClassRules(MAM, False, minutes, days),))

    @precondition(lambda self: self.since_ms is None)
    @rule()
    def open(self) -> None:
        """The mother's phone asks; what is refused shows nothing."""
        begins = Asking(viewed=(*self.past, Span(since_ms=self.now_ms)))
        if decide(self.facts, MOTHER, Action.LIVE, camera(), self.now_ms, begins).allowed:
            self.since_ms = self.now_ms
            self.promised = self.ask()

    @rule()
    def close(self) -> None:
        if self.since_ms is not None:
            self.past = (*self.past, Span(since_ms=self.since_ms, until_ms=self.now_ms))
            self.since_ms = self.promised = None

    @rule(ms=st.sampled_from((1, MINUTE, 7 * MINUTE, HOUR, 5 * HOUR, DAY)))
    def pass_time(self, ms: int) -> None:
        """Time passes; the timer ends a stream at the instant it was promised, as the time cutter does."""
        promised, target_ms = self.promised, self.now_ms + ms
        if self.since_ms is not None:
            promised = promised or self.ask()
            until_ms = promised.until_ms
            if until_ms is not None and until_ms <= target_ms:
                self.now_ms = until_ms - 1
                assert self.ask().allowed
                self.now_ms = until_ms
                if not self.ask().allowed:
                    self.close()
                self.promised = None
        self.now_ms = max(self.now_ms, target_ms)
        if self.since_ms is not None and not self.ask().allowed:
            self.close()

    @invariant()
    def agree(self) -> None:
        """The judge says the same, and an open stream is an allowed one."""
        answer = self.ask()
        assert answer.allowed is sees(self.facts, MOTHER, CAM, self.now_ms, self.asking)
        assert self.since_ms is None or answer.allowed
        if answer.next_ms is not None:
            stopped = self.asking.stopped(self.now_ms)
            assert sees(self.facts, MOTHER, CAM, answer.next_ms, stopped)
            assert not sees(self.facts, MOTHER, CAM, answer.next_ms - 1, stopped)

    def teardown(self) -> None:
        assert isinstance(self.facts, Facts)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
