"""The mouth's pose: the language that speech and drawing share.

A pose is eight numbers. The speech side turns timed phonemes into a track of poses, the drawing
side turns a pose into lips, teeth, tongue and jaw, and the trainer uses the pose as a second
target beside the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

__all__ = ["POSE_CHANNELS", "POSE_LOWEST", "REST", "MouthPose"]


@dataclass(frozen=True, slots=True)
class MouthPose:
    """One pose of the mouth. All zeros is the mouth at rest: lips closed, jaw up, relaxed."""

    jaw: float = 0.0
    """0 jaw up .. 1 jaw as low as speech takes it (an open "ah"); the chin follows."""
    open: float = 0.0
    """0 lips touching .. 1 the widest gap between the lips. Quality is judged by it."""
    wide: float = 0.0
    """-1 corners drawn in .. 0 relaxed .. 1 corners drawn apart ("ee")."""
    round: float = 0.0
    """0 .. 1 lips protruded to a ring ("oo", "w")."""
    press: float = 0.0
    """0 .. 1 lips pressed on each other so that their red thins out (p, b, m)."""
    tuck: float = 0.0
    """0 .. 1 lower lip drawn under the upper teeth (f, v)."""
    teeth: float = 0.0
    """0 .. 1 teeth together and shown (s, z, sh, ch)."""
    tongue: float = 0.0
    """0 .. 1 tip of the tongue raised to the teeth (th, l, n, t, d)."""

    def array(self) -> NDArray[np.float32]:
        """Return the pose as float32 [8], in the order of `POSE_CHANNELS`."""
        return np.asarray([getattr(self, name) for name in self.__slots__], np.float32)

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> MouthPose:
        """Make a pose from [8] values, each clipped to its range."""
        return cls(*(float(v) for v in np.clip(values, POSE_LOWEST, 1.0)))


POSE_CHANNELS: tuple[str, ...] = tuple(field.name for field in fields(MouthPose))
POSE_LOWEST: tuple[float, ...] = tuple(-1.0 if n == "wide" else 0.0 for n in POSE_CHANNELS)
"""The least of each channel; the most is 1."""
REST = MouthPose()
