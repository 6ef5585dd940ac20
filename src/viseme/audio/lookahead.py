"""How much sound after its own time a frame waits for, before its window is given."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from viseme.audio.features import PATCH_FRAMES, patch_start
from viseme.audio.latency import Latency
from viseme.audio.mel import FFT_SAMPLES, HOP_SAMPLES
from viseme.audio.resample import Resampler
from viseme.audio.units import FRAME_RATE_HZ, SAMPLE_RATE_HZ

__all__ = ["LOOKAHEAD_SAMPLES", "lookahead_samples"]

_PATTERN = 5
"""After so many frames, 16 mel frames, the places of patches between them repeat."""
_STEP_S = 0.001


def _needed(frame: int, after: int) -> int:
    """Count the samples at 16 kHz that must have come before a frame's window is given."""
    # The first feature is doubled, so that the frame's own is the one before its number.
    last_feature = frame + after - 1
    last_mel = patch_start(last_feature) + PATCH_FRAMES - 1
    return last_mel * HOP_SAMPLES + FFT_SAMPLES // 2


def _most_needed(after: int) -> int:
    """Count the most samples at 16 kHz after the time of any frame that its window waits for."""
    return max(
        _needed(frame, after) - frame * SAMPLE_RATE_HZ // FRAME_RATE_HZ for frame in range(_PATTERN)
    )


LOOKAHEAD_SAMPLES = _most_needed(Latency.EXACT.after)
"""The most samples at 16 kHz after the time of any frame that its whole window needs: 452.5 ms."""


@lru_cache(maxsize=64)
def lookahead_samples(rate_hz: int, latency: Latency = Latency.EXACT) -> int:
    """Count the most samples after a frame's time that must come before its window is given.

    Args:
        rate_hz: of the sound as a `Resampler` takes it, in whose samples it is counted.
        latency: what a window waits for.

    Returns:
        Exactly that at 16 kHz. At other rates what the resampler holds back comes on top, which
        is measured, and rounded up to the next millisecond.

    Raises:
        InputError: no sound has such a rate.
    """
    needed = math.ceil(_most_needed(latency.after) * rate_hz / SAMPLE_RATE_HZ)
    return needed + _held_back(rate_hz)


def _held_back(rate_hz: int) -> int:
    """Measure how many samples at most wait in a resampler; it tells its filter's length alone."""
    if rate_hz == SAMPLE_RATE_HZ:
        return 0
    resampler = Resampler(rate_hz, 1)
    # It works in blocks of a fixed size, the larger the lower the rate: as many samples as hold
    # some of them. The filling at which it gives none yet, one step before it does, is the most.
    step = max(1, round(rate_hz * _STEP_S))
    silence = np.zeros(step, np.float32)
    given, most = 0, 0
    for taken in range(step, max(rate_hz // 2, 5_000), step):
        given += len(resampler.push(silence))
        most = max(most, math.ceil(taken - given * rate_hz / SAMPLE_RATE_HZ))
    return most + step
