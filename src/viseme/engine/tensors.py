"""What callers give and networks give back, and checking it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from viseme.engine.backend import Tensor
from viseme.errors import BackendError, InputError

__all__ = ["BY_CONTENT", "Asked", "OnDemand", "Question", "as_tensor", "take_output"]

BY_CONTENT: Final = "*"
"""In place of a face's name: that it is to be known by its content, if it comes again."""


class Question(NamedTuple):
    """What a generator is asked: how this face looks, saying that.

    Its arrays are to be left as they are until it is answered.
    """

    visual: NDArray[Any]
    """``[6, S, S]`` in 0..1, B G R: the reference crop, then the masked one."""
    audio: NDArray[Any]
    """One window."""
    face: str = ""
    """What the visual input is called, where the same may be seen again: two that are called the
    same must be the same. :data:`BY_CONTENT` if nobody has given it a name; empty if it will not
    be seen again."""

    @classmethod
    def of(cls, asked: Asked) -> Question:
        """Make one of a pair by copying it, so that whoever gives it may use its arrays again."""
        if isinstance(asked, Question):
            return asked
        visual, audio = asked
        return cls(np.array(visual), np.array(audio))


Pair: TypeAlias = tuple[NDArray[Any], NDArray[Any]]
Asked: TypeAlias = Question | Pair
"""A question, or only the visual input and the window of one."""


class OnDemand(Mapping[str, Tensor]):
    """Tensors by name, each of them made when it is first asked for; for one thread.

    Args:
        makers: give them.
    """

    def __init__(self, makers: Mapping[str, Callable[[], Tensor]]) -> None:
        self._makers = makers
        self._made: dict[str, Tensor] = {}

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


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
