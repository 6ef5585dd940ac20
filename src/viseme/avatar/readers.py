"""The order in which an avatar's frames are shown, and who is where in it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import NamedTuple

from viseme.errors import AvatarError

__all__ = ["Readers", "ping_pong", "ping_pong_index"]

_MAX_READERS = 64
_AWAY_AFTER_STEPS = 256
"""A reader who asks for nothing while others ask this often is taken to have gone."""


def ping_pong_index(position: int, count: int) -> int:
    """Return the frame at a place of the endless order: forward, backward, ends shown once."""
    if count == 1:
        return 0
    place = position % (2 * count - 2)
    return place if place < count else 2 * count - 2 - place


def ping_pong(count: int, start: int = 0) -> Iterator[int]:
    """Give frame numbers without end: forward, backward, forward; each end is shown once.

    Args:
        count: number of frames.
        start: place in that order to begin at; from `count` on it is on a way back or forth.

    Raises:
        AvatarError: `start` is negative.
    """
    if start < 0:
        raise AvatarError(f"The first frame is {start}; it must be 0 or more.")

    def walk() -> Iterator[int]:
        period = max(1, 2 * count - 2)
        position = start % period
        while True:
            yield ping_pong_index(position, count)
            position = (position + 1) % period

    return walk()


class _Place(NamedTuple):
    frame: int
    direction: int
    step: int


class Readers:
    """Where each reading thread is, and which way it goes. The caller sees to the locking."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._steps = 0
        self._places: OrderedDict[int, _Place] = OrderedDict()

    def step(self, index: int, chunk: range) -> int | None:
        """Note that the calling thread reads `index`, which is in `chunk`.

        Returns:
            A frame outside `chunk` that it comes to next in ping-pong order; None if there is none.
        """
        self._steps += 1
        reader = threading.get_ident()
        last = self._places.get(reader)
        if last is None or abs(index - last.frame) > 1:
            direction = 1
        else:
            direction = index - last.frame or last.direction
        self._places[reader] = _Place(index, direction, self._steps)
        self._places.move_to_end(reader)
        if len(self._places) > _MAX_READERS:
            self._places.popitem(last=False)
        beyond = (chunk.stop, chunk.start - 1)
        ahead, after_the_end = beyond if direction > 0 else reversed(beyond)
        for candidate in (ahead, after_the_end):
            if 0 <= candidate < self._count:
                return candidate
        return None

    def places(self) -> list[int]:
        """Return the frames that readers who are still there have read last."""
        oldest = self._steps - _AWAY_AFTER_STEPS
        return [place.frame for place in self._places.values() if place.step > oldest]
