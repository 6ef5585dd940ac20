"""How good pictures are: down where the line is slow, up after calm, and not to and fro."""

from __future__ import annotations

import itertools

import pytest

from support.hand_clock import HandClock
from viseme.serving.live_quality import (
    CALM_MOST_S,
    CALM_S,
    LATE_S,
    PATIENCE_S,
    QUALITIES,
    LiveQuality,
)

LAST = len(QUALITIES) - 1
PICTURE_S = 0.04


def watch(quality: LiveQuality, clock: HandClock, seconds: float, late_s: float) -> list[int]:
    """Send 25 pictures a second that are so late; give the steps that were taken."""
    steps = [quality.step]
    for _ in range(round(seconds / PICTURE_S)):
        clock.s += PICTURE_S
        quality.sent(late_s)
        if quality.step != steps[-1]:
            steps.append(quality.step)
    return steps[1:]


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def quality(clock: HandClock) -> LiveQuality:
    return LiveQuality(clock)


def test_it_is_the_best_as_long_as_nothing_is_late(quality: LiveQuality, clock: HandClock) -> None:
    assert watch(quality, clock, 60, LATE_S) == []
    assert quality.step == 0


def test_it_falls_where_pictures_are_left_out_and_no_faster_than_that_is_seen(
    quality: LiveQuality, clock: HandClock
) -> None:
    quality.left_out()
    quality.left_out()
    assert quality.step == 1
    for _ in range(10):
        clock.s += PATIENCE_S
        quality.left_out()
    assert quality.step == LAST


def test_it_falls_where_pictures_stay_late(quality: LiveQuality, clock: HandClock) -> None:
    assert watch(quality, clock, PATIENCE_S - 2 * PICTURE_S, 2 * LATE_S) == []
    assert watch(quality, clock, 1, 0) == []  # once is nothing
    assert watch(quality, clock, 2.5 * PATIENCE_S, 2 * LATE_S) == [1, 2]
    assert watch(quality, clock, 1, 0) == []
    clock.s += 60  # nobody speaks
    assert watch(quality, clock, 3 * PICTURE_S, 2 * LATE_S) == []


def test_it_rises_after_calm(quality: LiveQuality, clock: HandClock) -> None:
    watch(quality, clock, 10 * PATIENCE_S, 2 * LATE_S)
    assert quality.step == LAST
    assert watch(quality, clock, CALM_S - 2 * PICTURE_S, 0) == []
    assert watch(quality, clock, LAST * (CALM_S + 2 * PICTURE_S), 0) == list(
        range(LAST - 1, -1, -1)
    )


def test_a_line_that_takes_no_more_is_tried_less_and_less_often(
    quality: LiveQuality, clock: HandClock
) -> None:
    """The line is one that takes the second step and not the first."""
    seconds = 1_200.0
    tries = []
    for _ in range(round(seconds / PICTURE_S)):
        clock.s += PICTURE_S
        if quality.step < 2:
            tries.append(clock.s)
            quality.left_out()
        else:
            quality.sent(0)
    calms = [after - before for before, after in itertools.pairwise(tries)]
    calms = [calm for calm in calms if calm > PATIENCE_S]
    assert calms == pytest.approx(
        [min(CALM_S * 2**n, CALM_MOST_S) for n in range(len(calms))], abs=4 * PATIENCE_S
    )
    assert len(calms) >= 8
    # When the line is better at last, the way up is taken, and is shorter the next time.
    assert watch(quality, clock, 3 * CALM_MOST_S, 0) == [1, 0]
