"""The pull point's rules: one subscription, a second between calls, patience where it is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.onvif.pullpoint import (
    LIFE_S,
    LOST_LEAST_S,
    LOST_MOST_S,
    MOST_LIFE_S,
    PULL_MOST_S,
    REFUSED_LEAST_S,
    REFUSED_MOST_S,
    Create,
    Drop,
    Form,
    Pull,
    PullPoint,
    Renew,
    Rest,
    Subscription,
)
from gateway.core.errors import CameraBadReply, CameraError, CameraOverloaded, CameraUnreachable, CameraUnsupported

S = 1_000_000_000
ONE = Subscription("http://127.0.0.1/onvif/subscription/1")
FAULT = CameraBadReply("fault", codes=("InvalidArgVal",))
HTML = CameraBadReply("html")
GONE = CameraUnreachable("no answer")


def rested(rules: PullPoint, now_ns: int) -> tuple[int, object]:
    """The next call and when it is due."""
    step = rules.next(now_ns)
    while isinstance(step, Rest):
        assert step.seconds > 0
        now_ns += int(step.seconds * S) + 1
        step = rules.next(now_ns)
    return now_ns, step


def subscribed(life_s: float | None = 120.0) -> tuple[PullPoint, int]:
    rules = PullPoint(None, lambda: 0.0)
    assert rules.next(S) == Create(Form.RELATIVE)
    rules.created(S, ONE, life_s)
    return rules, S


def test_a_left_over_subscription_is_given_back_first() -> None:
    """After a crash the remembered pull point goes before a new one is asked for, once, whatever comes of it."""
    rules = PullPoint(ONE, lambda: 0.0)
    assert rules.next(0) == Drop(ONE)
    rules.dropped(0)
    _, step = rested(rules, 0)
    assert step == Create(Form.RELATIVE)


def test_a_refused_form_is_followed_by_the_next() -> None:
    """Duration, date, nothing: each is tried once, then minutes pass; what worked is kept."""
    rules, now_ns, forms = PullPoint(None, lambda: 0.0), 0, []
    for _ in range(3):
        now_ns, step = rested(rules, now_ns)
        assert isinstance(step, Create)
        forms.append(step.form)
        rules.not_created(now_ns, FAULT)
    assert forms == [Form.RELATIVE, Form.ABSOLUTE, Form.NONE]
    later_ns, step = rested(rules, now_ns)
    assert step == Create(Form.RELATIVE)
    assert later_ns - now_ns >= REFUSED_LEAST_S / 2 * S
    rules.not_created(later_ns, FAULT)
    now_ns, step = rested(rules, later_ns)
    assert step == Create(Form.ABSOLUTE)
    rules.created(now_ns, ONE, None)
    rules.not_pulled(now_ns, FAULT)
    assert rested(rules, now_ns)[1] == Create(Form.ABSOLUTE)


@pytest.mark.parametrize("error", [HTML, CameraOverloaded("busy"), CameraUnsupported("no such service")])
def test_no_answer_of_the_service_is_no_reason_for_another_form(error: CameraError) -> None:
    """A crash, a full camera and a missing service are met by minutes of patience, doubling to a bound."""
    rules, now_ns = PullPoint(None, lambda: 0.0), 0
    for times in range(12):
        now_ns, step = rested(rules, now_ns)
        assert step == Create(Form.RELATIVE)
        rules.not_created(now_ns, error)
        wait = rules.next(now_ns)
        assert isinstance(wait, Rest)
        assert wait.seconds == pytest.approx(min(REFUSED_MOST_S, REFUSED_LEAST_S * 2**times) / 2)


def test_it_is_renewed_at_half_its_life() -> None:
    """A subscription is pulled until half of its life is over, then renewed, and never after its end."""
    rules, now_ns = subscribed(100.0)
    while True:
        now_ns, step = rested(rules, now_ns)
        if isinstance(step, Renew):
            break
        assert step == Pull(ONE)
        rules.pulled(now_ns, 0, None)
    assert 50 <= now_ns / S - 1 <= 50 + PULL_MOST_S + 1
    assert step == Renew(ONE, Form.RELATIVE)
    rules.renewed(now_ns, None)
    assert rested(rules, now_ns)[1] == Pull(ONE)
    assert rules.next(now_ns + (LIFE_S + 1) * S) == Create(Form.RELATIVE)


def test_a_camera_without_renew_is_used_to_the_end() -> None:
    """A refused Renew costs nothing: pulls go on, then a new subscription is made."""
    rules, _ = subscribed(100.0)
    now_ns = 60 * S
    assert rules.next(now_ns) == Renew(ONE, Form.RELATIVE)
    rules.not_renewed(now_ns, FAULT)
    assert rested(rules, now_ns)[1] == Pull(ONE)
    assert rules.next(102 * S) == Create(Form.RELATIVE)


def test_a_camera_that_extends_with_every_pull_is_not_renewed() -> None:
    """The end that a pull's answer names counts when it is later."""
    rules, _ = subscribed(20.0)
    now_ns = S
    for _ in range(200):
        now_ns, step = rested(rules, now_ns)
        assert step == Pull(ONE)
        rules.pulled(now_ns, 0, 60.0)


