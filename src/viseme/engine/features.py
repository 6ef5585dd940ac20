"""What a network has made of faces, kept in half precision for whoever shows them again."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from viseme.cache import Shelf, bytes_of

__all__ = [
    "DEFAULT_FEATURE_BYTES",
    "GUESTS_MIN",
    "FeatureOptions",
    "FeatureShelf",
    "Features",
    "Shapes",
    "bytes_of_one",
    "features_in",
]

DEFAULT_FEATURE_BYTES: Final = 2**31
GUESTS_MIN: Final = 256
"""For how many faces there must be room where nobody has counted any: ten seconds of an avatar."""
_HALF: Final = np.dtype(np.float16)

Features: TypeAlias = tuple[NDArray[np.float16], ...]
"""Those of one face, each ``[1, C, H, W]``."""
Shapes: TypeAlias = Sequence[tuple[int, ...]]
"""Those of one face's features."""


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """What may be kept of faces."""

    faces: int = 0
    """How many there are that have names; where there is no room for all of them none is kept."""
    guests: bool = False
    """Whether others that come again are kept, too, in the room that those leave; see `Guests`."""
    budget_bytes: int = DEFAULT_FEATURE_BYTES
    """Of the disk, or of a GPU's memory, for one network; 0 keeps nothing."""
    folder: Path | None = None
    """Where, on a disk; in the user's cache by default."""

    def has_room_for(self, numbers: int) -> bool:
        """Tell whether there is room for so many numbers of each face."""
        faces = self.faces or (GUESTS_MIN if self.guests else 0)
        return 0 < bytes_of(faces, _HALF.itemsize * numbers) <= self.budget_bytes

    def guests_beside(self, item_bytes: int, free_bytes: int) -> int:
        """Count the faces for which those that have names leave room, each so large.

        As with those, no more than half of what is free on the disk is taken.
        """
        left_bytes = min(self.budget_bytes, free_bytes // 2) - bytes_of(self.faces, item_bytes)
        return max(0, left_bytes) // item_bytes if self.guests else 0


class FeatureShelf:
    """The features of one network's faces, on a `Shelf`.

    Args:
        options: how much is kept, and where.
        key: tells the network, and all else that the numbers depend on, from any other.
        shapes: of the features of one face.
    """

    def __init__(self, options: FeatureOptions, key: str, shapes: Shapes) -> None:
        self._shapes = tuple(shapes)
        self._shelf = Shelf(
            "features",
            key,
            count=options.faces,
            item_bytes=bytes_of_one(self._shapes),
            budget_bytes=options.budget_bytes,
            folder=options.folder,
        )

    def open(self) -> bool:
        """Make room; tell whether there is any for all of the faces, and it can be written to."""
        return self._shelf.open()

    def get(self, face: str) -> Features | None:
        """Give what was put there for a face; None if nothing was."""
        content = self._shelf.get(face)
        return None if content is None else features_in(content, self._shapes)

    def put(self, face: str, features: Features) -> None:
        """Keep what belongs to a face, whole or not at all."""
        self._shelf.put(face, features)

    def close(self) -> None:
        """Hold no memory any more; what is kept is in files, which stay."""


def bytes_of_one(shapes: Shapes) -> int:
    """Say how large the features of one face are."""
    return _HALF.itemsize * sum(map(math.prod, shapes))


def features_in(content: NDArray[np.uint8], shapes: Shapes) -> Features:
    """Take features apart that lie one behind the other, without a copy."""
    ends = np.cumsum([math.prod(shape) for shape in shapes])
    parts = np.split(content.view(_HALF), ends[:-1])
    return tuple(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True))
