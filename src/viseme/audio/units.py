"""The rates, sizes and the sample type that every step from sound to windows shares."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viseme.errors import InputError

__all__ = [
    "FEATURE_SIZE",
    "FRAME_RATE_HZ",
    "MEL_BINS",
    "MEL_RATE_HZ",
    "SAMPLE_RATE_HZ",
    "Float32",
    "Samples",
    "check_finite",
]

SAMPLE_RATE_HZ = 16_000
"""Samples a second once the sound is decoded and resampled."""
MEL_RATE_HZ = 80
"""Mel frames a second: one every 200 samples."""
FRAME_RATE_HZ = 25
"""Video frames a second, and so features and windows a second."""
MEL_BINS = 80
"""Bins of a mel frame."""
FEATURE_SIZE = 512
"""Length of one audio feature, the encoder's answer to 16 mel frames."""

LARGEST_SAMPLE = 1e30
"""Beyond this, far from any sound, resampling could reach the end of float32."""
Float32 = NDArray[np.float32]
Samples = NDArray[np.float32]
"""Sound: float32 `[n]`, mono, 16 kHz, -1..1."""


def check_finite(samples: Float32, start: int, rate_hz: int, name: str = "The sound") -> None:
    """Refuse NaN, infinity and the like, and say at which time the first of them is.

    `samples` is float32 `[n]`; `start` counts the samples that came before it, at `rate_hz`, and
    `name` is what the sound is called.
    """
    usable = np.abs(samples) <= LARGEST_SAMPLE  # which no comparison with NaN is
    if not usable.all():
        time_s = (start + int(np.argmin(usable))) / rate_hz
        raise InputError(
            f"{name} has a sample that is not a finite number, or far too large, at "
            f"{time_s:.3f} s: repair the recording, or export it again as 16-bit WAV."
        )
