"""How far the lips are apart, measured from the pixels of a crop alone.

The evaluation uses it on the true drawing and on the network's, so it knows nothing of poses: it
looks at a few columns through the middle of the mouth and counts what is neither lip nor skin.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.studio.presenter.lips import FULL_GAP
from viseme.studio.presenter.place import head_to_crop

__all__ = ["opening"]

# The probed patch of the mouth, in the head's coordinates.
PROBE_LEFT, PROBE_RIGHT = -9.0, 9.0
PROBE_TOP, PROBE_BOTTOM = 112.0, 212.0
EDGE_LOSS = 2.0
"""How much of the gap the soft inner edges of the lips hide, in units of the head."""
ROWS, COLUMNS = 200, 19
ROW_HEIGHT = (PROBE_BOTTOM - PROBE_TOP) / (ROWS - 1)


def opening(crop_bgr: NDArray[np.uint8], index: int) -> float:
    """Return the gap between the lips in a uint8 [328, 328, 3] crop of frame `index`.

    0 is closed and 1 the widest, the unit of `MouthPose.open`.
    """
    inside = _inside(_probe(crop_bgr, index)).mean(axis=1)
    seen = float(inside.sum()) * ROW_HEIGHT
    gap = seen + EDGE_LOSS * min(1.0, seen / EDGE_LOSS)
    return float(np.clip(gap / FULL_GAP, 0.0, 1.2))


def _probe(crop_bgr: NDArray[np.uint8], index: int) -> NDArray[np.float32]:
    """Return the patch [ROWS, COLUMNS, 3] of the mouth, upright whatever the head's tilt."""
    x = np.linspace(PROBE_LEFT, PROBE_RIGHT, COLUMNS)
    y = np.linspace(PROBE_TOP, PROBE_BOTTOM, ROWS)
    grid = np.stack([*np.meshgrid(x, y), np.ones((ROWS, COLUMNS))], axis=-1)
    places = (grid @ head_to_crop(index).T).astype(np.float32)
    patch = cv2.remap(crop_bgr, places[..., 0], places[..., 1], cv2.INTER_LINEAR)
    return np.asarray(patch, np.float32)


def _inside(patch: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return how surely each pixel [...] of a BGR patch is hollow, tooth or tongue, 0..1."""
    blue, green, red = patch[..., 0], patch[..., 1], patch[..., 2]
    dark = _rises(96.0 - red, 24.0)
    grey = _rises(0.16 - (red - blue) / np.maximum(red, 40.0), 0.06)
    cool = _rises((blue - green) - 6.0, 6.0)
    return np.asarray(np.maximum(np.maximum(dark, grey), cool), np.float32)


def _rises(value: NDArray[np.floating], width: float) -> NDArray[np.float32]:
    """Return a soft step: 0 below -width / 2, 1 above width / 2."""
    return np.asarray(np.clip(value / width + 0.5, 0.0, 1.0), np.float32)
