"""Puts the network's new face back where the old one was.

The prediction replaces the inner square of the crop, the crop's border stays the original's, and
the whole crop goes back to the size of the box: leaving the border out would scale the face by
2.5 %. What lies outside the frame is dropped.
"""

from __future__ import annotations

import threading
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from viseme.avatar import Box, Geometry
from viseme.avatar.geometry import Overlap
from viseme.avatar.planes import Area, Pixels, Planes, size_of, whole

__all__ = ["Composer", "compose", "compose_planes"]


class Composer:
    """Composes frames of one geometry, using the same working memory for each.

    Not safe to share between threads: make one per thread, or use `compose`, which does.
    """

    def __init__(self, geometry: Geometry) -> None:
        self.geometry = geometry
        self._scaled = np.empty((3, geometry.inner, geometry.inner), np.float32)
        self._channels = np.empty(self._scaled.shape, np.uint8)
        self._patch = np.empty((geometry.crop, geometry.crop, 3), np.uint8)
        self._face = np.empty(0, np.uint8)

    def compose(
        self,
        frame: Pixels,
        box: Box,
        crop: NDArray[np.uint8],
        prediction: NDArray[np.float32],
        *,
        feather: int = 0,
        out: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """Paste a predicted face into a frame.

        Args:
            frame: uint8 [H, W, 3], B, G, R, or in planes; not changed.
            box: where the face is; may pass the frame's edge.
            crop: uint8 [crop, crop, 3]: the crop that the prediction was made from.
            prediction: float32 [3, inner, inner], B, G, R; values outside 0..1 are clipped.
            feather: over how many pixels of the frame the new face is blended into the old one,
                from the edge of the inner square inwards; 0 is the exact geometry.
            out: where to write, uint8 [H, W, 3]; must not be `frame`. A new array by default.

        Returns:
            `out`, the finished frame.

        Raises:
            AvatarError: the box lies outside the frame.
        """
        overlap = box.overlap(*size_of(frame))
        if out is not None:
            np.copyto(out, whole(frame))
        else:  # of planes, what is converted is new as it is
            out = frame.bgr() if isinstance(frame, Planes) else frame.copy()
        self._paste(out[overlap.frame], box, overlap, crop, prediction, feather)
        return out

    def compose_planes(
        self,
        frame: Planes,
        box: Box,
        crop: NDArray[np.uint8],
        prediction: NDArray[np.float32],
        *,
        feather: int = 0,
    ) -> Planes:
        """Paste a predicted face into a frame that is held in planes.

        What the box does not reach is copied as it is; what it reaches is what `compose` gives
        for the frame in B, G, R, converted.

        Args:
            frame: not changed.
            box: as for `compose`, like all that follows.
            crop: uint8 [crop, crop, 3].
            prediction: float32 [3, inner, inner].
            feather: in pixels of the frame.

        Returns:
            A new frame.

        Raises:
            AvatarError: the box lies outside the frame.
        """
        overlap = box.overlap(*size_of(frame))
        rows, cols = overlap.frame
        area = _even(rows), _even(cols)
        within = _counted_from(rows, area[0].start), _counted_from(cols, area[1].start)
        picture = frame.bgr(area) if feather > 0 else _rim_of(frame, area, within)
        self._paste(picture[within], box, overlap, crop, prediction, feather)
        composed = frame.copy()
        composed.paint(picture, area, within)
        return composed

    def _paste(
        self,
        target: NDArray[np.uint8],
        box: Box,
        overlap: Overlap,
        crop: NDArray[np.uint8],
        prediction: NDArray[np.float32],
        feather: int,
    ) -> None:
        """Put the new face over the old one, which is `target`."""
        face = self._paint(box, crop, prediction)[overlap.box]
        if feather > 0:
            _blend(target, face, _feather_weight(box.side, self.geometry, feather)[overlap.box])
        else:
            target[:] = face

    def _paint(
        self, box: Box, crop: NDArray[np.uint8], prediction: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        """Return the new face at the box's own size: uint8 [side, side, 3], working memory."""
        scaled, patch, inner = self._scaled, self._patch, self.geometry.inner_slice
        np.multiply(prediction, np.float32(255), out=scaled)
        np.clip(scaled, 0, 255, out=scaled)
        np.copyto(patch, crop)
        # Truncated, as the networks' own code does. A prediction of v / 255 comes back as v for
        # all 256 values, so a network that changes nothing leaves the picture as it was.
        np.copyto(self._channels, scaled, casting="unsafe")
        cv2.merge(list(self._channels), patch[inner, inner])
        if box.side == self.geometry.crop:
            return patch
        face = self._face_buffer(box.side)
        # Bicubic both ways: bilinear would blur the border of the box, which is the original's.
        return cv2.resize(  # type: ignore[return-value]
            patch, (box.side, box.side), dst=face, interpolation=cv2.INTER_CUBIC
        )

    def _face_buffer(self, side: int) -> NDArray[np.uint8]:
        """Return working memory of [side, side, 3]; it grows to the largest box and stays."""
        size = 3 * side * side
        if self._face.size < size:
            self._face = np.empty(size, np.uint8)
        return self._face[:size].reshape(side, side, 3)


def compose(
    frame: Pixels,
    box: Box,
    crop: NDArray[np.uint8],
    prediction: NDArray[np.float32],
    geometry: Geometry,
    *,
    feather: int = 0,
    out: NDArray[np.uint8] | None = None,
) -> NDArray[np.uint8]:
    """Paste a predicted face into a frame; see `Composer.compose`. Safe from any thread."""
    return _composer(geometry).compose(frame, box, crop, prediction, feather=feather, out=out)


def compose_planes(
    frame: Pixels,
    box: Box,
    crop: NDArray[np.uint8],
    prediction: NDArray[np.float32],
    geometry: Geometry,
    *,
    feather: int = 0,
) -> Planes:
    """Paste a predicted face into a frame, for an encoder; safe from any thread.

    See `Composer.compose_planes`; a frame in B, G, R is composed so and converted as a whole.
    """
    composer = _composer(geometry)
    if isinstance(frame, Planes):
        return composer.compose_planes(frame, box, crop, prediction, feather=feather)
    return Planes.of(composer.compose(frame, box, crop, prediction, feather=feather))


class _ThreadsOwn(threading.local):
    """One composer per thread and geometry: there are two geometries, so this stays small."""

    def __init__(self) -> None:
        self.composers: dict[Geometry, Composer] = {}


_threads_own = _ThreadsOwn()


def _composer(geometry: Geometry) -> Composer:
    composers = _threads_own.composers
    composer = composers.get(geometry)
    if composer is None:
        composer = composers[geometry] = Composer(geometry)
    return composer


def _rim_of(frame: Planes, area: Area, within: Area) -> NDArray[np.uint8]:
    """Convert what of an area lies around a part of it; what is in that part is of no meaning.

    Args:
        frame: where.
        area: rows and columns of the frame.
        within: the part, counted from the area's corner.
    """
    rows, cols = area
    height, width = rows.stop - rows.start, cols.stop - cols.start
    picture = np.empty((height, width, 3), np.uint8)
    inner_rows, inner_cols = within
    for strip in (
        (slice(0, inner_rows.start), slice(0, width)),
        (slice(inner_rows.stop, height), slice(0, width)),
        (inner_rows, slice(0, inner_cols.start)),
        (inner_rows, slice(inner_cols.stop, width)),
    ):
        if all(span.stop > span.start for span in strip):
            shown = _counted_from(strip[0], -rows.start), _counted_from(strip[1], -cols.start)
            picture[strip] = frame.bgr(shown)
    return picture


def _even(span: slice) -> slice:
    """Return the smallest span around another whose ends are even: that of whole samples."""
    return slice(span.start // 2 * 2, (span.stop + 1) // 2 * 2)


def _counted_from(span: slice, start: int) -> slice:
    return slice(span.start - start, span.stop - start)


@lru_cache(maxsize=64)
def _feather_weight(side: int, geometry: Geometry, feather: int) -> NDArray[np.float32]:
    """Return how much of the new face each pixel of a box shows: float32 [side, side, 1], 0..1.

    Nothing up to the edge of the inner square, all of it `feather` pixels further in.
    """
    margin = geometry.margin * side / geometry.crop
    centres = np.arange(side, dtype=np.float32) + np.float32(0.5)
    from_edge = np.minimum(centres, side - centres)
    ramp = np.clip((from_edge - margin) / feather, 0, 1).astype(np.float32)
    weight: NDArray[np.float32] = np.minimum(ramp[:, None], ramp[None, :])[:, :, None]
    weight.flags.writeable = False
    return weight


def _blend(target: NDArray[np.uint8], face: NDArray[np.uint8], weight: NDArray[np.float32]) -> None:
    """Move `target` towards `face` by `weight`, in place."""
    step = face.astype(np.float32)
    step -= target
    step *= weight
    step += target
    np.rint(step, out=step)
    np.copyto(target, step, casting="unsafe")
