"""Processes that make what training takes, while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import cv2
from torch.utils.data import DataLoader, Dataset

__all__ = ["made_ahead"]

Made = TypeVar("Made")


def made_ahead(
    make: Callable[[int], Made], numbers: Sequence[int], workers: int, *, pinned: bool = False
) -> Iterator[Made]:
    """Yield what `make` makes of each number, in order.

    Args:
        make: called in one of the processes; it takes along what it refers to as it is now.
        numbers: what is to be made.
        workers: how many processes there are; 0 makes all in this one, as it is asked for.
        pinned: lay tensors where a GPU fetches them by itself, while what it is asked goes on.
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
