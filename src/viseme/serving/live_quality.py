"""How good the pictures of a live session are: worse where the line is too slow, and up again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from viseme.video.live_encoder import EncoderRate

__all__ = ["QUALITIES", "LiveQuality", "Quality"]


@dataclass(frozen=True, slots=True)
class Quality:
    """A step of quality."""

    rate: EncoderRate = field(default_factory=EncoderRate)
    """Of streams of video."""
    jpeg_quality: int = 100
    """Of pictures of their own, at most."""
    scale: float = 1.0
    """By how much pictures are smaller than wanted, each way."""


QUALITIES: Final = (
    Quality(),
    # Of 1280x720, at most: 920 kbit/s, 460, 230, 115 and 58.
    Quality(EncoderRate(27, 1.0), 70),
    Quality(EncoderRate(30, 0.5), 50),
    Quality(EncoderRate(26, 1.0), 60, 0.5),
    Quality(EncoderRate(30, 0.5), 40, 0.5),
    Quality(EncoderRate(28, 1.0), 40, 0.25),
)
"""From the best to the smallest, each about half the bits of the one before. Half the size is
better than twice as coarse: a mouth is still a mouth."""

LATE_S: Final = 0.2
"""Pictures this late, all of them for `PATIENCE_S`, are a line that is too slow."""
PATIENCE_S: Final = 1.0
"""As long, too, between one step down and the next, for pictures that were made before it are
still on their way."""
CALM_S: Final = 5.0
"""How long nothing is late before a step up is tried."""
CALM_MOST_S: Final = 120.0


class LiveQuality:
    """Chooses the step by what became of the pictures; for one thread.

    A step down is taken when pictures were left out, or come late for a while. A step up is tried
    after some calm; if it turns out to be too much, the next try comes after twice as much calm,
    so that it does not go up and down for ever, and sooner again where it lasted.

    Args:
        clock: gives seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._step = 0
        self._calm_s = CALM_S
        self._calm_since_s = clock()
        self._late_since_s: float | None = None
        """Since when no picture was in time."""
        self._fell_s = float("-inf")
        self._is_tried = False
        """Whether the step was last reached from below, and not kept for long enough yet."""

    @property
    def step(self) -> int:
        """The place in `QUALITIES`."""
        return self._step

    def sent(self, late_s: float) -> None:
        """Note that a picture was sent, and how much later than it was due."""
        now_s = self._clock()
        if late_s <= LATE_S:
            self._late_since_s = None
            self._rise(now_s)
            return
        self._calm_since_s = now_s
        if self._late_since_s is None:
            self._late_since_s = now_s
        elif now_s - self._late_since_s >= PATIENCE_S:
            self._fall(now_s)

    def left_out(self) -> None:
        """Note that pictures were left out."""
        self._fall(self._clock())

    def _fall(self, now_s: float) -> None:
        self._calm_since_s = now_s
        if now_s - self._fell_s < PATIENCE_S:
            return
        self._fell_s = now_s
        self._late_since_s = None
        if self._is_tried:
            self._calm_s = min(2 * self._calm_s, CALM_MOST_S)
            self._is_tried = False
        self._step = min(self._step + 1, len(QUALITIES) - 1)

    def _rise(self, now_s: float) -> None:
        if now_s - self._calm_since_s < self._calm_s:
            return
        self._calm_since_s = now_s
        if self._is_tried:  # it has lasted
            self._calm_s = max(self._calm_s / 2, CALM_S)
        self._is_tried = self._step > 0
        self._step = max(0, self._step - 1)
