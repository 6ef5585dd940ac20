"""How late pictures are, by a clock that the test holds: positions are milliseconds."""

from __future__ import annotations

import pytest

from viseme.serving.pace import BEHIND_EVERY_S, Pace

LOOKAHEAD = 400


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s

    def wait(self, milliseconds: int) -> None:
        self.now_s += milliseconds / 1000


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pace(clock: Clock) -> Pace:
    return Pace(1_000, LOOKAHEAD, clock)


def about(milliseconds: int) -> object:
    return pytest.approx(milliseconds, abs=1)


def test_sound_that_comes_as_it_is_spoken(clock: Clock, pace: Pace) -> None:
    for received in range(100, 2_100, 100):
        clock.wait(100)
        pace.hear(received)
        assert pace.late_samples(max(0, received - LOOKAHEAD)) == 0
    clock.wait(100)
    pace.hear(2_100)
    assert pace.late_samples(1_400) == about(200)


def test_sound_that_comes_at_once_is_due_as_it_is_played(clock: Clock, pace: Pace) -> None:
    pace.hear(10_000)
    clock.wait(1_000)
    assert pace.late_samples(0) == about(1_000)
    assert pace.late_samples(5_000) == 0
    clock.wait(60_000)
    assert pace.late_samples(9_000) == 600  # there is sound enough for no more
    pace.end_speech(10_000)
    clock.wait(60_000)
    assert pace.late_samples(9_000) == 1_000


def test_a_client_that_sends_nothing_makes_nothing_late(clock: Clock, pace: Pace) -> None:
    pace.hear(500)
    pace.end_speech(500)
    clock.wait(60_000)
    pace.hear(700)  # another speech, and not enough of it yet
    assert pace.late_samples(500) == 0
    clock.wait(60_000)
    pace.hear(1_000)
    assert pace.late_samples(500) == 0
    clock.wait(60)
    assert pace.late_samples(500) == about(60)


def test_a_client_that_does_not_read_makes_nothing_late(clock: Clock, pace: Pace) -> None:
    pace.hear(10_000)
    clock.wait(200)
    with pace.resting():
        clock.wait(60_000)
        pace.hear(20_000)
    assert pace.late_samples(0) == about(200)
    clock.wait(200)
    assert pace.late_samples(0) == about(400)


def test_what_was_taken_back_is_not_waited_for(clock: Clock, pace: Pace) -> None:
    pace.hear(10_000)
    clock.wait(1_000)
    pace.skip(10_000)
    pace.hear(10_000 + LOOKAHEAD + 100)
    assert pace.late_samples(10_000) == 0
    clock.wait(60)
    assert pace.late_samples(10_000) == about(60)


def test_a_client_is_told_of_what_it_wants_to_know_and_not_too_often(
    clock: Clock, pace: Pace
) -> None:
    pace.hear(30_000)
    clock.wait(2_000)
    assert pace.notice(0, 0) is None  # it does not want to know
    assert pace.notice(0, 2_100) is None
    notice = pace.notice(0, 1_900)
    assert notice is not None
    assert (notice.start_sample, notice.late_samples) == (0, about(2_000))
    clock.wait(round(1_000 * BEHIND_EVERY_S) - 1)
    assert pace.notice(0, 1_900) is None
    clock.wait(2)
    assert pace.notice(0, 1_900) is not None
    assert pace.notice(0, 1_900) is None
