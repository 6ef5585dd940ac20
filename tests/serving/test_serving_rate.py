"""Frames a second, by a clock that the test holds."""

from __future__ import annotations

import pytest

from viseme.serving import RateMeter


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def test_nothing_done_is_no_rate() -> None:
    assert RateMeter(Clock()).per_second() == 0


def test_a_steady_rate_is_told() -> None:
    clock = Clock()
    meter = RateMeter(clock)
    for _ in range(200):
        meter.add(3)
        clock.now_s += 0.1
    assert meter.per_second() == pytest.approx(30, rel=0.06)


def test_a_rate_is_told_before_five_seconds_have_passed() -> None:
    clock = Clock()
    meter = RateMeter(clock)
    meter.add(10)
    clock.now_s += 1
    meter.add(10)
    assert meter.per_second() == 20


def test_what_was_done_long_ago_does_not_count() -> None:
    clock = Clock()
    meter = RateMeter(clock)
    meter.add(1000)
    clock.now_s += 4
    assert meter.per_second() == 250
    clock.now_s += 2
    assert meter.per_second() == 0
    meter.add(4)
    assert meter.per_second() == 16  # a quarter of a second is the shortest time counted
