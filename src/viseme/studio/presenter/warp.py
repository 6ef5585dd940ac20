"""The skin of the lower face as a mesh that follows the jaw and the lips."""

from __future__ import annotations

from typing import Any

import numpy as np
import skia
from numpy.typing import NDArray

from viseme.studio.mouth import MouthPose
from viseme.studio.presenter.lips import SEAM_Y, jaw_drop
from viseme.studio.presenter.paint import LINEAR, Layer

__all__ = ["WARP_TOP_Y", "SkinMesh", "displacement"]

WARP_TOP_Y = 40.0
"""Above this height no pose moves the skin."""
COLUMNS, ROWS = 26, 24

Grid = NDArray[np.float64]


def _smoothstep(low: float, high: float, value: Grid) -> Grid:
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return np.asarray(t * t * (3 - 2 * t), np.float64)


def displacement(x: Grid, y: Grid, pose: MouthPose) -> tuple[Grid, Grid]:
    """Return how far the pose moves the skin at head coordinates `x`, `y`."""
    drop = jaw_drop(pose)
    across = np.abs(x)
    side = np.sign(x)
    on_jaw = _smoothstep(SEAM_Y - 36, SEAM_Y + 58, y) * (1 - _smoothstep(36, 134, across))
    dy = drop * on_jaw
    # The cheek hollows as the jaw sinks.
    hollow = np.exp(-(((across - 104) / 26) ** 2) - ((y - 140) / 40) ** 2)
    dx = -side * 0.10 * drop * hollow
    # The skin beside the corners goes with them.
    corner = np.exp(-(((across - 56) / 30) ** 2) - ((y - SEAM_Y) / 26) ** 2)
    dx = dx + side * (8.0 * pose.wide - 15.0 * pose.round) * corner
    smile = max(pose.wide, 0.0)
    lift = np.exp(-(((across - 72) / 28) ** 2) - ((y - 104) / 30) ** 2)
    dy = dy - 4.5 * smile * lift
    # The skin of the upper lip rises with it.
    upper = np.exp(-((across / 44) ** 2) - ((y - (SEAM_Y - 16)) / 13) ** 2)
    dy = dy - (6.0 * pose.open + 1.5 * pose.round) * upper
    chin = np.exp(-((across / 40) ** 2) - ((y - 186) / 26) ** 2)
    dy = dy - (3.0 * pose.press + 3.0 * pose.tuck + 2.0 * pose.round) * chin
    # Near the ears nothing moves: a generator cannot change the crop's edge.
    hold = 1 - _smoothstep(104, 132, across)
    return dx * hold, dy * hold


class SkinMesh:
    """A layer cut at `WARP_TOP_Y`: the part above is drawn as it is, the part below is warped."""

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        columns = np.linspace(layer.left, layer.right, COLUMNS + 1)
        rows = np.linspace(WARP_TOP_Y, layer.bottom, ROWS + 1)
        self._x, self._y = np.meshgrid(columns, rows)
        self._scale = layer.image.width() / (layer.right - layer.left)
        self._texture = self._texture_points(self._x, self._y)
        self._indices = _triangles(ROWS)
        clamp = skia.TileMode.kClamp
        self._paint = skia.Paint(Shader=layer.image.makeShader(clamp, clamp, LINEAR))

    def _texture_points(self, x: Grid, y: Grid) -> list[Any]:
        u = (x.ravel() - self._layer.left) * self._scale
        v = (y.ravel() - self._layer.top) * self._scale
        return [skia.Point(a, b) for a, b in zip(u.tolist(), v.tolist(), strict=True)]

    def draw_upper(self, canvas: Any) -> None:
        """Draw what no pose moves."""
        # The same columns as below: corners that meet an edge would leave pinholes in the seam.
        x, y = np.meshgrid(self._x[0], [self._layer.top, WARP_TOP_Y])
        self._draw(canvas, x, y, self._texture_points(x, y), _triangles(1))

    def draw_lower(self, canvas: Any, pose: MouthPose) -> None:
        """Draw the rest, moved by the pose."""
        dx, dy = displacement(self._x, self._y, pose)
        self._draw(canvas, self._x + dx, self._y + dy, self._texture, self._indices)

    def _draw(self, canvas: Any, x: Grid, y: Grid, texture: list[Any], indices: list[int]) -> None:
        places = [
            skia.Point(a, b) for a, b in zip(x.ravel().tolist(), y.ravel().tolist(), strict=True)
        ]
        mode = skia.Vertices.VertexMode.kTriangles_VertexMode
        mesh = skia.Vertices(mode, places, texture, None, indices)
        canvas.drawVertices(mesh, self._paint, skia.BlendMode.kSrcOver)


def _triangles(rows: int) -> list[int]:
    """Return the corners of two triangles for each cell of a grid of `rows` x COLUMNS cells."""
    stride = COLUMNS + 1
    corners = []
    for row in range(rows):
        for a in range(row * stride, row * stride + COLUMNS):
            corners += [a, a + 1, a + stride, a + 1, a + stride + 1, a + stride]
    return corners
