"""The head painted at rest: skin, its light and shade, and the nose; the mouth is not in it."""

from __future__ import annotations

from typing import Any

import skia

from viseme.studio.presenter import palette as pal
from viseme.studio.presenter.lips import CHIN_Y, SEAM_Y
from viseme.studio.presenter.paint import (
    Layer,
    Point,
    blob,
    fill,
    linear,
    mirrored,
    paint_layer,
    radial,
    rgba,
    smooth_path,
    stroke,
)

__all__ = ["FACE_BOUNDS", "JAW_HALF_WIDTH", "face_path", "paint_face"]

FACE_BOUNDS = (-176.0, -216.0, 176.0, 240.0)
JAW_HALF_WIDTH = 153.0
"""Half the width of the face at the height of the cheekbones: the face box's half width."""

FACE_RIGHT_HALF: tuple[Point, ...] = (
    (0, -200),
    (80, -186),
    (130, -130),
    (150, -52),
    (JAW_HALF_WIDTH, 12),
    (146, 70),
    (128, 125),
    (98, 170),
    (58, 203),
    (29, 214.5),
    (0, CHIN_Y),
)


def face_path() -> Any:
    """Return the outline of the face at rest, skull included."""
    return smooth_path(mirrored(FACE_RIGHT_HALF), closed=True)


def paint_face() -> Layer:
    """Paint the face's skin."""
    return paint_layer(FACE_BOUNDS, _draw_face)


def _draw_face(canvas: Any) -> None:
    outline = face_path()
    base = radial(
        (-46, 10),
        270,
        [
            (0.0, rgba(*pal.SKIN_LIT)),
            (0.42, rgba(*pal.SKIN)),
            (0.74, rgba(*pal.SKIN_TURN)),
            (1.0, rgba(*pal.SKIN_SHADE)),
        ],
    )
    canvas.drawPath(outline, fill(shader=base))
    canvas.save()
    canvas.clipPath(outline, True)
    _draw_planes(canvas, outline)
    _draw_sockets(canvas)
    _draw_cheeks(canvas)
    _draw_nose(canvas)
    _draw_mouth_surroundings(canvas)
    canvas.restore()


def _draw_planes(canvas: Any, outline: Any) -> None:
    """Turn the big form: shade side, under the hair, under the jaw, and the light on its rim."""
    side = linear(
        (20, 0),
        (156, 30),
        [
            (0, rgba(*pal.SKIN_SHADE, 0)),
            (0.6, rgba(*pal.SKIN_SHADE, 0.28)),
            (1, rgba(*pal.SKIN_SHADE, 0.78)),
        ],
    )
    canvas.drawPaint(fill(shader=side))
    near = linear(
        (-156, 0), (-96, 0), [(0, rgba(*pal.SKIN_SHADE, 0.46)), (1, rgba(*pal.SKIN_SHADE, 0))]
    )
    canvas.drawPaint(fill(shader=near))
    canvas.drawPath(outline, stroke(rgba(*pal.SKIN_SHADE, 0.55), 26, blur=12))
    canvas.drawPath(outline, stroke(rgba(*pal.SKIN_DEEP, 0.40), 5, blur=3))
    hairline = smooth_path(
        [(-160, 40), (-146, -40), (-104, -104), (20, -146), (100, -110), (144, -46), (158, 40)]
    )
    canvas.drawPath(hairline, stroke(rgba(*pal.SKIN_SHADE, 0.72), 44, blur=15))
    blob(canvas, (-34, -78), (72, 46), rgba(255, 240, 224, 0.60))
    rim = smooth_path([(150, 20), (145, 70), (127, 125), (98, 168), (74, 191)])
    fading = linear(
        (150, 30),
        (80, 188),
        [(0, rgba(*pal.RIM, 0.0)), (0.4, rgba(*pal.RIM, 0.5)), (1, rgba(*pal.RIM, 0.0))],
    )
    canvas.drawPath(rim, stroke(0xFF000000, 6, blur=2.6, shader=fading))


