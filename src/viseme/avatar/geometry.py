"""Where the face is on a frame, and which part of its crop the network sees and paints.

Two families of networks exist. The crop of a face is a square of `crop` pixels; the network sees
its inner square, `margin` pixels smaller on each side; the mouth region of the inner square is
painted black in the second copy that the network gets.
"""

from __future__ import annotations

from typing import NamedTuple

from viseme.errors import AvatarError

__all__ = ["FAMILY_168", "FAMILY_328", "Box", "Geometry", "Overlap"]

_MIN_SIDE = 16
"""A smaller face has no mouth to speak of: such a box is a slip of the detector."""


class Overlap(NamedTuple):
    """The part of a box that lies on the frame, in both of their coordinates."""

    frame: tuple[slice, slice]
    """Rows and columns of the frame."""
    box: tuple[slice, slice]
    """Rows and columns of the box, counted from its own upper left corner."""


class Box(NamedTuple):
    """A square around a face, in pixels of the frame, half-open. It may pass the frame's edge."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def side(self) -> int:
        """Width and height of the square."""
        return self.x2 - self.x1

    def fault(self, width: int, height: int) -> str | None:
        """Say what makes the box unusable on a frame of `width` x `height`, or None."""
        if self.x2 - self.x1 != self.y2 - self.y1:
            return f"is not a square: {self.x2 - self.x1}x{self.y2 - self.y1}"
        if self.side < _MIN_SIDE:
            return f"is too small: its side is {self.side}, at least {_MIN_SIDE} is needed"
        if self.side > 2 * max(width, height):
            return f"is too large for a frame of {width}x{height}: its side is {self.side}"
        if self.x2 <= 0 or self.y2 <= 0 or self.x1 >= width or self.y1 >= height:
            return f"{tuple(self)} lies outside the frame of {width}x{height}"
        return None

    def overlap(self, width: int, height: int) -> Overlap:
        """Clip the box to a frame of `width` x `height`: source and target alike.

        Raises:
            AvatarError: no part of the box is on the frame.
        """
        left, right = max(self.x1, 0), min(self.x2, width)
        top, bottom = max(self.y1, 0), min(self.y2, height)
        if left >= right or top >= bottom:
            raise AvatarError(
                f"The face box {tuple(self)} lies outside the frame of {width}x{height}; "
                "correct the avatar's boxes."
            )
        return Overlap(
            frame=(slice(top, bottom), slice(left, right)),
            box=(
                slice(top - self.y1, bottom - self.y1),
                slice(left - self.x1, right - self.x1),
            ),
        )


class Geometry(NamedTuple):
    """The sizes of one family of networks, in pixels of the crop. Ranges are half-open."""

    crop: int = 328
    """Side of the square that the box is resized to."""
    inner: int = 320
    """Side of the square that the network sees and paints."""
    margin: int = 4
    """Pixels of the crop on each side of the inner square; they stay the original's."""
    mask_rows: tuple[int, int] = (5, 310)
    """Rows of the inner square that are black in the masked copy."""
    mask_cols: tuple[int, int] = (5, 315)
    """Columns of the inner square that are black in the masked copy."""

    @property
    def inner_slice(self) -> slice:
        """Rows, and likewise columns, of the crop that are the inner square."""
        return slice(self.margin, self.margin + self.inner)

    @classmethod
    def for_input(cls, size: int) -> Geometry:
        """Return the family of a network whose input is `size` x `size`.

        Raises:
            AvatarError: no family has that size.
        """
        for family in (FAMILY_328, FAMILY_168):
            if family.inner == size:
                return family
        raise AvatarError(
            f"There is no face geometry for a network of {size}x{size}; use one of 320 or 160."
        )


FAMILY_328 = Geometry()
FAMILY_168 = Geometry(crop=168, inner=160, margin=4, mask_rows=(5, 150), mask_cols=(5, 155))
