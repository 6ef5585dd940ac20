"""How large pictures are to be, where a client wants them smaller than the avatar's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from viseme.errors import InputError

__all__ = ["PictureSize"]

_LEAST: Final = 16
"""What every encoder takes."""
_MOST: Final = 16_384


@dataclass(frozen=True, slots=True)
class PictureSize:
    """The room that pictures are to fit in; they keep their shape, and never grow."""

    width: int | None = None
    """In pixels; None for any."""
    height: int | None = None

    def __post_init__(self) -> None:
        """Refuse what no picture has.

        Raises:
            InputError: there is no room, or no end of it.
        """
        for side in (self.width, self.height):
            if side is not None and not _LEAST <= side <= _MOST:
                raise InputError(
                    f"The wanted size has a side of {side} pixels, which must be from {_LEAST} to "
                    f"{_MOST}; leave `size` out for the avatar's own."
                )

    def fitted(self, width: int, height: int) -> tuple[int, int]:
        """Give the size that pictures of another size get: the same, or even numbers."""
        wide = 1.0 if self.width is None else self.width / width
        high = 1.0 if self.height is None else self.height / height
        return scaled((width, height), min(wide, high))


def scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    """Give a size times a scale: itself for 1 and more, else even numbers, of 16 at least."""
    if scale >= 1:
        return size
    # Rounded down, so that it fits, save where a little more is the next even number.
    width, height = (max(min(_LEAST, side), int(side * scale + 1e-6) // 2 * 2) for side in size)
    return width, height
