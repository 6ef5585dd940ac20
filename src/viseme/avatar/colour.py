"""Between the B, G, R of pictures and the Y, Cb, Cr of video.

Written here rather than left to libswscale: its fast path darkens every frame by one to two steps
and its exact path is several times slower than the matrix product below. Writing and reading use
the same matrices and the same place for chroma samples, so a bundle's frames come back close.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import av

__all__ = ["BT709", "LIMITED_RANGE", "from_bgr", "to_bgr"]

# Values of ITU-T H.273, which FFmpeg uses as they are.
BT709 = 1
_UNSPECIFIED = 2
_BT470BG = 5
_SMPTE170M = 6
LIMITED_RANGE = 1
_FULL_RANGE = 2

_HD_HEIGHT = 720
"""Videos that do not say are BT.709 from this height on, BT.601 below, as players assume."""

_BT709_WEIGHTS = (0.2126, 0.0722)
_BT601_WEIGHTS = (0.299, 0.114)
"""How much red and blue count towards brightness; green has the rest."""


def to_bgr(frame: av.VideoFrame) -> NDArray[np.uint8]:
    """Return the picture of a decoded video frame: uint8 [H, W, 3], B, G, R."""
    if frame.format.is_rgb:
        return np.ascontiguousarray(frame.to_ndarray(format="bgr24"))
    full = frame.color_range == _FULL_RANGE or frame.format.name.startswith("yuvj")
    weights = _weights(int(frame.colorspace), frame.height)
    if frame.format.name not in ("yuv420p", "yuvj420p"):
        frame = frame.reformat(format="yuvj420p" if full else "yuv420p")
    size = (frame.width, frame.height)
    luma, *chroma = (_plane(frame, number) for number in range(3))
    wide = [cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in chroma]
    matrix, offset = _from_bgr_matrix(weights, full=full)
    inverse = np.linalg.inv(matrix)
    affine = np.hstack([inverse, (-inverse @ offset)[:, None]])
    return np.asarray(cv2.transform(cv2.merge([luma, *wide]), affine), np.uint8)


def from_bgr(picture: NDArray[np.uint8]) -> av.VideoFrame:
    """Return a BT.709 limited-range yuv420p video frame of a picture.

    Args:
        picture: uint8 [H, W, 3], B, G, R; H and W even.
    """
    import av  # noqa: PLC0415 -- loaded when a video is, not with the package

    height, width = picture.shape[:2]
    matrix, offset = _from_bgr_matrix(_BT709_WEIGHTS, full=False)
    planes = list(cv2.split(cv2.transform(picture, np.hstack([matrix, offset[:, None]]))))
    half = (width // 2, height // 2)
    planes[1:] = [cv2.resize(p, half, interpolation=cv2.INTER_AREA) for p in planes[1:]]
    stacked = np.concatenate([plane.reshape(-1) for plane in planes])
    frame = av.VideoFrame.from_ndarray(stacked.reshape(height * 3 // 2, width), format="yuv420p")
    frame.colorspace = BT709
    frame.color_range = LIMITED_RANGE
    return frame


def _weights(colorspace: int, height: int) -> tuple[float, float]:
    if colorspace == _UNSPECIFIED:
        return _BT709_WEIGHTS if height >= _HD_HEIGHT else _BT601_WEIGHTS
    return _BT601_WEIGHTS if colorspace in (_BT470BG, _SMPTE170M) else _BT709_WEIGHTS


def _from_bgr_matrix(
    weights: tuple[float, float], *, full: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return matrix and offset that turn B, G, R into Y, Cb, Cr, all 0..255 (ITU-T H.273, 8.3)."""
    red, blue = weights
    luma = np.array([blue, 1 - red - blue, red])
    cb = (np.array([1.0, 0.0, 0.0]) - luma) / (2 * (1 - blue))
    cr = (np.array([0.0, 0.0, 1.0]) - luma) / (2 * (1 - red))
    luma_scale, chroma_scale = (1.0, 1.0) if full else (219 / 255, 224 / 255)
    matrix = np.stack([luma * luma_scale, cb * chroma_scale, cr * chroma_scale])
    return matrix, np.array([0.0 if full else 16.0, 128.0, 128.0])


def _plane(frame: av.VideoFrame, number: int) -> NDArray[np.uint8]:
    """Return one plane without the padding at the ends of its rows; a view of the frame."""
    plane = frame.planes[number]
    rows: NDArray[np.uint8] = np.frombuffer(memoryview(plane), np.uint8)
    return rows.reshape(-1, plane.line_size)[: plane.height, : plane.width]
