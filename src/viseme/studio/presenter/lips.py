"""The geometry of the mouth: from a pose to the curves of lips, teeth, tongue and jaw.

All in the head's coordinates: the origin between the eyes, y down, the face about 306 wide.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from viseme.studio.mouth import MouthPose

__all__ = ["CHIN_Y", "FULL_GAP", "SEAM_Y", "Curve", "Lips", "jaw_drop", "shape_lips"]

Curve = NDArray[np.float64]

SEAM_Y = 136.0
"""Where the closed lips touch."""
CHIN_Y = 219.0
HALF_WIDTH = 53.0
UPPER_THICKNESS = 13.5
LOWER_THICKNESS = 18.5
FULL_GAP = 56.0
"""The gap between the lips, in the middle, at `open` = 1."""
UPPER_SHARE = 0.17
"""The share of the gap that the upper lip makes by rising."""
JAW_DROP = 42.0
"""How far the chin sinks at `jaw` = 1."""
OPEN_PULLS_JAW = 0.7
"""How far the jaw follows wide open lips when the pose leaves it up."""
UPPER_TEETH_EDGE_Y = SEAM_Y + 7.0

SAMPLES = 41
_U: Curve = np.linspace(-1.0, 1.0, SAMPLES)
_ABS = np.abs(_U)


@dataclass(frozen=True)
class Lips:
    """The mouth of one pose. Curves are [SAMPLES] of y over the common `x`, left to right."""

    x: Curve
    upper_outer: Curve
    upper_inner: Curve
    lower_inner: Curve
    lower_outer: Curve
    half: float
    """Half the width between the corners."""
    drop: float
    """How far the chin has sunk."""
    upper_teeth: float
    """The lower edge of the upper teeth."""
    lower_teeth: float
    """The upper edge of the lower teeth."""
    tongue_top: float
    """The top of the tongue's tip."""

    @property
    def centre(self) -> int:
        """The sample in the middle."""
        return SAMPLES // 2

    @property
    def gap(self) -> float:
        """The gap between the lips in the middle."""
        return float(self.lower_inner[self.centre] - self.upper_inner[self.centre])


def jaw_drop(pose: MouthPose) -> float:
    """Return how far the chin sinks, in units of the head."""
    return JAW_DROP * (pose.jaw + (1 - pose.jaw) * OPEN_PULLS_JAW * pose.open)


def shape_lips(pose: MouthPose) -> Lips:
    """Return the curves of a pose. The gap in the middle is `pose.open` x `FULL_GAP`, always."""
    drop = jaw_drop(pose)
    half = HALF_WIDTH * (1 + 0.19 * pose.wide) * (1 - 0.42 * pose.round) * (1 - 0.09 * drop / 42)
    smile = max(pose.wide, 0.0)

    middle = SEAM_Y + 0.16 * drop * (1 - pose.open) - 2.0 * pose.tuck
    corner = SEAM_Y - 5.2 + 0.24 * drop - 4.0 * smile + 1.5 * pose.round
    seam = middle + (corner - middle) * _ABS**2.1 + _bow_of_seam(pose)

    gap = FULL_GAP * pose.open
    fullness = 0.8 - 0.24 * pose.round - 0.16 * pose.open
    upper_inner = seam - UPPER_SHARE * gap * (1 - _ABS**2.2) ** fullness
    lower_inner = seam + (1 - UPPER_SHARE) * gap * (1 - _ABS**2.6) ** fullness

    upper, lower = _thickness(pose)
    reach = half * (1 + 0.025 * (1 - pose.open))
    return Lips(
        x=_U * reach,
        upper_outer=upper_inner - upper,
        upper_inner=upper_inner,
        lower_inner=lower_inner,
        lower_outer=lower_inner + lower,
        half=half,
        drop=drop,
        upper_teeth=UPPER_TEETH_EDGE_Y - 3.0 * pose.round + 1.5 * pose.teeth,
        lower_teeth=_lower_teeth(pose, drop),
        tongue_top=UPPER_TEETH_EDGE_Y - 3.0 + 26.0 * (1 - pose.tongue),
    )


def _bow_of_seam(pose: MouthPose) -> Curve:
    """Return the gentle M of the closed lips, flattened as they stretch or round."""
    flat = 1 - 0.5 * abs(pose.wide) - 0.4 * pose.round
    dip = 1.9 * np.exp(-((_U / 0.2) ** 2))
    rise = 1.5 * np.exp(-(((_ABS - 0.42) / 0.22) ** 2))
    return np.asarray(flat * (dip - rise), np.float64)


def _thickness(pose: MouthPose) -> tuple[Curve, Curve]:
    """Return how thick the red of the upper and of the lower lip is, [SAMPLES] each."""
    smile = max(pose.wide, 0.0)
    common = (1 - 0.55 * pose.press) * (1 + 0.16 * pose.round) * (1 - 0.14 * smile)
    upper_full = UPPER_THICKNESS * common * (1 - 0.16 * pose.open)
    lower_full = LOWER_THICKNESS * common * (1 - 0.12 * pose.open) * (1 - 0.55 * pose.tuck)
    # Cupid's bow: two peaks beside the middle, then a slope to the corner.
    slope = np.clip((1 - _ABS) / 0.76, 0, 1) ** (0.84 - 0.34 * pose.round)
    notch = 0.20 * (1 - 0.4 * pose.round) * np.exp(-((_U / 0.13) ** 2))
    upper = upper_full * (slope - notch - 0.05 * np.exp(-((_U / 0.3) ** 2)))
    lower = lower_full * (1 - _ABS ** (2.8 + 0.2 * pose.round)) ** (0.76 - 0.2 * pose.round)
    return np.maximum(upper, 0.0), np.asarray(lower, np.float64)


def _lower_teeth(pose: MouthPose, drop: float) -> float:
    apart = UPPER_TEETH_EDGE_Y + 3.0 + 0.72 * drop
    together = UPPER_TEETH_EDGE_Y + 2.2
    return apart + (together - apart) * pose.teeth
