"""What reports say of a link."""

from __future__ import annotations

from gateway.live.link import FIRST_TRIAL_WAIT_S, LONGEST_TRIAL_WAIT_S, LOW_FOR_S, PROVEN_S, SETTLE_S, Link, Wish

MAIN_BPS = 2_000_000.0


class Scene:
    """A link that reports once a second."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.link = Link(self.now_ns)

    @property
    def now_ns(self) -> int:
        return int(self.now_s * 1e9)

    def second(self, loss: float, *, estimate: int | None = None, can_more: bool = False) -> Wish:
        self.now_s += 1
        self.link.reported(loss, self.now_ns)
        if estimate is not None:
            self.link.estimated(estimate, MAIN_BPS, self.now_ns)
        return self.link.wish(self.now_ns, can_more=can_more)

    def waited_for_more(self) -> int:
        """Return after how many calm seconds the bigger stream is tried."""
        for second in range(1, 200):
            if self.second(0.0, can_more=True) is Wish.MORE:
                return second
        raise AssertionError("never tried")


def test_one_bad_report_changes_nothing() -> None:
    """A burst of loss is repaired; only loss that lasts asks for less."""
    scene = Scene()
    assert [scene.second(loss) for loss in (0.0, 0.5, 0.0, 0.3, 0.05)] == [Wish.STAY] * 5
    assert [scene.second(loss) for loss in (0.2, 0.2)] == [Wish.STAY, Wish.LESS]
    assert scene.link.weak


def test_little_loss_is_lived_with() -> None:
    """Two percent for minutes are what retransmission is for."""
    scene = Scene()
    assert {scene.second(0.02) for _ in range(120)} == {Wish.STAY}


def test_an_estimate_that_stays_low_asks_for_less() -> None:
    """Below the stream's rate for seconds, and not in the first ones, when every estimate is low."""
    scene = Scene()
    wishes = [scene.second(0.0, estimate=1_000_000) for _ in range(20)]
    first = wishes.index(Wish.LESS) + 1
    assert SETTLE_S <= first <= SETTLE_S + LOW_FOR_S
    good = Scene()
    assert {good.second(0.0, estimate=1_900_000) for _ in range(20)} == {Wish.STAY}


def test_an_estimate_that_rises_is_believed_later() -> None:
    """After a collapse it grows by 8 % a second, far below what the link carries by then: no reason to send less."""
    scene = Scene()
    scene.link.began(scene.now_ns, more=True)
    estimate, wishes = 5_000.0, set()
    while estimate < 0.8 * MAIN_BPS:
        estimate = max(estimate + 1000, estimate * 1.08)
        wishes.add(scene.second(0.0, estimate=int(estimate), can_more=False))
    assert wishes == {Wish.STAY}
    assert [scene.second(0.0, estimate=5_000) for _ in range(4)] == [Wish.STAY] * 3 + [Wish.LESS]


def test_a_low_but_rising_estimate_does_not_keep_a_calm_link_small() -> None:
    """The estimate cannot rise above what is sent: more is tried all the same."""
    scene = Scene()
    wishes = [scene.second(0.0, estimate=5_000 + 1000 * n, can_more=True) for n in range(12)]
    assert wishes.index(Wish.MORE) + 1 == FIRST_TRIAL_WAIT_S


class Counts:
    """A receiver that reports as often as it likes, with its counts since the beginning."""

    def __init__(self, highest: int = 0) -> None:
        self.now_ms, self.highest, self.lost = 0, highest, 0
        self.link = Link(0)

    def report(self, ms: int, packets: int, lost: int = 0) -> float | None:
        self.now_ms += ms
        self.highest = self.highest + packets & 0xFFFFFFFF
        self.lost += lost
        return self.link.counted(self.lost, self.highest, self.now_ms * 1_000_000)

    @property
    def less(self) -> bool:
        return self.link.wish(self.now_ms * 1_000_000, can_more=False) is Wish.LESS


def test_reports_between_two_seconds_are_one() -> None:
    """Chromium sends one with each NACK, most of them about no packet at all: two seconds of loss are still seen."""
    counts = Counts()
    for _ in range(100):
        counts.report(20, 2, 1)
        counts.report(5, 0)
    assert counts.less


def test_a_burst_of_loss_is_no_lasting_one() -> None:
    """A fifth of a second without a packet, then none lost for seconds: nothing changes, however often it says so."""
    counts = Counts()
    counts.report(0, 1)
    for ms in range(5000):
        counts.report(1, 1, 1 if 1000 <= ms < 1200 else 0)
        assert not counts.less


def test_counts_wrap_and_repeat() -> None:
    """The highest number wraps at 32 bits; duplicates make the loss negative; a report without packets says nothing."""
    counts = Counts(highest=0xFFFFFF00)
    assert counts.report(0, 1) is None
    assert counts.report(1000, 500, 100) == 0.2
    assert counts.report(1000, 100, -50) == 0.0
    assert counts.report(1000, 0) is None
    assert counts.report(1000, -5) is None
    assert counts.report(1000, 105, 200) == 1.0


def test_a_full_socket_counts_as_a_bad_report() -> None:
    """Two of them are enough."""
    scene = Scene()
    scene.link.choked()
    scene.link.choked()
    assert scene.link.wish(scene.now_ns, can_more=False) is Wish.LESS


def test_a_recovered_link_is_tried_within_the_longest_wait() -> None:
    """However often trials failed, a calm link gets another one in time; nothing is tried while there is loss."""
    scene = Scene()
    assert scene.waited_for_more() == FIRST_TRIAL_WAIT_S
    waits = []
    for _ in range(5):
        scene.link.began(scene.now_ns, more=True)
        assert [scene.second(0.4) for _ in range(2)] == [Wish.STAY, Wish.LESS]
        scene.link.began(scene.now_ns, more=False)
        assert {scene.second(0.05, can_more=True) for _ in range(50)} == {Wish.STAY}
        waits.append(scene.waited_for_more())
    assert waits == sorted(waits)
    assert waits[0] > FIRST_TRIAL_WAIT_S
    assert waits[-1] == LONGEST_TRIAL_WAIT_S


def test_a_trial_that_lasts_is_forgiven() -> None:
    """After the bigger stream ran well, the next fall is followed by a short wait again."""
    scene = Scene()
    for _ in range(3):
        scene.link.began(scene.now_ns, more=True)
        scene.link.began(scene.now_ns, more=False)
    assert scene.waited_for_more() == LONGEST_TRIAL_WAIT_S
    scene.link.began(scene.now_ns, more=True)
    for _ in range(int(PROVEN_S) + 1):
        assert scene.second(0.0) is Wish.STAY
    scene.link.began(scene.now_ns, more=False)
    assert scene.waited_for_more() == FIRST_TRIAL_WAIT_S


def test_nothing_is_asked_for_that_is_not_there() -> None:
    """A calm link on the biggest stream stays."""
    scene = Scene()
    assert {scene.second(0.0, can_more=False) for _ in range(100)} == {Wish.STAY}
