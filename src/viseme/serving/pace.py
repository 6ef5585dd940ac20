"""How much later the pictures of a live session come than they are due."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from viseme.serving.live_events import Behind

__all__ = ["BEHIND_EVERY_S", "Pace"]

BEHIND_EVERY_S: Final = 5.0
"""How often a client is told at most: often enough to follow, and nothing beside its pictures."""

_BEHIND: Final = (
    "Pictures come {late_s:.2f} s later than they are due, since the server has too much to do; "
    "play that much later, or start another call elsewhere."
)


class Pace:
    """Follows someone who shows pictures along with the sound, as early as he may.

    He begins when there is sound enough for the first picture, and goes on in real time, but never
    past what sound there is; nor while the client takes no pictures, which is not the server's
    delay. A picture that is made when he has passed it is late by as much. All positions are those
    of samples in the client's sound. For any thread.

    Args:
        rate_hz: samples a second.
        lookahead_samples: how much sound after its start a picture needs.
        clock: gives seconds that never go back.
    """

    def __init__(
        self,
        rate_hz: int,
        lookahead_samples: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate_hz = rate_hz
        self._lookahead_samples = lookahead_samples
        self._clock = clock
        self._shown = 0.0
        self._most = 0
        """The last position of which a picture can be made."""
        self._looked_s = clock()
        self._resting = False
        self._told_s = float("-inf")
        self._lock = threading.Lock()

    def hear(self, received: int) -> None:
        """Note how much sound has come so far, in all."""
        self._reach(received - self._lookahead_samples)

    def end_speech(self, received: int) -> None:
        """Note that the speech ends there, so that its pictures wait for no more sound."""
        self._reach(received)

    def skip(self, received: int) -> None:
        """Note that nothing before this position is wanted any more."""
        with self._lock:
            self._advance()
            self._shown = self._most = received

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Stand still for as long as the `with` statement lasts: it waits for the client."""
        with self._lock:
            self._advance()
            self._resting = True
        try:
            yield
        finally:
            with self._lock:
                self._advance()
                self._resting = False

    def late_samples(self, position: int) -> int:
        """Tell how late the picture of a position is now; 0 if it is not."""
        with self._lock:
            self._advance()
            return max(0, int(self._shown) - position)

    def notice(self, position: int, least: int) -> Behind | None:
        """Give what to tell the client before a picture; nothing twice in `BEHIND_EVERY_S`.

        Args:
            position: that of the picture.
            least: of how many samples of delay it wants to know; 0 for none ever.
        """
        late = self.late_samples(position)
        with self._lock:
            now_s = self._clock()
            if not least or late < least or now_s < self._told_s + BEHIND_EVERY_S:
                return None
            self._told_s = now_s
        return Behind(_BEHIND.format(late_s=late / self._rate_hz), position, late)

    def _reach(self, position: int) -> None:
        with self._lock:
            self._advance()
            self._most = max(self._most, position)

    def _advance(self) -> None:
        """Go on as far as time and sound allow, with the lock held."""
        now_s = self._clock()
        if not self._resting:
            gone = (now_s - self._looked_s) * self._rate_hz
            self._shown = min(self._shown + gone, max(self._shown, self._most))
        self._looked_s = now_s
