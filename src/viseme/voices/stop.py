"""How one thread has another one stop speaking."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["Stop"]


class Stop:
    """Nobody listens any more; set by any thread, once, and never taken back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_set = False
        self._action: Callable[[], object] | None = None

    @property
    def is_set(self) -> bool:
        """Whether whoever speaks is to stop."""
        return self._is_set

    def set(self) -> None:
        """Have whoever speaks stop, on whatever it waits."""
        with self._lock:
            self._is_set = True
            if self._action is not None:
                self._action()

    @contextmanager
    def ending(self, action: Callable[[], object]) -> Iterator[None]:
        """Have an action done, on the thread that sets this, for as long as the `with` lasts.

        Args:
            action: ends a wait, such as by killing a program; quick, and without errors. It is
                done at once where this is set already, and never once the `with` has been left.
        """
        with self._lock:
            self._action = action
            if self._is_set:
                action()
        try:
            yield
        finally:
            with self._lock:
                self._action = None
