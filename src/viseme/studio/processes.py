"""Processes that make what training takes, while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, TypeVar

import cv2
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

__all__ = ["Parcel", "made_ahead"]

Made = TypeVar("Made")
Part: TypeAlias = tuple[str, torch.dtype, tuple[int, ...], slice]

ALIGNMENT = 64
"""Bytes; a tensor must begin at a multiple of its numbers' size."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """Named arrays in one stretch of memory.

    A process hands over each tensor by itself, which takes the one that trains a millisecond, and
    a GPU is asked for each by itself.
    """

    memory: Tensor
    parts: tuple[Part, ...]

    @classmethod
    def of(cls, arrays: Mapping[str, NDArray[Any]]) -> Parcel:
        """Copy arrays into one."""
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
        parts: list[Part] = []
        end = 0
        for name, tensor in tensors.items():
            place = slice(end, end + tensor.nbytes)
            parts.append((name, tensor.dtype, tuple(tensor.shape), place))
            end += -(-tensor.nbytes // ALIGNMENT) * ALIGNMENT
        parcel = cls(torch.empty(end, dtype=torch.uint8), tuple(parts))
        for name, tensor in parcel.opened().items():
            tensor.copy_(tensors[name])
        return parcel

    def opened(self) -> dict[str, Tensor]:
        """Return its arrays; they share its memory."""
        return {
            name: self.memory[place].view(dtype).view(shape)
            for name, dtype, shape, place in self.parts
        }

    def to(self, device: torch.device) -> Parcel:
        """Return it in a device's memory; a GPU may still be fetching it."""
        return replace(self, memory=self.memory.to(device, non_blocking=True))

    def pin_memory(self) -> Parcel:
        """Return it where a GPU fetches it by itself; `DataLoader` asks for it."""
        return replace(self, memory=self.memory.pin_memory())


def made_ahead(
    make: Callable[[int], Made], numbers: Sequence[int], workers: int, *, pinned: bool = False
) -> Iterator[Made]:
    """Yield what `make` makes of each number, in order.

    Args:
        make: called in one of the processes; it takes along what it refers to as it is now.
        numbers: what is to be made.
        workers: how many processes there are; 0 makes all in this one, as it is asked for.
        pinned: lay what has `pin_memory` where a GPU fetches it by itself, while its work goes on.
    """
    loader = DataLoader(
        _Made(make, numbers),
        batch_size=None,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pinned,
    )
    with _opencv_on_one_core():
        return iter(loader)


class _Made(Dataset[Made]):
    """What a function makes of numbers, as `DataLoader` takes it."""

    def __init__(self, make: Callable[[int], Made], numbers: Sequence[int]) -> None:
        self._make = make
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Made:
        return self._make(self._numbers[index])


def _as_it_is(made: Made) -> Made:
    return made


@contextmanager
def _opencv_on_one_core() -> Iterator[None]:
    """Keep processes that are begun meanwhile from starting threads for each core.

    They inherit the setting. To set it there hangs wherever OpenCV has had threads in this process,
    since it waits for those to end, and they were not inherited.
    """
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)
