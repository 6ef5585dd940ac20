"""The sound as its viewers hear it: in its own rate and channels, not the network's 16 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import ArrayLike, NDArray

from viseme.errors import InputError

__all__ = ["MAX_RATE_HZ", "Block", "Sound", "open_sound", "sound_of_samples"]

Block = NDArray[np.float32]
"""A stretch of sound: float32 [channels, n], -1..1."""

MAX_RATE_HZ = 48_000
_MAX_CHANNELS = 2
_BLOCK_SAMPLES = 8_192


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound on its way into a video: blocks of [channels, n], to be gone through once."""

    rate_hz: int
    channels: int
    blocks: Iterator[Block]


def open_sound(source: str | Path) -> Sound:
    """Open the first sound track of a file, decoded piece by piece as it is asked for.

    The sound keeps its rate up to 48 kHz; more than two channels are mixed down to two. A file
    that is damaged in the middle ends there, as it does for the network that listens to it.

    Raises:
        InputError: the file cannot be opened or has no sound.
    """
    blocks = _decode(source)
    try:
        first = next(blocks)
    except StopIteration:
        raise InputError(
            f"There is no sound in '{source}'; choose a file with a sound track."
        ) from None
    return Sound(first.rate_hz, first.data.shape[0], _data(first, blocks))


def sound_of_samples(samples: ArrayLike, rate_hz: int) -> Sound:
    """Make sound of samples in memory: [n] or [n, channels], float -1..1 or any integer type."""
    array = np.atleast_2d(np.asarray(samples).T)
    if array.shape[0] > _MAX_CHANNELS:
        array = array.mean(axis=0, keepdims=True).astype(array.dtype)
    return Sound(rate_hz, array.shape[0], _slices(array))


@dataclass(frozen=True, slots=True)
class _Decoded:
    rate_hz: int
    data: Block


def _decode(source: str | Path) -> Iterator[_Decoded]:
    try:
        container = av.open(str(source))
    except (av.FFmpegError, OSError) as error:
        raise InputError(f"Cannot read '{source}' as sound.") from error
    with container:
        if not container.streams.audio:
            return
        resampler: av.AudioResampler | None = None
        try:
            for frame in container.decode(audio=0):
                if resampler is None:
                    resampler = av.AudioResampler(
                        format="fltp",
                        layout="mono" if frame.layout.nb_channels == 1 else "stereo",
                        rate=min(frame.sample_rate, MAX_RATE_HZ),
                    )
                yield from map(_decoded, resampler.resample(frame))
        except (av.FFmpegError, OSError, ValueError):
            # Cut off or damaged from here on. The network's own decoding has warned of it, and
            # pictures end at the same place, so that the sound may simply end too.
            pass
        if resampler is not None:
            yield from map(_decoded, resampler.resample(None))


def _decoded(frame: av.AudioFrame) -> _Decoded:
    data = np.nan_to_num(frame.to_ndarray().astype(np.float32, copy=False))
    return _Decoded(frame.sample_rate, data)


def _data(first: _Decoded, rest: Iterator[_Decoded]) -> Iterator[Block]:
    yield first.data
    for block in rest:
        yield block.data


def _slices(array: NDArray[Any]) -> Iterator[Block]:
    for start in range(0, array.shape[1], _BLOCK_SAMPLES):
        yield _to_float(array[:, start : start + _BLOCK_SAMPLES])


def _to_float(block: NDArray[Any]) -> Block:
    if block.dtype.kind in "iu":
        limits = np.iinfo(block.dtype)
        half = (float(limits.max) - float(limits.min) + 1) / 2
        # Silence is the middle of the range, as unsigned 8-bit wave files have it.
        middle = float(limits.min) + half
        return np.asarray((block - middle) / half, np.float32)
    return np.nan_to_num(block.astype(np.float32))
