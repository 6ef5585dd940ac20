"""The idle motion: where the head, the chest and the eyelids are in each frame.

Everything is a sum of cosines of whole half-periods over the clip, so the motion comes to rest at
both ends: played forward and backward in turn it has no jump and no kink.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import cos, pi, radians, sin

import numpy as np
from numpy.typing import NDArray

__all__ = ["FRAME_COUNT", "HEIGHT", "WIDTH", "Idle", "idle"]

WIDTH, HEIGHT = 1280, 720
FRAME_COUNT = 300

HEAD_SCALE = 1.04
"""Pixels of the frame per unit of the head's own coordinates."""
HEAD_HOME = (640.0, 292.0)
"""Where the middle between the eyes rests on the frame."""
HEAD_PIVOT = (0.0, 260.0)
"""The point of the neck that the head tilts about, in the head's coordinates."""

BLINK_AT = (31, 94, 131, 203, 268)
BLINK_SHAPE = (0.35, 0.85, 1.0, 0.92, 0.6, 0.25)
"""How far the lids are closed in each frame of a blink: quicker down than up."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The state of the body in one frame."""

    head: tuple[float, float, float, float, float, float]
    """The affine map (a, b, c, d, e, f) from head coordinates: x' = a x + b y + c, ..."""
    breath: float
    """0 breathed out .. 1 breathed in."""
    blink: float
    """0 eyes open .. 1 closed."""
    brows: float
    """How far the brows are raised, in units of the head."""
    gaze: tuple[float, float]
    """How far the irises have moved, in units of the head."""
    hair: float
    """How far the tips of the hair lag behind the head, in units of the head."""
    chest: tuple[float, float]
    """How far the chest has moved, in pixels."""

    def matrix(self) -> NDArray[np.float64]:
        """Return `head` as [2, 3]."""
        return np.asarray(self.head, np.float64).reshape(2, 3)


def _sway(index: int, *waves: tuple[float, int]) -> float:
    """Return the sum of amplitude x cos(half-periods x pi x place in the clip)."""
    place = index / (FRAME_COUNT - 1)
    return sum(amplitude * cos(pi * halves * place) for amplitude, halves in waves)


@lru_cache(maxsize=FRAME_COUNT)
def idle(index: int) -> Idle:
    """Return the state of the body in frame `index`, 0 .. FRAME_COUNT - 1."""
    if not 0 <= index < FRAME_COUNT:
        raise IndexError(f"The presenter has frames 0 to {FRAME_COUNT - 1}, not {index}.")
    breath = 0.5 - 0.5 * _sway(index, (1.0, 6))
    turn = radians(_sway(index, (0.75, 3), (0.35, 7), (0.2, 10)))
    scale = HEAD_SCALE * (1 + _sway(index, (0.004, 2), (0.002, 5)))
    shift_x = _sway(index, (4.2, 2), (2.2, 5), (0.8, 11))
    shift_y = _sway(index, (1.6, 4), (1.0, 9)) - 2.0 * breath
    a, b = scale * cos(turn), -scale * sin(turn)
    pivot_x, pivot_y = HEAD_PIVOT
    home_x, home_y = HEAD_HOME
    # The pivot stays where it is without tilt; the head turns about it.
    c = home_x + shift_x + HEAD_SCALE * pivot_x - (a * pivot_x + b * pivot_y)
    f = home_y + shift_y + HEAD_SCALE * pivot_y - (-b * pivot_x + a * pivot_y)
    return Idle(
        head=(a, b, c, -b, a, f),
        breath=breath,
        blink=_blink(index),
        brows=_sway(index, (0.9, 5), (0.7, 8)),
        gaze=(_sway(index, (0.7, 5), (0.4, 9)), _sway(index, (0.35, 7))),
        hair=-_sway(max(index - 4, 0), (2.0, 2), (1.4, 5)),
        chest=(_sway(index, (1.4, 2)), -2.6 * breath),
    )


def _blink(index: int) -> float:
    for start in BLINK_AT:
        if start <= index < start + len(BLINK_SHAPE):
            return BLINK_SHAPE[index - start]
    return 0.0
