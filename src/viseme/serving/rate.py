"""How many frames a second are made just now."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

__all__ = ["RateMeter"]

_BUCKET_S = 0.25
_BUCKETS = 20
"""Five seconds together: long enough to be steady, short enough to be now."""


class RateMeter:
    """Counts frames as they are done, from any thread, and says how many that is a second.

    Args:
        clock: gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counts: deque[tuple[int, int]] = deque(maxlen=_BUCKETS + 1)
        self._lock = threading.Lock()

    def add(self, frames: int) -> None:
        """Count frames that are done now."""
        bucket = int(self._clock() / _BUCKET_S)
        with self._lock:
            if self._counts and self._counts[-1][0] >= bucket:
                last, count = self._counts.pop()
                self._counts.append((last, count + frames))
            else:
                self._counts.append((bucket, frames))

    def per_second(self) -> float:
        """Give the mean rate of the last five seconds, or since the first frame in them."""
        now_s = self._clock()
        oldest = int(now_s / _BUCKET_S) - _BUCKETS
        with self._lock:
            counts = [(bucket, count) for bucket, count in self._counts if bucket > oldest]
        if not counts:
            return 0.0
        elapsed_s = now_s - counts[0][0] * _BUCKET_S
        return sum(count for _, count in counts) / max(elapsed_s, _BUCKET_S)
