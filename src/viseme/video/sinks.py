"""The seam between the writer and what becomes of pictures and sound on the disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Self

from viseme.avatar.planes import Pixels
from viseme.video.sound import Block, Sound

__all__ = ["Format", "Sink"]


@dataclass(frozen=True, slots=True)
class Format:
    """What a sink must know before the first picture. `size` is (width, height) in pixels."""

    size: tuple[int, int]
    rate_hz: Fraction
    sound_rate_hz: int
    channels: int
    """0 where there is no sound."""

    @classmethod
    def of(cls, size: tuple[int, int], rate_hz: int | Fraction, sound: Sound | None) -> Self:
        """Describe pictures of a size and rate with their sound; None for a silent film."""
        return cls(
            size=size,
            rate_hz=Fraction(rate_hz),
            sound_rate_hz=sound.rate_hz if sound else 0,
            channels=sound.channels if sound else 0,
        )


class Sink(ABC):
    """Takes pictures and sound in their order of time and writes them somewhere."""

    @abstractmethod
    def picture(self, picture: Pixels) -> None:
        """Write the next picture: uint8 [H, W, 3] in B, G, R, or in planes."""

    @abstractmethod
    def sound(self, block: Block) -> None:
        """Write the next stretch of sound, float32 [channels, n]."""

    @abstractmethod
    def close(self, *, finish: bool) -> None:
        """Write what is still held back where `finish` says so, and let go of the files."""
