"""Frames that are decoded once: what a video gave is kept on disk, as it is in memory.

To read a frame takes less time than to decode it, and needs none of those before it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from viseme.avatar.frame_source import FrameSource
from viseme.avatar.planes import Pixels, Planes, size_of
from viseme.cache import Shelf

__all__ = ["DEFAULT_DISK_BYTES", "KeptFrames"]

DEFAULT_DISK_BYTES: Final = 512 * 2**20


class KeptFrames(FrameSource):
    """The frames of another source, which are kept as they are decoded.

    Args:
        source: what the frames are decoded from; closed with this.
        content: tells the source's content from any other.
        budget_bytes: of the disk; where there is no room for all frames none is kept.
    """

    def __init__(self, source: FrameSource, content: str, *, budget_bytes: int) -> None:
        self.name, self.size, self.count = source.name, source.size, source.count
        self.planar, self.entries = source.planar, source.entries
        self._source = source
        self._shelf = Shelf(
            "frames",
            content,
            count=source.count,
            item_bytes=source.frame_bytes,
            budget_bytes=budget_bytes,
        )

    @cached_property
    def _is_kept(self) -> bool:
        # Found out when frames are wanted: an avatar that is only looked at takes nobody's place.
        return self._shelf.open()

    def decode(self, start: int, stop: int) -> Iterator[Pixels]:
        """Give frames `start` to `stop`; see `FrameSource.decode`."""
        if not self._is_kept:
            yield from self._source.decode(start, stop)
            return
        for index in range(start, stop):
            content = self._shelf.get(str(index))
            if content is None:
                yield from self._decoded(index, stop)
                return
            yield self._frame(content)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _decoded(self, start: int, stop: int) -> Iterator[Pixels]:
        for index, frame in enumerate(self._source.decode(start, stop), start):
            if size_of(frame) == self.size:  # or it is an error, for whoever takes it
                self._shelf.put(str(index), [_array_of(frame)])
            yield frame

    def _frame(self, content: NDArray[np.uint8]) -> Pixels:
        width, height = self.size
        if self.planar:
            return Planes(content.reshape(height * 3 // 2, width))
        return content.reshape(height, width, 3)


def _array_of(frame: Pixels) -> NDArray[np.uint8]:
    return frame.data if isinstance(frame, Planes) else frame
