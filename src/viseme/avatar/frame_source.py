"""What the frame store needs of whatever frames come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["FrameSource"]


class FrameSource(ABC):
    """Frames that can be decoded, forward, from any of their entry points.

    Used by one thread at a time.
    """

    name: str
    """The name of the file or folder, for messages."""
    size: tuple[int, int]
    """Width and height in pixels."""
    count: int
    """Number of frames."""
    entries: tuple[int, ...]
    """Indices of the frames that decoding can begin at, ascending; the first is 0."""

    @abstractmethod
    def decode(self, start: int, stop: int) -> Iterator[NDArray[np.uint8]]:
        """Give frames `start` to `stop` (half-open), each a new uint8 [H, W, 3] in B, G, R.

        Raises:
            AvatarError: a frame is missing or damaged.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of open files. Closing twice does nothing."""
