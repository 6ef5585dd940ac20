import threading
import time
from collections.abc import Iterator

import pytest

from support.played_network import PATIENCE_S
from viseme.rendering.stage import Incoming, Stage


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


class Microphone:
    """Sound that comes until nobody wants more of it."""

    def __init__(self, *blocks: int) -> None:
        self._blocks = blocks
        self.abandoned = threading.Event()
        self.incoming = Incoming(self._listen(), self.abandoned.set)

    def _listen(self) -> Iterator[int]:
        yield from self._blocks
        assert self.abandoned.wait(PATIENCE_S)


def test_leaving_abandons_what_the_thread_waits_for() -> None:
    before = set(threading.enumerate())
    microphone = Microphone(1)
    with Stage(microphone.incoming, ahead=2, name="test") as stage:
        assert next(stage) == 1
    assert microphone.abandoned.is_set()
    assert set(threading.enumerate()) <= before


def test_what_waits_is_abandoned_through_a_chain_of_stages() -> None:
    microphone = Microphone(1, 2)
    with Stage(microphone.incoming, ahead=2, name="first") as first:
        doubled = (2 * item for item in first)
        with Stage(doubled, ahead=2, name="second", source=first) as second:
            assert [next(second), next(second)] == [2, 4]
        assert microphone.abandoned.is_set()
        assert list(first) == []


def test_what_has_ended_by_itself_is_not_abandoned() -> None:
    ended = Microphone()
    ended.incoming = Incoming([1, 2], ended.abandoned.set)
    with Stage(ended.incoming, ahead=5, name="test") as stage:
        assert list(stage) == [1, 2]
    assert not ended.abandoned.is_set()


def test_an_interrupt_in_the_source_reaches_the_consumer() -> None:
    def interrupted(_: int) -> int:
        raise KeyboardInterrupt

    items = map(interrupted, [0])
    with pytest.raises(KeyboardInterrupt), Stage(items, ahead=1, name="test") as stage:
        next(stage)
