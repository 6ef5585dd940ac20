"""Running a generator in two halves, of which the first is left out for faces seen before."""

from __future__ import annotations

import statistics
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import numpy as np

from viseme.engine.backend import Backend, Tensor
from viseme.engine.choice import DEVIATION_MAX, fastest
from viseme.engine.guests import Guests
from viseme.engine.tensors import BY_CONTENT

__all__ = ["Halves", "Kept", "SplitBackend", "is_worth_splitting"]

Row = TypeVar("Row")
"""The features of a face, wherever they are."""

_ROUNDS = 5
_LIKE = 1.25
"""How much further is as far: a few samples do not tell the largest error to the last digit."""


class Halves(ABC, Generic[Row]):
    """Both halves of one network, open; for any thread."""

    name: str
    """As of a `Backend`; so are the next two."""
    device: str
    precision: str

    @abstractmethod
    def see(self, visual: Tensor) -> Row:
        """Make the features of one face, ``[1, 6, S, S]``, in half precision."""

    @abstractmethod
    def speak(self, rows: Sequence[Row], inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Make pictures of the features of each row, and of the inputs of the whole network."""

    @abstractmethod
    def close(self) -> None:
        """Let go of both."""


class Kept(Protocol[Row]):
    """The features of faces that have names."""

    def get(self, face: str, /) -> Row | None:
        """Give what was put there for a face; None if nothing was."""

    def put(self, face: str, row: Row, /) -> None:
        """Keep what belongs to a face, whole or not at all."""

    def close(self) -> None:
        """Hold no memory any more."""


class SplitBackend(Backend, Generic[Row]):
    """Two halves of one network as a back end that remembers faces.

    Features are in half precision whether they are kept or not, so that a frame's bits do not
    depend on who has shown the face before.

    Args:
        visual_name: that of the input with the face.
        halves: run the network.
        kept: what the first has made of faces that have names.
        guests: what it has made of others.
    """

    def __init__(
        self, visual_name: str, halves: Halves[Row], *, kept: Kept[Row], guests: Guests[Row]
    ) -> None:
        self.name = halves.name
        self.device = halves.device
        self.precision = halves.precision
        self.halves = halves
        """Both of them, which remember nothing."""
        self._visual_name = visual_name
        self._kept = kept
        self._guests = guests

    def run(self, inputs: Mapping[str, Tensor], faces: Sequence[str] = ()) -> list[Tensor]:
        """Run the network once, or that half of it that is needed.

        Args:
            inputs: as of any back end; that with the faces is not asked for where no row needs it.
            faces: what each row of the visual input is called, as in `Question`.
        """

        def visual(row: int) -> Tensor:
            return inputs[self._visual_name][row : row + 1]

        names = faces or [""] * len(inputs[self._visual_name])
        rows = [self._of_face(partial(visual, row), name) for row, name in enumerate(names)]
        return self.halves.speak(rows, inputs)

    def close(self) -> None:
        """Let go of both halves."""
        self.halves.close()
        self._kept.close()
        self._guests.close()

    def _of_face(self, visual: Callable[[], Tensor], face: str) -> Row:
        if face == BY_CONTENT:
            return self._guests.features_of(visual(), self.halves.see)
        if not face:
            return self.halves.see(visual())
        known = self._kept.get(face)
        if known is None:
            known = self.halves.see(visual())
            self._kept.put(face, known)
        return known


def is_worth_splitting(
    whole: Backend,
    split: SplitBackend[Any],
    samples: Sequence[Mapping[str, Tensor]],
    *,
    run: Callable[[Backend, Mapping[str, Tensor]], Tensor],
    reference: Backend,
    visual_name: str,
) -> bool:
    """Measure whether the second half alone is faster than the whole, and both exact enough.

    Args:
        whole: the network as it is.
        split: taken apart.
        samples: inputs to measure with, each of one frame.
        run: gives the picture that a back end makes of a sample.
        reference: the whole in float32. From it the other may stray by half a step of an 8-bit
            picture, or where the whole strays further, for it is not in float32, no further.
        visual_name: that of the input with the face.
    """
    for sample in samples:
        exact = run(reference, sample)
        allowed = max(DEVIATION_MAX, _LIKE * _distance(run(whole, sample), exact))
        if not _distance(run(split, sample), exact) <= allowed:  # nor if it is no number
            return False
    halves = split.halves
    known = [[halves.see(sample[visual_name])] for sample in samples]
    seconds: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(_ROUNDS):
        for sample, features in zip(samples, known, strict=True):
            start_s = time.perf_counter()
            whole.run(sample)
            between_s = time.perf_counter()
            halves.speak(features, sample)
            seconds[False].append(between_s - start_s)
            seconds[True].append(time.perf_counter() - between_s)
    return fastest({split: statistics.median(taken) for split, taken in seconds.items()})


def _distance(picture: Tensor, exact: Tensor) -> float:
    return float(np.max(np.abs(picture - exact)))
