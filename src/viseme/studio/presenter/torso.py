"""Neck, blouse and jacket, in pixels of the frame."""

from __future__ import annotations

from typing import Any

import skia

from viseme.studio.presenter import palette as pal
from viseme.studio.presenter.paint import (
    Layer,
    Point,
    blob,
    fill,
    linear,
    mirrored,
    paint_layer,
    rgba,
    smooth_path,
    stroke,
)

__all__ = ["neck_path", "paint_torso"]

# Painted around x = 0, the middle of the body; the frame's middle is added when drawn.
TORSO_BOUNDS = (-520.0, 380.0, 520.0, 760.0)
NECK_RIGHT_HALF: tuple[Point, ...] = (
    (0, 400),
    (60, 402),
    (72, 440),
    (69, 500),
    (74, 560),
    (100, 602),
    (150, 632),
    (120, 720),
    (0, 740),
)


def neck_path() -> Any:
    """Return the outline of neck and throat, around x = 0."""
    return smooth_path(mirrored(NECK_RIGHT_HALF), closed=True)


def paint_torso() -> Layer:
    """Paint neck, blouse and jacket; the shade of the head on the neck is drawn by frame."""
    return paint_layer(TORSO_BOUNDS, _draw_torso)


def _draw_torso(canvas: Any) -> None:
    _draw_neck(canvas)
    _draw_blouse(canvas)
    for side in (-1, 1):
        _draw_jacket_half(canvas, side)


def _draw_neck(canvas: Any) -> None:
    outline = neck_path()
    shade = linear(
        (-84, 0),
        (90, 0),
        [
            (0, rgba(*pal.SKIN_SHADE)),
            (0.28, rgba(*pal.SKIN)),
            (0.5, rgba(*pal.SKIN)),
            (0.8, rgba(*pal.SKIN_TURN)),
            (1, rgba(*pal.SKIN_SHADE)),
        ],
    )
    canvas.drawPath(outline, fill(shader=shade))
    canvas.save()
    canvas.clipPath(outline, True)
    for side, dark in ((-1, 0.30), (1, 0.5)):
        cord = smooth_path([(side * 62, 480), (side * 44, 560), (side * 16, 622)])
        canvas.drawPath(cord, stroke(rgba(*pal.SKIN_SHADE, dark), 9, blur=6))
        bone = smooth_path([(side * 14, 630), (side * 60, 622), (side * 128, 630)])
        canvas.drawPath(bone, stroke(rgba(*pal.SKIN_SHADE, dark), 8, blur=4))
        canvas.drawPath(bone, stroke(rgba(*pal.SKIN_LIT, 0.35), 3, blur=2))
    blob(canvas, (0, 626), (16, 18), rgba(*pal.SKIN_SHADE, 0.6))
    canvas.restore()
    _draw_necklace(canvas)


def _draw_necklace(canvas: Any) -> None:
    chain = smooth_path(
        [(-78, 584), (-46, 622), (-14, 645), (0, 650), (14, 645), (46, 622), (78, 584)]
    )
    canvas.save()
    canvas.translate(1.5, 2.5)
    canvas.drawPath(chain, stroke(rgba(*pal.SKIN_DEEP, 0.45), 2.4, blur=1.4))
    canvas.restore()
    gold = linear(
        (-70, 590),
        (70, 650),
        [(0, rgba(250, 222, 160)), (0.5, rgba(*pal.GOLD)), (1, rgba(150, 104, 48))],
    )
    canvas.drawPath(chain, stroke(0xFF000000, 1.5, shader=gold))
    canvas.drawCircle(0.8, 657, 5, fill(rgba(*pal.SKIN_DEEP, 0.5), blur=2))
    canvas.drawCircle(0, 655, 4.2, fill(shader=gold))
    blob(canvas, (-1.4, 653.6), (2, 2), rgba(255, 252, 236, 0.95))


def _draw_blouse(canvas: Any) -> None:
    shape = smooth_path(
        [
            (-120, 596),
            (-66, 634),
            (-30, 668),
            (0, 690),
            (30, 668),
            (66, 634),
            (120, 596),
            (170, 770),
            (-170, 770),
        ],
        closed=True,
    )
    shade = linear(
        (-110, 600),
        (110, 720),
        [(0, rgba(*pal.BLOUSE)), (0.55, rgba(*pal.BLOUSE)), (1, rgba(*pal.BLOUSE_SHADE))],
    )
    edge = smooth_path(
        [(-120, 594), (-66, 632), (-30, 666), (0, 688), (30, 666), (66, 632), (120, 594)]
    )
    canvas.drawPath(edge, stroke(rgba(*pal.SKIN_DEEP, 0.5), 7, blur=4))
    canvas.drawPath(shape, fill(shader=shade))
    canvas.save()
    canvas.clipPath(shape, True)
    for x, lean in ((-52, 18), (-20, 10), (14, -8), (44, -20), (76, -30)):
        fold = smooth_path([(x, 650), (x + lean * 0.4, 690), (x + lean, 750)])
        canvas.drawPath(fold, stroke(rgba(*pal.BLOUSE_SHADE, 0.75), 7, blur=4))
        light = smooth_path([(x - 8, 650), (x - 8 + lean * 0.4, 690), (x - 8 + lean, 750)])
        canvas.drawPath(light, stroke(rgba(255, 252, 246, 0.7), 4, blur=2.5))
    hem = smooth_path(
        [(-120, 600), (-66, 638), (-30, 672), (0, 694), (30, 672), (66, 638), (120, 600)]
    )
    canvas.drawPath(hem, stroke(rgba(*pal.BLOUSE_SHADE, 0.8), 1.4, blur=0.5))
    canvas.restore()


