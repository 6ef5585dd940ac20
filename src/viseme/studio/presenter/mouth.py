"""The mouth drawn: hollow, tongue, teeth and the two lips, with the soft shades around them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import skia

from viseme.studio.mouth import MouthPose
from viseme.studio.presenter import palette as pal
from viseme.studio.presenter.lips import Curve, Lips, shape_lips
from viseme.studio.presenter.paint import blob, fill, linear, polygon, radial, rgba, stroke

__all__ = ["draw_mouth"]

UPPER_TOOTH_EDGES = (-42.0, -36.0, -29.0, -21.0, -11.5, 0.0, 11.5, 21.0, 29.0, 36.0, 42.0)
TEETH_REACH = 7.0
"""How far below their edge the upper teeth may seem to come to meet a tucked lip."""
GUM_DEPTH = 30.0
"""How far from its edge a tooth has passed into the dark of the gum."""
LOWER_TOOTH_EDGES = (-34.0, -28.5, -22.5, -15.5, -8.0, 0.0, 8.0, 15.5, 22.5, 28.5, 34.0)


def draw_mouth(canvas: Any, pose: MouthPose) -> None:
    """Draw the mouth of a pose on a canvas in the head's coordinates."""
    lips = shape_lips(pose)
    _draw_surroundings(canvas, pose, lips)
    if lips.gap > 0.05:
        canvas.save()
        canvas.clipPath(_between(lips.x, lips.upper_inner - 0.6, lips.lower_inner + 0.6), True)
        _draw_inside(canvas, pose, lips)
        canvas.restore()
    _draw_lower_lip(canvas, pose, lips)
    _draw_upper_lip(canvas, pose, lips)
    _draw_seam(canvas, lips)


def _between(x: Curve, top: Curve, bottom: Curve) -> Any:
    """Return the closed shape between two curves over the same `x`."""
    there = np.stack([x, top], 1)
    back = np.stack([x, bottom], 1)[::-1]
    return polygon(np.concatenate([there, back]))


