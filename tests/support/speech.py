"""Speech whose pictures are known: what each hears of it, and in which order frames are played."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from support.tiny_avatar import FRAME_COUNT
from viseme.audio import Latency
from viseme.rendering import RenderOptions, render


class HasData(Protocol):
    """A picture in pixels."""

    @property
    def data(self) -> bytes: ...


def babble(seconds: float, rate_hz: int = 16_000, seed: int = 11) -> NDArray[np.int16]:
    """Make noise that swells and fades, of which every stretch sounds different: int16 [n]."""
    count = round(seconds * rate_hz)
    rng = np.random.default_rng(seed)
    swell = np.sin(np.linspace(0, 9, count)) ** 2
    return np.round(6_000 * swell * rng.standard_normal(count)).astype(np.int16)


def whole(
    avatar: Path,
    sound: NDArray[Any],
    rate_hz: int = 16_000,
    start_frame: int = 0,
    latency: Latency = Latency.EXACT,
) -> list[bytes]:
    """Give the pixels of the pictures that a sound makes as a whole, without a server."""
    options = RenderOptions(backend="onnxruntime", start_frame=start_frame, latency=latency)
    return [frame.image.tobytes() for frame in render((sound, rate_hz), avatar, options)]


def assert_same_pictures(got: Sequence[HasData], expected: Sequence[bytes]) -> None:
    """Compare pixels; an encoder's sums differ in their last bit by how many it hears at once."""
    assert len(got) == len(expected)
    for number, (picture, wanted) in enumerate(zip(got, expected, strict=True)):
        ours, theirs = (
            np.frombuffer(data, np.uint8).astype(int) for data in (picture.data, wanted)
        )
        assert np.abs(ours - theirs).max() <= 1, number


def ping_pong(start: int, count: int) -> list[int]:
    """Give the numbers of the tiny avatar's frames in the order in which they are played."""
    there_and_back = [*range(FRAME_COUNT), *range(FRAME_COUNT - 2, 0, -1)]
    return list(itertools.islice(itertools.cycle(there_and_back), start, start + count))
