"""The figures of quality, from series of openings and errors; pure functions, easy to check."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Figures", "correlation", "correlations", "psnr_db", "seen_closed"]

Series = NDArray[np.float32]

CLOSED = 0.06
"""A measured opening below this is a closed mouth: about two pixels of the crop."""
REST_PSNR_DB = 30.0
"""A mouth at rest is closed and, in its region, this near to the drawing at rest."""
GOALS = {
    "correlation": 0.90,
    "offset": 1,
    "closures": 0.90,
    "psnr": 30.0,
    "gain": 6.0,
    "rest": 0.99,
}


@dataclass(frozen=True, slots=True)
class Figures:
    """What `viseme evaluate` found."""

    correlation: float
    """Pearson's, of the drawn mouth's opening with the true one, all sentences together."""
    best_offset: int
    """Frames by which the drawn opening lags the true one where they agree best."""
    correlation_by_offset: dict[int, float]
    closures_seen: int
    closures: int
    """p, b and m in the sentences."""
    mouth_psnr_db: float
    """The mean over the spoken frames."""
    untouched_psnr_db: float
    """Of the same frames with their mouths left as they were."""
    at_rest: int
    silent: int
    """Frames of silence and of low noise."""
    frames: int
    seconds: float

    def rows(self) -> list[tuple[str, str, str, bool]]:
        """Return name, value, goal and whether the goal is met, for a table."""
        gain = self.mouth_psnr_db - self.untouched_psnr_db
        closed = self.closures_seen / max(1, self.closures)
        rest = self.at_rest / max(1, self.silent)
        return [
            (
                "correlation of the mouth's opening",
                f"{self.correlation:.3f}",
                f"{GOALS['correlation']:.2f}",
                self.correlation >= GOALS["correlation"],
            ),
            (
                "best offset, in frames",
                f"{self.best_offset:+d}",
                f"within {GOALS['offset']}",
                abs(self.best_offset) <= GOALS["offset"],
            ),
            (
                "p, b, m seen to close within 1 frame",
                f"{closed:.1%} of {self.closures}",
                f"{GOALS['closures']:.0%}",
                closed >= GOALS["closures"],
            ),
            (
                "PSNR of the mouth's region, spoken frames",
                f"{self.mouth_psnr_db:.1f} dB",
                f"{GOALS['psnr']:.0f} dB",
                self.mouth_psnr_db >= GOALS["psnr"],
            ),
            (
                "… above the mouth left as it was",
                f"{gain:.1f} dB",
                f"{GOALS['gain']:.0f} dB",
                gain >= GOALS["gain"],
            ),
            (
                "silent and low-noise frames at rest",
                f"{rest:.1%} of {self.silent}",
                f"{GOALS['rest']:.0%}",
                rest >= GOALS["rest"],
            ),
        ]


def correlation(drawn: list[Series], true: list[Series], offset: int = 0) -> float:
    """Return Pearson's correlation of ``drawn[t + offset]`` with ``true[t]``, clips pooled."""
    pairs = [_shifted(d, t, offset) for d, t in zip(drawn, true, strict=True)]
    x = np.concatenate([d for d, _ in pairs])
    y = np.concatenate([t for _, t in pairs])
    return float(np.corrcoef(x, y)[0, 1])


def correlations(drawn: list[Series], true: list[Series], reach: int = 6) -> dict[int, float]:
    """Return the correlation at every offset from ``-reach`` to ``reach`` frames."""
    return {offset: correlation(drawn, true, offset) for offset in range(-reach, reach + 1)}


def seen_closed(opening: Series, frame: int) -> bool:
    """Tell whether the lips are seen to close within 1 frame of ``frame``."""
    near = opening[max(0, frame - 1) : frame + 2]
    return bool(len(near) and near.min() < CLOSED)


def psnr_db(squared_errors: Series) -> NDArray[np.float64]:
    """Return each frame's PSNR from its mean squared error of 8-bit values."""
    return np.asarray(10 * np.log10(255.0**2 / np.maximum(squared_errors, 1e-6)), np.float64)


def _shifted(drawn: Series, true: Series, offset: int) -> tuple[Series, Series]:
    if offset >= 0:
        return drawn[offset:], true[: len(true) - offset]
    return drawn[:offset], true[-offset:]
