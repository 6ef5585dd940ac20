"""Sound files, as clients send them."""

from __future__ import annotations

import io
import wave

import numpy as np
from numpy.typing import NDArray


def noise(seconds: float, rate_hz: int = 16_000, channels: int = 1) -> NDArray[np.int16]:
    """Make noise: int16 [n, channels], the same each time."""
    rng = np.random.default_rng(8)
    return rng.integers(-3_000, 3_000, (round(seconds * rate_hz), channels), dtype=np.int16)


def wave_file(samples: NDArray[np.int16], rate_hz: int = 16_000) -> bytes:
    """Make a WAV file of samples, [n, channels]."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setparams((samples.shape[1], 2, rate_hz, 0, "NONE", ""))
        file.writeframes(samples.tobytes())
    return data.getvalue()
