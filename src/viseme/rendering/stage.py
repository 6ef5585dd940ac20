"""One stage of the pipeline on a thread of its own, handing over through a bounded queue."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from types import TracebackType
from typing import Generic, Self, TypeVar

__all__ = ["Stage"]

Item = TypeVar("Item")


class Stage(Iterator[Item], Generic[Item]):
    """Goes through `items` on a thread, at most `ahead` of them before its consumer.

    A full queue makes the thread wait, an empty one the consumer. What `items` raises is raised
    again in the consumer, after all that came before it. Leaving the `with` statement stops the
    thread after the item it is at, closes `items` there if that is a generator, and waits for it:
    no thread is left when control returns.
    """

    def __init__(self, items: Iterable[Item], *, ahead: int, name: str) -> None:
        self._items = items
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
        with self._changed:
            self._stopped = True
            self._ready.clear()
            self._changed.notify_all()
        self._thread.join()

    def __next__(self) -> Item:
        with self._changed:
            while not self._ready and not self._ended:
                self._changed.wait()
            if self._ready:
                self._changed.notify_all()
                return self._ready.popleft()
            error, self._error = self._error, None
        if error is not None:
            raise error
        raise StopIteration

    def _run(self) -> None:
        error: BaseException | None = None
        try:
            self._hand_over()
        except BaseException as raised:  # noqa: BLE001 - raised again where it can be handled
            error = raised
        with self._changed:
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
