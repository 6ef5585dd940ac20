"""How often a call is tried, and when: decided here, slept and called elsewhere."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from viseme.errors import DeadlineError, OverloadedError, UnavailableError, VisemeError

__all__ = ["Attempts"]

_FIRST_PAUSE_S: Final = 0.1
_PAUSE_S_MAX: Final = 5.0


class Attempts:
    """The attempts of one call.

    Only what was refused (`OverloadedError`) or lost (`UnavailableError`) is tried again; the
    pause doubles each time, up to five seconds. Of clients that were refused together, each takes
    a part of it by chance, so that they do not come back together; but none comes back before
    the time that the server has named.

    Args:
        timeout_s: how long all of it may take.
        retries: how often to try again; 0 for a call that is not safe to repeat.
        clock: tells seconds that never go back.
        chance: gives a number from 0 to 1, another one each time.
    """

    def __init__(
        self,
        timeout_s: float,
        retries: int,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._chance = chance
        self._end_s = clock() + timeout_s
        self._timeout_s = timeout_s
        self._left = retries
        self._pause_s = _FIRST_PAUSE_S

    def time_left_s(self) -> float:
        """Tell how long the next attempt may take.

        Raises:
            DeadlineError: not at all.
        """
        left_s = self._end_s - self._clock()
        if left_s <= 0:
            raise DeadlineError(
                f"There was no answer within {self._timeout_s:g} s; give it longer with timeout_s."
            )
        return left_s

    def pause_s(self, error: VisemeError) -> float:
        """Tell how long to wait before the next attempt, after one that ended in an error.

        Raises:
            VisemeError: that error, where trying again is no use or there is no time for it.
        """
        if self._left <= 0 or not isinstance(error, OverloadedError | UnavailableError):
            raise error
        self._left -= 1
        pause_s = self._pause_s * (0.5 + 0.5 * self._chance())
        self._pause_s = min(2 * self._pause_s, _PAUSE_S_MAX)
        if isinstance(error, OverloadedError):
            pause_s += error.retry_after_s
        if self._clock() + pause_s >= self._end_s:
            raise error
        return pause_s
