"""Mel to features: the audio encoder on 16 mel frames at a time, 25 times a second.

For frames that do not wait for all that they hear, it guesses with each feature those that follow.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from viseme.audio.mel import SILENCE
from viseme.audio.units import FEATURE_SIZE, FRAME_RATE_HZ, MEL_BINS, MEL_RATE_HZ, Float32
from viseme.errors import ModelError

__all__ = ["Encode", "FeatureStream", "feature_count", "features"]

Encode = Callable[[Float32], Float32]
"""An audio encoder: patches `[b, 1, 80, 16]` to features `[b, 512]`, both float32."""

Index = TypeVar("Index", int, NDArray[np.int_])

PATCH_FRAMES = 16
"""Mel frames that the encoder sees at once."""
BATCH = 32
"""Patches in one call of the encoder: enough to keep it busy, few enough to stay small."""
LEAD = 5
"""Features before the first that are of silence, where any are guessed: their 16 mel frames are
those before the sound."""


def features(mel: Float32, encode: Encode) -> Float32:
    """Encode a whole sound, the first and the last feature doubled: float32 `[T, 512]`.

    `mel` is float32 `[M, 80]`; under 16 frames, it is taken to go on in silence up to 16.
    `T` is `feature_count(M) + 2`, and the number of video frames. Raises `ModelError` where
    `encode` does not give one vector of 512 for each patch.
    """
    stream = FeatureStream(encode)
    return np.concatenate([stream.push(mel), stream.flush()])


def feature_count(mel_count: int) -> int:
    """Count the features of `mel_count` mel frames, before the first and last are doubled.

    In floating point on purpose: where the product should be whole, the reference definition
    sometimes comes out one lower (384 frames have 116 features, not 117), and so must this.
    """
    spare = max(mel_count, PATCH_FRAMES) - PATCH_FRAMES
    return int(spare / MEL_RATE_HZ * FRAME_RATE_HZ) + 2


def patch_start(index: Index) -> Index:
    """Tell the first mel frame of feature `index`: `int(3.2 index)`, without its rounding."""
    return 16 * index // 5


def silent_mel(count: int) -> Float32:
    """Give `count` mel frames of silence, `[count, 80]`."""
    return np.full((count, MEL_BINS), SILENCE, dtype=np.float32)


class FeatureStream:
    """Features of a mel spectrogram that comes in chunks; holds back at most 19 mel frames.

    Args:
        encode: the audio encoder.
        guesses: how many of the features that follow are guessed with each. A guess hears the
            patch of its feature moved on, with its last mel frame in place of those to come: it
            hangs on nothing else, however the sound is cut, and is made once. With any, there is
            silence before the sound, and in place of the first feature's double come `LEAD`
            features that hear some of it.
    """

    def __init__(self, encode: Encode, *, guesses: int = 0) -> None:
        self._encode = encode
        self._guesses = guesses
        lead = LEAD if guesses else 0
        self._tail = silent_mel(-patch_start(-lead))
        self._tail_start = -len(self._tail)  # the index of the tail's first mel frame
        self._count = -lead  # the features given so far, the first counted once
        self._doubles_next = lead == 0
        self._last: Float32 = self._no_features()
        self._ended = False

    def push(self, mel: Float32) -> Float32:
        """Take float32 `[m, 80]` (any `m`), give the features it completes.

        Returns:
            float32 `[t, 512 (1 + guesses)]`, the guesses of each behind it in their order.
        """
        if self._ended:
            raise RuntimeError("This FeatureStream has ended: start a new one.")
        if mel.ndim != 2 or mel.shape[1] != MEL_BINS:
            raise ValueError(f"mel must be [m, {MEL_BINS}], got {list(mel.shape)}")
        self._tail = np.concatenate([self._tail, mel])
        starts: list[int] = []
        while (start := patch_start(self._count + len(starts))) + PATCH_FRAMES <= self._mel_count:
            starts.append(start)
        if not starts:
            return self._no_features()
        doubles, self._doubles_next = self._doubles_next, False
        ready = self._encode_at(starts)
        self._count += len(starts)
        self._last = ready[-1:].copy()
        self._forget()
        return np.concatenate([ready[:1], ready]) if doubles else ready

    def flush(self) -> Float32:
        """End the sound: give the features at its end as `push` does, the very last doubled."""
        if self._ended:
            return self._no_features()
        first = self.push(silent_mel(max(0, PATCH_FRAMES - self._mel_count)))
        self._ended = True
        # All that are left would pass the end, so each of them sees the last 16 frames. There may
        # be none: then the one to double is the last that was given.
        left = feature_count(self._mel_count) - self._count
        last = self._encode_at([self._mel_count - PATCH_FRAMES]) if left else self._last
        return np.concatenate([first, np.repeat(last, left + 1, axis=0)])

    @property
    def _mel_count(self) -> int:
        return self._tail_start + len(self._tail)

    def _encode_at(self, starts: list[int]) -> Float32:
        """Encode the patches that begin at the mel frames `starts`, and those of their guesses."""
        # A feature later, the patch begins 3.2 frames later. What passes its end is its last frame.
        columns = np.arange(PATCH_FRAMES) + patch_start(np.arange(1 + self._guesses))[:, None]
        columns = np.minimum(columns, PATCH_FRAMES - 1)
        rows = (np.array(starts)[:, None, None] - self._tail_start + columns).reshape(
            -1, PATCH_FRAMES
        )
        parts = []
        for i in range(0, len(rows), BATCH):
            patches = self._tail[rows[i : i + BATCH]].transpose(0, 2, 1)[:, None]
            parts.append(self._checked(self._encode(np.ascontiguousarray(patches)), len(patches)))
        return np.concatenate(parts).reshape(len(starts), -1)

    @staticmethod
    def _checked(encoded: Float32, count: int) -> Float32:
        if encoded.shape != (count, FEATURE_SIZE):
            raise ModelError(
                f"The audio encoder gave {list(encoded.shape)} for {count} patches where "
                f"[{count}, {FEATURE_SIZE}] was expected: use one made for 512 features."
            )
        return encoded.astype(np.float32, copy=False)

    def _forget(self) -> None:
        """Drop the mel frames that neither the next feature nor the end will look at."""
        start = min(patch_start(self._count), self._mel_count - PATCH_FRAMES)
        self._tail = self._tail[start - self._tail_start :].copy()
        self._tail_start = start

    def _no_features(self) -> Float32:
        return np.empty((0, FEATURE_SIZE * (1 + self._guesses)), dtype=np.float32)
