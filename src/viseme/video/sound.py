"""The sound as its viewers hear it: in its own rate and channels, not the network's 16 kHz."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from viseme.errors import InputError

__all__ = ["MAX_RATE_HZ", "Block", "Sound", "make_sound"]

Block = NDArray[np.float32]
"""A stretch of sound: float32 [channels, n], -1..1."""

MAX_RATE_HZ = 48_000


@dataclass(frozen=True, slots=True)
class Sound:
    """Sound on its way into a video: blocks of [channels, n], to be gone through once."""

    rate_hz: int
    channels: int
    blocks: Iterator[Block]


def make_sound(pieces: Iterable[tuple[NDArray[Any], int]]) -> Sound:
    """Make sound of pieces of samples, each with its rate; the first decides for all.

    It keeps its rate up to 48 kHz, and one or two channels; more are mixed down to one, which is
    what the network hears.

    Args:
        pieces: [n, channels], floating point in -1..1 or any integer type, and the rate in Hz;
            taken one at a time.

    Raises:
        InputError: there are none.
    """
    blocks = ((_to_float(samples.T), rate_hz) for samples, rate_hz in pieces)
    first = next(blocks, None)
    if first is None:
        raise InputError("The speech has no sound that can be decoded: export it again.")
    rate_hz = min(first[1], MAX_RATE_HZ)
    channels = len(first[0]) if len(first[0]) <= 2 else 1
    return Sound(rate_hz, channels, _blocks(first, blocks, rate_hz, channels))


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
