"""From a frame and its box to what the network sees.

Everything here is derived from the full frame, so a bundle stores no crops.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.avatar.geometry import Box, Geometry
from viseme.avatar.planes import Pixels, cut, size_of

__all__ = ["crop_face", "crop_inputs", "visual_input"]


def crop_face(
    frame: Pixels, box: Box, geometry: Geometry, out: NDArray[np.uint8] | None = None
) -> NDArray[np.uint8]:
    """Cut the box out of a frame and resize it (bicubic) to the crop of the family.

    Where the box passes the frame's edge, the frame's outermost pixels are repeated: the network
    then sees a whole face of the right proportions. These made-up pixels are never pasted back.

    Args:
        frame: uint8 [H, W, 3], B, G, R, or in planes; not changed.
        box: the square around the face.
        geometry: the family of the network.
        out: where to write, uint8 [crop, crop, 3], contiguous; a new array by default.

    Returns:
        uint8 [crop, crop, 3], B, G, R.

    Raises:
        AvatarError: the box lies outside the frame.
    """
    overlap = box.overlap(*size_of(frame))
    face = cut(frame, overlap.frame)
    if face.shape[:2] != (box.side, box.side):
        rows, cols = overlap.box
        face = cv2.copyMakeBorder(  # type: ignore[assignment]
            face,
            rows.start,
            box.side - rows.stop,
            cols.start,
            box.side - cols.stop,
            cv2.BORDER_REPLICATE,
        )
    if out is None:
        out = np.empty((geometry.crop, geometry.crop, 3), np.uint8)
    # The interpolation goes by name: the third positional argument of cv2.resize is `dst`.
    cv2.resize(face, (geometry.crop, geometry.crop), dst=out, interpolation=cv2.INTER_CUBIC)
    return out


def visual_input(
    crop: NDArray[np.uint8], geometry: Geometry, out: NDArray[np.float32] | None = None
) -> NDArray[np.float32]:
    """Make the network's visual input from a crop.

    Args:
        crop: uint8 [crop, crop, 3], B, G, R.
        geometry: the family of the network.
        out: where to write, float32 [6, inner, inner]; a new array by default.

    Returns:
        float32 [6, inner, inner], 0..1. Channels 0-2 are the inner square in B, G, R; 3-5 are the
        same with the mouth region black.
    """
    if out is None:
        out = np.empty((6, geometry.inner, geometry.inner), np.float32)
    channels = np.empty((3, geometry.inner, geometry.inner), np.uint8)
    # Out of rows that follow each other, OpenCV takes them in a third of the time.
    inner = np.ascontiguousarray(crop[geometry.inner_slice, geometry.inner_slice])
    cv2.split(inner, list(channels))
    # Division, not multiplication by 1/255: only so do all 256 values survive `* 255` on the way
    # back, where the result is truncated.
    np.divide(channels, np.float32(255), out=out[:3], dtype=np.float32)
    out[3:] = out[:3]
    out[3:, slice(*geometry.mask_rows), slice(*geometry.mask_cols)] = 0
    return out


def crop_inputs(
    frame: Pixels,
    box: Box,
    geometry: Geometry,
    out: tuple[NDArray[np.uint8], NDArray[np.float32]] | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Make the crop and the network's visual input of one frame.

    Args:
        frame: uint8 [H, W, 3], B, G, R, or in planes; not changed.
        box: the square around the face.
        geometry: the family of the network.
        out: a pair of arrays to write into, shaped as the results; new ones by default.

    Returns:
        The crop, uint8 [crop, crop, 3], and the visual input, float32 [6, inner, inner], 0..1
        (see `visual_input`).

    Raises:
        AvatarError: the box lies outside the frame.
    """
    crop_out, visual_out = out if out is not None else (None, None)
    crop = crop_face(frame, box, geometry, crop_out)
    return crop, visual_input(crop, geometry, visual_out)
