"""Fitting any number of rows to a network that takes so many and no others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from viseme.engine.backend import Tensor

__all__ = ["padded", "split"]


def split(rows: int, size: int) -> Iterator[slice]:
    """Cut ``rows`` into slices of ``size``; the last one has what is left."""
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def padded(inputs: Mapping[str, Tensor], size: int) -> dict[str, Tensor]:
    """Lengthen each tensor to ``size`` rows by repeating its last one.

    A repeated row, unlike one of zeros, is input such as the network was trained on, so it
    cannot slow the others down with denormal numbers.
    """
    return {
        name: tensor
        if len(tensor) == size
        else np.concatenate([tensor, np.repeat(tensor[-1:], size - len(tensor), axis=0)])
        for name, tensor in inputs.items()
    }
