"""What is to happen when something takes too long: one thread for all that is watched."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

__all__ = ["Watchdog"]


@dataclass(frozen=True, slots=True, eq=False)
class _Watch:
    end_s: float
    bark: Callable[[], None]


class Watchdog:
    """Calls a function when a `with` block lasts too long, so as to break what it waits for.

    Libraries that wait without a time-out can be woken only from another thread::

        with Watchdog() as watchdog, watchdog.within(30.0, call.cancel):
            message = call.receive()

    What is watched is bounded by its users: a few entries for each request that is let in.
    """

    def __init__(self) -> None:
        self._watches: set[_Watch] = set()
        self._wakes_s = float("inf")
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="viseme-watchdog", daemon=True)

    def __enter__(self) -> Self:
        """Start the thread."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def within(self, seconds: float, bark: Callable[[], None]) -> Iterator[None]:
        """Call a function once if the `with` block has not ended in time.

        Args:
            seconds: how long it may last.
            bark: what to call; on the watchdog's thread, so it must be quick and not raise. It
                may still be called at the moment in which the block ends.
        """
        watch = _Watch(time.monotonic() + seconds, bark)
        with self._changed:
            self._watches.add(watch)
            if watch.end_s < self._wakes_s:
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._watches.discard(watch)

    def close(self) -> None:
        """End the thread; nothing is called any more. Closing again does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                now_s = time.monotonic()
                late = {watch for watch in self._watches if watch.end_s <= now_s}
                self._watches -= late
                if not late:
                    self._sleep(now_s)
            for watch in late:  # without the lock, for what is called may wake whoever waits
                watch.bark()

    def _sleep(self, now_s: float) -> None:
        """Wait until the next is late, or one comes that will be earlier."""
        ends = [watch.end_s for watch in self._watches]
        self._wakes_s = min(ends, default=float("inf"))
        self._changed.wait(self._wakes_s - now_s if ends else None)
