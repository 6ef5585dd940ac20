import threading
import time
from collections.abc import Iterator

import pytest

from viseme.rendering.stage import Stage


def test_items_come_in_order() -> None:
    with Stage(range(1000), ahead=3, name="test") as stage:
        assert list(stage) == list(range(1000))


def test_it_never_runs_further_ahead_than_allowed() -> None:
    begun = 0
    seen_ahead: list[int] = []

    def items() -> Iterator[int]:
        nonlocal begun
        while begun < 200:
            begun += 1
            yield begun

    with Stage(items(), ahead=3, name="test") as stage:
        for item in stage:
            time.sleep(0.0005)
            seen_ahead.append(begun - item)
    # Three wait in the queue, and one more is held by the thread until there is room.
    assert 3 <= max(seen_ahead) <= 4


def test_an_error_comes_after_what_was_before_it() -> None:
    error = RuntimeError("boom")

    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise error

    with Stage(items(), ahead=5, name="test") as stage:
        assert [next(stage), next(stage)] == [1, 2]
        with pytest.raises(RuntimeError) as caught:
            next(stage)
        assert caught.value is error
        assert list(stage) == []


def test_leaving_early_ends_the_thread_and_closes_the_source() -> None:
    closed_on: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 0
        finally:
            closed_on.append(threading.current_thread().name)

    before = set(threading.enumerate())
    with Stage(endless(), ahead=2, name="test") as stage:
        next(stage)
    assert set(threading.enumerate()) <= before
    assert closed_on == ["viseme-test"]


def test_leaving_by_an_error_ends_the_thread_too() -> None:
    before = set(threading.enumerate())
    with pytest.raises(KeyError), Stage(iter(int, 1), ahead=2, name="test"):
        raise KeyError
    assert set(threading.enumerate()) <= before


def test_an_interrupt_in_the_source_reaches_the_consumer() -> None:
    def interrupted(_: int) -> int:
        raise KeyboardInterrupt

    items = map(interrupted, [0])
    with pytest.raises(KeyboardInterrupt), Stage(items, ahead=1, name="test") as stage:
        next(stage)
