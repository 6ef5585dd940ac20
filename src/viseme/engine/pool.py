"""Running a function over many items side by side, with the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

__all__ = ["ordered_map"]

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
