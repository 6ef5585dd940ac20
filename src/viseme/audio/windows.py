"""Features to windows: what the generator hears for each video frame."""

from __future__ import annotations

import numpy as np

from viseme.audio.features import Encode, FeatureStream
from viseme.audio.mel import MelStream
from viseme.audio.units import FEATURE_SIZE, Float32, Samples

__all__ = ["WINDOW_SHAPE", "WindowStream", "windows"]

WINDOW_SHAPE = (32, 16, 16)
"""The shape in which the generator takes its 16 features of 512."""
BEFORE = 8
"""Features of a window from before its frame."""
AFTER = 7
"""Features of a window from after its frame; between the two is the frame's own."""
WINDOW_FEATURES = BEFORE + 1 + AFTER


def windows(features: Float32) -> Float32:
    """Cut the window of each video frame: float32 `[T, 32, 16, 16]`, one per feature.

    `features` is float32 `[T, 512]`, as `features()` gives it. Window `i` is the features
    `[i - 8, i + 8)`, zeros where there are none. Neighbours share memory, so that the windows
    cost no more than the features: the array is read-only; copy it to change it.
    """
    if features.ndim != 2 or features.shape[1] != FEATURE_SIZE:
        raise ValueError(f"features must be [T, {FEATURE_SIZE}], got {list(features.shape)}")
    return _slide(np.concatenate([_zeros(BEFORE), features, _zeros(AFTER)]))


class WindowStream:
    """The windows of a sound that comes in chunks: samples in, windows out.

    Holds back at most 465 ms of sound, and memory of the same order. `encode` is the audio
    encoder, patches `[b, 1, 80, 16]` to features `[b, 512]`.
    """

    def __init__(self, encode: Encode) -> None:
        self._mel = MelStream()
        self._features = FeatureStream(encode)
        self._tail = _zeros(BEFORE)
        self._ended = False

    def push(self, samples: Samples) -> Float32:
        """Take float32 `[n]` (any `n`), give the windows `[t, 32, 16, 16]` it completes.

        The samples are 16 kHz mono. The windows are read-only and share memory, as those of
        `windows()`. Raises `InputError` where a sample is not a finite number.
        """
        return self._take(self._features.push(self._mel.push(samples)))

    def flush(self) -> Float32:
        """End the sound and give the windows `[t, 32, 16, 16]` of its last frames."""
        if self._ended:
            return _slide(_zeros(0))
        self._ended = True
        rest = [self._features.push(self._mel.flush()), self._features.flush(), _zeros(AFTER)]
        return self._take(np.concatenate(rest))

    def _take(self, features: Float32) -> Float32:
        known = np.concatenate([self._tail, features])
        self._tail = known[-(WINDOW_FEATURES - 1) :].copy()
        return _slide(known)


def _slide(features: Float32) -> Float32:
    """View all whole windows of `features` `[n, 512]`: read-only `[n - 15, 32, 16, 16]`."""
    if len(features) < WINDOW_FEATURES:
        return np.empty((0, *WINDOW_SHAPE), dtype=np.float32)
    flat = np.lib.stride_tricks.sliding_window_view(
        features.reshape(-1), WINDOW_FEATURES * FEATURE_SIZE
    )
    return flat[::FEATURE_SIZE].reshape(-1, *WINDOW_SHAPE)


def _zeros(count: int) -> Float32:
    return np.zeros((count, FEATURE_SIZE), dtype=np.float32)
