"""When a call is tried again, and when it is over."""

from __future__ import annotations

import re

import pytest

from viseme.client.attempts import Attempts
from viseme.errors import (
    AuthError,
    DeadlineError,
    InputError,
    OverloadedError,
    UnavailableError,
    VisemeError,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def attempts(timeout_s: float, retries: int, chance: float = 1.0) -> tuple[Attempts, Clock]:
    clock = Clock()
    return Attempts(timeout_s, retries, clock=clock, chance=lambda: chance), clock


def test_pauses_double_up_to_a_bound() -> None:
    tries, _ = attempts(1000, 9)
    lost = UnavailableError("lost")
    pauses = [tries.pause_s(lost) for _ in range(9)]
    assert pauses == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5, 5, 5])


def test_chance_spreads_them_over_half_of_it() -> None:
    assert attempts(1000, 1, chance=0.0)[0].pause_s(UnavailableError("lost")) == 0.05
    assert attempts(1000, 1, chance=0.5)[0].pause_s(UnavailableError("lost")) == pytest.approx(
        0.075
    )


def test_nobody_comes_back_before_the_server_has_said() -> None:
    tries, _ = attempts(1000, 1, chance=0.0)
    assert tries.pause_s(OverloadedError("busy", retry_after_s=7)) == 7.05


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_it_is_tried_again_so_often_and_not_more(retries: int) -> None:
    tries, _ = attempts(1000, retries)
    lost = UnavailableError("lost")
    for _ in range(retries):
        tries.pause_s(lost)
    with pytest.raises(UnavailableError) as caught:
        tries.pause_s(lost)
    assert caught.value is lost


@pytest.mark.parametrize(
    "error", [InputError("x"), AuthError("x"), DeadlineError("x"), VisemeError("x")]
)
def test_what_will_not_change_is_not_tried_again(error: VisemeError) -> None:
    tries, _ = attempts(1000, 5)
    with pytest.raises(type(error)) as caught:
        tries.pause_s(error)
    assert caught.value is error


def test_a_pause_that_would_pass_the_end_is_not_made() -> None:
    tries, _ = attempts(2.0, 5)
    with pytest.raises(OverloadedError, match="busy"):
        tries.pause_s(OverloadedError("busy", retry_after_s=2))


def test_the_time_left_shrinks_and_ends() -> None:
    tries, clock = attempts(2.0, 5)
    assert tries.time_left_s() == 2.0
    clock.now_s += 1.5
    assert tries.time_left_s() == 0.5
    clock.now_s += 0.5
    expected = "There was no answer within 2 s; give it longer with timeout_s."
    with pytest.raises(DeadlineError, match=f"^{re.escape(expected)}$"):
        tries.time_left_s()
