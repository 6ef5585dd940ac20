"""Pictures as video has them: a plane of brightness, and two of colour at half the size.

The frames of an avatar come out of a video and, as a rule, go back into one. A frame that stays
in planes is half as large, and of a frame that speaks only the box around the face is ever turned
into B, G, R and back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.avatar.colour import (
    BT709,
    BT709_LIMITED,
    LIMITED_RANGE,
    colours_of,
    pixel_format,
    plane_of,
    widened,
)

if TYPE_CHECKING:
    import av

__all__ = ["Area", "Pixels", "Planes", "cut", "freeze", "shrunk", "size_of", "whole"]

Area: TypeAlias = tuple[slice, slice]
"""Rows and columns of a frame, with both ends given."""


class Planes:
    """A picture in BT.709 and limited range, with colour at half the size (yuv420p).

    Args:
        data: uint8 ``[H * 3 / 2, W]``, H and W even: the rows of Y, then all of Cb, then of Cr.
    """

    __slots__ = ("data", "height", "width")

    def __init__(self, data: NDArray[np.uint8]) -> None:
        self.data = data
        self.height, self.width = data.shape[0] * 2 // 3, data.shape[1]

    @classmethod
    def empty(cls, width: int, height: int) -> Planes:
        """Make a picture of anything, for others to fill."""
        return cls(np.empty((height * 3 // 2, width), np.uint8))

    @classmethod
    def of(cls, picture: NDArray[np.uint8]) -> Planes:
        """Convert a picture, uint8 [H, W, 3] in B, G, R.

        Where H or W is odd, the last row or column is repeated: a pixel more is seen by nobody,
        while cutting one off would lose something.
        """
        height, width = picture.shape[:2]
        if height % 2 or width % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        planes = cls.empty(width + width % 2, height + height % 2)
        for mine, given in zip(planes.parts(), BT709_LIMITED.from_bgr(picture), strict=True):
            mine[:] = given
        return planes

    @staticmethod
    def can_hold(described: av.VideoFrame | av.VideoCodecContext) -> bool:
        """Tell whether a decoded frame, or those of a stream, are of this kind."""
        is_even = described.width % 2 == 0 and described.height % 2 == 0
        is_halved = pixel_format(described) == "yuv420p"
        return is_even and is_halved and colours_of(described) == BT709_LIMITED

    @classmethod
    def decoded(cls, frame: av.VideoFrame) -> Planes | None:
        """Take a decoded video frame; None if it is of another kind."""
        if not cls.can_hold(frame):
            return None
        planes = cls.empty(frame.width, frame.height)
        for number, mine in enumerate(planes.parts()):
            mine[:] = plane_of(frame, number)
        return planes

    def video_frame(self) -> av.VideoFrame:
        """Make a video frame of it, tagged with its colours; leave it as it is while that lives."""
        import av  # noqa: PLC0415 -- loaded when a video is, not with the package

        # PyAV takes memory as it is for 4 n rows, and for others would see two too few.
        is_whole = self.height % 4 == 0
        make = av.VideoFrame.from_numpy_buffer if is_whole else av.VideoFrame.from_ndarray
        frame = make(self.data, format="yuv420p")
        frame.colorspace = BT709
        frame.color_range = LIMITED_RANGE
        return frame

    def parts(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8], NDArray[np.uint8]]:
        """Return Y ``[H, W]``, Cb and Cr ``[H / 2, W / 2]``, as views."""
        half = (self.height // 2, self.width // 2)
        blue, red = self.data[self.height :].reshape(2, *half)
        return self.data[: self.height], blue, red

    def bgr(self, area: Area | None = None) -> NDArray[np.uint8]:
        """Convert it, or an area of it, to a new uint8 [h, w, 3] in B, G, R.

        An area comes out as it would if all were converted and the area cut out then.
        """
        rows, cols = area or (slice(0, self.height), slice(0, self.width))
        luma, *chroma = self.parts()
        half_rows, half_cols = _halved(rows, self.height), _halved(cols, self.width)
        size = (2 * (half_cols.stop - half_cols.start), 2 * (half_rows.stop - half_rows.start))
        inside = _moved(rows, 2 * half_rows.start), _moved(cols, 2 * half_cols.start)
        wide = (widened(plane[half_rows, half_cols], size)[inside] for plane in chroma)
        return BT709_LIMITED.to_bgr(luma[rows, cols], *wide)

    def paint(self, picture: NDArray[np.uint8], area: Area, within: Area) -> None:
        """Put a part of a picture into this one.

        Args:
            picture: uint8 [h, w, 3] in B, G, R: what is to be seen in all of `area`.
            area: where it is; its edges are even, since colour is at half the size.
            within: the part of the area, in its own coordinates, that is new. Around it no
                brightness is touched, and colour only where a sample reaches into the part.
        """
        rows, cols = area
        luma, *chroma = self.parts()
        new, *new_chroma = BT709_LIMITED.from_bgr(picture)
        luma[rows, cols][within] = new[within]
        half = (slice(rows.start // 2, rows.stop // 2), slice(cols.start // 2, cols.stop // 2))
        for plane, part in zip(chroma, new_chroma, strict=True):
            plane[half] = part

    def shrunk(self, width: int, height: int) -> Planes:
        """Return it at a smaller size, both sides even; itself if that is its own."""
        if (width, height) == (self.width, self.height):
            return self
        small = Planes.empty(width, height)
        for mine, plane in zip(small.parts(), self.parts(), strict=True):
            _shrink(plane, mine)
        return small

    def copy(self) -> Planes:
        """Return another of the same pixels, which can be written to."""
        return Planes(self.data.copy())


Pixels: TypeAlias = NDArray[np.uint8] | Planes
"""A frame: uint8 [H, W, 3] in B, G, R, or in planes."""


def size_of(frame: Pixels) -> tuple[int, int]:
    """Return width and height of a frame."""
    if isinstance(frame, Planes):
        return frame.width, frame.height
    return frame.shape[1], frame.shape[0]


def freeze(frame: Pixels) -> None:
    """Make a frame read-only."""
    array = frame.data if isinstance(frame, Planes) else frame
    array.flags.writeable = False


def whole(frame: Pixels) -> NDArray[np.uint8]:
    """Return a frame in B, G, R: itself, or a new array."""
    return frame.bgr() if isinstance(frame, Planes) else frame


def cut(frame: Pixels, area: Area) -> NDArray[np.uint8]:
    """Return an area of a frame in B, G, R: a view, or a new array."""
    return frame.bgr(area) if isinstance(frame, Planes) else frame[area]


def shrunk(picture: NDArray[np.uint8], width: int, height: int) -> NDArray[np.uint8]:
    """Return a picture in B, G, R at a smaller size; itself if that is its own."""
    if (width, height) == size_of(picture):
        return picture
    small = np.empty((height, width, 3), np.uint8)
    _shrink(picture, small)
    return small


def _shrink(large: NDArray[np.uint8], small: NDArray[np.uint8]) -> None:
    """Fill an array with a larger one of the same depth."""
    height, width = small.shape[:2]
    # Means of areas are best, and five times as slow where the areas are no whole pixels; above
    # half the size two neighbours are mean enough.
    is_far = large.shape[0] >= 2 * height
    way = cv2.INTER_AREA if is_far else cv2.INTER_LINEAR
    cv2.resize(large, (width, height), dst=small, interpolation=way)


def _halved(span: slice, length: int) -> slice:
    """Return the samples of colour that a span of pixels is made of.

    Where colour is widened, a sample sees its neighbours, so there is one more on each side.
    """
    return slice(max(0, span.start // 2 - 1), min(length // 2, (span.stop + 1) // 2 + 1))


def _moved(span: slice, start: int) -> slice:
    """Return a span counted from another start."""
    return slice(span.start - start, span.stop - start)
