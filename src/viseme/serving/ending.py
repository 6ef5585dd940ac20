"""What takes a while to end, and is not to be waited for before there is something to show."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Any

__all__ = ["Ending"]


class Ending:
    """Closes generators on a thread of its own; for one thread at a time.

    A pipeline that is broken off waits for its threads, and these for what they are at. Who has
    broken in sees the avatar at rest meanwhile.
    """

    def __init__(self) -> None:
        self._thread: threading.Thread | None = None

    def close(self, *generators: Generator[Any, None, None]) -> None:
        """Begin to close them, one after the other, once those of before are closed."""
        self.wait()
        self._thread = threading.Thread(
            target=_close, args=generators, name="viseme-ending", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Wait until all are closed."""
        if self._thread is not None:
            self._thread.join()
            self._thread = None


def _close(*generators: Generator[Any, None, None]) -> None:
    for generator in generators:
        generator.close()
