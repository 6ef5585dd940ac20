"""Features to windows: what the generator hears for each video frame."""

from __future__ import annotations

import numpy as np

from viseme.audio.features import LEAD, Encode, FeatureStream
from viseme.audio.latency import AFTER, LEAST_AFTER, Latency
from viseme.audio.mel import MelStream
from viseme.audio.units import FEATURE_SIZE, Float32, Samples

__all__ = ["WINDOW_SHAPE", "WindowStream", "windows"]

WINDOW_SHAPE = (32, 16, 16)
"""The shape in which the generator takes its 16 features of 512."""
BEFORE = 8
"""Features of a window from before its frame."""
WINDOW_FEATURES = BEFORE + 1 + AFTER
GUESSES = 3
"""Features that are guessed after the last that is known: the next would hear little else than the
guess, so that the third stands for all that follow."""


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

    Holds back at most 465 ms of sound, and memory of the same order. A window that is given early
    hears no more than the sound that it waits for, even if more has come.

    Args:
        encode: the audio encoder, patches `[b, 1, 80, 16]` to features `[b, 512]`.
        after: how many features after its own a frame waits for, `LEAST_AFTER` to `AFTER`. With
            fewer than `AFTER` the rest is guessed, and there is silence before the sound.
    """

    def __init__(self, encode: Encode, *, after: int = Latency.EXACT.after) -> None:
        if not LEAST_AFTER <= after <= AFTER:
            raise ValueError(f"after is {after}; it must be {LEAST_AFTER} to {AFTER}")
        self._after = after
        self._guesses = min(GUESSES, AFTER - after)
        self._mel = MelStream()
        self._features = FeatureStream(encode, guesses=self._guesses)
        # Features of silence take the place of zeros, and the last of them that of the double.
        self._tail = self._zeros(BEFORE + 1 - LEAD if self._guesses else BEFORE)
        self._ended = False

    def push(self, samples: Samples) -> Float32:
        """Take float32 `[n]` (any `n`), give the windows `[t, 32, 16, 16]` it completes.

        The samples are 16 kHz mono. The windows are read-only, and may share memory as those of
        `windows()`. Raises `InputError` where a sample is not a finite number.
        """
        return self._take(self._features.push(self._mel.push(samples)))

    def flush(self) -> Float32:
        """End the sound and give the windows `[t, 32, 16, 16]` of its last frames."""
        if self._ended:
            return _slide(_zeros(0))
        self._ended = True
        rest = [self._features.push(self._mel.flush()), self._features.flush()]
        # As many frames as features: the last have nothing to wait for, or need not wait for all.
        ready = np.concatenate([*rest, self._zeros(max(0, self._after))])
        return self._take(ready[: len(ready) + min(0, self._after)])

    def _take(self, features: Float32) -> Float32:
        known = np.concatenate([self._tail, features])
        count = BEFORE + 1 + self._after
        self._tail = known[1 - count :].copy()
        if not self._guesses:
            return _slide(known)
        return _foreseen(known, count)

    def _zeros(self, count: int) -> Float32:
        return _zeros(count, FEATURE_SIZE * (1 + self._guesses))


def _foreseen(features: Float32, count: int) -> Float32:
    """Make all windows of which `count` features are known; the rest is guessed.

    `features` is `[n, 512 (1 + guesses)]`; the windows are read-only `[n - count + 1, 32, 16, 16]`.
    """
    guesses = features.shape[1] // FEATURE_SIZE - 1
    last = features[count - 1 :]
    guessed = last[:, FEATURE_SIZE:].reshape(len(last), guesses, FEATURE_SIZE)
    known = np.arange(len(last))[:, None] + np.arange(count)
    rest = np.minimum(np.arange(WINDOW_FEATURES - count), guesses - 1)
    rows = np.concatenate([features[known, :FEATURE_SIZE], guessed[:, rest]], axis=1)
    rows.flags.writeable = False
    return rows.reshape(-1, *WINDOW_SHAPE)


def _slide(features: Float32) -> Float32:
    """View all whole windows of `features` `[n, 512]`: read-only `[n - 15, 32, 16, 16]`."""
    if len(features) < WINDOW_FEATURES:
        return np.empty((0, *WINDOW_SHAPE), dtype=np.float32)
    flat = np.lib.stride_tricks.sliding_window_view(
        features.reshape(-1), WINDOW_FEATURES * FEATURE_SIZE
    )
    return flat[::FEATURE_SIZE].reshape(-1, *WINDOW_SHAPE)


def _zeros(count: int, size: int = FEATURE_SIZE) -> Float32:
    return np.zeros((count, size), dtype=np.float32)
