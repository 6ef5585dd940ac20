"""The same speech from another throat: the mel spectrogram's bands moved, mixed and weighed anew.

Resampling a voice moves its pitch, its formants and its speed together. Here the formants move
alone, as between a man's and a woman's throat (vocal tract length perturbation, Jaitly and Hinton
2013), a blur across the bands hides where the harmonics of this voice lie, its opposite makes them
stand out as a clear high voice does, a smooth curve stands for the timbre, and a hole for what a
microphone or a noise has swallowed (Park et al. 2019). It is what carries the hearing over to
voices that it was not trained on.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.audio.mel import SILENCE, mel_centres_hz

__all__ = ["another_throat"]

Mel = NDArray[np.float32]

WARP_CHANCE, WARP = 0.9, (0.62, 1.18)
"""Below 1 the formants rise, as in a shorter throat: the people behind the voices are men, whose
throats are up to a sixth longer than women's and half again as long as children's."""
BLUR_CHANCE, BLUR_BANDS = 0.3, (0.5, 2.0)
SHARPEN_CHANCE, SHARPEN_SHARE, SHARPEN_BANDS = 0.3, (0.2, 1.2), 1.5
"""Of the clips that are not blurred; a share of what a blur would have taken is added."""
TIMBRE_CHANCE, TIMBRE_POINTS, TIMBRE_DEVIATION = 0.8, 8, 0.4
"""The curve's deviation is in units of the log-mel, of which one is 12.5 dB."""
HOLE_CHANCE, HOLE_BANDS = 0.35, (4, 14)
LOUDEST = 4.0


def another_throat(mel: Mel, rng: np.random.Generator) -> Mel:
    """Return a log-mel spectrogram ``[M, 80]`` as another speaker's; silence stays silence."""
    silent = (mel <= SILENCE).all(axis=1, keepdims=True)
    if rng.random() < WARP_CHANCE:
        mel = warped(mel, float(np.exp(rng.uniform(*np.log(WARP)))))
    if rng.random() < BLUR_CHANCE:
        mel = blurred(mel, float(rng.uniform(*BLUR_BANDS)))
    elif rng.random() < SHARPEN_CHANCE:
        detail = mel - blurred(mel, SHARPEN_BANDS)
        mel = np.clip(mel + float(rng.uniform(*SHARPEN_SHARE)) * detail, SILENCE, LOUDEST)
    if rng.random() < TIMBRE_CHANCE:
        points = rng.normal(0, TIMBRE_DEVIATION, TIMBRE_POINTS)
        bands = np.linspace(0, TIMBRE_POINTS - 1, mel.shape[1])
        curve = np.interp(bands, np.arange(TIMBRE_POINTS), points).astype(np.float32)
        mel = np.clip(mel + curve, SILENCE, LOUDEST)
    if rng.random() < HOLE_CHANCE:
        mel = holed(mel, rng)
    return np.where(silent, np.float32(SILENCE), mel)


def blurred(mel: Mel, deviation: float) -> Mel:
    """Return a spectrogram blurred across its bands by a Gaussian; time stays sharp."""
    kernel = cv2.getGaussianKernel(9, deviation, cv2.CV_32F)
    still = np.ones(1, np.float32)
    return np.asarray(cv2.sepFilter2D(mel, -1, kernel, still, borderType=cv2.BORDER_REPLICATE))


def holed(mel: Mel, rng: np.random.Generator) -> Mel:
    """Return a spectrogram with a few neighbouring bands at the mean of each moment's bands."""
    width = int(rng.integers(*HOLE_BANDS))
    first = int(rng.integers(mel.shape[1] - width))
    mel = mel.copy()
    mel[:, first : first + width] = mel.mean(axis=1, keepdims=True)
    return mel


def warped(mel: Mel, factor: float | NDArray[np.floating]) -> Mel:
    """Return a spectrogram that has at each frequency what was at `factor` times it.

    The factors may differ from frame to frame, ``[M, 1]``, and from band to band, ``[M, 80]``.
    """
    centres_hz = mel_centres_hz()
    wanted_hz = np.broadcast_to(centres_hz * factor, mel.shape)
    places = np.interp(wanted_hz, centres_hz, np.arange(len(centres_hz)))
    below = np.minimum(places.astype(np.intp), len(centres_hz) - 2)
    share = (places - below).astype(np.float32)
    lower = np.take_along_axis(mel, below, axis=1)
    upper = np.take_along_axis(mel, below + 1, axis=1)
    return np.asarray(lower * (1 - share) + upper * share, np.float32)