def _draw_sockets(canvas: Any) -> None:
    for side, strength in ((-1, 0.85), (1, 1.0)):
        x = side * 67
        blob(canvas, (x, -12), (60, 36), rgba(*pal.SKIN_SHADE, 0.36 * strength))
        blob(
            canvas,
            (side * 30, -12),
            (20, 36),
            rgba(*pal.SKIN_SHADE, 0.42 * strength),
            turn=side * 14,
        )
        blob(canvas, (x, 22), (44, 14), rgba(*pal.SKIN_SHADE, 0.30 * strength), turn=side * 4)
        blob(canvas, (x + side * 4, -26), (44, 10), rgba(255, 226, 204, 0.40 / strength))


def _draw_cheeks(canvas: Any) -> None:
    for side, light in ((-1, 1.0), (1, 0.5)):
        blob(canvas, (side * 92, 76), (80, 56), rgba(*pal.BLUSH, 0.26), turn=-side * 24)
        blob(canvas, (side * 88, 46), (56, 26), rgba(255, 240, 226, 0.50 * light), turn=-side * 22)
        blob(canvas, (side * 118, 118), (34, 52), rgba(*pal.SKIN_SHADE, 0.26), turn=side * 20)


def _draw_nose(canvas: Any) -> None:
    shade = pal.SKIN_SHADE
    # The shade side of the bridge, from the brow to the tip.
    bridge = smooth_path([(24, -34), (13, -6), (12, 26), (15, 54), (22, 72)])
    canvas.drawPath(bridge, stroke(rgba(*shade, 0.55), 10, blur=6))
    left = smooth_path([(-24, -34), (-14, -6), (-12, 26), (-15, 54)])
    canvas.drawPath(left, stroke(rgba(*shade, 0.24), 8, blur=6))
    light = smooth_path([(-3, -30), (-3, 10), (-3, 58)])
    canvas.drawPath(light, stroke(rgba(255, 243, 230, 0.55), 8, blur=5))
    # The ball and the wings.
    blob(canvas, (1, 72), (26, 24), rgba(*pal.BLUSH, 0.26))
    blob(canvas, (8, 92), (30, 11), rgba(*shade, 0.95))
    blob(canvas, (16, 99), (34, 10), rgba(*shade, 0.50), turn=8)
    blob(canvas, (-4, 69), (13, 12), rgba(255, 246, 236, 0.85))
    for side, dark in ((-1, 0.55), (1, 0.85)):
        wing = smooth_path([(side * 20, 66), (side * 26, 75), (side * 27, 84), (side * 22, 91)])
        canvas.drawPath(wing, stroke(rgba(*shade, dark), 4.0, blur=2.0))
        blob(canvas, (side * 19, 77), (8, 9), rgba(255, 232, 214, 0.35))
        nostril = smooth_path(
            [
                (side * 6, 90),
                (side * 10, 86.5),
                (side * 16, 86.5),
                (side * 19, 90),
                (side * 12, 92),
            ],
            closed=True,
        )
        canvas.drawPath(nostril, fill(rgba(*pal.SKIN_DEEP, 0.85), blur=1.5))
    base = smooth_path([(-10, 93), (-4, 95.5), (4, 95.5), (10, 93)])
    canvas.drawPath(base, stroke(rgba(*pal.SKIN_DEEP, 0.42), 2.4, blur=1.4))


def _draw_mouth_surroundings(canvas: Any) -> None:
    shade = pal.SKIN_SHADE
    blob(canvas, (1.5, 108), (7, 17), rgba(*shade, 0.42))
    blob(canvas, (-7, 110), (5, 15), rgba(255, 238, 222, 0.5))
    blob(canvas, (9, 110), (4, 14), rgba(255, 238, 222, 0.3))
    for side, dark in ((-1, 0.20), (1, 0.34)):
        fold = smooth_path([(side * 33, 84), (side * 48, 100), (side * 62, 124)])
        canvas.drawPath(fold, stroke(rgba(*shade, dark), 7, blur=4.5))
        blob(canvas, (side * 66, SEAM_Y + 14), (22, 26), rgba(*shade, 0.26))
    blob(canvas, (-6, 192), (44, 24), rgba(255, 236, 218, 0.42))
    blob(canvas, (2, CHIN_Y), (66, 17), rgba(*shade, 0.75))
    blob(canvas, (20, 194), (36, 22), rgba(*shade, 0.22))
    mole = skia.Rect.MakeXYWH(72.0, 104.0, 3.0, 2.8)
    canvas.drawOval(mole, fill(rgba(*pal.SKIN_DEEP, 0.75), blur=0.5))
