"""Eyes and brows, drawn anew in each frame, since they blink, look about and rise."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import skia

from viseme.studio.presenter import palette as pal
from viseme.studio.presenter.motion import Idle
from viseme.studio.presenter.paint import (
    Point,
    along,
    blob,
    fill,
    linear,
    radial,
    rgba,
    smooth_path,
    stroke,
)

__all__ = ["EYE_X", "draw_brows", "draw_eyes"]

EYE_X = 69.0
"""How far each eye's centre is from the middle of the face."""
EYE_SIZE = 1.26
BROW_HAIRS = 260
IRIS_RADIUS = 15.4
# One eye, inner corner at negative x, as seen on the right of the picture.
UPPER_LID_OPEN: tuple[Point, ...] = (
    (-32, 6.0),
    (-25, -2),
    (-13, -10.5),
    (1, -13.8),
    (15, -11.5),
    (26, -5),
    (34, 0.5),
)
LOWER_LID: tuple[Point, ...] = (
    (-32, 6.0),
    (-22, 8.5),
    (-8, 11.6),
    (6, 12.4),
    (18, 10.2),
    (27, 6.0),
    (34, 0.5),
)
LASH_COUNT = 17


def draw_eyes(canvas: Any, idle: Idle) -> None:
    """Draw both eyes in the head's coordinates."""
    for side in (-1, 1):
        canvas.save()
        canvas.translate(side * EYE_X, 0.6 if side > 0 else 0)
        canvas.scale(side * EYE_SIZE, EYE_SIZE)
        _draw_eye(canvas, idle, side)
        canvas.restore()


def _draw_eye(canvas: Any, idle: Idle, side: int) -> None:
    upper = _upper_lid(idle)
    opening = smooth_path([*upper, *LOWER_LID[-2:0:-1]], closed=True)
    if idle.blink < 0.97:
        canvas.save()
        canvas.clipPath(opening, True)
        white = linear(
            (0, -18),
            (0, 14),
            [(0, rgba(176, 160, 158)), (0.45, rgba(*pal.EYE_WHITE)), (1, rgba(226, 212, 206))],
        )
        canvas.drawPaint(fill(shader=white))
        blob(canvas, (-32, 5), (9, 8), rgba(214, 130, 116, 0.8))
        blob(canvas, (34, 2), (12, 10), rgba(170, 120, 110, 0.5))
        _draw_iris(canvas, (side * idle.gaze[0], idle.gaze[1] - 1.6), side)
        shade = smooth_path(upper)
        canvas.drawPath(shade, stroke(rgba(40, 20, 20, 0.62), 9, blur=3.2))
        canvas.restore()
    if idle.blink > 0:
        _draw_lid(canvas, upper, idle.blink)
    wet = smooth_path([(x, y - 0.4) for x, y in LOWER_LID])
    canvas.drawPath(wet, stroke(rgba(236, 176, 158, 0.8), 2.2, blur=0.6))
    lower_edge = smooth_path([(x, y + 1.2) for x, y in LOWER_LID[2:]])
    canvas.drawPath(lower_edge, stroke(rgba(*pal.LASH, 0.28), 1.4, blur=0.9))
    _draw_lashes(canvas, upper, idle.blink)
    crease = [(x * 1.02 + 0.5, y - 8.5 + 4 * idle.blink) for x, y in UPPER_LID_OPEN[1:]]
    canvas.drawPath(smooth_path(crease), stroke(rgba(*pal.SKIN_DEEP, 0.55), 1.8, blur=0.9))
    canvas.drawPath(smooth_path(crease), stroke(rgba(*pal.SKIN_SHADE, 0.5), 6, blur=3))


def _upper_lid(idle: Idle) -> list[Point]:
    closed = [_lower_at(x) - 0.8 for x, _ in UPPER_LID_OPEN]
    return [
        (x, y + (shut - y) * idle.blink)
        for (x, y), shut in zip(UPPER_LID_OPEN, closed, strict=True)
    ]


def _lower_at(x: float) -> float:
    return float(np.interp(x, [p[0] for p in LOWER_LID], [p[1] for p in LOWER_LID]))


def _draw_lid(canvas: Any, upper: list[Point], blink: float) -> None:
    """Draw the skin of the closing lid over the part of the eye that it covers."""
    covered = smooth_path([*UPPER_LID_OPEN, *upper[-2:0:-1]], closed=True)
    skin = linear(
        (0, -18),
        (0, 13),
        [(0, rgba(*pal.SKIN_TURN)), (0.6, rgba(*pal.SKIN)), (1, rgba(*pal.SKIN_TURN))],
    )
    canvas.drawPath(covered, fill(shader=skin, blur=0.8))
    blob(canvas, (-2, -3), (22, 8), rgba(*pal.SKIN_LIT, 0.55 * blink))


