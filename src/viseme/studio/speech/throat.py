"""The same speech from another throat: the mel spectrogram's bands moved and weighed anew.

Resampling a voice moves its pitch, its formants and its speed together. Here the formants move
alone, as between a man's and a woman's throat (vocal tract length perturbation, Jaitly and Hinton
2013), and a smooth curve stands for the timbre. It is what carries the hearing over to voices that
it was not trained on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viseme.audio.mel import SILENCE, mel_centres_hz

__all__ = ["another_throat"]

Mel = NDArray[np.float32]

WARP_CHANCE, WARP = 0.7, (0.80, 1.22)
"""Below 1 the formants rise, as in a shorter throat."""
TIMBRE_CHANCE, TIMBRE_POINTS, TIMBRE_DEVIATION = 0.7, 6, 0.28
"""The curve's deviation is in units of the log-mel, of which one is 12.5 dB."""
LOUDEST = 4.0


def another_throat(mel: Mel, rng: np.random.Generator) -> Mel:
    """Return a log-mel spectrogram ``[M, 80]`` as another speaker's; silence stays silence."""
    if rng.random() < WARP_CHANCE:
        mel = warped(mel, float(rng.uniform(*WARP)))
    if rng.random() < TIMBRE_CHANCE:
        points = rng.normal(0, TIMBRE_DEVIATION, TIMBRE_POINTS)
        bands = np.linspace(0, TIMBRE_POINTS - 1, mel.shape[1])
        curve = np.interp(bands, np.arange(TIMBRE_POINTS), points).astype(np.float32)
        mel = np.where(mel > SILENCE, np.clip(mel + curve, SILENCE, LOUDEST), mel)
    return mel


def warped(mel: Mel, factor: float) -> Mel:
    """Return a spectrogram that has at each frequency what was at `factor` times it."""
    centres_hz = mel_centres_hz()
    places = np.interp(centres_hz * factor, centres_hz, np.arange(len(centres_hz)))
    below = np.minimum(places.astype(np.intp), len(centres_hz) - 2)
    share = (places - below).astype(np.float32)
    return np.asarray(mel[:, below] * (1 - share) + mel[:, below + 1] * share, np.float32)