def _open_line(x: Curve, y: Curve) -> Any:
    points = [skia.Point(a, b) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    return skia.Path.Polygon(points, False)


def _draw_surroundings(canvas: Any, pose: MouthPose, lips: Lips) -> None:
    """Draw the shades on the skin that the lips throw: below, at the corners, above the bow."""
    middle = lips.centre
    below = float(lips.lower_outer[middle])
    shade = rgba(*pal.SKIN_SHADE, 0.62 + 0.1 * pose.press)
    blob(canvas, (1.5, below + 5.5), (lips.half * 0.74, 11 + 2 * pose.round), shade)
    blob(canvas, (-2.0, below + 21), (24, 12), rgba(*pal.SKIN_LIT, 0.30))
    above = float(lips.upper_outer[middle])
    rim = rgba(*pal.SKIN_LIT, 0.5)
    edge = _open_line(lips.x[9:32], lips.upper_outer[9:32] - 1.4)
    canvas.drawPath(edge, stroke(rim, 2.2, blur=1.1))
    if pose.round > 0.02:
        ring = rgba(*pal.SKIN_SHADE, 0.30 * pose.round)
        for side in (-1, 1):
            place = (side * (lips.half + 13), float(lips.lower_inner[0]))
            blob(canvas, place, (15, 26), ring)
        blob(canvas, (0, above - 7), (20, 9), rgba(*pal.SKIN_LIT, 0.25 * pose.round))
    smile = max(pose.wide, 0.0)
    if smile > 0.02:
        fold = rgba(*pal.SKIN_SHADE, 0.55 * smile)
        for side in (-1, 1):
            blob(canvas, (side * (lips.half + 4), 112), (8, 30), fold, turn=-side * 32)
            blob(canvas, (side * (lips.half + 22), 96), (26, 18), rgba(*pal.SKIN_LIT, 0.3 * smile))
    corner_shade = rgba(*pal.SKIN_DEEP, 0.30 + 0.14 * smile)
    for side, index in ((-1, 0), (1, -1)):
        place = (float(lips.x[index]) + side * 1.5, float(lips.upper_inner[index]) + 0.8)
        blob(canvas, place, (9.5, 7.0), corner_shade, turn=-side * 16)


def _draw_inside(canvas: Any, pose: MouthPose, lips: Lips) -> None:
    middle = lips.centre
    top, bottom = float(lips.upper_inner[middle]), float(lips.lower_inner[middle])
    wall = radial(
        (0, (top + bottom) / 2 + 2),
        max(lips.half, 8.0),
        [(0.0, rgba(*pal.MOUTH_DEEP)), (0.55, rgba(*pal.MOUTH_DEEP)), (1, rgba(*pal.MOUTH_WALL))],
    )
    canvas.drawPaint(fill(shader=wall))
    _draw_tongue_body(canvas, lips, bottom)
    _draw_teeth_row(canvas, pose, lips, upper=False)
    if pose.tongue > 0.02:
        _draw_tongue_tip(canvas, pose, lips, bottom)
    _draw_teeth_row(canvas, pose, lips, upper=True)
    # The lips' own shade on what lies behind them, and the dark of the corners.
    lip_shade = rgba(*pal.MOUTH_DEEP, 0.55)
    canvas.drawPath(_open_line(lips.x, lips.upper_inner), stroke(lip_shade, 5.0, blur=2.2))
    canvas.drawPath(
        _open_line(lips.x, lips.lower_inner), stroke(rgba(*pal.MOUTH_DEEP, 0.4), 3.0, blur=1.6)
    )
    dark = rgba(*pal.MOUTH_DEEP, 0.85)
    clear = rgba(*pal.MOUTH_DEEP, 0.0)
    reach = max(lips.half, 4.0)
    sides = linear((-reach, 0), (reach, 0), [(0, dark), (0.24, clear), (0.76, clear), (1, dark)])
    canvas.drawPaint(fill(shader=sides))


def _draw_tongue_body(canvas: Any, lips: Lips, bottom: float) -> None:
    """Draw the tongue at rest on the floor of the mouth, seen once the mouth is open enough."""
    width = lips.half * 0.70
    top = bottom - 0.40 * lips.gap
    body = skia.Rect(-width, top, width, bottom + 0.55 * lips.gap)
    stops = [
        (0.0, rgba(*pal.TONGUE_SHADE)),
        (0.28, rgba(*pal.TONGUE)),
        (0.6, rgba(*pal.TONGUE)),
        (1.0, rgba(*pal.TONGUE_SHADE)),
    ]
    shade = linear((0, top - 2), (0, bottom + 10), stops)
    canvas.drawOval(body, fill(shader=shade, blur=1.4))
    strength = min(1.0, lips.gap / 30)
    line = rgba(*pal.TONGUE_SHADE, 0.6 * strength)
    canvas.drawLine(0, top + 3, 0.5, bottom + 2, stroke(line, 2.6, blur=1.2))
    for side in (-1, 1):
        shine = rgba(*pal.TONGUE_LIT, 0.55 * strength)
        blob(canvas, (side * width * 0.38, top + 0.20 * lips.gap), (width * 0.3, 6.0), shine)


def _draw_tongue_tip(canvas: Any, pose: MouthPose, lips: Lips, bottom: float) -> None:
    """Draw the raised tip, as for "l" and "th": it comes up from below as `tongue` grows."""
    width = min(lips.half * 0.62, 27.0)
    top = lips.tongue_top
    depth = max(bottom - top + 10, 14.0)
    alpha = min(1.0, pose.tongue * 4)
    tip = skia.RRect.MakeRectXY(
        skia.Rect(-width, top, width, top + depth + 14), width * 0.9, min(13.0, depth * 0.6)
    )
    stops = [
        (0.0, rgba(*pal.TONGUE, alpha)),
        (0.3, rgba(*pal.TONGUE_LIT, alpha)),
        (0.7, rgba(*pal.TONGUE, alpha)),
        (1.0, rgba(*pal.TONGUE_SHADE, alpha)),
    ]
    shade = linear((0, top), (0, top + depth), stops)
    canvas.drawRRect(tip, fill(shader=shade, blur=0.9))
    line = rgba(*pal.TONGUE_SHADE, 0.45 * alpha)
    canvas.drawLine(0, top + 5, 0, top + depth, stroke(line, 2.0, blur=1.0))


def _draw_teeth_row(canvas: Any, pose: MouthPose, lips: Lips, *, upper: bool) -> None:
    edges = UPPER_TOOTH_EDGES if upper else LOWER_TOOTH_EDGES
    # The arch recedes to the sides, and behind rounded lips.
    squeeze = (1 - 0.12 * pose.round) * (1 + 0.06 * max(pose.wide, 0.0))
    edge_y = lips.upper_teeth if upper else lips.lower_teeth
    if upper and pose.tuck > 0:
        # The lower lip meets the edge of the upper teeth.
        touch = float(lips.lower_inner[lips.centre]) + 0.5
        edge_y += min(max(touch - edge_y, 0.0), TEETH_REACH) * pose.tuck
    away = -1.0 if upper else 1.0
    root_y = edge_y + away * 34
    light = 1.0 if upper else 0.86
    near = rgba(*(int(c * light) for c in pal.TEETH))
    far = rgba(*pal.TEETH_SHADE)
    gum_y = edge_y + away * GUM_DEPTH
    gum = rgba(*pal.MOUTH_WALL)
    stops = [(0.0, near), (0.4, near), (0.80, far), (0.84, gum), (1.0, gum)]
    shade = linear((0, edge_y), (0, gum_y), stops)
    path = skia.Path()
    for left, right in pairwise(edges):
        centre = (left + right) / 2
        arch = away * 0.0042 * centre * centre
        box = skia.Rect.MakeLTRB(
            left * squeeze + 0.25,
            min(edge_y + arch, root_y),
            right * squeeze - 0.25,
            max(edge_y + arch, root_y),
        )
        path.addRRect(skia.RRect.MakeRectXY(box, 2.0, 2.0))
    span = edges[-1] * squeeze
    gums = skia.Rect.MakeLTRB(
        -0.8 * span, min(edge_y + away * 1.4, root_y), 0.8 * span, max(edge_y + away * 1.4, root_y)
    )
    back = [(t, _darker(c, 0.86)) for t, c in stops]
    canvas.drawRect(gums, fill(shader=linear((0, edge_y), (0, gum_y), back), blur=0.8))
    canvas.drawPath(path, fill(shader=shade))
    dark, clear = rgba(*pal.MOUTH_DEEP, 0.9), rgba(*pal.MOUTH_DEEP, 0.0)
    falloff = linear((-span, 0), (span, 0), [(0, dark), (0.36, clear), (0.64, clear), (1, dark)])
    canvas.save()
    canvas.clipPath(path, True)
    canvas.drawPaint(fill(shader=falloff))
    canvas.restore()


def _darker(colour: int, share: float) -> int:
    red, green, blue = ((colour >> shift) & 255 for shift in (16, 8, 0))
    return rgba(int(red * share), int(green * share), int(blue * share))


def _draw_lower_lip(canvas: Any, pose: MouthPose, lips: Lips) -> None:
    middle = lips.centre
    top, bottom = float(lips.lower_inner[middle]), float(lips.lower_outer[middle])
    thick = max(bottom - top, 1.0)
    shape = _between(lips.x, lips.lower_inner, lips.lower_outer)
    stops = [
        (0.0, rgba(*pal.LIP)),
        (0.35, rgba(*pal.LIP_LIT)),
        (0.7, rgba(*pal.LIP)),
        (1.0, rgba(*pal.LIP_SHADE)),
    ]
    shade = linear((-4, top - 1), (4, bottom + 1), stops)
    canvas.drawPath(shape, fill(shader=shade, blur=0.7))
    canvas.save()
    canvas.clipPath(shape, True)
    _draw_side_shade(canvas, lips)
    _draw_creases(canvas, lips.x, lips.lower_inner, lips.lower_outer, lean=0.10)
    calm = (1 - 0.6 * pose.press) * (1 - 0.75 * pose.tuck)
    shine = rgba(*pal.LIP_SHINE, 0.62 * calm)
    blob(canvas, (-9, top + 0.36 * thick), (lips.half * 0.40, thick * 0.32), shine, turn=2)
    blob(canvas, (12, top + 0.40 * thick), (lips.half * 0.22, thick * 0.22), shine, turn=-4)
    canvas.restore()


def _draw_upper_lip(canvas: Any, pose: MouthPose, lips: Lips) -> None:
    middle = lips.centre
    top, bottom = float(lips.upper_outer.min()), float(lips.upper_inner[middle])
    shape = _between(lips.x, lips.upper_outer, lips.upper_inner)
    stops = [
        (0.0, rgba(*pal.LIP_LIT)),
        (0.3, rgba(*pal.LIP)),
        (0.85, rgba(*pal.LIP_SHADE)),
        (1.0, rgba(*pal.LIP_SHADE)),
    ]
    shade = linear((-3, top), (3, bottom + 1), stops)
    canvas.drawPath(shape, fill(shader=shade, blur=0.7))
    canvas.save()
    canvas.clipPath(shape, True)
    _draw_side_shade(canvas, lips)
    _draw_creases(canvas, lips.x, lips.upper_outer, lips.upper_inner, lean=-0.06)
    thick = max(bottom - top, 1.0)
    shine = rgba(*pal.LIP_SHINE, 0.34 * (1 - 0.6 * pose.press))
    blob(canvas, (-lips.half * 0.24, top + 0.34 * thick), (lips.half * 0.2, 3.0), shine, turn=-8)
    blob(canvas, (lips.half * 0.22, top + 0.34 * thick), (lips.half * 0.14, 2.6), shine, turn=8)
    canvas.restore()


def _draw_side_shade(canvas: Any, lips: Lips) -> None:
    """Turn the lips away from the light toward the corners, more on the right."""
    left, right = rgba(*pal.LIP_SHADE, 0.75), rgba(*pal.LIP_LINE, 0.75)
    clear = rgba(*pal.LIP_SHADE, 0.0)
    reach = lips.half
    sides = linear((-reach, 0), (reach, 0), [(0, left), (0.3, clear), (0.62, clear), (1, right)])
    canvas.drawPaint(fill(shader=sides))


def _draw_creases(canvas: Any, x: Curve, top: Curve, bottom: Curve, *, lean: float) -> None:
    path = skia.Path()
    for k in range(6, len(x) - 6, 2):
        inset = 0.24 + 0.10 * ((k * 7) % 5) / 4
        thick = bottom[k] - top[k]
        path.moveTo(x[k], top[k] + inset * thick)
        path.lineTo(x[k] * (1 + lean), bottom[k] - inset * thick)
    canvas.drawPath(path, stroke(rgba(*pal.LIP_SHADE, 0.22), 0.8))


def _draw_seam(canvas: Any, lips: Lips) -> None:
    """Draw the line where closed lips meet; it fades as they part."""
    strength = max(0.0, 1 - lips.gap / 5.0)
    colour = rgba(*pal.LIP_LINE, 0.30 + 0.52 * strength)
    canvas.drawPath(_open_line(lips.x, lips.upper_inner), stroke(colour, 1.5, blur=0.7))
    if strength > 0:
        wide = stroke(rgba(*pal.LIP_LINE, 0.35 * strength), 3.4, blur=1.4)
        canvas.drawPath(_open_line(lips.x, lips.upper_inner), wide)
