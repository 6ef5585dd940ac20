"""Packets of Opus, made by an encoder that is not ours."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

RATE_HZ = 48_000
DELAY_SAMPLES = 312
"""By how much the encoder's sound is later than what it was given."""


def packets(sound: NDArray[np.int16], frame_ms: int = 20) -> list[bytes]:
    """Encode a sound at 48 kHz, [n] or [n, 2], padded with silence to whole packets."""
    channels = sound.shape[1] if sound.ndim == 2 else 1
    encoder: Any = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.time_base = RATE_HZ, Fraction(1, RATE_HZ)
    encoder.layout, encoder.format = ("mono" if channels == 1 else "stereo"), "s16"
    encoder.bit_rate = 96_000 * channels
    encoder.options = {"frame_duration": str(frame_ms)}
    encoder.open()
    length = frame_ms * RATE_HZ // 1000
    rows = sound.reshape(-1, channels)
    rows = np.pad(rows, ((0, -len(rows) % length), (0, 0)))
    made: list[Any] = []
    for start in range(0, len(rows), length):
        part = np.ascontiguousarray(rows[start : start + length].reshape(1, -1))
        frame = av.AudioFrame.from_ndarray(part, "s16", encoder.layout.name)
        frame.sample_rate, frame.pts = RATE_HZ, start
        made += encoder.encode(frame)
    made += encoder.encode(None)
    return [bytes(packet) for packet in made]
