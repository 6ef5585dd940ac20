"""The same speech in other rooms, through other microphones, from other throats.

Everything is drawn from one `numpy.random.Generator`, so a seed gives the same sound again. Four
seconds take about 5 ms.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viseme.studio.speech.noise import Noise, noise
from viseme.studio.speech.sound import fast_size, resampled
from viseme.studio.speech.utterance import SAMPLE_RATE_HZ, Phone, Samples, scaled

__all__ = ["augment", "coloured", "stretched"]

STRETCH_CHANCE, STRETCH = 0.6, (0.88, 1.14)
TILT_CHANCE, TILT_DB_PER_OCTAVE = 0.5, (-4.0, 3.0)
BAND_CHANCE = 0.25
BANDS_HZ = ((300.0, 3400.0), (120.0, 4000.0), (0.0, 5500.0), (150.0, 8000.0))
ROOM_CHANCE, ROOM_DECAY_S, ROOM_WETNESS = 0.35, (0.05, 0.35), (0.05, 0.5)
COMPRESSION_CHANCE, COMPRESSION, COMPRESSION_DB = 0.4, (0.2, 0.8), 15.0
NOISE_CHANCE, NOISE_BELOW_SPEECH_DB = 0.7, (15.0, 60.0)
GAIN_CHANCE, GAIN_DB = 0.9, (-30.0, 6.0)

LEVEL_BLOCK = SAMPLE_RATE_HZ // 50
TILT_PIVOT_HZ = 1000.0
TILT_FLOOR_HZ = 60.0
BAND_EDGE_OCTAVES = 0.15


def augment(
    samples: Samples, phones: tuple[Phone, ...], rng: np.random.Generator
) -> tuple[Samples, tuple[Phone, ...]]:
    """Return speech as somebody else would have said and recorded it, and its phones' times.

    The sound's length changes with its speed, and the times with it: seconds still mean seconds
    of the sound that is returned.
    """
    if rng.random() < STRETCH_CHANCE:
        samples, phones = stretched(samples, phones, float(rng.uniform(*STRETCH)))
    return coloured(samples, rng), phones


def stretched(
    samples: Samples, phones: tuple[Phone, ...], factor: float
) -> tuple[Samples, tuple[Phone, ...]]:
    """Make speech last `factor` times as long by resampling, which moves pitch and formants too.

    A factor above 1 is a longer throat, below 1 a shorter one.
    """
    longer = resampled(samples, SAMPLE_RATE_HZ, SAMPLE_RATE_HZ * factor)
    true_factor = len(longer) / len(samples) if len(samples) else 1.0
    return longer, scaled(phones, true_factor)


def coloured(samples: Samples, rng: np.random.Generator) -> Samples:
    """Change how speech sounds, not when: microphone, room, noise, loudness; the length stays."""
    if not len(samples):
        return samples
    result = _filtered(samples, rng)
    level = _level(result)
    if rng.random() < COMPRESSION_CHANCE and level > 0:
        result = _compressed(result, level, float(rng.uniform(*COMPRESSION)))
    if rng.random() < NOISE_CHANCE and level > 0:
        below_db = float(rng.uniform(*NOISE_BELOW_SPEECH_DB))
        kind = Noise(rng.choice(list(Noise)))
        result = result + level * _ratio(-below_db) * noise(kind, len(samples), rng)
    if rng.random() < GAIN_CHANCE:
        result = result * _ratio(float(rng.uniform(*GAIN_DB)))
    return np.clip(result, -1.0, 1.0).astype(np.float32)  # as a recorder would, when too loud


def _filtered(samples: Samples, rng: np.random.Generator) -> Samples:
    """Apply tilt, band limits and room, all in one multiplication of the spectrum."""
    room = _room(rng) if rng.random() < ROOM_CHANCE else None
    tail = 0 if room is None else len(room)
    size = fast_size(len(samples) + max(tail, SAMPLE_RATE_HZ // 10))
    frequencies_hz = np.fft.rfftfreq(size, 1 / SAMPLE_RATE_HZ).astype(np.float64)
    response = np.ones(len(frequencies_hz), np.complex128)
    changed = room is not None
    if rng.random() < TILT_CHANCE:
        response *= _tilt(frequencies_hz, float(rng.uniform(*TILT_DB_PER_OCTAVE)))
        changed = True
    if rng.random() < BAND_CHANCE:
        low_hz, high_hz = BANDS_HZ[int(rng.integers(len(BANDS_HZ)))]
        response *= _band(frequencies_hz, low_hz, high_hz)
        changed = True
    if not changed:
        return samples
    if room is not None:
        response *= np.fft.rfft(room, size)
    filtered = np.fft.irfft(np.fft.rfft(samples, size) * response, size)[: len(samples)]
    peak = float(np.abs(filtered).max())
    scale = float(np.abs(samples).max()) / peak if peak > 0 else 1.0  # colour, not loudness
    return (filtered * scale).astype(np.float32)


def _tilt(frequencies_hz: NDArray[np.float64], db_per_octave: float) -> NDArray[np.float64]:
    octaves = np.log2(np.maximum(frequencies_hz, TILT_FLOOR_HZ) / TILT_PIVOT_HZ)
    return np.asarray(10 ** (db_per_octave * octaves / 20), np.float64)


def _band(
    frequencies_hz: NDArray[np.float64], low_hz: float, high_hz: float
) -> NDArray[np.float64]:
    """Return the gain of a band pass whose edges fall off within a third of an octave."""
    octaves = np.log2(np.maximum(frequencies_hz, 1.0))
    edges = ((octaves - np.log2(max(low_hz, 1.0))), (np.log2(high_hz) - octaves))
    gains = [1 / (1 + np.exp(-np.clip(edge / BAND_EDGE_OCTAVES * 4, -60, 60))) for edge in edges]
    return np.asarray(gains[0] * gains[1] if low_hz > 0 else gains[1], np.float64)


def _room(rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the impulse response of a small room: the direct sound, then noise that dies away.

    The decay is the time in which the tail loses 60 dB.
    """
    decay_s = float(rng.uniform(*ROOM_DECAY_S))
    times_s = np.arange(int(decay_s * SAMPLE_RATE_HZ)) / SAMPLE_RATE_HZ
    tail = rng.standard_normal(len(times_s)) * 10 ** (-3 * times_s / decay_s)
    tail[: int(0.002 * SAMPLE_RATE_HZ)] = 0.0  # the nearest wall is about a third of a metre away
    response = tail * float(rng.uniform(*ROOM_WETNESS)) / np.sqrt((tail**2).sum())
    response[0] = 1.0
    return np.asarray(response, np.float64)