def _draw_iris(canvas: Any, centre: Point, side: int) -> None:
    x, y = centre
    disc = radial(
        (x, y + 5),
        IRIS_RADIUS + 5,
        [
            (0, rgba(*pal.IRIS_LIT)),
            (0.45, rgba(*pal.IRIS)),
            (0.8, rgba(*pal.IRIS_DEEP)),
            (1, rgba(*pal.IRIS_DEEP)),
        ],
    )
    canvas.drawCircle(x, y, IRIS_RADIUS, fill(shader=disc, blur=0.6))
    canvas.save()
    canvas.translate(x, y)
    canvas.drawPath(_fibres(), stroke(rgba(*pal.IRIS_LIT, 0.34), 0.8))
    canvas.restore()
    canvas.drawCircle(x, y, IRIS_RADIUS - 0.8, stroke(rgba(18, 26, 26, 0.75), 2.2, blur=0.8))
    canvas.drawCircle(x, y, 6.6, fill(rgba(8, 8, 10), blur=0.6))
    blob(canvas, (x, y + 8), (10, 6), rgba(214, 220, 170, 0.55))
    # The window is at the left of the picture for both eyes, so it is not mirrored.
    canvas.drawOval(
        skia.Rect.MakeXYWH(x - 5.2 * side - 3.4, y - 9.0, 6.8, 6.2),
        fill(rgba(255, 255, 255, 0.96), blur=0.5),
    )
    blob(canvas, (x + 5.5 * side, y + 5.5), (3.4, 2.8), rgba(220, 240, 255, 0.8))


@lru_cache(maxsize=1)
def _fibres() -> Any:
    rng = np.random.default_rng(5)
    path = skia.Path()
    for angle in np.linspace(0, 2 * np.pi, 44, endpoint=False):
        turn = angle + rng.uniform(-0.05, 0.05)
        start, end = rng.uniform(6.5, 8.5), rng.uniform(10.5, IRIS_RADIUS - 1.5)
        path.moveTo(start * np.cos(turn), start * np.sin(turn))
        path.lineTo(end * np.cos(turn), end * np.sin(turn))
    return path


def _draw_lashes(canvas: Any, upper: list[Point], blink: float) -> None:
    """Draw the dark edge of the upper lid, thicker outward, and the lashes on it."""
    xs = np.linspace(-31, 34, 30)
    ys = np.asarray(_curve_at(upper, xs))
    grow = np.linspace(0.6, 3.6, 30)
    grow[-1] = 0.6
    top = list(zip(xs.tolist(), (ys - grow).tolist(), strict=True))
    low = list(zip(xs.tolist(), (ys + 0.5).tolist(), strict=True))
    canvas.drawPath(
        smooth_path([*top, *low[::-1]], closed=True), fill(rgba(*pal.LASH, 0.95), blur=0.4)
    )
    lashes = skia.Path()
    for k, x in enumerate(np.linspace(-10, 33, LASH_COUNT).tolist()):
        share = k / (LASH_COUNT - 1)
        y = float(_curve_at(upper, np.asarray([x]))[0]) - 1.0
        length = (2.5 + 7.0 * share + 0.8 * ((k * 5) % 3 - 1)) * (1 - 0.3 * blink)
        lean, rise = 0.25 + 0.75 * share, (1 - 0.45 * share) * (1 - 1.8 * blink)
        tip = (x + lean * length, y - rise * length)
        bend = (x + 0.75 * lean * length, y - 0.25 * rise * length)
        lashes.moveTo(x - 1.0, y)
        lashes.quadTo(*bend, *tip)
        lashes.quadTo(bend[0] + 0.6, bend[1] + 0.6, x + 1.0, y + 0.4)
        lashes.close()
    canvas.drawPath(lashes, fill(rgba(*pal.LASH, 0.85), blur=0.3))


def _curve_at(points: list[Point], xs: Any) -> Any:
    """Return the heights of a smooth curve through `points` at `xs`."""
    dense = along(points, 60)
    return np.interp(xs, dense[:, 0], dense[:, 1])


def draw_brows(canvas: Any, idle: Idle) -> None:
    """Draw both brows as soft bodies with strokes of hair."""
    canvas.save()
    canvas.translate(0, -idle.brows)
    for side in (-1, 1):
        canvas.save()
        canvas.translate(0, 1.5 if side > 0 else 0)
        canvas.scale(side, 1)
        for path, colour, width, blur in _brow():
            canvas.drawPath(path, stroke(colour, width, blur=blur))
        canvas.restore()
    canvas.restore()


@lru_cache(maxsize=1)
def _brow() -> list[tuple[Any, int, float, float]]:
    spine = [(30, -49), (48, -54.5), (72, -59), (95, -56), (118, -44)]
    rng = np.random.default_rng(11)
    soft = smooth_path(spine)
    parts: list[tuple[Any, int, float, float]] = [(soft, rgba(*pal.BROW, 0.42), 8.0, 3.4)]
    curve = along(spine, 60)
    for _ in range(BROW_HAIRS):
        t = float(rng.uniform(0, 1)) ** 0.9
        k = min(int(t * 56), 55)
        root, ahead = curve[k], curve[k + 4] - curve[k]
        ahead = ahead / np.hypot(*ahead)
        thick = 5.6 * (1 - t) ** 0.4 * min(1.0, 0.5 + 3 * t)
        offset = float(rng.uniform(-1, 1))
        # Hairs rise at the inner end, then lie along the brow and close in on its spine.
        rise = -0.75 * (1 - t) ** 2.5 - 0.28 * offset
        aim = np.asarray([ahead[0] + 0.3 * ahead[1] * rise, ahead[1] + rise])
        length = float(rng.uniform(7, 11)) * (1 - 0.3 * t)
        start = root + np.asarray((0, offset * thick))
        end = start + aim * length
        bend = start + aim * length * 0.5 + np.asarray((0, -0.6))
        hair = skia.Path()
        hair.moveTo(*start)
        hair.quadTo(*bend, *end)
        tone = rgba(*pal.BROW, float(rng.uniform(0.35, 0.75)) * min(1.0, 0.35 + 4 * t))
        parts.append((hair, tone, float(rng.uniform(0.7, 1.2)), 0.0))
    return parts
