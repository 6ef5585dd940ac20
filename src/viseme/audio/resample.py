"""Samples of any rate, type and channel count to mono, at 16 kHz unless another rate is wanted."""

from __future__ import annotations

from typing import Any

import numpy as np
import soxr
from numpy.typing import ArrayLike, NDArray

from viseme.audio.units import SAMPLE_RATE_HZ, Float32, Samples, check_finite
from viseme.errors import InputError

__all__ = ["Resampler", "from_samples"]

LOWEST_RATE_HZ = 1_000
HIGHEST_RATE_HZ = 4_000_000
"""Beyond these a rate is a damaged header, and the resampled sound could fill the memory."""
MOST_CHANNELS = 255
BLOCK_SAMPLES = 1 << 16
"""Samples converted at once: bounds the memory of one long chunk."""


def from_samples(array: ArrayLike, rate_hz: int) -> Samples:
    """Turn samples held in memory into 16 kHz mono: float32 `[n]`, -1..1.

    `array` is `[n]` or `[n, channels]`, of any integer type (its full range is taken as -1..1,
    unsigned types with silence in the middle) or floating-point type (taken as it is). Channels
    are averaged. Raises `InputError` for another shape or type, an impossible rate, and samples
    that are not finite numbers.
    """
    samples = np.atleast_1d(np.asarray(array))
    resampler = Resampler(rate_hz, samples.shape[1] if samples.ndim == 2 else 1)
    blocks = (samples[i : i + BLOCK_SAMPLES] for i in range(0, len(samples), BLOCK_SAMPLES))
    parts = [resampler.push(block) for block in blocks]
    return np.concatenate([*parts, resampler.flush()])


class Resampler:
    """Resamples a sound that comes in chunks; the sizes of the chunks do not change a bit of it.

    Holds back some 40 ms of sound at the usual rates, more below 16 kHz; nothing at 16 kHz.
    `start_s` is the time of the first sample and `name` what the sound is called, for what errors
    say; `to_hz` is the rate of what it gives. Raises `InputError` for a rate or a number of
    channels that no sound has.
    """

    def __init__(
        self,
        rate_hz: int,
        channels: int,
        *,
        start_s: float = 0.0,
        name: str = "The sound",
        to_hz: int = SAMPLE_RATE_HZ,
    ) -> None:
        if not (rate_hz == rate_hz // 1 and LOWEST_RATE_HZ <= rate_hz <= HIGHEST_RATE_HZ):
            raise InputError(
                f"{name} has a sample rate of {rate_hz} Hz, which must be a whole number from "
                f"{LOWEST_RATE_HZ} to {HIGHEST_RATE_HZ}: export it again, at 16000 Hz or more."
            )
        if not 1 <= channels <= MOST_CHANNELS:
            raise InputError(
                f"{name} has {channels} channels, which must be from 1 to {MOST_CHANNELS}: "
                "give samples as [n] or [n, channels], or export the sound again as mono."
            )
        self._rate_hz = int(rate_hz)
        self._name = name
        self._channels = channels
        self._sample_count = round(start_s * rate_hz)
        # Mixed down before it is resampled, which costs one channel instead of all.
        self._stream = (
            None
            if rate_hz == to_hz
            else soxr.ResampleStream(rate_hz, to_hz, 1, dtype="float32", quality="HQ")
        )

    def push(self, chunk: NDArray[Any]) -> Samples:
        """Take `[n]` (mono only) or `[n, channels]` of any `n`, give what is ready."""
        mono = self._mono(chunk)
        check_finite(mono, self._sample_count, self._rate_hz, self._name)
        self._sample_count += len(mono)
        return mono if self._stream is None else self._resample(mono, last=False)

    def flush(self) -> Samples:
        """End the sound and give the rest of it."""
        nothing = np.empty(0, dtype=np.float32)
        return nothing if self._stream is None else self._resample(nothing, last=True)

    def _resample(self, mono: Float32, *, last: bool) -> Samples:
        assert self._stream is not None
        return np.asarray(self._stream.resample_chunk(mono, last=last), dtype=np.float32)

    def _mono(self, chunk: NDArray[Any]) -> Float32:
        fits = chunk.ndim == 2 and chunk.shape[1] == self._channels
        if not fits and not (chunk.ndim == 1 and self._channels == 1):
            raise InputError(
                f"The samples have the shape {list(chunk.shape)} where [n, {self._channels}] was "
                "expected: give one row for each moment and one column for each channel."
            )
        # Too large for float32 becomes infinite, and is refused with its time.
        with np.errstate(over="ignore", invalid="ignore"):
            scaled = _to_unit_range(chunk)
            mono = scaled.mean(axis=1, dtype=np.float64) if chunk.ndim == 2 else scaled
            return np.ascontiguousarray(mono, dtype=np.float32)


def _to_unit_range(samples: NDArray[Any]) -> NDArray[np.floating[Any]]:
    """Map the whole range of an integer type to -1..1, and leave floating point as it is."""
    if np.issubdtype(samples.dtype, np.floating):
        return samples
    if not np.issubdtype(samples.dtype, np.integer):
        raise InputError(
            f"The samples are of type {samples.dtype}: give integers or floating-point numbers."
        )
    info = np.iinfo(samples.dtype)
    half = 2.0 ** (info.bits - 1)
    middle = half if info.min == 0 else 0.0
    scaled: NDArray[np.float64] = (samples.astype(np.float64) - middle) / half
    return scaled
