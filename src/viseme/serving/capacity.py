"""How many more live streams a machine can carry."""

from __future__ import annotations

import math
import threading

from viseme.audio import FRAME_RATE_HZ
from viseme.serving.limits import LIVE_SHARE

__all__ = ["Averages", "live_frames_per_second", "streams_that_fit"]

_WEIGHT = 0.02
"""Of a new figure in an average: the last fifty or so count, two seconds of a stream."""


class Averages:
    """Running means of what frames cost, by name; for any thread.

    The first figure is taken as it is, and each further one pulls the mean towards it by a
    fiftieth.
    """

    def __init__(self) -> None:
        self._means: dict[str, float] = {}
        self._lock = threading.Lock()

    def add(self, name: str, figure: float) -> None:
        """Take in a figure."""
        with self._lock:
            mean = self._means.get(name, figure)
            self._means[name] = mean + _WEIGHT * (figure - mean)

    def mean(self, name: str) -> float:
        """Give the mean of that name, 0 where there was no figure."""
        with self._lock:
            return self._means.get(name, 0.0)


def live_frames_per_second(
    engine_frames_per_s: float, other_s: float, *, cores: int, shared: bool
) -> float:
    """Tell how many finished frames a second a machine makes, at most.

    Args:
        engine_frames_per_s: what the network makes with all its workers busy, as measured.
        other_s: what a frame costs one core besides: composing and encoding it, in seconds.
        cores: how many there are.
        shared: whether the network runs on these cores; else they work beside it.
    """
    if engine_frames_per_s <= 0:
        return 0.0
    engine_s, beside_s = 1 / engine_frames_per_s, other_s / cores
    return 1 / (engine_s + beside_s if shared else max(engine_s, beside_s))


def streams_that_fit(frames_per_s: float, streams: int, most: int) -> int:
    """Tell how many live streams may still be opened.

    Only live streams count as used: they go before all other work, which yields to them.

    Args:
        frames_per_s: how many the machine makes.
        streams: how many are open, of 25 frames a second each.
        most: how many the configuration allows.
    """
    carried = math.floor(LIVE_SHARE * frames_per_s / FRAME_RATE_HZ)
    return max(0, min(carried, most) - streams)
