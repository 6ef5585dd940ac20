"""Both halves of a generator on a processor, and what lies between in files."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from viseme.engine.backend import Backend, Tensor
from viseme.engine.features import (
    GUESTS_MIN,
    FeatureOptions,
    Features,
    FeatureShelf,
)
from viseme.engine.guests import guests_on_disk
from viseme.engine.model import ModelInfo
from viseme.engine.parts import Parts
from viseme.engine.samples import sample_inputs
from viseme.engine.split_backend import Halves, SplitBackend

__all__ = ["HostHalves", "OpenPart", "open_on_host"]

OpenPart = Callable[[Path, Mapping[str, tuple[int, ...]]], Backend]
"""Opens a half's file, with the shapes of its inputs by name."""


class HostHalves(Halves[Features]):
    """Both halves as back ends of a processor.

    Args:
        info: the whole network, of any batch.
        seeing: from the visual input to the features, open.
        speaking: from these and the audio input to the picture, open.
        features: the names of what is between them, as the first gives them.
        sees_again: whether the second takes the visual input, too.
    """

    def __init__(
        self,
        info: ModelInfo,
        seeing: Backend,
        speaking: Backend,
        *,
        features: Sequence[str],
        sees_again: bool,
    ) -> None:
        self.name = speaking.name
        self.device = speaking.device
        self.precision = speaking.precision
        self._info = info
        self._seeing = seeing
        self._speaking = speaking
        self._features = tuple(features)
        self._sees_again = sees_again

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


def open_on_host(
    info: ModelInfo, parts: Parts, options: FeatureOptions, key: str, open_part: OpenPart
) -> SplitBackend[Features] | None:
    """Open both halves of a network side by side, with files for what lies between.

    Args:
        info: the whole network.
        parts: its halves.
        options: how much is kept of faces, and where.
        key: tells the network, and all else that the numbers depend on, from any other.
        open_part: opens a half.

    Returns:
        None where features cannot be kept, or not both halves run in the same.

    Raises:
        BackendError, ModelError: a half cannot be opened.
    """
    seen: dict[str, tuple[int, ...]] = {info.visual_name: (1, *info.visual_shape)}
    heard: dict[str, tuple[int, ...]] = {info.audio_name: (1, *info.audio_shape)}
    again = seen if parts.sees_again else {}
    with contextlib.ExitStack() as opened:

        def opened_part(path: Path, given: Mapping[str, tuple[int, ...]]) -> Backend:
            backend = open_part(path, given)
            opened.callback(backend.close)
            return backend

        with ThreadPoolExecutor(1, "viseme-opening") as beside:
            opening = beside.submit(opened_part, parts.seeing, seen)
            made = parts.shapes_of_one() or _shapes_made(info, parts, opening.result())
            speaking = opened_part(parts.speaking, {**again, **heard, **made})
        seeing = opening.result()
        shapes = list(made.values())
        shelf = FeatureShelf(options, key, shapes)
        guests = guests_on_disk(options, shapes)
        is_kept = shelf.open() if options.faces else guests.count >= GUESTS_MIN
        if not is_kept or speaking.name != seeing.name:
            return None
        opened.pop_all()
    halves = HostHalves(info, seeing, speaking, features=list(made), sees_again=parts.sees_again)
    return SplitBackend(info.visual_name, halves, kept=shelf, guests=guests)


def _shapes_made(info: ModelInfo, parts: Parts, seeing: Backend) -> dict[str, tuple[int, ...]]:
    """See a face, to find the shapes of its features where the network leaves some open."""
    (sample,) = sample_inputs(info, 1)
    made = seeing.run({info.visual_name: sample[info.visual_name]})
    return {spec.name: array.shape for spec, array in zip(parts.features, made, strict=True)}
