"""How soon a frame is given: after all the sound that its window hears, or earlier."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AFTER", "LEAST_AFTER", "Latency"]

AFTER = 7
"""Features of a window from after its frame: what is waited for is exact."""
LEAST_AFTER = -1
"""A frame waits for the feature before its own at least. With less than that, more frames could
have been given when the sound ends than it has."""


class Latency(StrEnum):
    """What a frame waits for."""

    EXACT = "exact"
    """All the sound that the network was trained to hear of it: 452.5 ms after its time."""
    LOW = "low"
    """132.5 ms of sound; what follows is guessed. It costs some of the likeness of the mouth:
    docs/quality.md has how much."""

    @property
    def after(self) -> int:
        """How many features after a frame's own it waits for; below 0, its own is not there."""
        # Measured on the built-in avatar: a feature more gains a little, one less loses much.
        return AFTER if self is Latency.EXACT else -1
