"""Made-up input that is like the real one, the same on every machine."""

from __future__ import annotations

import numpy as np

from viseme.engine.backend import Tensor
from viseme.engine.model import ModelInfo

__all__ = ["sample_inputs"]

_KNOTS = 9
"""Points across a made-up picture between which it is smooth."""


def sample_inputs(info: ModelInfo, count: int) -> list[dict[str, Tensor]]:
    """Make ``count`` runs' worth of different inputs for a generator, of its own batch or 1.

    The picture is smooth, for noise would exercise a network where it was never trained, and its
    mouth is black in the second half of the channels; the audio features are normal deviates.
    """
    rng = np.random.default_rng(0)
    batch = info.batch or 1
    return [
        {
            info.visual_name: np.stack([_visual(rng, info.size) for _ in range(batch)]),
            info.audio_name: rng.standard_normal((batch, *info.audio_shape), dtype=np.float32),
        }
        for _ in range(count)
    ]


def _visual(rng: np.random.Generator, size: int) -> Tensor:
    """Make a smooth picture in 0..1 and its copy with the mouth region painted black."""
    knots = rng.random((3, _KNOTS, _KNOTS), dtype=np.float32)
    # Row i of this matrix weighs the two knots that pixel i lies between.
    place = np.linspace(0, _KNOTS - 1, size, dtype=np.float32)[:, None]
    weights = np.clip(1 - np.abs(place - np.arange(_KNOTS, dtype=np.float32)), 0, 1)
    # Not as products of matrices, for which threads are woken that then wait in a loop for more.
    rows = np.einsum("yk,ckl->cyl", weights, knots)
    reference = np.einsum("xl,cyl->cyx", weights, rows)
    masked = reference.copy()
    edge = size // 64
    masked[:, edge : size - 2 * edge, edge : size - edge] = 0
    return np.concatenate([reference, masked]).astype(np.float32)
