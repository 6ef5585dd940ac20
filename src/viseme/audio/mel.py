"""Sound to log-mel: the reference definition, as a stream.

Pre-emphasis, a centred short-time Fourier transform with zeros beyond both ends, magnitudes,
80 Slaney mel bands, decibels, and a linear map of -100..0 dB onto -4..4. Everything is worked
out in float64, frame by frame in the same way whatever the sizes of the chunks, so that chunked
and whole sound give the same numbers.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from viseme.audio.units import MEL_BINS, SAMPLE_RATE_HZ, Float32, Samples, check_finite

__all__ = ["SILENCE", "MelStream", "mel_spectrogram"]

Float64 = NDArray[np.float64]

PRE_EMPHASIS = 0.97
FFT_SAMPLES = 800
HOP_SAMPLES = 200
LOWEST_HZ = 55.0
HIGHEST_HZ = 7600.0
FLOOR = 1e-5
"""Smallest magnitude that is told apart from silence, -100 dB."""
REFERENCE_DB = 20.0
SILENCE = -4.0
"""What every mel bin is in silence, the lower end of the range -4..4."""
BLOCK_FRAMES = 512
"""Frames transformed at once: bounds the memory of one long chunk to a few megabytes."""

# Slaney's mel scale: linear up to 1 kHz, from there 27 equal steps for every factor of 6.4.
_LINEAR_HZ_PER_MEL = 200.0 / 3.0
_BREAK_HZ = 1000.0
_BREAK_MEL = _BREAK_HZ / _LINEAR_HZ_PER_MEL
_LOG_STEP = np.log(6.4) / 27.0


def mel_spectrogram(samples: ArrayLike) -> Float32:
    """Turn a whole sound into log-mel: float32 `[M, 80]`, -4..4, 80 frames a second.

    `samples` is float32 `[n]`, mono, 16 kHz, -1..1; `M` is `1 + n // 200`. Frame `m` is centred on
    sample `200 m`. Raises `InputError` where a sample is not a finite number.
    """
    stream = MelStream()
    return np.concatenate([stream.push(np.asarray(samples, np.float32)), stream.flush()])


class MelStream:
    """Log-mel of a sound that comes in chunks; holds back at most 800 samples.

    Frame `m` leaves as soon as sample `200 m + 399` has come.
    """

    def __init__(self) -> None:
        # Emphasised samples from the start of the next frame on; the first starts 400 early.
        self._tail: Float64 = np.zeros(FFT_SAMPLES // 2)
        self._last_sample = 0.0
        self._sample_count = 0
        self._ended = False

    def push(self, samples: Samples) -> Float32:
        """Take float32 `[n]` (any `n`, 16 kHz mono), give the frames `[m, 80]` it completes."""
        if self._ended:
            raise RuntimeError("This MelStream has ended: start a new one.")
        if samples.ndim != 1:
            raise ValueError(f"samples must be one row [n], got {list(samples.shape)}")
        block = BLOCK_FRAMES * HOP_SAMPLES
        parts = [self._push_block(samples[i : i + block]) for i in range(0, len(samples), block)]
        return np.concatenate(parts) if parts else _no_frames()

    def flush(self) -> Float32:
        """End the sound and give the frames `[m, 80]` that were still waiting for samples."""
        if self._ended:
            return _no_frames()
        self._ended = True
        return self._take_frames(np.concatenate([self._tail, np.zeros(FFT_SAMPLES // 2)]))

    def _push_block(self, samples: Samples) -> Float32:
        check_finite(samples, self._sample_count, SAMPLE_RATE_HZ)
        sound = np.concatenate([[self._last_sample], samples.astype(np.float64)])
        self._last_sample = float(sound[-1])
        self._sample_count += len(samples)
        emphasised = sound[1:] - PRE_EMPHASIS * sound[:-1]
        return self._take_frames(np.concatenate([self._tail, emphasised]))

    def _take_frames(self, emphasised: Float64) -> Float32:
        count = max(0, (len(emphasised) - FFT_SAMPLES) // HOP_SAMPLES + 1)
        self._tail = emphasised[count * HOP_SAMPLES :].copy()
        if count == 0:
            return _no_frames()
        frames = np.lib.stride_tricks.sliding_window_view(emphasised, FFT_SAMPLES)
        return _log_mel(frames[::HOP_SAMPLES])


def _no_frames() -> Float32:
    return np.empty((0, MEL_BINS), dtype=np.float32)


def _log_mel(frames: Float64) -> Float32:
    """Turn emphasised frames `[m, 800]` into log-mel `[m, 80]`."""
    spectrum = np.fft.rfft(frames * _hann(), axis=1)
    magnitude = np.sqrt(spectrum.real**2 + spectrum.imag**2)
    # Sums band by band over the few bins that count, not a matrix product: that would be forty
    # times the work, and its rounding would depend on how many frames come at once.
    bins, weights, starts = _mel_bands()
    mel = np.add.reduceat(magnitude[:, bins] * weights, starts, axis=1)
    decibel = 20.0 * np.log10(np.maximum(FLOOR, mel)) - REFERENCE_DB
    scaled = 8.0 * (decibel + 100.0) / 100.0 - 4.0
    return np.clip(scaled, -4.0, 4.0).astype(np.float32)


@cache
def _hann() -> Float64:
    """Give the periodic Hann window, `[800]`."""
    phase = 2.0 * np.pi * np.arange(FFT_SAMPLES) / FFT_SAMPLES
    return 0.5 - 0.5 * np.cos(phase)


@cache
def _mel_bands() -> tuple[NDArray[np.intp], Float64, NDArray[np.intp]]:
    """Give the mel basis without its zeros.

    These are the spectrum's bins that each band sums, band after band, their weights, and where
    each band starts in both.
    """
    basis = mel_basis()
    band_of, bins = np.nonzero(basis)
    starts = np.searchsorted(band_of, np.arange(MEL_BINS))
    return bins, basis[band_of, bins], starts


def mel_basis() -> Float64:
    """Give Slaney's triangular bands of equal area, `[80, 401]`, 55 to 7600 Hz."""
    edges_hz = _edges_hz()
    bins_hz = np.arange(FFT_SAMPLES // 2 + 1) * (SAMPLE_RATE_HZ / FFT_SAMPLES)
    low, peak, high = edges_hz[:-2, None], edges_hz[1:-1, None], edges_hz[2:, None]
    rising = (bins_hz - low) / (peak - low)
    falling = (high - bins_hz) / (high - peak)
    triangles: Float64 = np.maximum(0.0, np.minimum(rising, falling))
    return triangles * (2.0 / (high - low))


def mel_centres_hz() -> Float64:
    """Give the frequency at the middle of each band, `[80]`."""
    return _edges_hz()[1:-1]


def _edges_hz() -> Float64:
    """Give the frequencies where bands begin and, one further on, peak, `[82]`."""
    return _mel_to_hz(np.linspace(_hz_to_mel(LOWEST_HZ), _hz_to_mel(HIGHEST_HZ), MEL_BINS + 2))


def _hz_to_mel(hz: float) -> float:
    if hz < _BREAK_HZ:
        return hz / _LINEAR_HZ_PER_MEL
    return float(_BREAK_MEL + np.log(hz / _BREAK_HZ) / _LOG_STEP)


def _mel_to_hz(mel: Float64) -> Float64:
    above: Float64 = _BREAK_HZ * np.exp(_LOG_STEP * (mel - _BREAK_MEL))
    return np.where(mel < _BREAK_MEL, mel * _LINEAR_HZ_PER_MEL, above)
