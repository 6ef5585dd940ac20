"""The studio behind the presenter, out of focus: a window, a wall, a shelf, a plant, lamps."""

from __future__ import annotations

from typing import Any

import numpy as np
import skia

from viseme.studio.presenter.motion import HEIGHT, WIDTH
from viseme.studio.presenter.paint import Layer, blob, fill, linear, paint_layer, rgba, smooth_path

__all__ = ["paint_background"]

FOCUS_BLUR = 11.0
"""Sigma in pixels: how far the wall is out of focus."""
PLANT_LEAVES = 17


def paint_background() -> Layer:
    """Paint the background, at the frame's own resolution."""
    return paint_layer((0, 0, WIDTH, HEIGHT), _draw_background, 1.0)


def _draw_background(canvas: Any) -> None:
    blurred = skia.Paint(ImageFilter=skia.ImageFilters.Blur(FOCUS_BLUR, FOCUS_BLUR))
    canvas.saveLayer(None, blurred)
    _draw_wall(canvas)
    _draw_window(canvas)
    _draw_shelf(canvas)
    _draw_plant(canvas)
    canvas.restore()
    _draw_bokeh(canvas)
    _draw_light(canvas)


def _draw_wall(canvas: Any) -> None:
    wall = linear(
        (0, 0),
        (WIDTH, HEIGHT),
        [(0, rgba(196, 206, 206)), (0.45, rgba(122, 142, 146)), (1, rgba(52, 68, 78))],
    )
    # Past the edges, so that the blur finds wall there too.
    canvas.drawRect(skia.Rect(-60, -60, WIDTH + 60, HEIGHT + 60), fill(shader=wall))


def _draw_window(canvas: Any) -> None:
    glow = linear(
        (0, 0),
        (0, 620),
        [(0, rgba(255, 250, 240)), (0.6, rgba(236, 242, 240)), (1, rgba(188, 208, 204))],
    )
    canvas.drawRect(skia.Rect(-60, -60, 300, 600), fill(shader=glow))
    for x, y, width, height in (
        (88, -60, 14, 660),
        (-60, 250, 360, 12),
        (296, -60, 20, 672),
        (-60, 600, 390, 22),
    ):
        canvas.drawRect(skia.Rect.MakeXYWH(x, y, width, height), fill(rgba(150, 148, 140)))
    for x, y, size in ((20, 480, 90), (180, 520, 120), (250, 450, 70), (60, 380, 50)):
        canvas.drawCircle(x, y, size, fill(rgba(132, 164, 128, 0.55)))


def _draw_shelf(canvas: Any) -> None:
    wood, shade = rgba(118, 86, 62), rgba(36, 40, 46, 0.55)
    for y in (170, 372, 566):
        canvas.drawRect(skia.Rect.MakeXYWH(900, y, 460, 16), fill(wood))
        canvas.drawRect(skia.Rect.MakeXYWH(900, y + 16, 460, 22), fill(shade, blur=8))
    books = (
        (930, 96, 26, 74),
        (960, 82, 22, 88),
        (986, 104, 30, 66),
        (1020, 90, 20, 80),
        (1180, 290, 28, 82),
        (1212, 280, 22, 92),
        (1238, 300, 34, 72),
        (950, 480, 70, 86),
    )
    colours = (
        (176, 92, 70),
        (220, 202, 172),
        (62, 92, 108),
        (206, 160, 92),
        (150, 70, 62),
        (226, 214, 190),
        (70, 104, 104),
        (198, 176, 150),
    )
    for (x, y, width, height), colour in zip(books, colours, strict=True):
        canvas.drawRect(skia.Rect.MakeXYWH(x, y, width, height), fill(rgba(*colour)))
    lamp = skia.Rect.MakeXYWH(1092, 306, 52, 40)
    blob(canvas, (1118, 330), (170, 150), rgba(255, 196, 120, 0.75))
    canvas.drawRoundRect(lamp, 14, 14, fill(rgba(255, 226, 176)))
    canvas.drawRect(skia.Rect.MakeXYWH(1114, 346, 8, 26), fill(rgba(80, 60, 46)))


def _draw_plant(canvas: Any) -> None:
    rng = np.random.default_rng(8)
    root_x, root_y = 1150.0, 640.0
    for k in range(PLANT_LEAVES):
        angle = np.radians(-168 + 156 * k / (PLANT_LEAVES - 1) + rng.normal(0, 4))
        length = rng.uniform(110, 220)
        tip = (root_x + length * np.cos(angle), root_y + length * np.sin(angle) - 20)
        across = (-np.sin(angle) * 24, np.cos(angle) * 24)
        middle = ((root_x + tip[0]) / 2, (root_y + tip[1]) / 2 - 22)
        leaf = smooth_path(
            [
                (root_x, root_y),
                (middle[0] + across[0], middle[1] + across[1]),
                tip,
                (middle[0] - across[0], middle[1] - across[1]),
            ],
            closed=True,
        )
        green = rng.uniform(0.7, 1.25)
        canvas.drawPath(leaf, fill(rgba(int(58 * green), int(104 * green), int(76 * green))))
    canvas.drawRect(skia.Rect.MakeXYWH(1096, 636, 108, 120), fill(rgba(206, 190, 168)))


def _draw_bokeh(canvas: Any) -> None:
    spots = (
        (1186, 222, 22, 0.16),
        (1070, 206, 13, 0.14),
        (1236, 244, 16, 0.12),
        (1030, 250, 16, 0.16),
    )
    for x, y, radius, alpha in spots:
        canvas.drawCircle(x, y, radius, fill(rgba(255, 222, 170, alpha), blur=3.5))


def _draw_light(canvas: Any) -> None:
    """Draw the window's haze from the left, a pool of dark behind the head, and the vignette."""
    haze = linear((0, 0), (620, 200), [(0, rgba(255, 246, 228, 0.55)), (1, rgba(255, 246, 228, 0))])
    canvas.drawPaint(fill(shader=haze))
    blob(canvas, (690, 380), (420, 420), rgba(24, 34, 42, 0.42))
    low = linear((0, 420), (0, HEIGHT), [(0, rgba(12, 18, 24, 0)), (1, rgba(12, 18, 24, 0.45))])
    canvas.drawPaint(fill(shader=low))
