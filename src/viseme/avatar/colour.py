"""Between the B, G, R of pictures and the Y, Cb, Cr of video.

Written here rather than left to libswscale: its fast path darkens every frame by one to two steps
and its exact path is several times slower than the matrix product below. Writing and reading use
the same matrices and the same place for chroma samples, so a bundle's frames come back close.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

__all__ = [
    "BT709",
    "BT709_LIMITED",
    "LIMITED_RANGE",
    "Colours",
    "colours_of",
    "pixel_format",
    "plane_of",
    "to_bgr",
    "widened",
]

# Values of ITU-T H.273, which FFmpeg uses as they are.
BT709 = 1
_UNSPECIFIED = 2
_BT470BG = 5
_SMPTE170M = 6
LIMITED_RANGE = 1
_FULL_RANGE = 2

_HD_HEIGHT = 720
"""Videos that do not say are BT.709 from this height on, BT.601 below, as players assume."""

Plane = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Colours:
    """How Y, Cb, Cr stand for colours."""

    red: float
    """How much red counts towards brightness."""
    blue: float
    """How much blue does; green has the rest."""
    full: bool
    """Whether all of 0..255 is used, and not a part of it."""

    def to_bgr(self, luma: Plane, cb: Plane, cr: Plane) -> NDArray[np.uint8]:
        """Convert planes of one size, [H, W] each, to uint8 [H, W, 3] in B, G, R."""
        return np.asarray(cv2.transform(cv2.merge([luma, cb, cr]), _matrix_to_bgr(self)), np.uint8)

    def from_bgr(self, picture: NDArray[np.uint8]) -> tuple[Plane, Plane, Plane]:
        """Convert uint8 [H, W, 3] in B, G, R to Y [H, W], and Cb and Cr at half the size."""
        height, width = picture.shape[:2]
        luma, *chroma = cv2.split(cv2.transform(picture, _matrix_from_bgr(self)))
        half = (width // 2, height // 2)
        blue, red = (cv2.resize(plane, half, interpolation=cv2.INTER_AREA) for plane in chroma)
        return luma, blue, red  # type: ignore[return-value] # OpenCV names no element types


BT709_LIMITED = Colours(red=0.2126, blue=0.0722, full=False)
"""What we write, and what most videos of 720 lines and more are."""
_BT601_WEIGHTS = (0.299, 0.114)


def colours_of(described: av.VideoFrame | av.VideoCodecContext) -> Colours:
    """Tell what the planes of a decoded frame, or of a stream's frames, stand for."""
    full = described.color_range == _FULL_RANGE or pixel_format(described).startswith("yuvj")
    if _is_bt601(int(described.colorspace), described.height):
        return Colours(*_BT601_WEIGHTS, full)
    return Colours(BT709_LIMITED.red, BT709_LIMITED.blue, full)


def pixel_format(described: av.VideoFrame | av.VideoCodecContext) -> str:
    """Name how the pixels lie, as FFmpeg calls it."""
    return described.format.name if described.format else ""


def to_bgr(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the picture of a decoded video frame of any kind: uint8 [H, W, 3], B, G, R."""
    if frame.format.is_rgb:
        return np.ascontiguousarray(frame.to_ndarray(format="bgr24"))
    colours = colours_of(frame)
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="yuvj420p" if colours.full else "yuv420p")
    size = (frame.width, frame.height)
    luma, *chroma = (plane_of(frame, number) for number in range(3))
    return colours.to_bgr(luma, *(widened(plane, size) for plane in chroma))


def widened(plane: Plane, size: tuple[int, int]) -> Plane:
    """Bring a plane of colour to the size (width, height) of its picture."""
    return np.asarray(cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def plane_of(frame: av.VideoFrame, number: int) -> Plane:
    """Return one plane without the padding at the ends of its rows; a view of the frame."""
    plane = frame.planes[number]
    rows: Plane = np.frombuffer(memoryview(plane), np.uint8)
    return rows.reshape(-1, plane.line_size)[: plane.height, : plane.width]


def _is_bt601(colorspace: int, height: int) -> bool:
    if colorspace == _UNSPECIFIED:
        return height < _HD_HEIGHT
    return colorspace in (_BT470BG, _SMPTE170M)


@lru_cache(maxsize=8)
def _matrix_from_bgr(colours: Colours) -> NDArray[np.float64]:
    """Return [3, 4] that turns B, G, R, 1 into Y, Cb, Cr, all 0..255 (ITU-T H.273, 8.3)."""
    red, blue = colours.red, colours.blue
    luma = np.array([blue, 1 - red - blue, red])
    cb = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - blue))
    cr = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - red))
    luma_scale, chroma_scale = (1.0, 1.0) if colours.full else (219 / 255, 224 / 255)
    offset = [0.0 if colours.full else 16.0, 128.0, 128.0]
    rows = np.stack([luma * luma_scale, cb * chroma_scale, cr * chroma_scale])
    return np.column_stack([rows, offset])


@lru_cache(maxsize=8)
def _matrix_to_bgr(colours: Colours) -> NDArray[np.float64]:
    """Return [3, 4] that turns Y, Cb, Cr, 1 into B, G, R."""
    matrix, offset = np.hsplit(_matrix_from_bgr(colours), [3])
    inverse = np.linalg.inv(matrix)
    return np.hstack([inverse, -inverse @ offset])