def test_empty_pulls_become_rare_and_events_make_them_quick() -> None:
    """An empty answer doubles the pause up to ten seconds; an event brings it back to one."""
    rules, now_ns = subscribed(3_600.0)
    pauses = []
    for _ in range(6):
        now_ns, _ = rested(rules, now_ns)
        rules.pulled(now_ns, 0, None)
        wait = rules.next(now_ns)
        assert isinstance(wait, Rest)
        pauses.append(round(wait.seconds, 3))
    assert pauses == [2, 4, 8, 10, 10, 10]
    now_ns, _ = rested(rules, now_ns)
    rules.pulled(now_ns, 3, None)
    assert rules.next(now_ns) == Rest(1.0)


def test_an_unreachable_camera_keeps_its_subscription_for_a_while() -> None:
    """Silence on the line is no end of the subscription; a fault is."""
    rules, now_ns = subscribed()
    rules.not_pulled(now_ns, GONE)
    later_ns, step = rested(rules, now_ns)
    assert step == Pull(ONE)
    assert later_ns - now_ns >= LOST_LEAST_S / 2 * S
    rules.not_pulled(later_ns, FAULT)
    assert rules.held is None
    assert isinstance(rested(rules, later_ns)[1], Create)


def test_an_absurd_life_is_bounded() -> None:
    """A life in the past or for years is not believed."""
    for life_s in (-5.0, 0.0, 1e9):
        rules, _ = subscribed(life_s)
        now_ns, step = rested(rules, S)
        assert step == Pull(ONE)
        assert rules.next(now_ns + int(MOST_LIFE_S + 1) * S) == Create(Form.RELATIVE)


ERRORS = st.sampled_from([FAULT, HTML, GONE, CameraOverloaded("busy"), CameraUnsupported("no", codes=("x",))])


@settings(deadline=None, max_examples=50)
@given(st.data(), st.booleans(), st.floats(0, 1, exclude_max=True))
def test_whatever_happens_the_camera_is_left_in_peace(data: st.DataObject, left_over: bool, jitter: float) -> None:
    """No outcome makes two calls within a second, a second subscription, or a pause beyond the bounds."""
    rules = PullPoint(ONE if left_over else None, lambda: jitter)
    now_ns, last_ns, made = 0, -S, 0
    for _ in range(40):
        step = rules.next(now_ns)
        if isinstance(step, Rest):
            assert 0 < step.seconds <= max(REFUSED_MOST_S, LOST_MOST_S)
            now_ns += int(step.seconds * S) + data.draw(st.integers(1, 30 * S))
            continue
        assert now_ns - last_ns >= S
        now_ns += data.draw(st.integers(0, 5 * S))
        error = data.draw(st.none() | ERRORS)
        life_s = data.draw(st.none() | st.floats(-100, 1e5))
        match step:
            case Create():
                assert rules.held is None
                made += 1
                if error is None:
                    rules.created(now_ns, Subscription(f"http://c/{made}"), life_s)
                else:
                    rules.not_created(now_ns, error)
            case Pull():
                if error is None:
                    rules.pulled(now_ns, made % 2, life_s)
                else:
                    rules.not_pulled(now_ns, error)
            case Renew():
                if error is None:
                    rules.renewed(now_ns, life_s)
                else:
                    rules.not_renewed(now_ns, error)
            case Drop():
                rules.dropped(now_ns)
        last_ns = now_ns
