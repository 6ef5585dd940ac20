"""Speech of which we know, phone by phone, what is said when."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE_HZ", "Phone", "Samples", "Utterance", "retimed"]

SAMPLE_RATE_HZ = 16_000

Samples = NDArray[np.float32]
"""Sound, float32 [n], mono, 16 kHz, -1..1."""


class Phone(NamedTuple):
    """One sound of speech and when it is heard."""

    symbol: str
    """One of `viseme.studio.speech.phones.PHONES`; ``pau`` is silence."""
    start_s: float
    end_s: float

    @property
    def centre_s(self) -> float:
        """The middle of the phone, in seconds."""
        return (self.start_s + self.end_s) / 2


@dataclass(frozen=True, slots=True)
class Utterance:
    """A spoken sentence."""

    samples: Samples
    """float32 [n], mono, 16 kHz, -1..1."""
    phones: tuple[Phone, ...]
    """In order of time, without gaps or overlaps."""
    voice: str
    """Who speaks, such as ``flite/rms`` or ``espeak/en-us+f2``."""
    text: str

    @property
    def duration_s(self) -> float:
        """Length of the sound in seconds."""
        return len(self.samples) / SAMPLE_RATE_HZ


def retimed(phones: tuple[Phone, ...], move: Callable[[float], float]) -> tuple[Phone, ...]:
    """Return the phones with `move` applied to every time; those left without length go."""
    moved = (Phone(p.symbol, move(p.start_s), move(p.end_s)) for p in phones)
    return tuple(p for p in moved if p.end_s > p.start_s)
