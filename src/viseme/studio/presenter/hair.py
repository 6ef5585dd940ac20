"""The hair: a side-parted lob, as strands laid between two guiding curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from viseme.studio.presenter import palette as pal
from viseme.studio.presenter.paint import (
    Layer,
    Point,
    along,
    blob,
    fill,
    linear,
    paint_layer,
    polygon,
    rgba,
    smooth_path,
    stroke,
)

__all__ = ["paint_back_hair", "paint_front_hair"]

HAIR_BOUNDS = (-270.0, -240.0, 270.0, 370.0)
PART: Point = (34.0, -150.0)
"""Where the hair is parted."""


@dataclass(frozen=True)
class Lock:
    """A lock of hair between its edge toward the face and its outer edge, roots first."""

    inner: tuple[Point, ...]
    outer: tuple[Point, ...]
    strands: int
    light: float
    """How much of the key light it gets, 0..1."""
    shine: tuple[float, float]
    """Where along the lock the light is caught: place and width, 0..1."""
    seed: int


LEFT = Lock(
    inner=(
        (36, -150),
        (-30, -132),
        (-92, -92),
        (-132, -30),
        (-147, 44),
        (-150, 112),
        (-162, 182),
        (-166, 246),
        (-140, 322),
    ),
    outer=(
        (36, -214),
        (-44, -222),
        (-128, -186),
        (-180, -104),
        (-198, -6),
        (-208, 92),
        (-216, 174),
        (-242, 256),
        (-208, 346),
    ),
    strands=260,
    light=1.0,
    shine=(0.34, 0.13),
    seed=3,
)
RIGHT = Lock(
    inner=(
        (36, -150),
        (78, -132),
        (122, -84),
        (143, -22),
        (149, 50),
        (152, 114),
        (152, 178),
        (170, 242),
        (138, 318),
    ),
    outer=(
        (36, -214),
        (92, -206),
        (150, -164),
        (184, -92),
        (197, -2),
        (206, 92),
        (214, 174),
        (238, 254),
        (202, 342),
    ),
    strands=220,
    light=0.55,
    shine=(0.30, 0.10),
    seed=4,
)
BACK = (
    (36, -200),
    (-60, -218),
    (-150, -168),
    (-192, -70),
    (-204, 60),
    (-214, 190),
    (-224, 270),
    (-190, 336),
    (-110, 352),
    (0, 346),
    (110, 350),
    (188, 332),
    (222, 262),
    (212, 180),
    (202, 60),
    (190, -70),
    (150, -160),
    (90, -206),
)


def paint_back_hair() -> Layer:
    """Paint the hair behind the neck."""
    return paint_layer(HAIR_BOUNDS, _draw_back)


def paint_front_hair() -> Layer:
    """Paint the two locks that frame the face."""
    return paint_layer(HAIR_BOUNDS, _draw_front)


def _draw_back(canvas: Any) -> None:
    body = smooth_path(BACK, closed=True)
    shade = linear(
        (0, -200),
        (0, 350),
        [(0, rgba(*pal.HAIR)), (0.5, rgba(*pal.HAIR_DEEP)), (1, rgba(*pal.HAIR_DEEP))],
    )
    canvas.drawPath(body, fill(shader=shade, blur=1.2))
    rng = np.random.default_rng(2)
    for _ in range(140):
        x = rng.uniform(-196, 196)
        tip = x * 1.06 + rng.normal(0, 6)
        path = smooth_path(
            [(x * 0.9, 60), (x, 160), (x * 1.06, 260), (tip, 330 + rng.normal(0, 9))]
        )
        canvas.drawPath(
            path, stroke(rgba(*pal.HAIR, rng.uniform(0.08, 0.26)), rng.uniform(1, 2.6), blur=0.7)
        )


def _draw_front(canvas: Any) -> None:
    for lock in (RIGHT, LEFT):
        _draw_lock(canvas, lock)
    _draw_part(canvas)
    _draw_loose_strands(canvas)
    _draw_rim(canvas)


def _draw_lock(canvas: Any, lock: Lock) -> None:
    inner, outer = along(lock.inner, 40), along(lock.outer, 40)
    body = polygon(_body(inner, outer))
    canvas.drawPath(body, fill(rgba(*pal.HAIR_DEEP), blur=1.0))
    # Roots are fine: the edge on the forehead is soft, not cut.
    roots = smooth_path([tuple(p) for p in inner[:18]])
    canvas.drawPath(roots, stroke(rgba(*pal.HAIR_DEEP, 0.55), 7, blur=3.5))
    rng = np.random.default_rng(lock.seed)
    order = rng.permutation(lock.strands)
    along_lock = np.linspace(0, 1, 40)
    for k in order:
        across = float(np.clip((k + 0.5) / lock.strands + rng.normal(0, 0.012), 0.0, 1.0))
        wave = 6.5 * np.sin(along_lock * 8.5 + 1.6 * across + 0.25 * rng.normal())
        wave *= along_lock * (0.4 + 0.6 * across)
        points = inner * (1 - across) + outer * across
        points = points + np.stack([wave, np.zeros_like(wave)], 1)
        end = _reach(across) + rng.uniform(-0.03, 0.05)
        knots = np.clip(np.linspace(0, end, 14), 0, 1) * 39
        strand = np.stack([np.interp(knots, np.arange(40), points[:, i]) for i in (0, 1)], 1)
        _draw_strand(canvas, strand, lock, across, rng)


def _reach(across: float) -> float:
    """Return how far down the lock its strands come: the edges are shorter than the middle."""
    return 0.95 - 0.09 * (2 * across - 1) ** 2


def _body(inner: Any, outer: Any) -> Any:
    """Return the outline of the dark body under the strands, a little shorter than they are."""
    places = np.arange(len(inner))

    def at(edge: Any, place: float) -> Any:
        return np.asarray([np.interp(place * (len(edge) - 1), places, edge[:, i]) for i in (0, 1)])

    hem = [
        at(inner, _reach(a) - 0.05) * (1 - a) + at(outer, _reach(a) - 0.05) * a
        for a in np.linspace(0, 1, 14)
    ]
    return np.concatenate([inner[:31], hem, outer[30::-1]])


def _draw_strand(
    canvas: Any, points: Any, lock: Lock, across: float, rng: np.random.Generator
) -> None:
    # The lock is a rounded ribbon: lit a third of the way across, dark at both edges.
    form = float(np.exp(-(((across - 0.46) / 0.38) ** 2)))
    clump = 0.5 + 0.5 * np.sin(across * 46 + lock.seed)
    bright = (0.25 + 0.75 * form) * lock.light * (0.55 + 0.45 * clump)
    place, width = lock.shine
    place += rng.normal(0, 0.016) + 0.05 * (across - 0.5)
    tone = _mix(pal.HAIR_DEEP, pal.HAIR, 0.35 + 0.65 * form)
    warm = _mix(pal.HAIR, pal.HAIR_LIT, 0.25 + 0.75 * bright)
    shine = _mix(pal.HAIR_LIT, pal.HAIR_SHINE, bright)
    second = place + 0.36
    stops = [
        (0.0, rgba(*_mix(pal.HAIR_DEEP, tone, 0.5))),
        (max(place - 1.5 * width, 0.02), rgba(*tone)),
        (place, rgba(*_mix(tone, shine, bright))),
        (place + 1.3 * width, rgba(*tone)),
        (second, rgba(*_mix(tone, warm, 0.9))),
        (min(second + 0.18, 0.9), rgba(*tone)),
        (0.93, rgba(*_mix(tone, warm, 0.4))),
        (1.0, rgba(*tone, 0.0)),
    ]
    start, end = tuple(points[0]), tuple(points[-1])
    path = smooth_path([tuple(p) for p in points])
    shader = linear(start, end, stops)
    paint = stroke(0xFF000000, float(rng.uniform(0.9, 2.4)), shader=shader)
    paint.setAlphaf(float(rng.uniform(0.55, 0.95)))
    canvas.drawPath(path, paint)


def _draw_part(canvas: Any) -> None:
    """Draw the parting: a narrow line of scalp, and the shade of the roots on both sides."""
    line = smooth_path([(36, -152), (36, -174), (34, -198)])
    canvas.drawPath(line, stroke(rgba(*pal.HAIR_DEEP, 0.6), 9, blur=4))
    canvas.drawPath(line, stroke(rgba(*pal.SKIN_TURN, 0.20), 1.4, blur=0.9))
    blob(canvas, (-64, -172), (130, 40), rgba(*pal.HAIR_LIT, 0.46), turn=-16)
    blob(canvas, (104, -160), (78, 36), rgba(*pal.HAIR_LIT, 0.26), turn=32)


def _draw_loose_strands(canvas: Any) -> None:
    """Draw single hairs that have left their lock, along the outline and beside the face."""
    rng = np.random.default_rng(9)
    for lock in (LEFT, RIGHT):
        for edge, away in ((lock.outer, 1.0), (lock.inner, 0.7)):
            curve = along(edge, 60)
            side = np.sign(curve[-1, 0])
            for _ in range(7):
                start = int(rng.integers(8, 40))
                count = int(rng.integers(12, 24))
                piece = curve[start : start + count : 3].copy()
                swell = np.sin(np.linspace(0, np.pi * rng.uniform(0.6, 1.1), len(piece)))
                piece[:, 0] += side * away * swell * rng.uniform(1, 12)
                tone = pal.HAIR_LIT if rng.uniform() < 0.4 else pal.HAIR
                paint = stroke(rgba(*tone, rng.uniform(0.12, 0.32)), float(rng.uniform(0.5, 0.8)))
                canvas.drawPath(smooth_path([tuple(p) for p in piece]), paint)


def _draw_rim(canvas: Any) -> None:
    """Draw the light from behind on the outline: cool on the right, warm on the window's side."""
    for lock, colour, strength in ((RIGHT, pal.RIM, 0.34), (LEFT, (255, 222, 184), 0.40)):
        curve = along(lock.outer, 60)[6:44]
        curve[:, 0] -= np.sign(curve[:, 0]) * 3.0
        path = smooth_path([tuple(p) for p in curve])
        clear = rgba(*colour, 0.0)
        shader = linear(
            (0, -190), (0, 250), [(0, clear), (0.35, rgba(*colour, strength)), (1, clear)]
        )
        canvas.drawPath(path, stroke(0xFF000000, 5, blur=2.2, shader=shader))


def _mix(low: pal.Rgb, high: pal.Rgb, share: float) -> pal.Rgb:
    red, green, blue = (
        round(a + (b - a) * min(max(share, 0), 1)) for a, b in zip(low, high, strict=True)
    )
    return red, green, blue
