"""One stage of the pipeline on a thread of its own, handing over through a bounded queue."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar, runtime_checkable

__all__ = ["Abandonable", "Incoming", "Stage"]

Item = TypeVar("Item")


@runtime_checkable
class Abandonable(Protocol):
    """What someone may be waiting for, on a thread that has to end."""

    def abandon(self) -> None:
        """Have whoever waits for more of it wait no longer; for any thread, and more than once."""


class Incoming(Iterable[Item], Generic[Item]):
    """Items that come when they come, with a way to stop waiting for them.

    Args:
        items: them.
        abandon: as of `Abandonable`; whoever waits in `items` is to come out of it.
    """

    def __init__(self, items: Iterable[Item], abandon: Callable[[], None]) -> None:
        self._items = items
        self._abandon = abandon

    def __iter__(self) -> Iterator[Item]:
        return iter(self._items)

    def abandon(self) -> None:
        """Have whoever waits for more of it wait no longer; for any thread, and more than once."""
        self._abandon()


class Stage(Iterator[Item], Generic[Item]):
    """Goes through `items` on a thread, at most `ahead` of them before its consumer.

    A full queue makes the thread wait, an empty one the consumer. What `items` raises is raised
    again in the consumer, after all that came before it. Leaving the `with` statement abandons
    what the thread may be waiting for, stops it after the item it is at, closes `items` there if
    that is a generator, and waits for it: no thread is left when control returns.

    Args:
        items: what is handed over.
        ahead: how many of them may wait.
        name: that of the thread, after ours.
        source: what `items` takes its own from, abandoned if it is `Abandonable`; `items`
            itself by default.
    """

    def __init__(
        self, items: Iterable[Item], *, ahead: int, name: str, source: object = None
    ) -> None:
        self._items = items
        self._source = items if source is None else source
        self._ahead = ahead
        self._ready: deque[Item] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._stopped = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name=f"viseme-{name}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.abandon()
        self._thread.join()

    def abandon(self) -> None:
        """Give nothing more, and stop without waiting for that; for any thread."""
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify_all()
            is_at_work = not self._ended
        if is_at_work and isinstance(self._source, Abandonable):
            self._source.abandon()

    def __next__(self) -> Item:
        with self._changed:
            while not (self._ready or self._ended or self._stopped):
                self._changed.wait()
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
            error, self._error = self._error, None
        try:
            raise error or StopIteration
        finally:
            del error  # by its traceback it leads to here, and so to itself

    def _run(self) -> None:
        try:
            self._hand_over()
        except BaseException as error:  # noqa: BLE001 - raised again where it can be handled
            self._end(error)
        else:
            self._end(None)

    def _end(self, error: BaseException | None) -> None:
        with self._changed:
            if not self._stopped:
                self._error = error
            self._ended = True
            self._changed.notify_all()

    def _hand_over(self) -> None:
        try:
            for item in self._items:
                with self._changed:
                    while len(self._ready) >= self._ahead and not self._stopped:
                        self._changed.wait()
                    if self._stopped:
                        return
                    self._ready.append(item)
                    self._changed.notify_all()
        finally:
            if isinstance(self._items, Generator):
                self._items.close()
