"""A stand-in for the audio encoder: deterministic, cheap, and different for different patches."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray


class FakeEncoder:
    """Projects a patch on 512 fixed directions; remembers how many patches each call had."""

    def __init__(self) -> None:
        self._directions = _directions()
        self.calls: list[int] = []

    def __call__(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        assert patches.shape[1:] == (1, 80, 16)
        assert patches.dtype == np.float32
        assert patches.flags.c_contiguous
        self.calls.append(len(patches))
        found = np.tanh(patches.reshape(len(patches), -1) @ self._directions)
        return np.asarray(found, dtype=np.float32)


@cache
def _directions() -> NDArray[np.float32]:
    rng = np.random.default_rng(1)
    return np.asarray(rng.standard_normal((80 * 16, 512)) / 80, dtype=np.float32)
