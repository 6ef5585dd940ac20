"""What a network has made of faces, kept in half precision for whoever shows them again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from viseme.cache import Shelf, bytes_of

__all__ = ["DEFAULT_FEATURE_BYTES", "FeatureOptions", "FeatureShelf", "Features"]

DEFAULT_FEATURE_BYTES: Final = 2**31
_HALF: Final = np.dtype(np.float16)

Features: TypeAlias = tuple[NDArray[np.float16], ...]
"""Those of one face, each ``[1, C, H, W]``."""


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """What may be kept of faces."""

    faces: int
    """How many there are; where there is no room for all of them nothing is kept."""
    budget_bytes: int = DEFAULT_FEATURE_BYTES
    """Of the disk, for one network; 0 keeps nothing."""
    folder: Path | None = None
    """Where; in the user's cache by default."""

    def has_room_for(self, numbers: int) -> bool:
        """Tell whether there is room for so many numbers of each face."""
        return 0 < bytes_of(self.faces, _HALF.itemsize * numbers) <= self.budget_bytes


class FeatureShelf:
    """The features of one network's faces, on a `Shelf`.

    Args:
        options: how much is kept, and where.
        key: tells the network, and all else that the numbers depend on, from any other.
        shapes: of the features of one face.
    """

    def __init__(
        self, options: FeatureOptions, key: str, shapes: Sequence[tuple[int, ...]]
    ) -> None:
        self._shapes = tuple(shapes)
        self._sizes = [int(np.prod(shape)) for shape in self._shapes]
        self._shelf = Shelf(
            "features",
            key,
            count=options.faces,
            item_bytes=_HALF.itemsize * sum(self._sizes),
            budget_bytes=options.budget_bytes,
            folder=options.folder,
        )

    def open(self) -> bool:
        """Make room; tell whether there is any for all of the faces, and it can be written to."""
        return self._shelf.open()

    def get(self, face: str) -> Features | None:
        """Give what was put there for a face; None if nothing was."""
        content = self._shelf.get(face)
        if content is None:
            return None
        parts = np.split(content.view(_HALF), np.cumsum(self._sizes)[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True))

    def put(self, face: str, features: Features) -> None:
        """Keep what belongs to a face, whole or not at all."""
        self._shelf.put(face, features)
