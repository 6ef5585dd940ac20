"""Running a function over many items side by side, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

__all__ = ["grouped_map", "ordered_map"]

Item = TypeVar("Item")
Result = TypeVar("Result")


def ordered_map(
    function: Callable[[Item], Result], items: Iterable[Item], *, workers: int
) -> Generator[Result, None, None]:
    """Give ``function(item)`` for each item in order, up to ``workers`` of them at work at once.

    Items are taken on the consumer's thread, and no more than twice ``workers`` are in flight:
    some wait, so that no worker does while the consumer is busy. A result that is ready is given
    before the next item is taken, so that a slow source does not hold it back.

    When the consumer closes the generator, or an item or the function raises, what has not
    begun is dropped and what has is waited for: no worker is left when control returns.
    """
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="viseme-engine") as executor:
        try:
            for item in items:
                pending.append(executor.submit(function, item))
                while pending and (len(pending) >= 2 * workers or pending[0].done()):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            executor.shutdown(wait=False, cancel_futures=True)


def grouped_map(
    function: Callable[[Sequence[Item]], Sequence[Result]],
    items: Iterable[Item],
    *,
    workers: int,
    rows: int,
) -> Generator[Result, None, None]:
    """As :func:`ordered_map`, of a function of up to ``rows`` items, which gives a result for each.

    Those are taken together that have come while all workers were busy. So an item never waits
    for others to come, and groups are as large as the workers are slow. No more than
    ``rows * (workers + 1)`` items are in flight.
    """
    waiting: deque[tuple[Item, Future[Result]]] = deque()

    def work() -> None:
        """Take what waits; another may have taken what this was called for."""
        group: list[tuple[Item, Future[Result]]] = []
        with suppress(IndexError):
            while len(group) < rows:
                group.append(waiting.popleft())
        if not group:
            return
        try:
            results = function([item for item, _ in group])
            for (_, future), result in zip(group, results, strict=True):
                future.set_result(result)
        except BaseException as error:  # noqa: BLE001 - raised again where the results are taken
            for _, future in group:
                if not future.done():
                    future.set_exception(error)

    limit = rows * (workers + 1)
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="viseme-engine") as executor:
        try:
            for item in items:
                one: Future[Result] = Future()
                pending.append(one)
                waiting.append((item, one))
                executor.submit(work)
                while pending and (len(pending) >= limit or pending[0].done()):
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            waiting.clear()
            executor.shutdown(wait=False, cancel_futures=True)
