"""What the frame store needs of whatever frames come from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator

from viseme.avatar.planes import Pixels

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
    planar: bool = False
    """Whether frames stay in planes."""
    entries: tuple[int, ...]
    """Indices of the frames that decoding can begin at, ascending; the first is 0."""

    @property
    def frame_bytes(self) -> int:
        """The memory that a frame takes."""
        width, height = self.size
        return width * height * 3 // (2 if self.planar else 1)

    @abstractmethod
    def decode(self, start: int, stop: int) -> Iterator[Pixels]:
        """Give frames `start` to `stop` (half-open), each a new one.

        They are `Planes` where `planar` says so, else uint8 [H, W, 3] in B, G, R.

        Raises:
            AvatarError: a frame is missing or damaged.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of open files. Closing twice does nothing."""
