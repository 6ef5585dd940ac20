"""Running a generator in two halves, of which the first is left out for faces seen before."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from viseme.engine.backend import Backend, Tensor
from viseme.engine.choice import DEVIATION_MAX, fastest
from viseme.engine.features import Features, FeatureShelf
from viseme.engine.guests import Guests
from viseme.engine.model import ModelInfo
from viseme.engine.tensors import BY_CONTENT

__all__ = ["SplitBackend", "is_worth_splitting"]

_ROUNDS = 5
_LIKE = 1.25
"""How much further is as far: a few samples do not tell the largest error to the last digit."""


class SplitBackend(Backend):
    """Two halves of one network as a back end that remembers faces.

    Features are in half precision whether they are kept or not, so that a frame's bits do not
    depend on who has shown the face before.

    Args:
        info: the whole network, of any batch.
        seeing: from the visual input to the features, open.
        speaking: from these and the audio input to the picture, open.
        features: the names of what is between them, as the first gives them.
        sees_again: whether the second takes the visual input, too.
        shelf: keeps what the first has made of faces that have names.
        guests: keeps what it has made of others.
    """

    def __init__(
        self,
        info: ModelInfo,
        seeing: Backend,
        speaking: Backend,
        *,
        features: Sequence[str],
        sees_again: bool,
        shelf: FeatureShelf,
        guests: Guests,
    ) -> None:
        self.name = speaking.name
        self.device = speaking.device
        self.precision = speaking.precision
        self._info = info
        self._seeing = seeing
        self._speaking = speaking
        self._features = tuple(features)
        self._sees_again = sees_again
        self._shelf = shelf
        self._guests = guests

    def run(self, inputs: Mapping[str, Tensor], faces: Sequence[str] = ()) -> list[Tensor]:
        """Run the network once, or that half of it that is needed.

        Args:
            inputs: as of any back end.
            faces: what each row of the visual input is called, as in `Question`.
        """
        visual = inputs[self._info.visual_name]
        names = faces or [""] * len(visual)
        rows = [self._of_face(visual[n : n + 1], name) for n, name in enumerate(names)]
        return self.speak(rows, inputs)

    def see(self, visual: Tensor) -> Features:
        """Make the features of one face, ``[1, 6, S, S]``."""
        made = self._seeing.run({self._info.visual_name: np.ascontiguousarray(visual)})
        return tuple(part.astype(np.float16, copy=False) for part in made)

    def speak(self, rows: Sequence[Features], inputs: Mapping[str, Tensor]) -> list[Tensor]:
        """Make pictures of the features of each row, and of all inputs."""
        columns = zip(*rows, strict=True)
        between = {
            name: np.concatenate(column) if len(rows) > 1 else column[0]
            for name, column in zip(self._features, columns, strict=True)
        }
        wanted: dict[str, Any] = {self._info.audio_name: inputs[self._info.audio_name], **between}
        if self._sees_again:
            wanted[self._info.visual_name] = inputs[self._info.visual_name]
        return self._speaking.run(wanted)

    def close(self) -> None:
        """Let go of both halves."""
        self._seeing.close()
        self._speaking.close()
        self._guests.close()

    def _of_face(self, visual: Tensor, face: str) -> Features:
        if face == BY_CONTENT:
            return self._guests.features_of(visual, self.see)
        if not face:
            return self.see(visual)
        known = self._shelf.get(face)
        if known is None:
            known = self.see(visual)
            self._shelf.put(face, known)
        return known


def is_worth_splitting(
    whole: Backend,
    halves: SplitBackend,
    samples: Sequence[Mapping[str, Tensor]],
    *,
    run: Callable[[Backend, Mapping[str, Tensor]], Tensor],
    reference: Backend,
    visual_name: str,
) -> bool:
    """Measure whether the second half alone is faster than the whole, and both exact enough.

    Args:
        whole: the network as it is.
        halves: taken apart.
        samples: inputs to measure with, each of one frame.
        run: gives the picture that a back end makes of a sample.
        reference: the whole in float32. From it halves may stray by half a step of an 8-bit
            picture, or where the whole strays further, for it is not in float32, no further.
        visual_name: that of the input with the face.
    """
    for sample in samples:
        exact = run(reference, sample)
        allowed = max(DEVIATION_MAX, _LIKE * _distance(run(whole, sample), exact))
        if not _distance(run(halves, sample), exact) <= allowed:  # nor if it is no number
            return False
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
