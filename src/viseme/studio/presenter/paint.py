"""The brushes: thin, typed helpers over skia that the painters of the parts share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import skia
from numpy.typing import NDArray

__all__ = [
    "Layer",
    "Point",
    "Stops",
    "along",
    "blob",
    "fill",
    "linear",
    "mirrored",
    "paint_layer",
    "polygon",
    "radial",
    "rgba",
    "smooth_path",
    "stroke",
]

Point = tuple[float, float]
Stops = Sequence[tuple[float, int]]
"""Colour stops of a gradient: (place 0..1, ARGB)."""

LINEAR = skia.SamplingOptions(skia.FilterMode.kLinear)
TEXTURE_SCALE = 2.0
"""Texture pixels per unit: linear sampling at half size is a box filter, so nothing shimmers."""


def rgba(red: int, green: int, blue: int, alpha: float = 1.0) -> int:
    """Return an ARGB colour; `alpha` is 0..1."""
    return int(skia.Color(red, green, blue, round(255 * min(1.0, max(0.0, alpha)))))


def smooth_path(points: Sequence[Point], *, closed: bool = False) -> Any:
    """Return a path through all the points (Catmull-Rom, as cubic Bezier curves)."""
    knots = np.asarray(points, np.float64)
    count = len(knots)
    path = skia.Path()
    path.moveTo(*knots[0])
    for i in range(count if closed else count - 1):
        if closed:
            before, start, end, after = (knots[(i + k) % count] for k in (-1, 0, 1, 2))
        else:
            before, after = knots[max(i - 1, 0)], knots[min(i + 2, count - 1)]
            start, end = knots[i], knots[i + 1]
        path.cubicTo(*(start + (end - before) / 6), *(end - (after - start) / 6), *end)
    if closed:
        path.close()
    return path


def polygon(points: NDArray[np.floating]) -> Any:
    """Return the closed polygon through [n, 2] points."""
    return skia.Path.Polygon([skia.Point(x, y) for x, y in points.tolist()], True)


def mirrored(points: Sequence[Point]) -> list[Point]:
    """Return a closed outline from its right half, listed from top to bottom."""
    return [*points, *((-x, y) for x, y in reversed(points) if abs(x) > 1e-6)]


def along(points: Sequence[Point], count: int) -> NDArray[np.float64]:
    """Return [count, 2] points evenly spaced on the smooth curve through `points`."""
    knots = np.asarray(points, np.float64)
    measure = skia.PathMeasure(smooth_path(points), False)
    length = measure.getLength()
    if length <= 0:
        return np.repeat(knots[:1], count, axis=0)
    places = [measure.getPosTan(length * t)[0] for t in np.linspace(0, 1, count)]
    return np.asarray([(p.x(), p.y()) for p in places], np.float64)


def linear(start: Point, end: Point, stops: Stops) -> Any:
    """Return a linear gradient shader."""
    return skia.GradientShader.MakeLinear(
        points=[start, end], colors=[c for _, c in stops], positions=[t for t, _ in stops]
    )


def radial(centre: Point, radius: float, stops: Stops) -> Any:
    """Return a radial gradient shader."""
    return skia.GradientShader.MakeRadial(
        center=centre,
        radius=radius,
        colors=[c for _, c in stops],
        positions=[t for t, _ in stops],
    )


def fill(colour: int = 0xFF000000, *, blur: float = 0.0, shader: Any = None) -> Any:
    """Return a filling paint; `blur` is the sigma of its soft edge."""
    paint = skia.Paint(AntiAlias=True, Color=colour)
    if shader is not None:
        paint.setShader(shader)
    if blur > 0:
        paint.setMaskFilter(skia.MaskFilter.MakeBlur(skia.kNormal_BlurStyle, blur))
    return paint


def stroke(colour: int, width: float, *, blur: float = 0.0, shader: Any = None) -> Any:
    """Return a stroking paint with round ends."""
    paint = fill(colour, blur=blur, shader=shader)
    paint.setStyle(skia.Paint.kStroke_Style)
    paint.setStrokeWidth(width)
    paint.setStrokeCap(skia.Paint.kRound_Cap)
    paint.setStrokeJoin(skia.Paint.kRound_Join)
    return paint


def blob(canvas: Any, centre: Point, radii: Point, colour: int, *, turn: float = 0.0) -> None:
    """Draw a soft ellipse: full colour at its centre, nothing at its edge, `turn` in degrees.

    A gradient stands in for a blurred ellipse: it looks the same and costs a tenth.
    """
    clear = colour & 0x00FFFFFF
    alpha = colour >> 24
    stops = [
        (t, clear | round(alpha * float(np.exp(-4.2 * t * t) - np.exp(-4.2) * t)) << 24)
        for t in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
    ]
    canvas.save()
    canvas.translate(*centre)
    canvas.rotate(turn)
    canvas.scale(*radii)
    canvas.drawCircle(0, 0, 1, fill(shader=radial((0, 0), 1, stops)))
    canvas.restore()


@dataclass(frozen=True)
class Layer:
    """A picture painted once, at `TEXTURE_SCALE`, and its place in the units of its part."""

    image: Any
    left: float
    top: float
    right: float
    bottom: float

    def draw(self, canvas: Any) -> None:
        """Draw it at its place."""
        place = skia.Rect(self.left, self.top, self.right, self.bottom)
        canvas.drawImageRect(self.image, place, LINEAR)


def paint_layer(
    bounds: tuple[float, float, float, float], draw: Callable[[Any], None], scale: float = 0
) -> Layer:
    """Run a painter once over `bounds` (left, top, right, bottom) and keep its picture."""
    scale = scale or TEXTURE_SCALE
    left, top, right, bottom = bounds
    surface = skia.Surface(round((right - left) * scale), round((bottom - top) * scale))
    canvas = surface.getCanvas()
    canvas.clear(0)
    canvas.scale(scale, scale)
    canvas.translate(-left, -top)
    draw(canvas)
    return Layer(surface.makeImageSnapshot(), left, top, right, bottom)
