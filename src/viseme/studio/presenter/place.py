"""Where the face and the mouth are: pure functions of the frame's index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from viseme.studio.presenter.head import JAW_HALF_WIDTH
from viseme.studio.presenter.motion import idle

__all__ = ["CROP_SIZE", "Box", "face_box", "head_to_crop", "mouth_box"]

CROP_SIZE = 328
Box = tuple[int, int, int, int]

# Landmarks, in the head's coordinates.
LEFT_JAW = (-JAW_HALF_WIDTH, 12.0)
RIGHT_JAW = (JAW_HALF_WIDTH, 12.0)
NOSE_BRIDGE = (0.0, 20.0)

LIPS_REGION = (-68.0, 100.0, 68.0, 214.0)
"""Left, top, right, bottom in the head's coordinates: holds the lips at every pose."""


def _on_frame(matrix: NDArray[np.float64], point: tuple[float, float]) -> NDArray[np.float64]:
    return np.asarray(matrix @ np.asarray((*point, 1.0)), np.float64)


def face_box(index: int) -> Box:
    """Return the face box (x1, y1, x2, y2) of frame `index`, from the landmarks of the head."""
    matrix = idle(index).matrix()
    x1 = int(_on_frame(matrix, LEFT_JAW)[0])
    x2 = int(_on_frame(matrix, RIGHT_JAW)[0])
    y1 = int(_on_frame(matrix, NOSE_BRIDGE)[1])
    return x1, y1, x2, y1 + (x2 - x1)


def head_to_crop(index: int) -> NDArray[np.float64]:
    """Return the affine map [2, 3] from the head's coordinates to pixels of the 328 crop.

    Pixel centres are at whole numbers, as OpenCV has them.
    """
    x1, y1, x2, _ = face_box(index)
    zoom = CROP_SIZE / (x2 - x1)
    matrix = idle(index).matrix()
    matrix[:, 2] -= (x1, y1)
    matrix = matrix * zoom
    matrix[:, 2] -= 0.5
    return matrix


def mouth_box(index: int) -> Box:
    """Return the box (x1, y1, x2, y2) of the crop's pixels that holds the lips at every pose."""
    matrix = head_to_crop(index)
    left, top, right, bottom = LIPS_REGION
    corners = np.stack(
        [_on_frame(matrix, p) for p in ((left, top), (right, top), (left, bottom), (right, bottom))]
    )
    low, high = np.floor(corners.min(0)), np.ceil(corners.max(0))
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
