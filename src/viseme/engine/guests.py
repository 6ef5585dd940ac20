"""Faces that nobody has counted or named, those of clients: known again by their content."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic, Protocol, TypeVar

import numpy as np
from blake3 import blake3

from viseme.cache import cache_folder
from viseme.engine.backend import Tensor
from viseme.engine.features import FeatureOptions, Features, Shapes, bytes_of_one, features_in

__all__ = ["PLACES_MAX", "Guests", "Places", "guests_on_disk"]

Row = TypeVar("Row")
"""The features of a face, wherever they are."""

PLACES_MAX: Final = 4096
_REMEMBERED: Final = 4
"""Faces that are remembered for each that there is a place for. Only when one is forgotten its
place is another's: so faces that are shown in turn do not push each other out where they are more
than there is room for."""
_LOOKS: Final = 256
"""How many of the last faces, about, tell whether looking at them pays."""
_PAYS: Final = 1 / 8
"""The share of faces met before from which on it does, even with a small network: a look takes
about an eighth of what it saves."""
_SOME: Final = 8
"""One face in so many is looked at while it does not."""


class Places(Protocol[Row]):
    """Where features are kept: places with numbers, for one face each."""

    def read(self, place: int, /) -> Row | None:
        """Give what is in a place; None if it cannot be read."""

    def write(self, place: int, row: Row, /) -> bool:
        """Put features in a place; tell whether they are there."""


class Guests(Generic[Row]):
    """Makes the features of faces, and keeps those of faces that come again; for any thread.

    A face is known by the BLAKE3 of its numbers, for nobody must be able to make one that is
    taken for another's. From the second time on its features are kept. All this only saves time;
    what cannot be kept or read is made again.

    Args:
        places: where; None keeps nothing.
        count: how many places there are.
    """

    def __init__(self, places: Places[Row] | None, count: int) -> None:
        self.count = count
        """For how many faces there is room."""
        self._places = places
        self._free = list(range(count))
        self._met: OrderedDict[bytes, _Kept | None] = OrderedDict()
        """The faces that are remembered, those met last at the end."""
        self._share_met = 1.0
        """Of the last faces that were looked at."""
        self._hurried = 0
        """Faces that came while looking did not pay."""
        self._lock = threading.Lock()

    @property
    def _remembered(self) -> int:
        """How many faces are remembered."""
        return _REMEMBERED * self.count

    def features_of(self, visual: Tensor, see: Callable[[Tensor], Row]) -> Row:
        """Give the features of a face.

        Args:
            visual: ``[1, 6, S, S]``, C-contiguous.
            see: makes them where they are not kept.
        """
        places = self._places  # kept by this, whoever closes
        if places is None or not self._is_to_be_looked_at(visual):
            return see(visual)
        name = blake3(visual.reshape(-1).view(np.uint8).data).digest()
        is_met, kept = self._meet(name)
        if kept is not None:
            row = places.read(kept.place)
            if row is not None and self._is_still(name, kept):
                return row
        features = see(visual)
        if is_met and kept is None:
            self._keep(name, features, places)
        return features

    def close(self) -> None:
        """Keep nothing any more."""
        with self._lock:
            self._places = None
            self._met.clear()
            self._free.clear()

    def _is_to_be_looked_at(self, visual: Tensor) -> bool:
        """Tell whether to; at some faces alone, for a while the same, where it does not pay."""
        if self._share_met >= _PAYS:
            return True
        middle = visual.shape[2] // 2
        some = hash(visual[0, :, middle, ::_SOME].tobytes())
        with self._lock:
            self._hurried += 1
            return (some + self._hurried // self._remembered) % _SOME == 0

    def _meet(self, name: bytes) -> tuple[bool, _Kept | None]:
        """Tell whether a face was met before, and where it is kept; remember it."""
        with self._lock:
            is_met = name in self._met
            kept = self._met.pop(name, None)
            self._met[name] = kept
            self._share_met += (is_met - self._share_met) / _LOOKS
            if len(self._met) > self._remembered:
                _, forgotten = self._met.popitem(last=False)
                if forgotten is not None:
                    self._free.append(forgotten.place)
        return is_met, kept

    def _is_still(self, name: bytes, kept: _Kept) -> bool:
        """Tell whether a place has been a face's own all the time."""
        with self._lock:
            return self._met.get(name) is kept

    def _keep(self, name: bytes, features: Row, places: Places[Row]) -> None:
        """Put features where there is a place, whole or not at all."""
        with self._lock:
            if not self._free:
                return
            place = self._free.pop()
        is_written = places.write(place, features)
        with self._lock:
            # Others may have kept it, too, or so many have come that it is forgotten.
            if is_written and self._met.get(name, name) is None:
                self._met[name] = _Kept(place)
            else:
                self._free.append(place)


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    """A place that is a face's, from being written to being forgotten."""

    place: int


def guests_on_disk(options: FeatureOptions, shapes: Shapes) -> Guests[Features]:
    """Make room in a file without a name, for no face at all where there is none.

    Nothing of it outlives the process, and what is read often is in memory that the system has to
    spare.

    Args:
        options: how much is kept, and where.
        shapes: of the features of one face.
    """
    folder = options.folder or cache_folder()
    item_bytes = bytes_of_one(shapes)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        free_bytes = shutil.disk_usage(folder).free
        count = min(options.guests_beside(item_bytes, free_bytes), PLACES_MAX)
        if count:
            return Guests(_PlacesInFile(folder, shapes), count)
    return Guests(None, 0)


class _PlacesInFile:
    """Places of one size in a file without a name, closed when nobody has this any more."""

    def __init__(self, folder: Path, shapes: Shapes) -> None:
        file = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 - see below
        weakref.finalize(self, file.close)
        self._handle = file.fileno()
        self._shapes = tuple(shapes)
        self._item_bytes = bytes_of_one(self._shapes)

    def read(self, place: int) -> Features | None:
        """Give what is in a place, new; None if it cannot be read."""
        content = np.empty(self._item_bytes, np.uint8)
        with contextlib.suppress(OSError):
            if os.preadv(self._handle, [content.data], place * self._item_bytes) == content.size:
                return features_in(content, self._shapes)
        return None

    def write(self, place: int, features: Features) -> bool:
        """Put features in a place; tell whether they are there."""
        parts = [np.ascontiguousarray(part).reshape(-1).view(np.uint8).data for part in features]
        with contextlib.suppress(OSError):
            return os.pwritev(self._handle, parts, place * self._item_bytes) == self._item_bytes
        return False
