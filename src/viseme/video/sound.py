"""The sound as its viewers hear it: in its own rate and channels, not the network's 16 kHz."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import av
import numpy as np
from numpy.typing import ArrayLike, NDArray

from viseme.audio.source import opened
from viseme.errors import InputError

__all__ = ["MAX_RATE_HZ", "Block", "Sound", "open_sound", "sound_of_samples"]

Block = NDArray[np.float32]
"""A stretch of sound: float32 [channels, n], -1..1."""

MAX_RATE_HZ = 48_000
_BLOCK_SAMPLES = 8_192


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound on its way into a video: blocks of [channels, n], to be gone through once."""

    rate_hz: int
    channels: int
    blocks: Iterator[Block]


@contextmanager
def open_sound(source: str | Path | BinaryIO) -> Iterator[Sound]:
    """Open the sound of a file, decoded piece by piece as it is asked for.

    It keeps its rate up to 48 kHz, and one or two channels; more are mixed down to one, which is
    what the network hears. What is damaged or cut off is left out here as it is there.

    Raises:
        InputError: the file cannot be read or has no sound.
    """
    with opened(source) as file:
        pieces = ((_to_float(samples.T), rate_hz) for samples, rate_hz in file.chunks())
        first = next(pieces, None)
        if first is None:
            raise InputError(f"{file.name} has no sound that can be decoded: export it again.")
        yield _converted(first, pieces)


def sound_of_samples(samples: ArrayLike, rate_hz: int) -> Sound:
    """Make sound of samples in memory: [n] or [n, channels], float -1..1 or any integer type.

    Rate and channels are treated as those of a file.
    """
    array = np.atleast_2d(np.asarray(samples).T)
    starts = range(0, array.shape[1], _BLOCK_SAMPLES)
    pieces = ((_to_float(array[:, at : at + _BLOCK_SAMPLES]), rate_hz) for at in starts)
    return _converted(next(pieces, (_to_float(array), rate_hz)), pieces)


def _converted(first: tuple[Block, int], rest: Iterator[tuple[Block, int]]) -> Sound:
    """Bring all pieces to the rate and channels that the first one decides."""
    block, rate_hz = first
    rate_hz = min(rate_hz, MAX_RATE_HZ)
    channels = len(block) if len(block) <= 2 else 1
    return Sound(rate_hz, channels, _blocks(first, rest, rate_hz, channels))


def _blocks(
    first: tuple[Block, int], rest: Iterator[tuple[Block, int]], rate_hz: int, channels: int
) -> Iterator[Block]:
    converter = _Converter(first[1], rate_hz, channels)
    yield from converter.push(first[0])
    for block, found_hz in rest:
        if found_hz != converter.from_hz:  # joined recordings do that in the middle
            yield from converter.flush()
            converter = _Converter(found_hz, rate_hz, channels)
        yield from converter.push(block)
    yield from converter.flush()


class _Converter:
    """From one rate and any channels to the rate and channels of a `Sound`."""

    def __init__(self, from_hz: int, rate_hz: int, channels: int) -> None:
        self.from_hz = from_hz
        self._channels = channels
        self._layout = "mono" if channels == 1 else "stereo"
        self._resampler: av.AudioResampler | None = None
        if from_hz != rate_hz:
            self._resampler = av.AudioResampler("fltp", self._layout, rate_hz)

    def push(self, block: Block) -> Iterator[Block]:
        if len(block) != self._channels:
            mono = block.mean(axis=0, keepdims=True)
            block = np.ascontiguousarray(np.repeat(mono, self._channels, axis=0))
        if self._resampler is None:
            yield block
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), "fltp", self._layout)
        frame.sample_rate = self.from_hz
        for converted in self._resampler.resample(frame):
            yield np.asarray(converted.to_ndarray(), np.float32)

    def flush(self) -> Iterator[Block]:
        if self._resampler is not None:
            for converted in self._resampler.resample(None):
                yield np.asarray(converted.to_ndarray(), np.float32)


def _to_float(block: NDArray[Any]) -> Block:
    if block.dtype.kind in "iu":
        limits = np.iinfo(block.dtype)
        half = (float(limits.max) - float(limits.min) + 1) / 2
        # Silence is the middle of the range, as unsigned 8-bit wave files have it.
        middle = float(limits.min) + half
        return np.asarray((block - middle) / half, np.float32)
    # Encoders refuse what is no number; the network's own reading of the sound complains of it.
    return np.nan_to_num(block.astype(np.float32))