def _compressed(samples: Samples, level: float, share: float) -> Samples:
    """Lift what is softer than the speech's level by a share of the difference, 15 dB at most.

    Recorders do it, and some voices speak so: their m is as loud as their vowels.
    """
    below_db = -10 * np.log10(np.maximum(_powers(samples), 1e-12) / level**2)
    lift_db = share * np.clip(below_db, 0.0, COMPRESSION_DB)
    middles = (np.arange(len(lift_db)) + 0.5) * LEVEL_BLOCK
    lift = 10 ** (np.interp(np.arange(len(samples)), middles, lift_db) / 20)
    return np.asarray(samples * lift, np.float32)


def _level(samples: Samples) -> float:
    """Return how loud the speech is, pauses apart: the root mean square of a louder 20 ms."""
    powers = _powers(samples)
    return float(np.sqrt(np.percentile(powers, 80))) if len(powers) else 0.0


def _powers(samples: Samples) -> NDArray[np.float32]:
    """Return the mean square of every 20 ms."""
    whole = len(samples) // LEVEL_BLOCK * LEVEL_BLOCK
    return np.asarray(np.square(samples[:whole]).reshape(-1, LEVEL_BLOCK).mean(axis=1), np.float32)


def _ratio(db: float) -> float:
    return float(10 ** (db / 20))
