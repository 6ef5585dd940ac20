"""What a network has made of faces, kept in half precision in files for whoever shows them again.

A file's content stays in the memory that the operating system has to spare, so that nothing of it
counts against a process, and several of them share it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from viseme.engine.choice_cache import cache_folder

__all__ = ["DEFAULT_FEATURE_BYTES", "FeatureOptions", "FeatureShelf", "Features"]

DEFAULT_FEATURE_BYTES: Final = 512 * 2**20
_NETWORKS_MAX: Final = 4
"""Whose features are kept: those that were used last."""
_CHECK_BYTES: Final = 4

Features: TypeAlias = tuple[NDArray[np.float16], ...]
"""Those of one face, each ``[1, C, H, W]``."""


@dataclass(frozen=True, slots=True)
class FeatureOptions:
    """What may be kept of faces."""

    faces: int
    """How many there are. Where there is no room for all of them nothing is kept, since those that
    are shown to and fro would push each other out."""
    budget_bytes: int = DEFAULT_FEATURE_BYTES
    """Of the disk, for one network; 0 keeps nothing."""
    folder: Path | None = None
    """Where; in the user's cache by default."""


class FeatureShelf:
    """The features of one network's faces; for any number of threads and processes at once.

    It only saves time: what cannot be written is made again, and what is damaged is as good as
    none. Two who write the same write the same bytes.

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
        self._bytes = _CHECK_BYTES + 2 * sum(self._sizes)
        self._budget_bytes = options.budget_bytes
        self._needed_bytes = options.faces * self._bytes
        self._all = (options.folder or cache_folder()) / "features"
        self._folder = self._all / _short(key)
        self._checked: set[str] = set()

    def open(self) -> bool:
        """Make room; tell whether there is any for all of the faces, and it can be written to."""
        if not 0 < self._needed_bytes <= self._budget_bytes:
            return False
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            os.utime(self._folder)
            by_use = sorted(self._all.iterdir(), key=lambda one: one.stat().st_mtime)
            for folder in by_use[:-_NETWORKS_MAX]:
                shutil.rmtree(folder, ignore_errors=True)
        except OSError:
            return False
        return os.access(self._folder, os.W_OK | os.X_OK)

    def get(self, face: str) -> Features | None:
        """Give what was put there for a face; None if nothing was."""
        name = _short(face)
        content = np.empty(self._bytes, np.uint8)
        try:
            with (self._folder / name).open("rb", buffering=0) as file:
                if file.readinto(content.data) != self._bytes or file.read(1):
                    return None
        except OSError:
            return None
        check, numbers = content[:_CHECK_BYTES], content[_CHECK_BYTES:]
        if name not in self._checked:  # once read, it is in memory
            if zlib.crc32(numbers.data) != int(check.view("<u4")[0]):
                return None
            self._checked.add(name)
        parts = np.split(numbers.view(np.float16), np.cumsum(self._sizes)[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True))

    def put(self, face: str, features: Features) -> None:
        """Keep what belongs to a face, whole or not at all."""
        content = b"".join(part.tobytes() for part in features)
        check = zlib.crc32(content).to_bytes(_CHECK_BYTES, "little")
        with contextlib.suppress(OSError):
            handle, temporary = tempfile.mkstemp(dir=self._folder, suffix=".part")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(check)
                    file.write(content)
                Path(temporary).replace(self._folder / _short(face))
            except OSError:
                Path(temporary).unlink(missing_ok=True)
                raise


def _short(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:32]
