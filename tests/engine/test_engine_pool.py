from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import pytest

from viseme.engine.pool import grouped_map, ordered_map


def workers_alive() -> int:
    return sum(thread.name.startswith("viseme-engine") for thread in threading.enumerate())


def test_results_keep_the_order_though_workers_finish_in_another() -> None:
    first_may_end = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert first_may_end.wait(10)
        if item == 3:
            first_may_end.set()
        return item * item

    assert list(ordered_map(work, range(20), workers=4)) == [item * item for item in range(20)]


def test_as_many_work_at_once_as_there_are_workers() -> None:
    together = threading.Barrier(3, timeout=10)

    def work(item: int) -> int:
        together.wait()  # Breaks unless three are inside at once.
        return item

    assert list(ordered_map(work, range(9), workers=3)) == list(range(9))


def test_items_are_taken_no_further_ahead_than_twice_the_workers() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    for given, result in enumerate(ordered_map(lambda item: item, source(), workers=3)):
        assert result == given
        assert len(taken) <= given + 6


def test_a_slow_source_does_not_hold_results_back() -> None:
    done = threading.Event()

    def source() -> Iterator[int]:
        yield 0
        assert done.wait(10)
        time.sleep(0.05)  # Lets the first result become one that is ready.
        yield 1
        # Were results only given when the pool is full, this would wait for ever.
        assert got_first.wait(10)
        yield 2

    def work(item: int) -> int:
        done.set()
        return item

    got_first = threading.Event()
    results = []
    for result in ordered_map(work, source(), workers=8):
        got_first.set()
        results.append(result)

    assert results == [0, 1, 2]


def test_closing_waits_for_what_runs_and_drops_what_does_not() -> None:
    started: list[int] = []
    ended: list[int] = []

    def work(item: int) -> int:
        started.append(item)
        time.sleep(0.02)
        ended.append(item)
        return item

    results = ordered_map(work, iter(range(1000)), workers=2)
    assert next(results) == 0
    results.close()

    assert workers_alive() == 0
    assert sorted(started) == sorted(ended)
    assert len(started) <= 5


def test_an_error_in_the_function_comes_in_its_place_and_ends_the_workers() -> None:
    def work(item: int) -> int:
        if item == 2:
            raise ValueError("two")
        return item

    results = ordered_map(work, range(10), workers=3)

    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ValueError, match="two"):
        next(results)
    assert workers_alive() == 0


def test_an_error_in_the_source_ends_the_workers() -> None:
    def source() -> Iterator[int]:
        yield 0
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(ordered_map(lambda item: item, source(), workers=3))
    assert workers_alive() == 0


def test_nothing_in_nothing_out() -> None:
    assert list(ordered_map(lambda item: item, [], workers=3)) == []


def squares(items: Sequence[int]) -> list[int]:
    return [item * item for item in items]


@pytest.mark.parametrize("workers", [1, 4])
@pytest.mark.parametrize("rows", [1, 3])
def test_results_of_groups_keep_the_order(workers: int, rows: int) -> None:
    results = grouped_map(squares, range(50), workers=workers, rows=rows)
    assert list(results) == squares(range(50))


def test_groups_are_no_larger_than_they_may_be_and_as_large_as_what_waits() -> None:
    groups: list[int] = []
    all_taken = threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        groups.append(len(items))
        if len(groups) == 1:
            assert all_taken.wait(10)
        return squares(items)

    def source() -> Iterator[int]:
        yield from range(7)
        all_taken.set()

    assert list(grouped_map(work, source(), workers=1, rows=4)) == squares(range(7))
    assert sum(groups) == 7
    assert max(groups) == 4


def test_groups_are_taken_no_further_ahead_than_a_run_for_each_worker_and_one() -> None:
    taken: list[int] = []

    def source() -> Iterator[int]:
        for item in range(100):
            taken.append(item)
            yield item

    for given, _ in enumerate(grouped_map(squares, source(), workers=2, rows=3)):
        assert len(taken) <= given + 9


def test_an_item_does_not_wait_for_others_to_fill_its_group() -> None:
    done = threading.Event()

    def work(items: Sequence[int]) -> list[int]:
        done.set()
        return squares(items)

    def source() -> Iterator[int]:
        yield 3
        assert done.wait(10)  # It has been run, and no other has come.

    assert list(grouped_map(work, source(), workers=1, rows=8)) == [9]


def test_an_error_in_a_group_comes_in_its_place_and_ends_the_workers() -> None:
    def work(items: Sequence[int]) -> list[int]:
        if max(items) >= 5:
            raise ValueError("five")
        return squares(items)

    results = grouped_map(work, range(100), workers=2, rows=1)
    assert [next(results) for _ in range(5)] == squares(range(5))
    with pytest.raises(ValueError, match="five"):
        next(results)
    assert not workers_alive()


def test_closing_drops_the_groups_that_have_not_begun() -> None:
    worked: list[int] = []

    def work(items: Sequence[int]) -> list[int]:
        worked.extend(items)
        return squares(items)

    results = grouped_map(work, range(1000), workers=1, rows=2)
    assert next(results) == 0
    results.close()
    assert not workers_alive()
    assert len(worked) <= 5
