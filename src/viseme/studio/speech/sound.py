"""Small steps on sound that every part of the training speech needs."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import soxr
from numpy.typing import NDArray

from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Samples

__all__ = ["fast_size", "from_pcm", "read_wave", "resampled", "to_16_khz"]


def read_wave(path: Path) -> tuple[NDArray[np.int16], int]:
    """Read a mono 16-bit WAV, as the speech programs write it: int16 [n] and its rate in Hz."""
    with wave.open(str(path), "rb") as file:
        data = file.readframes(file.getnframes())
        return np.frombuffer(data, "<i2").astype(np.int16), file.getframerate()


def from_pcm(pcm: NDArray[np.int16]) -> Samples:
    """Turn int16 [n] into float32 -1..1."""
    return np.asarray(pcm / np.float32(32768), np.float32)


def to_16_khz(pcm: NDArray[np.int16], rate_hz: int) -> Samples:
    """Turn int16 [n] at any rate into float32 at 16 kHz."""
    samples = from_pcm(pcm)
    return samples if rate_hz == SAMPLE_RATE_HZ else resampled(samples, rate_hz, SAMPLE_RATE_HZ)


def resampled(samples: Samples, from_hz: float, to_hz: float) -> Samples:
    """Resample float32 [n]; the rates need not be whole."""
    return np.asarray(soxr.resample(samples, from_hz, to_hz), np.float32)


def fast_size(size: int) -> int:
    """Return the next size, 2^n or 3 * 2^n, for which the Fourier transform is quick."""
    power = 1 << (size - 1).bit_length()
    return power * 3 // 4 if power * 3 // 4 >= size else power
