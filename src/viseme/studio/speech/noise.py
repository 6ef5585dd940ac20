"""Background noises without any speech in them."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from viseme.studio.speech.phones import SILENCE
from viseme.studio.speech.sound import fast_size
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Phone, Samples, Utterance

__all__ = ["Noise", "noise", "speechless"]

HUM_HARMONICS = 6


class Noise(StrEnum):
    """Kinds of background noise."""

    WHITE = "white"
    """Hiss, equally strong at all frequencies."""
    PINK = "pink"
    """3 dB less with every octave: rain, ventilation."""
    BROWN = "brown"
    """6 dB less with every octave: traffic, wind."""
    HUM = "hum"
    """The mains at 50 or 60 Hz and its harmonics, over a little hiss."""


def noise(kind: Noise, count: int, rng: np.random.Generator) -> Samples:
    """Return `count` samples of noise with a root mean square of 1."""
    if kind is Noise.HUM:
        raw = _hum(count, rng)
    else:
        size = fast_size(count)
        raw = rng.standard_normal(size, np.float32)
        slope = {Noise.WHITE: 0.0, Noise.PINK: 0.5, Noise.BROWN: 1.0}[kind]
        if slope:
            spectrum = np.fft.rfft(raw)
            bins = np.maximum(np.arange(len(spectrum)), max(1.0, 30 * size / SAMPLE_RATE_HZ))
            raw = np.fft.irfft(spectrum / bins**slope, size).astype(np.float32)
        raw = raw[:count]
    level = float(np.sqrt(np.square(raw).mean())) if count else 0.0
    return np.asarray(raw / level if level > 0 else raw, np.float32)


def speechless(
    seconds: float, kind: Noise | None, level_db: float, rng: np.random.Generator
) -> Utterance:
    """Return nobody speaking: silence, or a noise at `level_db` (rms, dB of full scale)."""
    count = round(seconds * SAMPLE_RATE_HZ)
    samples = np.zeros(count, np.float32)
    if kind is not None:
        loud = noise(kind, count, rng) * np.float32(10 ** (level_db / 20))
        samples = np.clip(loud, -1.0, 1.0)
    name = "silence" if kind is None else f"noise/{kind}"
    return Utterance(samples, (Phone(SILENCE, 0.0, count / SAMPLE_RATE_HZ),), name, "")


def _hum(count: int, rng: np.random.Generator) -> Samples:
    mains_hz = float(rng.choice([50.0, 60.0]))
    times_s = np.arange(count) / SAMPLE_RATE_HZ
    raw = 0.05 * rng.standard_normal(count)
    for harmonic in range(1, HUM_HARMONICS + 1):
        phase = float(rng.uniform(0, 2 * np.pi))
        strength = float(rng.uniform(0.3, 1.0)) / harmonic
        raw += strength * np.sin(2 * np.pi * mains_hz * harmonic * times_s + phase)
    return raw.astype(np.float32)