def _draw_jacket_half(canvas: Any, side: int) -> None:
    canvas.save()
    canvas.scale(side, 1)
    lit = side < 0
    body = smooth_path([(84, 578), (150, 600), (246, 620), (346, 644), (414, 686), (450, 790)])
    body.lineTo(30, 780)
    body.lineTo(64, 700)
    body.lineTo(82, 578)
    body.close()
    near, far = (pal.JACKET_LIT, pal.JACKET) if lit else (pal.JACKET, pal.JACKET_DEEP)
    shade = linear(
        (200, 600), (130, 770), [(0, rgba(*near)), (0.45, rgba(*pal.JACKET)), (1, rgba(*far))]
    )
    canvas.drawPath(body, fill(shader=shade))
    canvas.save()
    canvas.clipPath(body, True)
    _draw_folds(canvas, lit)
    canvas.restore()
    _draw_lapel(canvas, lit)
    canvas.restore()


def _draw_folds(canvas: Any, lit: bool) -> None:
    seam = smooth_path([(322, 638), (312, 690), (322, 780)])
    canvas.drawPath(seam, stroke(rgba(*pal.JACKET_DEEP, 0.85), 2.0, blur=0.8))
    canvas.drawPath(seam, stroke(rgba(*pal.JACKET_DEEP, 0.5), 16, blur=8))
    for start, end in (
        ((352, 690), (380, 790)),
        ((236, 700), (214, 790)),
        ((286, 676), (290, 780)),
    ):
        fold = smooth_path([start, ((start[0] + end[0]) / 2 + 6, (start[1] + end[1]) / 2), end])
        canvas.drawPath(fold, stroke(rgba(*pal.JACKET_DEEP, 0.6), 9, blur=5))
        canvas.translate(-9, 0)
        canvas.drawPath(fold, stroke(rgba(*pal.JACKET_LIT, 0.5 if lit else 0.25), 7, blur=4))
        canvas.translate(9, 0)
    top = smooth_path([(96, 583), (150, 603), (246, 623), (344, 647), (411, 688), (447, 790)])
    rim = pal.JACKET_LIT if lit else pal.RIM
    canvas.drawPath(top, stroke(rgba(*rim, 0.55), 3.0, blur=1.8))


def _draw_lapel(canvas: Any, lit: bool) -> None:
    lapel = skia.Path()
    lapel.moveTo(76, 566)
    lapel.cubicTo(84, 556, 98, 560, 112, 574)
    lapel.cubicTo(132, 596, 158, 628, 178, 650)
    lapel.lineTo(150, 668)
    lapel.lineTo(172, 690)
    lapel.cubicTo(140, 740, 90, 770, 34, 800)
    lapel.cubicTo(68, 730, 86, 650, 76, 566)
    lapel.close()
    canvas.drawPath(lapel, fill(rgba(*pal.JACKET_DEEP, 0.75), blur=7))
    near = pal.JACKET_LIT if lit else pal.JACKET
    shade = linear(
        (178, 620),
        (70, 760),
        [(0, rgba(*near)), (0.5, rgba(*pal.JACKET)), (1, rgba(*pal.JACKET_DEEP))],
    )
    canvas.drawPath(lapel, fill(shader=shade))
    canvas.drawPath(lapel, stroke(rgba(*pal.JACKET_LIT, 0.55), 1.2, blur=0.5))
    notch = smooth_path([(150, 668), (120, 652), (92, 640)])
    canvas.drawPath(notch, stroke(rgba(*pal.JACKET_DEEP, 0.85), 1.8, blur=0.7))
    if not lit:
        _draw_pin(canvas, (126, 690))


def _draw_pin(canvas: Any, centre: Point) -> None:
    x, y = centre
    canvas.drawCircle(x + 1, y + 2, 8, fill(rgba(0, 0, 0, 0.5), blur=2.5))
    gold = linear(
        (x - 7, y - 7),
        (x + 7, y + 7),
        [(0, rgba(255, 238, 190)), (0.5, rgba(*pal.GOLD)), (1, rgba(140, 96, 40))],
    )
    canvas.drawCircle(x, y, 7.5, fill(shader=gold))
    canvas.drawCircle(x, y, 4.4, stroke(rgba(120, 80, 30, 0.8), 1.2))
    blob(canvas, (x + 2.5, y - 3), (3, 2.4), rgba(255, 255, 255, 0.9))
