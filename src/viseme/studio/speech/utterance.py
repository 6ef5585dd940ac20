"""Speech of which we know, phone by phone, what is said when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["SAMPLE_RATE_HZ", "Phone", "Samples", "Utterance", "scaled", "shifted"]

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


def shifted(phones: tuple[Phone, ...], by_s: float) -> tuple[Phone, ...]:
    """Return the phones `by_s` seconds later."""
    return tuple(Phone(p.symbol, p.start_s + by_s, p.end_s + by_s) for p in phones)


def scaled(phones: tuple[Phone, ...], by: float) -> tuple[Phone, ...]:
    """Return the phones with all times multiplied."""
    return tuple(Phone(p.symbol, p.start_s * by, p.end_s * by) for p in phones)
