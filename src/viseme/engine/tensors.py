"""Checking the arrays that callers give and that networks give back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from viseme.engine.backend import Tensor
from viseme.errors import BackendError, InputError

__all__ = ["as_tensor", "take_output"]


def as_tensor(array: NDArray[Any], form: str, *shapes: tuple[int | None, ...]) -> Tensor:
    """Give an array as a C-contiguous float32 tensor, without a copy where it is one already.

    Args:
        array: any floating-point array.
        form: what it is called in errors, such as ``"visual input"``.
        shapes: the shapes that will do; ``None`` stands for any extent.

    Raises:
        InputError: if it is no array of floating-point numbers, has another shape, or has
            values that are not finite.
    """
    wanted = " or ".join(_written(shape) for shape in shapes)
    array = np.asarray(array)
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"The {form} has values of type {array.dtype}; give floating-point numbers, "
            "pictures as 0..1."
        )
    if not any(_has_shape(array, shape) for shape in shapes):
        raise InputError(
            f"The {form} has shape {_written(array.shape)}; expected {wanted}. "
            "Give an array of that shape."
        )
    with np.errstate(over="ignore"):  # What float32 cannot hold is refused as infinite below.
        tensor = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(tensor).all():
        raise InputError(f"The {form} has values that are NaN or infinite; give finite numbers.")
    return tensor


def take_output(outputs: Sequence[Tensor], index: int, shape: tuple[int, ...]) -> Tensor:
    """Pick one of a network's outputs, refusing one that is not as its file promised.

    Raises:
        BackendError: if it is missing or has another shape.
    """
    if len(outputs) <= index or outputs[index].shape != shape:
        got = ", ".join(_written(output.shape) for output in outputs) or "nothing"
        raise BackendError(
            f"The network gave {got} where {_written(shape)} was promised; export it again."
        )
    return outputs[index]


def _has_shape(array: NDArray[Any], shape: tuple[int | None, ...]) -> bool:
    return array.ndim == len(shape) and all(
        want in (None, extent) for extent, want in zip(array.shape, shape, strict=True)
    )


def _written(shape: tuple[int | None, ...]) -> str:
    return "[" + ", ".join("B" if extent is None else str(extent) for extent in shape) + "]"
